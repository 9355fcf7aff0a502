/* Winograd's minimal filtering F(4×4, 3×3), as Lavin and Gray use it for convolutions (2016, arXiv:1509.09308, whose
   letters these are): with 6×6 windows d of x, which overlap by two, and kernels g of 3×3,

       the 4×4 outputs of a window                y  = Aᵀ [ Σ (G g Gᵀ) ⊙ (Bᵀ d B) ] A      over the channels
       the gradient of a kernel, given dy of 4×4  dg = Gᵀ [ Σ (A dy Aᵀ) ⊙ (Bᵀ d B) ] G      over the windows

   so 36 products serve where 144 would. At each of these 36 points the sums are a product of matrices. The gradient by
   x is a convolution of dy with the kernels turned around, filters and channels exchanged.

   A thread takes BLOCK windows at a time, so that what it computes of them stays in its caches, and lets the pixels of
   the next block come near while it multiplies those of this one. */
#include "canvas.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define OWN __attribute__((noinline)) AVX2  /* lest callers take its registers */

typedef float vector __attribute__((vector_size(32), aligned(4), may_alias));

INLINE AVX2 vector load(const float *from) { return *(const vector *)from; }
INLINE AVX2 void store(float *to, vector v) { *(vector *)to = v; }

enum {
    TAPS = 3, LANES = sizeof(vector) / sizeof(float), LINE = 64 /* bytes */, MAX_THREADS = 64,
    STRIP = 2 * LANES,  /* filters of a product at a time */
    BLOCK = 12,         /* windows, a multiple of ROWS */
    ROWS = 6            /* and rows: its sums are twelve of the sixteen vectors of AVX2 */
};

/* The one-dimensional transforms, in place, of numbers `s` apart. */

INLINE AVX2 void by_B(vector *d, int s)  /* Bᵀd: 6 → 6 */
{
    vector a = d[4 * s] - 4 * d[2 * s], b = d[3 * s] - 4 * d[s], c = d[4 * s] - d[2 * s], e = 2 * (d[3 * s] - d[s]);
    d[0] = 4 * d[0] - 5 * d[2 * s] + d[4 * s];
    d[5 * s] = 4 * d[s] - 5 * d[3 * s] + d[5 * s];
    d[s] = a + b, d[2 * s] = a - b, d[3 * s] = c + e, d[4 * s] = c - e;
}

INLINE AVX2 void by_A(vector *m, int s)  /* Aᵀm: 6 → 4 */
{
    vector a = m[s] + m[2 * s], b = m[s] - m[2 * s], c = m[3 * s] + m[4 * s], d = m[3 * s] - m[4 * s];
    m[0] += a + c, m[s] = b + 2 * d, m[2 * s] = a + 4 * c, m[3 * s] = b + 8 * d + m[5 * s];
}

INLINE AVX2 void by_A_transposed(vector *y, int s)  /* Ay: 4 → 6 */
{
    vector a = y[0] + y[2 * s], b = y[s] + y[3 * s], c = y[0] + 4 * y[2 * s], d = 2 * y[s] + 8 * y[3 * s];
    y[5 * s] = y[3 * s], y[s] = a + b, y[2 * s] = a - b, y[3 * s] = c + d, y[4 * s] = c - d;
}

static const float G[IN][TAPS] = {
    {1 / 4.f, 0, 0}, {-1 / 6.f, -1 / 6.f, -1 / 6.f}, {-1 / 6.f, 1 / 6.f, -1 / 6.f},
    {1 / 24.f, 1 / 12.f, 1 / 6.f}, {1 / 24.f, -1 / 12.f, 1 / 6.f}, {0, 0, 1}};

/* Some windows' pixels. */
typedef struct { pixels at[BLOCK]; size_t n; } block;

/* Those from the first window on: a BLOCK, or what is left before the end. */
static void find_block(block *found, const canvas *on, size_t first, size_t end, int before, int size, float *images,
                       size_t channels, float *outside)
{
    found->n = first >= end ? 0 : end - first < BLOCK ? end - first : BLOCK;
    for (size_t t = 0; t < found->n; t++)
        find(&found->at[t], on, first + t, before, size, images, channels, outside);
}

