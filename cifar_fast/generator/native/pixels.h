/* The pixel loops, for numbers of the type REAL; included once for float and once for double. NAME(x) is x and the
   type. Rows and columns lie `down` and `along` numbers apart, channels `between`, in input and output alike. */

typedef struct { int64_t along, down, between; } NAME(layout);

INLINE NAME(layout) NAME(layout_of)(const batch *b)
{
    int64_t along = b->planar ? 1 : b->channels;
    return (NAME(layout)){along, along * b->width, b->planar ? b->height * b->width : 1};
}

/* An image of the batch as REAL numbers. */
static void NAME(read)(const batch *b, int64_t source, REAL *to)
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

/* Four neighbouring channels of a pixel from its four taps; REAL numbers beyond the third are read and written. */
INLINE void NAME(blend4)(const REAL *from, REAL *to, taps row, taps column)
{
    typedef REAL vector __attribute__((vector_size(4 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias));
    typedef double wide __attribute__((vector_size(4 * sizeof(double))));
#define AT(place) __builtin_convertvector(*(const vector *)(from + (place)), wide)
    double a = 1 - row.weight, b = 1 - column.weight;
    wide sum = AT(row.low + column.low) * (a * b) + AT(row.low + column.high) * (a * column.weight)
        + AT(row.high + column.low) * (row.weight * b) + AT(row.high + column.high) * (row.weight * column.weight);
    *(vector *)to = __builtin_convertvector(sum, vector);
#undef AT
}

INLINE REAL NAME(blend)(const REAL *from, taps row, taps column)
{
    double a = 1 - row.weight, b = 1 - column.weight;
    return from[row.low + column.low] * (a * b) + from[row.low + column.high] * (a * column.weight)
        + from[row.high + column.low] * (row.weight * b) + from[row.high + column.high] * (row.weight * column.weight);
}

FASTER static void NAME(resample)(const batch *b, const plan *p, const REAL *from, REAL *to)
{
    NAME(layout) l = NAME(layout_of)(b);
    const double *m = p->matrix;
    int quick = !b->planar && (b->channels == 3 || b->channels == 4);
    for (int64_t y = 0; y < b->height; y++) {
        int64_t r = p->steps & FLIP_ROWS ? b->height - 1 - y : y;
        double row_start = m[2] + r * m[0], column_start = m[5] + r * m[3];  /* SciPy's order */
        REAL *out = to + y * l.down;
        for (int64_t x = 0; x < b->width; x++, out += l.along) {
            int64_t c = p->steps & FLIP_COLUMNS ? b->width - 1 - x : x;
            taps row = taps_at(row_start + c * m[1], b->height, l.down, b->fill, b->order);
            taps column = taps_at(column_start + c * m[4], b->width, l.along, b->fill, b->order);
            if (row.outside | column.outside)
                for (int64_t channel = 0; channel < b->channels; channel++)
                    out[channel * l.between] = b->cval;
            else if (quick && (y < b->height - 1 || x < b->width - 1))  /* what lies beyond is written later */
                NAME(blend4)(from, out, row, column);
            else
                for (int64_t channel = 0; channel < b->channels; channel++)
                    out[channel * l.between] = NAME(blend)(from + channel * l.between, row, column);
        }
    }
}

/* Flips alone. */
static void NAME(turn)(const batch *b, const plan *p, const REAL *from, REAL *to)
{
    NAME(layout) l = NAME(layout_of)(b);
    for (int64_t y = 0; y < b->height; y++)
        for (int64_t x = 0; x < b->width; x++) {
            int64_t r = p->steps & FLIP_ROWS ? b->height - 1 - y : y, c = p->steps & FLIP_COLUMNS ? b->width - 1 - x : x;
            for (int64_t channel = 0; channel < b->channels; channel++)
                to[y * l.down + x * l.along + channel * l.between] = from[r * l.down + c * l.along + channel * l.between];
        }
}

static void NAME(extremes)(const REAL *x, int64_t size, REAL *low, REAL *high)
{
    *low = *high = x[0];
    for (int64_t i = 1; i < size; i++) {
        *low = x[i] < *low ? x[i] : *low;
        *high = x[i] > *high ? x[i] : *high;
    }
}

static void NAME(shift_channels)(REAL *x, int64_t size, REAL by)
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
static void NAME(brighten)(const batch *b, REAL *x, float by)
{
    NAME(layout) l = NAME(layout_of)(b);
    int64_t size = b->height * b->width * b->channels, pixels = b->height * b->width;
    REAL low, high;
    NAME(extremes)(x, size, &low, &high);
    int scaled = low < 0 || high > 255;
    float top = (float)high - (float)low;
    for (int64_t channel = 0; channel < b->channels; channel++)
        for (int64_t i = 0; i < pixels; i++) {
            REAL *at = x + i * l.along + channel * l.between;
            float value = *at;
            if (scaled) {
                value -= (float)low;
                value = (top != 0 ? value / top : value) * 255;
            }
            int eight = value;
            float bright = eight * by;
            if (channel == 3)
                bright = eight;
            eight = bright < 255 ? (int)bright : 255;
            *at = scaled ? (float)eight / 255 * (high - low) + low : eight;
        }
}

static void NAME(transform)(const batch *b, const plan *p, REAL *workspace, REAL *to)
{
    int64_t size = b->height * b->width * b->channels;
    if (p->steps & (RESAMPLE | FLIP_COLUMNS | FLIP_ROWS)) {
        NAME(read)(b, p->source, workspace);
        (p->steps & RESAMPLE ? NAME(resample) : NAME(turn))(b, p, workspace, to);
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
