/* Winograd's minimal filtering F(4×4, 3×3), as Lavin and Gray use it for convolutions (2016, arXiv:1509.09308, whose
   letters these are): with 6×6 windows d of x, which overlap by two, and kernels g of 3×3,

       the 4×4 outputs of a window                y  = Aᵀ [ Σ (G g Gᵀ) ⊙ (Bᵀ d B) ] A      over the channels
       the gradient of a kernel, given dy of 4×4  dg = Gᵀ [ Σ (A dy Aᵀ) ⊙ (Bᵀ d B) ] G      over the windows

   so 36 products serve where 144 would. At each of these 36 points the sums are a product of matrices. The gradient by
   x is a convolution of dy with the kernels turned around, filters and channels exchanged.

   This text is compiled once for each form, see `vectors.h`; FORM names what it defines.

   A thread takes BLOCK windows at a time, so that what it computes of them stays in its caches, and lets the pixels of
   the next block, and those that it writes of this one, come near while it multiplies. */
#include "transforms.h"
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Rows of a product at a time, two vectors of sums each, of the sixteen vectors that AVX2 has or the thirty-two of
   AVX-512: ROWS divides BLOCK, and three times ADDED or less are WINOGRAD_LANES. */
enum { ROWS = WIDTH == 64 ? 12 : 6, ADDED = WIDTH == 64 ? 8 : 6, MAX_THREADS = 64 };