/* Lets the pixel (i, j) of each window come near while something else is computed. */
INLINE void fetch(const block *of, int i, int j, size_t channels)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t c = 0; c < channels; c += LINE / sizeof(float))
            __builtin_prefetch(pixel(&of->at[t], i, j) + c);
}

/* Windows of x to points [POINTS][n][channels] that lie `stride` apart. */
OWN void transform_inputs(const block *of, float *points, size_t stride, size_t channels)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t c = 0; c < channels; c += LANES) {
            vector d[POINTS];
            for (int i = 0; i < IN; i++)
                for (int j = 0; j < IN; j++)
                    d[i * IN + j] = load(pixel(&of->at[t], i, j) + c);
            for (int i = 0; i < IN; i++)
                by_B(d + i * IN, 1);
            for (int j = 0; j < IN; j++)
                by_B(d + j, IN);
            for (int p = 0; p < POINTS; p++)
                store(points + p * stride + t * channels + c, d[p]);
        }
}

/* dy of windows, likewise to [POINTS][n][filters]. */
OWN void transform_output_gradients(const block *of, float *points, size_t stride, size_t filters)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t f = 0; f < filters; f += LANES) {
            vector d[POINTS];
            for (int i = 0; i < OUT; i++)
                for (int j = 0; j < OUT; j++)
                    d[i * IN + j] = load(pixel(&of->at[t], i, j) + f);
            for (int i = 0; i < OUT; i++)
                by_A_transposed(d + i * IN, 1);
            for (int j = 0; j < IN; j++)
                by_A_transposed(d + j, IN);
            for (int p = 0; p < POINTS; p++)
                store(points + p * stride + t * filters + f, d[p]);
        }
}

/* And points back to y. */
OWN void transform_outputs(const block *of, const float *points, size_t stride, size_t filters)
{
    for (size_t t = 0; t < of->n; t++)
        for (size_t f = 0; f < filters; f += LANES) {
            vector m[POINTS];
            for (int p = 0; p < POINTS; p++)
                m[p] = load(points + p * stride + t * filters + f);
            for (int i = 0; i < IN; i++)
                by_A(m + i * IN, 1);
            for (int j = 0; j < OUT; j++)
                by_A(m + j, IN);
            for (int i = 0; i < OUT; i++)
                for (int j = 0; j < OUT; j++)
                    store(pixel(&of->at[t], i, j) + f, m[i * IN + j]);
        }
}

/* Kernels to points [POINTS][filters / STRIP][channels][STRIP]. With turned, `kernel` is [3, 3, filters, channels] and
   turned around. */
AVX2 static void transform_kernels(const float *kernel, float *points, size_t channels, size_t filters, int turned)
{
    for (size_t c = 0; c < channels; c++)
        for (size_t f = 0; f < filters; f += LANES) {
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
                    store(points + (i * IN + j) * channels * filters + (f / STRIP * channels + c) * STRIP + f % STRIP,
                          half[i][0] * G[j][0] + half[i][1] * G[j][1] + half[i][2] * G[j][2]);
        }
}

/* Points of `parts` shares of the windows, [parts][POINTS][channels][filters], to their sum as a kernel; size is that
   of a point. */
