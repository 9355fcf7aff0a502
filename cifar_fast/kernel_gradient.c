/* The gradient of a 3×3 convolution by its kernel, for stride 1 and "same" padding with zeros, in float32:

       out[a][b][c][f] = Σ x[i][h + a - 1][w + b - 1][c] · dy[i][h][w][f]   over images i, rows h and columns w

   A tile of it, the three taps of a kernel's row by 32 filters, is twelve vectors of AVX2. With three numbers of x and
   a vector of dy they fill the sixteen registers, and what is loaded serves four and three products. So that all is
   read in order, x is transposed into a plane for each channel, with a margin of zeros, and dy is cut into strips of 32
   filters: as much of a strip at a time as stays in the nearest cache while it meets every channel and row of taps. */
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 3, LANES = 8, VECTORS = 4, FILTERS = LANES * VECTORS, TILE = SIDE * FILTERS, CACHED = 16 << 10 };

/* Adds to a tile what some rows of some images give; x: where their windows begin; plane and pitch: how far apart the
   images and the rows are. */
__attribute__((target("avx2,fma")))
static void add_to_tile(float *tile, const float *x, const float *dy, size_t images, size_t plane, size_t rows,
                        size_t pitch, size_t width)
{
    __m256 sums[SIDE][VECTORS];
    for (int b = 0; b < SIDE; b++)
        for (int v = 0; v < VECTORS; v++)
            sums[b][v] = _mm256_setzero_ps();
    for (size_t i = 0; i < images; i++, x += plane)
        for (size_t h = 0; h < rows; h++)
            for (size_t w = 0; w < width; w++, dy += FILTERS) {
                const float *window = x + h * pitch + w;
                __m256 left = _mm256_broadcast_ss(window), middle = _mm256_broadcast_ss(window + 1),
                       right = _mm256_broadcast_ss(window + 2);
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; v++) {
                    __m256 d = _mm256_loadu_ps(dy + v * LANES);
                    sums[0][v] = _mm256_fmadd_ps(left, d, sums[0][v]);
                    sums[1][v] = _mm256_fmadd_ps(middle, d, sums[1][v]);
                    sums[2][v] = _mm256_fmadd_ps(right, d, sums[2][v]);
                }
            }
#pragma GCC unroll 3
    for (int b = 0; b < SIDE; b++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) {
            float *part = tile + b * FILTERS + v * LANES;
            _mm256_storeu_ps(part, _mm256_add_ps(_mm256_loadu_ps(part), sums[b][v]));
        }
}

/* x: [images, height, width, channels]. dy: [images, height, width, filters], filters a multiple of 32.
   out: [3, 3, channels, filters]. Returns 0, or -1 where there is no memory for it. */
int kernel_gradient(const float *x, const float *dy, float *out, size_t images, size_t height, size_t width,
                    size_t channels, size_t filters)
{
    size_t row = width * FILTERS * sizeof(float), image = row * height;  /* of a strip, in bytes */
    size_t group = CACHED / image, block = CACHED / row;  /* images and rows at a time */
    group = group < 1 ? 1 : group > images ? images : group;
    block = block < 1 ? 1 : block > height || group > 1 ? height : block;

    size_t strips = filters / FILTERS, pixels = height * width;
    size_t pitch = width + SIDE - 1, plane = (height + SIDE - 1) * pitch;
    float *planes = calloc(channels * group * plane, sizeof(float));  /* [channels][group][height + 2][width + 2] */
    float *cut = malloc(group * pixels * filters * sizeof(float));    /* [strips][group][height][width][32] */
    float *tiles = calloc(strips * SIDE * channels * TILE, sizeof(float));  /* [strips][3][channels][3][32] */
    int failed = !planes || !cut || !tiles;

    for (size_t first = 0; first < images && !failed; first += group) {
        size_t n = images - first < group ? images - first : group;
        for (size_t i = 0; i < n; i++)
            for (size_t h = 0; h < height; h++)
                for (size_t w = 0; w < width; w++) {
                    size_t pixel = h * width + w, from = (first + i) * pixels + pixel;
                    float *to = planes + i * plane + (h + SIDE / 2) * pitch + w + SIDE / 2;
                    for (size_t c = 0; c < channels; c++)
                        to[c * group * plane] = x[from * channels + c];
                    for (size_t s = 0; s < strips; s++)
                        memcpy(cut + ((s * n + i) * pixels + pixel) * FILTERS, dy + from * filters + s * FILTERS,
                               FILTERS * sizeof(float));
                }
        for (size_t s = 0; s < strips; s++)
            for (size_t h = 0; h < height; h += block)
                for (size_t a = 0; a < SIDE; a++)
                    for (size_t c = 0; c < channels; c++)
                        add_to_tile(tiles + ((s * SIDE + a) * channels + c) * TILE,
                                    planes + c * group * plane + (h + a) * pitch,
                                    cut + (s * n * pixels + h * width) * FILTERS, n, plane,
                                    height - h < block ? height - h : block, pitch, width);
    }
    for (size_t s = 0; s < strips && !failed; s++)
        for (size_t a = 0; a < SIDE; a++)
            for (size_t c = 0; c < channels; c++)
                for (size_t b = 0; b < SIDE; b++)
                    memcpy(out + ((a * SIDE + b) * channels + c) * filters + s * FILTERS,
                           tiles + ((s * SIDE + a) * channels + c) * TILE + b * FILTERS, FILTERS * sizeof(float));
    free(planes);
    free(cut);
    free(tiles);
    return -failed;
}