/* out[ROWS][STRIP] = v[ROWS][n] u[n][STRIP]; rows of out lie `filters` apart. */
OWN void multiply(const factor *v, const factor *u, float *out, size_t n, size_t filters)
{
    vector sums[ROWS][2] = {0};
    for (size_t c = 0; c < n; c++, u += STRIP) {
        factors left = *(const factors *)u, right = *(const factors *)(u + LANES);
#pragma GCC unroll 12
        for (int r = 0; r < ROWS; r++) {
            sums[r][0] = add_product(sums[r][0], v[r * n + c], left);
            sums[r][1] = add_product(sums[r][1], v[r * n + c], right);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < ROWS; r++) {
        store(out + r * filters, sums[r][0]);
        store(out + r * filters + LANES, sums[r][1]);
    }
}

/* out[rows][STRIP] += Σ v[t][rows] d[t][STRIP] over t < n; rows of out lie `filters` apart. */
INLINE CODE void add_rows(const factor *v, const factor *d, float *out, size_t n, size_t channels, size_t filters,
                          int rows)
{
    vector sums[ADDED][2];
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        sums[r][0] = load(out + r * filters);
        sums[r][1] = load(out + r * filters + LANES);
    }
    for (size_t t = 0; t < n; t++, v += channels, d += filters) {
        factors left = *(const factors *)d, right = *(const factors *)(d + LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            sums[r][0] = add_product(sums[r][0], v[r], left);
            sums[r][1] = add_product(sums[r][1], v[r], right);
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        store(out + r * filters, sums[r][0]);
        store(out + r * filters + LANES, sums[r][1]);
    }
}

/* The same for WINOGRAD_LANES rows. */
OWN void add_products(const factor *v, const factor *d, float *out, size_t n, size_t channels, size_t filters)
{
    add_rows(v, d, out, n, channels, filters, ADDED);
    add_rows(v + ADDED, d, out + ADDED * filters, n, channels, filters, ADDED);
    add_rows(v + 2 * ADDED, d, out + 2 * ADDED * filters, n, channels, filters, WINOGRAD_LANES - 2 * ADDED);
}

/* Tasks of one kind, which threads share: how many have been taken, and how many of those are done. */
typedef struct { size_t taken, done; } tasks;

/* What the threads of one convolution share. */
typedef struct {
    canvas on;
    element *x, *y, *skip;  /* y: or its gradient */
    const float *bias;
    float *kernel;  /* or its gradient */
    int turned;
    factor *kernels;  /* at their points */
    float *sums, *workspaces;
    size_t workers, next, parts;  /* threads that have begun; the first window that nobody has taken; shares of them */
    tasks transforms, products;
} job;

/* What each of them has to itself: blocks at their points, of x and of y or its gradient, and a pixel of zeros and one
   for what nobody reads. */
typedef struct {
    factor *x, *dy;
    float *y;  /* in dy's place */
    element *zeros, *unused;
    size_t stride_x, stride_y;
} workspace;

/* Blocks whose products are summed together: several where the sums are many, since all are read and written again. */
static size_t blocks_summed(convolution_shape s)
{
    return s.channels * s.filters > 64 * 64 ? 4 : 1;
}

static size_t workspace_size(convolution_shape s, size_t blocks)
{
    size_t n = blocks * BLOCK;
    return POINTS * (stride_of(n * s.channels) + stride_of(n * s.filters)) + 2 * (s.channels + s.filters);
}

static workspace take_workspace(job *j, size_t blocks)
{
    convolution_shape s = j->on.shape;
    size_t in = stride_of(blocks * BLOCK * s.channels), out = stride_of(blocks * BLOCK * s.filters);
    size_t pixel = s.channels + s.filters;  /* at least */
    float *begin = j->workspaces + __atomic_fetch_add(&j->workers, 1, __ATOMIC_RELAXED) * workspace_size(s, blocks);
    element *zeros = (element *)(begin + POINTS * (in + out));
    memset(zeros, 0, pixel * sizeof(element));
    float *y = begin + POINTS * in;
    return (workspace){(factor *)begin, (factor *)y, y, zeros, zeros + pixel, in, out};
}

/* Lets this thread do what it can take of some tasks, and wait for what others have taken: awake, since that is short. */
static void share(tasks *of, size_t count, void (*task)(job *, const workspace *, size_t), job *j, const workspace *own)
{
    for (size_t i; (i = __atomic_fetch_add(&of->taken, 1, __ATOMIC_RELAXED)) < count;) {
        task(j, own, i);
        __atomic_fetch_add(&of->done, 1, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&of->done, __ATOMIC_ACQUIRE) < count)
        sched_yield();
}

CODE static void transform_some_kernels(job *j, const workspace *own, size_t i)
{
    convolution_shape s = j->on.shape;
    (void)own;
    transform_kernels(j->kernel, j->kernels, s.channels, s.filters, i * LANES, j->turned);
}

CODE static void *convolve(void *argument)
{
    job *j = argument;
    workspace own = take_workspace(j, 1);
    size_t channels = j->on.shape.channels, n = channels / TERMS, filters = j->on.shape.filters, end = windows(&j->on);
    share(&j->transforms, filters / LANES, transform_some_kernels, j, &own);
    block in, out, skip, *added = j->skip ? &skip : NULL;
    size_t first = __atomic_fetch_add(&j->next, BLOCK, __ATOMIC_RELAXED);
    find_block(&in, &j->on, first, end, 1, IN, j->x, channels, own.zeros);
    while (in.n) {
        transform_inputs(&in, own.x, own.stride_x, channels, CHANNELS);
        find_block(&out, &j->on, first, end, 0, OUT, j->y, filters, own.unused);
        if (added)
            find_block(added, &j->on, first, end, 0, OUT, j->skip, filters, own.zeros);
        first = __atomic_fetch_add(&j->next, BLOCK, __ATOMIC_RELAXED);
        find_block(&in, &j->on, first, end, 1, IN, j->x, channels, own.zeros);  /* the next block's */
        for (int p = 0; p < POINTS; p++) {
            fetch(&in, p / IN, p % IN, channels);
            if (p < OUT * OUT)
                fetch(&out, p / OUT, p % OUT, filters);
            if (p < OUT * OUT && added)
                fetch(added, p / OUT, p % OUT, filters);
            const factor *u = j->kernels + p * stride_of(n * filters);
            for (size_t f = 0; f < filters; f += STRIP, u += n * STRIP)
                for (size_t t = 0; t < out.n; t += ROWS)  /* the last rows may hold anything: nobody reads them */
                    multiply(own.x + p * own.stride_x + t * n, u, own.y + p * own.stride_y + t * filters + f, n,
                             filters);
        }
        transform_outputs(&out, own.y, own.stride_y, filters, j->bias, added);
    }
    return NULL;
}

CODE static void sum_part(job *j, const workspace *own, size_t part)
{
    size_t channels = j->on.shape.channels, filters = j->on.shape.filters, total = windows(&j->on);
    size_t first = total * part / j->parts, end = total * (part + 1) / j->parts;
    size_t stride = stride_of(channels * filters);
    float *sums = j->sums + part * POINTS * stride;
    block x, dy;
    memset(sums, 0, POINTS * stride * sizeof(float));
    find_block(&x, &j->on, first, end, 1, IN, j->x, channels, own->zeros);
    find_block(&dy, &j->on, first, end, 0, OUT, j->y, filters, own->zeros);
    while (x.n) {
        size_t n = 0;
        for (size_t some = blocks_summed(j->on.shape); some && x.n; some--) {
            transform_inputs(&x, own->x + n * channels, own->stride_x, channels, WINDOWS);
            transform_output_gradients(&dy, own->dy + n * filters, own->stride_y, filters);
            n += (x.n + TERMS - 1) / TERMS;
            first += BLOCK;  /* the next block's pixels are fetched while this one's are multiplied */
            find_block(&x, &j->on, first, end, 1, IN, j->x, channels, own->zeros);
            find_block(&dy, &j->on, first, end, 0, OUT, j->y, filters, own->zeros);
        }
        for (int p = 0; p < POINTS; p++) {
            fetch(&x, p / IN, p % IN, channels);
            if (p < OUT * OUT)
                fetch(&dy, p / OUT, p % OUT, filters);
            for (size_t f = 0; f < filters; f += STRIP)
                for (size_t c = 0; c < channels; c += WINOGRAD_LANES)
                    add_products(own->x + p * own->stride_x + c, own->dy + p * own->stride_y + f,
                                 sums + p * stride + c * filters + f, n, channels, filters);
        }
    }
}

CODE static void transform_some_sums(job *j, const workspace *own, size_t i)
{
    size_t filters = j->on.shape.filters, rows = WINOGRAD_LANES * filters;
    (void)own;
    transform_sums(j->sums, j->parts, j->kernel, j->on.shape.channels * filters, i * rows, (i + 1) * rows);
}

CODE static void *sum_kernel_gradients(void *argument)
{
    job *j = argument;
    workspace own = take_workspace(j, blocks_summed(j->on.shape));
    share(&j->products, j->parts, sum_part, j, &own);
    share(&j->transforms, j->on.shape.channels / WINOGRAD_LANES, transform_some_sums, j, &own);
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

static int convolution(const void *x, const float *kernel, winograd_sums added, void *y, convolution_shape shape,
                       int turned, int threads)
{
    threads = at_most(threads);
    size_t kernels = POINTS * stride_of(shape.channels * shape.filters / TERMS);
    float *memory = allocate(kernels + threads * workspace_size(shape, 1));
    if (!memory)
        return -1;
    job j = {.on = canvas_of(shape), .x = (element *)x, .kernel = (float *)kernel, .turned = turned,
             .kernels = (factor *)memory, .y = y, .skip = (element *)added.skip, .bias = added.bias,
             .workspaces = memory + kernels};
    work_together(convolve, &j, threads);
    free(memory);
    return 0;
}

static int kernel_gradient(const void *x, const void *dy, float *dkernel, convolution_shape shape, int threads)
{
    threads = at_most(threads);
    size_t sums = POINTS * stride_of(shape.channels * shape.filters);
    float *memory = allocate(threads * (sums + workspace_size(shape, blocks_summed(shape))));
    if (!memory)
        return -1;
    job j = {.on = canvas_of(shape), .x = (element *)x, .y = (element *)dy, .kernel = dkernel, .sums = memory,
             .workspaces = memory + threads * sums, .parts = threads};
    work_together(sum_kernel_gradients, &j, threads);
    free(memory);
    return 0;
}

const winograd_form FORM = {convolution, kernel_gradient, STRIP};
