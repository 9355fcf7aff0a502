/* Where along an axis a position reads, as scipy.ndimage.affine_transform decides it (scipy/ndimage/src/
   ni_interpolation.c), in float64 as there: "constant" and "wrap" jump at the image's edges, so the last bit counts. */
#include <math.h>

#define INLINE static inline __attribute__((always_inline))

/* The two pixels along an axis, as offsets, and the second one's weight; outside: of the image, where cval is. */
typedef struct { int32_t low, high, outside; double weight; } taps;

static double fold(double at, int64_t length, int fill)
{
    int64_t last = length - 1, lap = fill == WRAP ? last : 2 * length;
    if (length == 1 || fill == NEAREST)
        return at < 0 ? 0 : last;
    if (fill == WRAP)
        return at < 0 ? at + lap * ((int64_t)(-at / lap) + 1) : at - lap * (int64_t)(at / lap);
    if (at < 0) {
        if (at < -lap)
            at += lap * (int64_t)(-at / lap);
        return at < -length ? at + lap : (at > -1e-15 ? 1e-15 : -at) - 1;
    }
    at -= lap * (int64_t)(at / lap);
    return at >= length ? lap - at - 1 : at;
}

static int64_t within(double at, int64_t length)
{
    return at > 0 ? at < length ? (int64_t)at : length - 1 : 0;  /* also for what is no number */
}

/* For a position that is not well inside. */
static __attribute__((noinline)) taps taps_at_edge(double at, int64_t length, int64_t stride, int fill, int order)
{
    taps t = {0};
    if (!(at >= 0 && at <= length - 1)) {
        if (fill == CONSTANT) {
            t.outside = 1;
            return t;
        }
        at = fold(at, length, fill);
    }
    double first = floor(order ? at : at + 0.5);
    t.low = within(first, length) * stride;
    t.high = order ? within(first + 1, length) * stride : t.low;
    t.weight = order ? at - first : 0;
    return t;
}

INLINE taps taps_at(double at, int64_t length, int64_t stride, int fill, int order)
{
    if (!(at >= 0 && at < length - 1))
        return taps_at_edge(at, length, stride, fill, order);
    int64_t first = order ? (int64_t)at : (int64_t)(at + 0.5);
    return (taps){first * stride, (first + (order != 0)) * stride, 0, order ? at - first : 0};
}
