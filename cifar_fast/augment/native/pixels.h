/* The pixel loops, for numbers of the type REAL; included once for float and once for double. NAME(x) is x and the
   type. Rows and columns lie `down` and `along` numbers apart, channels `between`, in input and output alike. */

/* An image of the batch as REAL numbers. */
INLINE void NAME(read)(const batch *b, int64_t source, REAL *to)
{
    int64_t size = b->height * b->width * b->channels;
    if (b->from == UINT8) {
        const uint8_t *from = (const uint8_t *)b->images + source * size;
        for (int64_t i = 0; i < size; i++)
            to[i] = from[i];
    } else if (b->from == FLOAT32) {
        const float *from = (const float *)b->images + source * size;
        for (int64_t i = 0; i < size; i++)
            to[i] = from[i];
    } else {
        const double *from = (const double *)b->images + source * size;
        for (int64_t i = 0; i < size; i++)
            to[i] = from[i];
    }
}

/* Four neighbouring numbers of a pixel, its channels and maybe what follows, from its four taps. */
INLINE void NAME(blend4)(const REAL *from, REAL *to, int64_t right, int64_t below, double row, double column)
{
    typedef REAL vector __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
    typedef double wide __attribute__((vector_size(4 * sizeof(double))));
    /* One instruction, where GCC 12 makes seven of __builtin_convertvector. */
#define AT(place) (wide){from[place], from[(place) + 1], from[(place) + 2], from[(place) + 3]}
    wide upper = AT(0), lower = AT(below);
    upper += (AT(right) - upper) * column;
    lower += (AT(below + right) - lower) * column;
    *(vector *)to = __builtin_convertvector(upper + (lower - upper) * row, vector);
#undef AT
}

INLINE REAL NAME(blend)(const REAL *from, int64_t right, int64_t below, double row, double column)
{
    double upper = from[0], lower = from[below];
    upper += (from[right] - upper) * column;
    lower += (from[below + right] - lower) * column;
    return upper + (lower - upper) * row;
}

INLINE void NAME(resample)(const batch *b, const plan *p, const REAL *restrict from, REAL *restrict to, line l)
{
    int64_t width = b->width, along = b->planar ? 1 : b->channels, down = along * width;
    int64_t between = b->planar ? b->height * width : 1;
    int64_t right = width > 1 ? along : 0, below = b->height > 1 ? down : 0;
    int quick = !b->planar && (b->channels == 3 || b->channels == 4);
    for (int64_t y = 0; y < b->height; y++) {
        int64_t r = p->steps & FLIP_ROWS ? b->height - 1 - y : y, back = p->steps & FLIP_COLUMNS;
        find_taps(l, b, p->matrix, r, back ? width - 1 : 0, back ? -1 : 1, down, along);
        REAL *restrict out = to + y * down;
        int64_t done = 0;
        if (quick)  /* what is written beyond a pixel is its successor's, so the image's last one has to be done alone */
            for (int64_t end = width - (y == b->height - 1); done < end; done++)
                NAME(blend4)(from + l.places[done], out + done * along, right, below, l.rows[done], l.columns[done]);
        for (int64_t channel = 0; channel < b->channels; channel++)
            for (int64_t x = done; x < width; x++)
                out[x * along + channel * between] = NAME(blend)(from + l.places[x] + channel * between, right, below,
                                                                 l.rows[x], l.columns[x]);
        if (b->fill == CONSTANT)
            for (int64_t x = 0; x < width; x++)
                if (l.outside[x])
                    for (int64_t channel = 0; channel < b->channels; channel++)
                        out[x * along + channel * between] = b->cval;
    }
}

/* Flips alone. */
INLINE void NAME(turn)(const batch *b, const plan *p, const REAL *from, REAL *to)
{
    int64_t along = b->planar ? 1 : b->channels, planes = b->planar ? b->channels : 1;
    for (int64_t y = 0; y < planes * b->height; y++) {
        int64_t r = p->steps & FLIP_ROWS ? y - 2 * (y % b->height) + b->height - 1 : y;
        for (int64_t x = 0; x < b->width; x++) {
            int64_t c = p->steps & FLIP_COLUMNS ? b->width - 1 - x : x;
            for (int64_t i = 0; i < along; i++)
                to[(y * b->width + x) * along + i] = from[(r * b->width + c) * along + i];
        }
    }
}

INLINE void NAME(extremes)(const REAL *x, int64_t size, REAL *low, REAL *high)
{
    *low = *high = x[0];
    for (int64_t i = 1; i < size; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

INLINE void NAME(shift_channels)(REAL *x, int64_t size, REAL by)
{
    REAL low, high;
    NAME(extremes)(x, size, &low, &high);
    for (int64_t i = 0; i < size; i++) {
        REAL shifted = x[i] + by;
        shifted = shifted < low ? low : shifted;
        x[i] = shifted > high ? high : shifted;
    }
}

/* As Keras by way of Pillow: to 8 bits, in float32, scaled only where values leave 0 … 255; a fourth channel, which is
   opacity, stays. */
INLINE void NAME(brighten)(const batch *b, REAL *x, float by)
{
    int64_t pixels = b->height * b->width, size = pixels * b->channels;
    REAL low, high;
    NAME(extremes)(x, size, &low, &high);
    int scaled = low < 0 || high > 255;
    float top = (float)high - (float)low;
    for (int64_t i = 0; i < size; i++) {
        float value = x[i];
        if (scaled) {
            value -= (float)low;
            value = (top != 0 ? value / top : value) * 255;
        }
        int eight = value, opacity = b->channels == 4 && (b->planar ? i / pixels : i % 4) == 3;
        float bright = opacity ? eight : eight * by;
        eight = bright < 255 ? (int)bright : 255;
        x[i] = scaled ? (float)eight / 255 * (high - low) + low : eight;
    }
}

FASTER static void NAME(transform)(const batch *b, const plan *p, REAL *workspace, REAL *to, line l)
{
    int64_t size = b->height * b->width * b->channels;
    if (p->steps & (RESAMPLE | FLIP_COLUMNS | FLIP_ROWS)) {
        NAME(read)(b, p->source, workspace);
        if (p->steps & RESAMPLE)
            NAME(resample)(b, p, workspace, to, l);
        else
            NAME(turn)(b, p, workspace, to);
    } else
        NAME(read)(b, p->source, to);
    if (p->steps & SHIFT_CHANNELS)
        NAME(shift_channels)(to, size, p->intensity);
    if (p->steps & BRIGHTEN)
        NAME(brighten)(b, to, p->brightness);
    if (b->rescale != 0)
        for (int64_t i = 0; i < size; i++)
            to[i] *= (REAL)b->rescale;
}
