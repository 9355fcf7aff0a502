/* Where the windows of a convolution lie. A window is OUT×OUT outputs, which are made of IN×IN inputs, from one place
   before on.

   Windows cover a canvas of all images, `across` of them beside each other. Along an axis an image begins each `period`
   places: images share a margin of one row or column of zeros, so that small ones waste few windows; or, where their
   length is a multiple of a window's, they have none, and a window sees nothing of their neighbours. */
#include "vectors.h"

enum { IN = 6, OUT = 4, POINTS = IN * IN };

typedef struct { ptrdiff_t length, period, windows; int apart; } axis;

typedef struct { convolution_shape shape; ptrdiff_t across; axis vertical, horizontal; } canvas;

static axis axis_of(size_t length, size_t images)
{
    size_t whole = (length + OUT - 1) / OUT * OUT, period = whole < length + 1 ? whole : length + 1;
    return (axis){length, period, (images * period + OUT - 1) / OUT, period % OUT == 0};
}

static canvas canvas_of(convolution_shape s)
{
    size_t across = s.images && s.images < OUT ? s.images : OUT;  /* OUT periods are whole windows */
    return (canvas){s, across, axis_of(s.height, (s.images + across - 1) / across), axis_of(s.width, across)};
}

static size_t windows(const canvas *on)
{
    return on->vertical.windows * on->horizontal.windows;
}

/* Where `size` places from `before` a window on are: the number of the image times image_pitch and of the place in it
   times pitch; -1 outside of images. */
INLINE void locate(ptrdiff_t *at, axis a, size_t window, int before, int size, ptrdiff_t image_pitch, ptrdiff_t pitch)
{
    unsigned first = window * OUT;  /* divided faster than a size_t */
    ptrdiff_t own = first / (unsigned)a.period, image = own, place = first % (unsigned)a.period;
    place -= before;  /* one before an image is outside, too */
    for (int i = 0; i < size; i++, place++) {
        if (place == a.period)
            place = 0, image++;
        int outside = place < 0 || place >= a.length || (a.apart && image != own);
        at[i] = outside ? -1 : image * image_pitch + place * pitch;
    }
}

/* The pixels of a window: from a corner on where they are all in one image, else each by itself. */
typedef struct { element *corner, *each[POINTS]; size_t row, column; } pixels;

/* Those of size×size places, from `before` a window on; `outside` stands for those of no image. */
INLINE void find(pixels *found, const canvas *on, size_t window, int before, int size, element *images,
                 size_t channels, element *outside)
{
    convolution_shape s = on->shape;
    ptrdiff_t rows[IN], columns[IN], image = s.height * s.width, end = s.images * image, width = s.width;
    locate(rows, on->vertical, window / on->horizontal.windows, before, size, on->across * image, width);
    locate(columns, on->horizontal, window % on->horizontal.windows, before, size, image, 1);
    int whole = (rows[0] | columns[0]) >= 0 && rows[0] + columns[0] < end
        && rows[size - 1] - rows[0] == (size - 1) * width && columns[size - 1] - columns[0] == size - 1;
    found->corner = whole ? images + (rows[0] + columns[0]) * channels : NULL;
    found->row = s.width * channels, found->column = channels;
    for (int i = 0; i < size && !whole; i++)
        for (int j = 0; j < size; j++) {
            ptrdiff_t pixel = rows[i] + columns[j];
            found->each[i * IN + j] = (rows[i] | columns[j]) < 0 || pixel >= end ? outside : images + pixel * channels;
        }
}

INLINE element *pixel(const pixels *of, int i, int j)
{
    return of->corner ? of->corner + i * of->row + j * of->column : of->each[i * IN + j];
}
