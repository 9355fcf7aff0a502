/* One call transforms a batch; `generator/kernel.py` holds the same structures. */
#include <stdint.h>

enum { UINT8, FLOAT32, FLOAT64 };
enum { NEAREST, CONSTANT, REFLECT, WRAP };
enum { RESAMPLE = 1, FLIP_COLUMNS = 2, FLIP_ROWS = 4, SHIFT_CHANNELS = 8, BRIGHTEN = 16 };

/* What becomes of one image. Output pixel (r, c), before flips, samples the input at row m[0] r + m[1] c + m[2] and
   column m[3] r + m[4] c + m[5]. */
typedef struct {
    double matrix[6], intensity, brightness;
    int64_t source, steps;  /* its place among the images; which of the five steps are taken */
} plan;

typedef struct {
    const void *images;  /* of type `from` */
    void *out;           /* of type `to`, FLOAT32 or FLOAT64, which is also what is computed in */
    const plan *plans;
    double cval, rescale;
    int64_t count, height, width, channels;
    int32_t planar, from, to, fill, order, threads;  /* planar: channels first */
} batch;

/* Returns 0, or -1 without memory. */
int cifar_fast_affine(const batch *);
