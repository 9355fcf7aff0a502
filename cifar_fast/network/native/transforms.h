/* The transforms of F(4×4, 3×3), see `form.h`: from windows of x and of dy and from kernels to their 36 points, and
   from there to windows of y and to kernels. */
#include "canvas.h"

enum {
    TAPS = 3,
    BLOCK = 12,        /* windows that are transformed together */
    STRIP = 2 * LANES  /* filters that lie together at a point, and are multiplied together */
};

/* What is transformed are values of polynomials at 0, ±NEAR, ±FAR and infinity. Any numbers serve. With 1 and 2 the
   least is to be computed; what products of bfloat16 lose by rounding is 2.3 times as much as with 2/3 and 3/2. */
#ifndef BFLOAT16
#define NEAR 1.f
#define FAR 2.f
#else
#define NEAR (2 / 3.f)
#define FAR (3 / 2.f)
#endif
#define NEAR2 (NEAR * NEAR)
#define FAR2 (FAR * FAR)
#define BOTH2 (NEAR * FAR * NEAR * FAR)  /* 1 of 2/3 and 3/2, also rounded */

/* The one-dimensional transforms, in place, of numbers `s` apart. */

INLINE CODE void by_B(vector *d, int s)  /* Bᵀd: 6 → 6 */
{
    vector a = d[4 * s] - FAR2 * d[2 * s], b = NEAR * (d[3 * s] - FAR2 * d[s]);
    vector c = d[4 * s] - NEAR2 * d[2 * s], e = FAR * (d[3 * s] - NEAR2 * d[s]);
    d[0] = BOTH2 * d[0] - (NEAR2 + FAR2) * d[2 * s] + d[4 * s];
    d[5 * s] = BOTH2 * d[s] - (NEAR2 + FAR2) * d[3 * s] + d[5 * s];
    d[s] = a + b, d[2 * s] = a - b, d[3 * s] = c + e, d[4 * s] = c - e;
}

INLINE CODE void by_A(vector *m, int s)  /* Aᵀm: 6 → 4 */
{
    vector a = m[s] + m[2 * s], b = NEAR * (m[s] - m[2 * s]), c = m[3 * s] + m[4 * s], d = FAR * (m[3 * s] - m[4 * s]);
    m[0] += a + c, m[s] = b + d, m[2 * s] = NEAR2 * a + FAR2 * c, m[3 * s] = NEAR2 * b + FAR2 * d + m[5 * s];
}

INLINE CODE void by_A_transposed(vector *y, int s)  /* Ay: 4 → 6 */
{
    vector a = y[0] + NEAR2 * y[2 * s], b = NEAR * (y[s] + NEAR2 * y[3 * s]);
    vector c = y[0] + FAR2 * y[2 * s], d = FAR * (y[s] + FAR2 * y[3 * s]);
    y[5 * s] = y[3 * s], y[s] = a + b, y[2 * s] = a - b, y[3 * s] = c + d, y[4 * s] = c - d;
}

#define BY_NEAR (1 / (2 * NEAR2 * (NEAR2 - FAR2)))
#define BY_FAR (1 / (2 * FAR2 * (FAR2 - NEAR2)))
static const float G[IN][TAPS] = {
    {1 / BOTH2, 0, 0},
    {BY_NEAR, NEAR * BY_NEAR, NEAR2 * BY_NEAR}, {BY_NEAR, -NEAR * BY_NEAR, NEAR2 * BY_NEAR},
    {BY_FAR, FAR * BY_FAR, FAR2 * BY_FAR}, {BY_FAR, -FAR * BY_FAR, FAR2 * BY_FAR}, {0, 0, 1}};

/* How far apart points of so many numbers lie: a line more than float32 need, lest they share few places of a cache. */
static size_t stride_of(size_t numbers)
{
    return numbers + LINE / sizeof(float);
}

/* Some windows' pixels. */
typedef struct { pixels at[BLOCK]; size_t n; } block;

/* Those from the first window on: a BLOCK, or what is left before the end. */
static void find_block(block *found, const canvas *on, size_t first, size_t end, int before, int size, element *images,
                       size_t channels, element *outside)
{
    found->n = first >= end ? 0 : end - first < BLOCK ? end - first : BLOCK;
    for (size_t t = 0; t < found->n; t++)
        find(&found->at[t], on, first + t, before, size, images, channels, outside);
}

/* Lets the pixel (i, j) of each window come near while something else is computed. */
INLINE void fetch(const block *of, int i, int j, size_t channels)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t c = 0; c < channels; c += LINE / sizeof(element))
            __builtin_prefetch(pixel(&of->at[t], i, j) + c);
}

/* Over what the products of factors are summed, whose neighbours are then a factor's terms. */
enum sum { CHANNELS, WINDOWS };

/* Puts numbers of window t, from channel c on, to a point's factors, [n][channels / TERMS] or [n / TERMS][channels]. */
INLINE CODE void place(factor *point, size_t t, size_t c, size_t channels, vector v, enum sum over)
{
    if (over == CHANNELS)
        write((element *)point + t * channels + c, v);
    else
        put(point + t / TERMS * channels + c, v, t % TERMS);
}

