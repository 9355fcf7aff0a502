/* The convolutions in all forms against their definition in double, over random shapes and numbers of threads:
   `random_shapes COUNT SEED`. It says what differs and returns 1, or 0. */
#include "winograd.h"
#include <math.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* most: how far numbers may be from the truth, as a part of the largest. */
static const struct { const char *name; const winograd_form *compute; int bfloat16; double most; } FORM[] = {
    {"avx2", &winograd_avx2, 0, 1e-4}, {"avx512", &winograd_avx512, 0, 1e-4},
#if WINOGRAD_BFLOAT16
    {"avx512bf16", &winograd_avx512bf16, 1, 0.05},
#endif
};

/* Numbers that are in bfloat16, too. */
static float *numbers(size_t count)
{
    float *made = malloc((count + 1) * sizeof(float));  /* one more: an empty array is no error */
    for (size_t i = 0; i < count; i++)
        made[i] = (rand() % 255 - 127) / 256.f;
    return made;
}

/* The numbers as a form has them. */
static void *elements(const float *from, size_t count, int bfloat16)
{
    float *made = malloc((count + 1) * sizeof(float));
    memcpy(made, from, count * sizeof(float));
    for (size_t i = 0; i < count && bfloat16; i++)
        ((uint16_t *)made)[i] = ((uint16_t *)(from + i))[1];
    return made;
}

static float number(const void *elements, size_t i, int bfloat16)
{
    uint16_t halves[2] = {0, bfloat16 ? ((const uint16_t *)elements)[i] : 0};
    float whole;
    memcpy(&whole, halves, sizeof whole);
    return bfloat16 ? whole : ((const float *)elements)[i];
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

static int differs(const char *what, size_t form, const void *found, int bfloat16, const double *truth, size_t count,
                   convolution_shape s, int threads)
{
    double most = 0, scale = 1e-3;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs(number(found, i, bfloat16) - truth[i]));
        scale = fmax(scale, fabs(truth[i]));
    }
    if (most <= FORM[form].most * scale)
        return 0;
    printf("%s, %s: %g of %g, images %zu of %zux%zu, %zu channels, %zu filters, %d threads\n", what, FORM[form].name,
           most, scale, s.images, s.height, s.width, s.channels, s.filters, threads);
    return 1;
}

/* One form's convolutions, and its gradient by the kernel, of one shape. */
static int check(size_t form, convolution_shape s, int threads)
{
    const winograd_form *compute = FORM[form].compute;
    int bfloat16 = FORM[form].bfloat16, wrong = 0;
    size_t pixels = s.images * s.height * s.width, taps = 9 * s.channels * s.filters, outputs = pixels * s.filters;
    float *x = numbers(pixels * s.channels), *kernel = numbers(taps), *dy = numbers(outputs);
    void *own_x = elements(x, pixels * s.channels, bfloat16), *own_dy = elements(dy, outputs, bfloat16);
    for (int turned = 0; turned < 2; turned++) {
        float *bias = rand() % 2 ? numbers(s.filters) : NULL, *skip = rand() % 2 ? numbers(outputs) : NULL;
        void *own_skip = skip ? elements(skip, outputs, bfloat16) : NULL;
        double *truth = calloc(outputs + 1, sizeof(double));
        for (size_t i = 0; i < outputs; i++)
            truth[i] = (bias ? bias[i % s.filters] : 0) + (skip ? skip[i] : 0);
        void *found = malloc((outputs + 1) * sizeof(float));
        define(x, kernel, NULL, truth, s, turned);
        wrong |= compute->convolution(own_x, kernel, (winograd_sums){bias, own_skip}, found, s, turned, threads);
        wrong |= differs(turned ? "turned" : "convolution", form, found, bfloat16, truth, outputs, s, threads);
        free(truth), free(found), free(bias), free(skip), free(own_skip);
    }
    double *truth = calloc(taps, sizeof(double));
    float *found = malloc(taps * sizeof(float));
    define(x, NULL, dy, truth, s, 0);
    wrong |= compute->kernel_gradient(own_x, own_dy, found, s, threads);
    wrong |= differs("kernel's gradient", form, found, 0, truth, taps, s, threads);
    free(truth), free(found), free(x), free(kernel), free(dy), free(own_x), free(own_dy);
    return wrong;
}

int main(int count, char **words)
{
    int shapes = count > 1 ? atoi(words[1]) : 10, wrong = 0;
    srand(count > 2 ? atoi(words[2]) : 0);
    for (int number = 0; number < shapes; number++) {
        convolution_shape s = {rand() % 5, 1 + rand() % 9, 1 + rand() % 9, 16 * (1 + rand() % 2), 16 * (1 + rand() % 3)};
        int threads = 1 + rand() % 4;
        if (number % 10 == 9)  /* so many sums that several blocks are summed together, and windows for two rounds */
            s.images += 7, s.channels = 96, s.filters = 64;
        for (size_t form = 0; form < sizeof FORM / sizeof *FORM; form++)
            if (s.filters % FORM[form].compute->strip == 0 && !(FORM[form].bfloat16 && s.channels % 32))
                wrong |= check(form, s, threads);
    }
    printf("%d shapes\n", shapes);
    return wrong != 0;
}
