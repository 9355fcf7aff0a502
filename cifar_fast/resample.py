"""One bilinear resample of a batch at computed coordinates: four taps a pixel, all fill modes of SciPy.

Coordinates are float64: the modes "constant" and "wrap" jump at the image's edge, so a float32 coordinate would
put some edge pixels on the other side than SciPy does. They are sums of a column's and a row's part, so the
double precision costs one addition a pixel.
"""
import tensorflow as tf

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def bilinear(images, x, y, fill_mode="nearest", cval=0.0):
    """Samples images at fractional positions, as scipy.ndimage.affine_transform(order=1, mode=fill_mode) does.

    Args:
      images: any real dtype [B, H, W, C]; H, W, C static.
      x, y: float64 [B, H', W'] (or such that broadcast to it): columns and rows of the input, in pixels.
      cval: what "constant" puts where the position is outside [0, W - 1] × [0, H - 1].
    Returns:
      float32 [B, H', W', C], unrounded.
    """
    height, width, channels = images.shape[1:]
    pixels = tf.reshape(images, [-1, channels])
    starts = tf.range(tf.shape(images)[0])[:, None, None] * (height * width)
    (x0, x1, wx, inside_x), (y0, y1, wy, inside_y) = _taps(x, width, fill_mode), _taps(y, height, fill_mode)
    y0, y1 = starts + y0 * width, starts + y1 * width

    def tap(row, column):  # flat indices: XLA fuses the four gathers and the arithmetic into one loop
        return tf.cast(tf.gather(pixels, row + column), tf.float32)

    wx, wy = wx[..., None], wy[..., None]
    upper, lower = tap(y0, x0), tap(y1, x0)
    upper += wx * (tap(y0, x1) - upper)
    lower += wx * (tap(y1, x1) - lower)
    sampled = upper + wy * (lower - upper)
    if fill_mode == "constant":
        return tf.where((inside_x & inside_y)[..., None], sampled, tf.constant(cval, tf.float32))
    return sampled


def _taps(position, length, fill_mode):
    """Both neighbours of each position along one axis (int32, within it), the second one's weight (float32), and
    whether the position is inside."""
    last = length - 1
    inside = (position >= 0) & (position <= last)
    if fill_mode == "reflect":  # … 1 0 | 0 1 … last | last …: period 2 · length
        first, weight = _split(position)
        taps = [tf.math.floormod(first + i, 2 * length) for i in (0, 1)]
        return *[tf.minimum(t, 2 * length - 1 - t) for t in taps], weight, inside
    if fill_mode == "wrap":  # SciPy's has period last: the first pixel lies on the last one
        period = max(last, 1)
        wrapped = position - period * tf.floor(position / period)
        # what lies on a seam exactly: after the division it may be one period off, and SciPy ends a lap to the left
        # of the image with the last pixel, to the right with the first
        wrapped = tf.where(wrapped >= period, wrapped - period, wrapped)
        wrapped = tf.where((position < 0) & (wrapped == 0), tf.constant(last, position.dtype), wrapped)
        position = tf.where(inside, position, wrapped)
    first, weight = _split(tf.clip_by_value(position, tf.constant(0, position.dtype), float(last)))
    return first, tf.minimum(first + 1, last), weight, inside


def _split(position):
    floor = tf.floor(position)
    return tf.cast(floor, tf.int32), tf.cast(position - floor, tf.float32)