AVX2 static void transform_sums(const float *points, int parts, float *kernel, size_t size)
{
    for (size_t k = 0; k < size; k += LANES) {
        vector sums[IN][IN], half[TAPS][IN];
        for (int p = 0; p < POINTS; p++) {
            sums[p / IN][p % IN] = load(points + p * size + k);
            for (int part = 1; part < parts; part++)
                sums[p / IN][p % IN] += load(points + (part * POINTS + p) * size + k);
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

/* out[ROWS][STRIP] = v[ROWS][channels] u[channels][STRIP]; rows of out lie `filters` apart. */
OWN void multiply(const float *v, const float *u, float *out, size_t channels, size_t filters)
{
    vector sums[ROWS][2] = {0};
    for (size_t c = 0; c < channels; c++, u += STRIP) {
        vector left = load(u), right = load(u + LANES);
#pragma GCC unroll 6
        for (int r = 0; r < ROWS; r++) {
            sums[r][0] += v[r * channels + c] * left;
            sums[r][1] += v[r * channels + c] * right;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < ROWS; r++) {
        store(out + r * filters, sums[r][0]);
        store(out + r * filters + LANES, sums[r][1]);
    }
}

/* out[rows][STRIP] += Σ v[t][rows] d[t][STRIP] over n windows t; rows of out lie `filters` apart. */
INLINE AVX2 void add_rows(const float *v, const float *d, float *out, size_t n, size_t channels, size_t filters,
                          int rows)
{
    vector sums[ROWS][2];
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        sums[r][0] = load(out + r * filters);
        sums[r][1] = load(out + r * filters + LANES);
    }
    for (size_t t = 0; t < n; t++, v += channels, d += filters) {
        vector left = load(d), right = load(d + LANES);
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            sums[r][0] += v[r] * left;
            sums[r][1] += v[r] * right;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        store(out + r * filters, sums[r][0]);
        store(out + r * filters + LANES, sums[r][1]);
    }
}

/* The same for WINOGRAD_LANES rows. */
OWN void add_products(const float *v, const float *d, float *out, size_t n, size_t channels, size_t filters)
{
    add_rows(v, d, out, n, channels, filters, ROWS);
    add_rows(v + ROWS, d, out + ROWS * filters, n, channels, filters, ROWS);
    add_rows(v + 2 * ROWS, d, out + 2 * ROWS * filters, n, channels, filters, WINOGRAD_LANES - 2 * ROWS);
}

/* What the threads of one convolution share. */
typedef struct {
    canvas on;
    float *x, *y, *kernels, *sums, *workspaces;  /* y: or its gradient; kernels: at their points */
    size_t parts;
    size_t workers, next;  /* how many have begun; the first block or part that nobody has taken */
} job;

/* What each of them has to itself: a block at its points, before and after the products, and a pixel of zeros and one
   for what nobody reads. */
typedef struct { float *in, *out, *zeros, *unused; size_t stride_in, stride_out; } workspace;

/* How far apart points of a block lie: a line more than they need, lest they share few places of a cache. */
static size_t stride_of(size_t channels)
{
    return BLOCK * channels + LINE / sizeof(float);
}

static size_t workspace_size(convolution_shape s)
{
    return POINTS * (stride_of(s.channels) + stride_of(s.filters)) + 2 * (s.channels + s.filters);
}

static workspace take_workspace(job *j)
{
    convolution_shape s = j->on.shape;
    size_t in = stride_of(s.channels), out = stride_of(s.filters), pixel = s.channels + s.filters;  /* at least */
    float *begin = j->workspaces + __atomic_fetch_add(&j->workers, 1, __ATOMIC_RELAXED) * workspace_size(s);
    float *zeros = begin + POINTS * (in + out);
    memset(zeros, 0, pixel * sizeof(float));
    return (workspace){begin, begin + POINTS * in, zeros, zeros + pixel, in, out};
}

AVX2 static void *convolve(void *argument)
{
    job *j = argument;
    workspace own = take_workspace(j);
    size_t channels = j->on.shape.channels, filters = j->on.shape.filters, end = windows(&j->on);
    block in, out;
    size_t first = __atomic_fetch_add(&j->next, BLOCK, __ATOMIC_RELAXED);
    find_block(&in, &j->on, first, end, 1, IN, j->x, channels, own.zeros);
    while (in.n) {
        transform_inputs(&in, own.in, own.stride_in, channels);
        find_block(&out, &j->on, first, end, 0, OUT, j->y, filters, own.unused);
        first = __atomic_fetch_add(&j->next, BLOCK, __ATOMIC_RELAXED);
        find_block(&in, &j->on, first, end, 1, IN, j->x, channels, own.zeros);  /* the next block's */
        const float *u = j->kernels;
        for (int p = 0; p < POINTS; p++) {
            fetch(&in, p / IN, p % IN, channels);
            for (size_t f = 0; f < filters; f += STRIP, u += channels * STRIP)
                for (size_t t = 0; t < out.n; t += ROWS)  /* the last may be of an earlier block: nobody reads them */
                    multiply(own.in + p * own.stride_in + t * channels, u,
                             own.out + p * own.stride_out + t * filters + f, channels, filters);
        }
        transform_outputs(&out, own.out, own.stride_out, filters);
    }
    return NULL;
}

AVX2 static void *sum_kernel_gradients(void *argument)
{
    job *j = argument;
    workspace own = take_workspace(j);
    size_t channels = j->on.shape.channels, filters = j->on.shape.filters, total = windows(&j->on), part;
    block x, dy;
    while ((part = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED)) < j->parts) {
        size_t first = total * part / j->parts, end = total * (part + 1) / j->parts;
        float *sums = j->sums + part * POINTS * channels * filters;
        memset(sums, 0, POINTS * channels * filters * sizeof(float));
        find_block(&x, &j->on, first, end, 1, IN, j->x, channels, own.zeros);
        find_block(&dy, &j->on, first, end, 0, OUT, j->y, filters, own.zeros);
        while (x.n) {
            size_t n = x.n;
            transform_inputs(&x, own.in, own.stride_in, channels);
            transform_output_gradients(&dy, own.out, own.stride_out, filters);
            first += BLOCK;  /* the next block's pixels are fetched while this one's are multiplied */
            find_block(&x, &j->on, first, end, 1, IN, j->x, channels, own.zeros);
            find_block(&dy, &j->on, first, end, 0, OUT, j->y, filters, own.zeros);
            for (int p = 0; p < POINTS; p++) {
                fetch(&x, p / IN, p % IN, channels);
                if (p < OUT * OUT)
                    fetch(&dy, p / OUT, p % OUT, filters);
                for (size_t f = 0; f < filters; f += STRIP)
                    for (size_t c = 0; c < channels; c += WINOGRAD_LANES)
                        add_products(own.in + p * own.stride_in + c, own.out + p * own.stride_out + f,
                                     sums + (p * channels + c) * filters + f, n, channels, filters);
            }
        }
    }
    return NULL;
}

/* Lets this thread work, and as many others as asked for or as can be had: whoever works takes what is left. */
static void work_together(void *(*work)(void *), job *j, int threads)
{
    pthread_t others[MAX_THREADS];
    int begun = 0;
    while (begun < threads - 1 && !pthread_create(&others[begun], NULL, work, j))
        begun++;
    work(j);
    while (begun)
        pthread_join(others[--begun], NULL);
}

static int at_most(int threads)
{
    return threads < MAX_THREADS ? threads : MAX_THREADS;
}

static float *allocate(size_t numbers)
{
    size_t lines = (numbers * sizeof(float) + LINE - 1) / LINE;
    return aligned_alloc(LINE, lines * LINE);
}

static int convolution(const float *x, const float *kernel, float *y, convolution_shape shape, int turned, int threads)
{
    threads = at_most(threads);
    size_t kernels = POINTS * shape.channels * shape.filters;
    float *memory = allocate(kernels + threads * workspace_size(shape));
    if (!memory)
        return -1;
    transform_kernels(kernel, memory, shape.channels, shape.filters, turned);
    job j = {.on = canvas_of(shape), .x = (float *)x, .kernels = memory, .y = y, .workspaces = memory + kernels};
    work_together(convolve, &j, threads);
    free(memory);
    return 0;
}

int winograd_convolution(const float *x, const float *kernel, float *y, convolution_shape shape, int threads)
{
    return convolution(x, kernel, y, shape, 0, threads);
}

int winograd_input_gradient(const float *dy, const float *kernel, float *dx, convolution_shape shape, int threads)
{
    convolution_shape turned = {shape.images, shape.height, shape.width, shape.filters, shape.channels};
    return convolution(dy, kernel, dx, turned, 1, threads);
}

int winograd_kernel_gradient(const float *x, const float *dy, float *dkernel, convolution_shape shape, int threads)
{
    threads = at_most(threads);
    size_t sums = POINTS * shape.channels * shape.filters;
    float *memory = allocate(threads * (sums + workspace_size(shape)));
    if (!memory)
        return -1;
    job j = {.on = canvas_of(shape), .x = (float *)x, .y = (float *)dy, .sums = memory,
             .workspaces = memory + threads * sums, .parts = threads};
    work_together(sum_kernel_gradients, &j, threads);
    transform_sums(memory, threads, dkernel, shape.channels * shape.filters);
    free(memory);
    return 0;
}