/* Below, rows are transformed as they are read, and columns are written as they are transformed: unrolled, nearly all of
   it stays in registers. */

/* Windows of x to points, which lie `stride` apart. */
OWN void transform_inputs(const block *of, factor *points, size_t stride, size_t channels, enum sum over)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t c = 0; c < channels; c += LANES) {
            vector d[POINTS];
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++) {
                for (int j = 0; j < IN; j++)
                    d[i * IN + j] = read(pixel(&of->at[t], i, j) + c);
                by_B(d + i * IN, 1);
            }
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) {
                by_B(d + j, IN);
                for (int i = 0; i < IN; i++)
                    place(points + (i * IN + j) * stride, t, c, channels, d[i * IN + j], over);
            }
        }
}

/* dy of windows, likewise. */
OWN void transform_output_gradients(const block *of, factor *points, size_t stride, size_t filters)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t f = 0; f < filters; f += LANES) {
            vector d[POINTS];
#pragma GCC unroll 6
            for (int i = 0; i < OUT; i++) {
                for (int j = 0; j < OUT; j++)
                    d[i * IN + j] = read(pixel(&of->at[t], i, j) + f);
                by_A_transposed(d + i * IN, 1);
            }
#pragma GCC unroll 6
            for (int j = 0; j < IN; j++) {
                by_A_transposed(d + j, IN);
                for (int i = 0; i < IN; i++)
                    place(points + (i * IN + j) * stride, t, f, filters, d[i * IN + j], WINDOWS);
            }
        }
}

/* And points [n][filters] back to y, to which are added a bias and the pixels of skip, a block of as many windows; both
   may be NULL. */
OWN void transform_outputs(const block *of, const float *points, size_t stride, size_t filters, const float *bias,
                           const block *skip)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t f = 0; f < filters; f += LANES) {
            vector m[POINTS], level = bias ? load(bias + f) : (vector){0};
#pragma GCC unroll 6
            for (int i = 0; i < IN; i++) {
                for (int j = 0; j < IN; j++)
                    m[i * IN + j] = load(points + (i * IN + j) * stride + t * filters + f);
                by_A(m + i * IN, 1);
            }
#pragma GCC unroll 6
            for (int j = 0; j < OUT; j++) {
                by_A(m + j, IN);
                for (int i = 0; i < OUT; i++) {
                    vector y = m[i * IN + j] + level;
                    if (skip)
                        y += read(pixel(&skip->at[t], i, j) + f);
                    write(pixel(&of->at[t], i, j) + f, y);
                }
            }
        }
}

/* Kernels to points [filters / STRIP][channels / TERMS][STRIP], of LANES filters from f on. With turned, `kernel` is
   [3, 3, filters, channels] and turned around. */
CODE static void transform_kernels(const float *kernel, factor *points, size_t channels, size_t filters, size_t f,
                                   int turned)
{
    size_t stride = stride_of(channels * filters / TERMS);
    for (size_t c = 0; c < channels; c++) {
        vector g[TAPS][TAPS], half[IN][TAPS];
        for (int a = 0; a < TAPS; a++)
            for (int b = 0; b < TAPS; b++)
                if (turned)
                    for (int lane = 0; lane < LANES; lane++)
                        g[TAPS - 1 - a][TAPS - 1 - b][lane] =
                            kernel[((a * TAPS + b) * filters + f + lane) * channels + c];
                else
                    g[a][b] = load(kernel + ((a * TAPS + b) * channels + c) * filters + f);
        for (int i = 0; i < IN; i++)
            for (int b = 0; b < TAPS; b++)
                half[i][b] = G[i][0] * g[0][b] + G[i][1] * g[1][b] + G[i][2] * g[2][b];
        for (int i = 0; i < IN; i++)
            for (int j = 0; j < IN; j++)
                put(points + (i * IN + j) * stride + (f / STRIP * channels + c) / TERMS * STRIP + f % STRIP,
                    half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2], c % TERMS);
    }
}

/* Points of `parts` shares of the windows, [parts][POINTS][channels][filters], to the numbers from `k` to `end` of each
   tap of their sum as a kernel; a tap has `size`. */
CODE static void transform_sums(const float *points, int parts, float *kernel, size_t size, size_t k, size_t end)
{
    size_t stride = stride_of(size);
    for (; k < end; k += LANES) {
        vector sums[IN][IN], half[TAPS][IN];
        for (int p = 0; p < POINTS; p++) {
            sums[p / IN][p % IN] = load(points + p * stride + k);
            for (int part = 1; part < parts; part++)
                sums[p / IN][p % IN] += load(points + (part * POINTS + p) * stride + k);
        }
        for (int a = 0; a < TAPS; a++)
            for (int j = 0; j < IN; j++) {
                half[a][j] = G[0][a] * sums[0][j];
                for (int i = 1; i < IN; i++)
                    half[a][j] += G[i][a] * sums[i][j];
            }
        for (int a = 0; a < TAPS; a++)
            for (int b = 0; b < TAPS; b++) {
                vector sum = half[a][0] * G[0][b];
                for (int j = 1; j < IN; j++)
                    sum += half[a][j] * G[j][b];
                store(kernel + (a * TAPS + b) * size + k, sum);
            }
    }
}
