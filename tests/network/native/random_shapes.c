/* The convolutions in both forms against their definition in double, over random shapes and numbers of threads:
   `random_shapes COUNT SEED`. It says what differs and returns 1, or 0. */
#include "winograd.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct { const char *name; const winograd_form *compute; } FORM[] = {
    {"avx2", &winograd_avx2}, {"avx512", &winograd_avx512}};

static float *numbers(size_t count)
{
    float *made = malloc((count + 1) * sizeof(float));  /* one more: an empty array is no error */
    for (size_t i = 0; i < count; i++)
        made[i] = rand() / (float)RAND_MAX - 0.5f;
    return made;
}

/* Adds to y or, by_kernel, to the kernel's gradient; with turned the kernel is [3, 3, filters, channels]. */
static void define(const float *x, const float *kernel, const float *dy, double *result, convolution_shape s, int turned)
{
    for (size_t n = 0; n < s.images; n++)
        for (size_t i = 0; i < s.height; i++)
            for (size_t j = 0; j < s.width; j++)
                for (size_t tap = 0; tap < 9; tap++) {
                    size_t row = i + tap / 3 - 1, column = j + tap % 3 - 1;  /* wraps around where it is outside */
                    if (row >= s.height || column >= s.width)
                        continue;
                    const float *in = x + ((n * s.height + row) * s.width + column) * s.channels;
                    size_t out = ((n * s.height + i) * s.width + j) * s.filters;
                    for (size_t c = 0; c < s.channels; c++)
                        for (size_t f = 0; f < s.filters; f++)
                            if (dy)
                                result[(tap * s.channels + c) * s.filters + f] += (double)in[c] * dy[out + f];
                            else
                                result[out + f] += (double)in[c] * kernel[turned ? ((8 - tap) * s.filters + f) *
                                    s.channels + c : (tap * s.channels + c) * s.filters + f];
                }
}

static int differs(const char *what, const char *form, const float *found, const double *truth, size_t count,
                   convolution_shape s, int threads)
{
    double most = 0, scale = 1e-3;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(found[i] - truth[i]));
        scale = fmax(scale, fabs(truth[i]));
    }
    if (most <= 1e-4 * scale)
        return 0;
    printf("%s, %s: %g of %g, images %zu of %zux%zu, %zu channels, %zu filters, %d threads\n", what, form, most, scale,
           s.images, s.height, s.width, s.channels, s.filters, threads);
    return 1;
}

int main(int count, char **words)
{
    int shapes = count > 1 ? atoi(words[1]) : 10, wrong = 0;
    srand(count > 2 ? atoi(words[2]) : 0);
    for (int number = 0; number < shapes; number++) {
        convolution_shape s = {rand() % 5, 1 + rand() % 9, 1 + rand() % 9, 16 * (1 + rand() % 2), 16 * (1 + rand() % 3)};
        int threads = 1 + rand() % 4;
        size_t pixels = s.images * s.height * s.width, taps = 9 * s.channels * s.filters;
        float *x = numbers(pixels * s.channels), *kernel = numbers(taps), *dy = numbers(pixels * s.filters);
        for (size_t form = 0; form < 2; form++) {
            if (s.filters % FORM[form].compute->strip)
                continue;
            for (int turned = 0; turned < 2; turned++) {
                double *truth = calloc(pixels * s.filters + 1, sizeof(double));
                float *found = malloc((pixels * s.filters + 1) * sizeof(float));
                define(x, kernel, NULL, truth, s, turned);
                wrong |= FORM[form].compute->convolution(x, kernel, found, s, turned, threads);
                wrong |= differs(turned ? "turned" : "convolution", FORM[form].name, found, truth, pixels * s.filters, s,
                                 threads);
                free(truth), free(found);
            }
            double *truth = calloc(taps, sizeof(double));
            float *found = malloc(taps * sizeof(float));
            define(x, NULL, dy, truth, s, 0);
            wrong |= FORM[form].compute->kernel_gradient(x, dy, found, s, threads);
            wrong |= differs("kernel's gradient", FORM[form].name, found, truth, taps, s, threads);
            free(truth), free(found);
        }
        free(x), free(kernel), free(dy);
    }
    printf("%d shapes\n", shapes);
    return wrong != 0;
}
