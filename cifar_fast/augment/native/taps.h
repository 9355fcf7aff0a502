/* Where along an axis a position reads, as scipy.ndimage.affine_transform decides it (scipy/ndimage/src/
   ni_interpolation.c), in float64 as there: "constant" and "wrap" jump at the image's edges, so the last bit counts. */
#include <string.h>

#define FARTHEST 1e15  /* pixels: beyond, or where there is no number, any pixel is as good */
#define INLINE static inline __attribute__((always_inline))

/* The pixels of one output row: where they read, and then the first of the four pixels about that place, as an offset,
   with the share of its next row and column; outside: beyond the image, where cval is. */
typedef struct { double *rows, *columns; int32_t *places; uint8_t *outside; } line;

/* A position that is not within 0 … length - 1, brought there as far as the four pixels go. */
static __attribute__((noinline)) double fold(double at, int64_t length, int fill)
{
    int64_t lap = fill == WRAP ? length - 1 : 2 * length;
    if (length == 1 || !(at > -FARTHEST && at < FARTHEST))
        return 0;
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

INLINE int beyond(double at, int64_t length)
{
    return !(at >= 0 && at <= length - 1);
}

/* Positions along an axis as the fill mode wants them; those that it leaves beyond are at the edge in the end. */
INLINE void fold_line(double *at, uint8_t *outside, const batch *b, int64_t length)
{
    for (int64_t x = 0; x < b->width; x++)
        if (beyond(at[x], length)) {
            if (b->fill == CONSTANT)
                outside[x] = 1;
            else
                at[x] = fold(at[x], length, b->fill);
        }
}

/* The pixel before a position, of two that lie next to each other; the position becomes the share of the second. */
INLINE int32_t split(double *at, int32_t length, int32_t order)
{
    double last = length - 1;
    double place = *at > 0 ? *at : 0;  /* also for what is no number */
    place = place < last ? place : last;
    if (!order)
        place = (int32_t)(place + 0.5);
    int32_t most = length > 1 ? length - 2 : 0, whole = (int32_t)place;
    whole = whole < most ? whole : most;
    *at = place - whole;
    return whole;
}

/* Finds a row's taps. m: the matrix. r, c, step: the row and the first column of the output before flips, and the way
   the columns go. */
INLINE void find_taps(line l, const batch *b, const double *m, int32_t r, int32_t c, int32_t step, int32_t down,
                      int32_t along)
{
    double *restrict rows = l.rows, *restrict columns = l.columns;
    int32_t *restrict places = l.places, width = b->width, height = b->height, order = b->order;
    double row = m[2] + r * m[0], column = m[5] + r * m[3], by_row = m[1], by_column = m[4];  /* SciPy's order of sums */
    for (int32_t x = 0; x < width; x++) {
        rows[x] = row + (c + step * x) * by_row;
        columns[x] = column + (c + step * x) * by_column;
    }
    if (b->fill != NEAREST) {
        memset(l.outside, 0, b->width);
        fold_line(rows, l.outside, b, height);
        fold_line(columns, l.outside, b, width);
    }
    for (int32_t x = 0; x < width; x++)
        places[x] = split(&rows[x], height, order) * down + split(&columns[x], width, order) * along;
}
