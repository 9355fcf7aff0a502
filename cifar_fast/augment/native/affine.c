/* ImageDataGenerator's transforms of a batch: where each output pixel comes from, one resample, flips, channel shift,
   brightness, rescale. What is computed is what SciPy, NumPy and Pillow compute for Keras, in the same precision and
   order, image by image on all cores. */
#include "affine.h"
#include "taps.h"
#include <pthread.h>
#include <stdlib.h>

/* Compiled twice, for processors with AVX2 and for others; the faster form is chosen when the library is loaded. */
#if defined(__x86_64__) && defined(__linux__)
#define FASTER __attribute__((target_clones("avx2", "default")))
#else
#define FASTER
#endif

#define REAL float
#define NAME(x) x##_float
#include "pixels.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_double
#include "pixels.h"

enum { MAX_THREADS = 64, BEYOND = 4, WORTH = 1 << 15 };  /* numbers for which another thread is worth its start */

typedef struct { const batch *on; int64_t next; int failed; } job;

static void *work(void *argument)
{
    job *j = argument;
    const batch *b = j->on;
    int64_t size = b->height * b->width * b->channels, at;
    size_t number = b->to == FLOAT64 ? sizeof(double) : sizeof(float), pixel = 2 * sizeof(double) + sizeof(int32_t) + 1;
    double *memory = calloc(1, (size + BEYOND) * number + (b->width + 1) * pixel);
    if (!memory) {
        __atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
        return NULL;
    }
    line l = {.rows = memory, .columns = memory + b->width};
    void *workspace = memory + 2 * b->width;
    l.places = (int32_t *)((char *)workspace + (size + BEYOND) * number);
    l.outside = (uint8_t *)(l.places + b->width);
    while ((at = __atomic_fetch_add(&j->next, 1, __ATOMIC_RELAXED)) < b->count) {
        if (b->to == FLOAT64)
            transform_double(b, b->plans + at, workspace, (double *)b->out + at * size, l);
        else
            transform_float(b, b->plans + at, workspace, (float *)b->out + at * size, l);
    }
    free(memory);
    return NULL;
}

int cifar_fast_affine(const batch *b)
{
    job j = {b, 0, 0};
    pthread_t others[MAX_THREADS];
    int64_t numbers = b->count * b->height * b->width * b->channels, threads = numbers / WORTH + 1;
    threads = threads < b->threads ? threads : b->threads;
    threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    int begun = 0;
    while (begun < threads - 1 && !pthread_create(&others[begun], NULL, work, &j))
        begun++;
    work(&j);
    while (begun)
        pthread_join(others[--begun], NULL);
    return j.failed ? -1 : 0;
}
