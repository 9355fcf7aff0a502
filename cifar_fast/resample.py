"""One bilinear resample of a batch along straight lines: four taps a pixel, all fill modes of SciPy.

A position is whole pixels and a fraction in 2⁻³⁰ths, both int32: the modes "constant" and "wrap" jump at the image's
edge, where float32 would put some pixels on the other side than SciPy does, and float64 makes the pixel loop half
as slow again.
"""
import tensorflow as tf

FILL_MODES = ("nearest", "constant", "reflect", "wrap")
BITS = 30
ONE = 1 << BITS
FARTHEST = 2.0**29  # pixels: what lies beyond is as good as infinite, and sums of two stay below 2³¹


def bilinear(images, x, y, fill_mode="nearest", cval=0.0):
    """Samples images as scipy.ndimage.affine_transform(order=1, mode=fill_mode) does.

    Args:
      images: any real dtype [B, H, W, C]; H, W, C static.
      x, y: where to sample, in pixels of the input's columns and rows. Each is a pair of float64 (along, down),
        [B, W'] and [B, H'], and output pixel (r, c) is at along[c] + down[r].
      cval: what "constant" puts where the position is outside [0, W - 1] × [0, H - 1].
    Returns:
      float32 [B, H', W', C], unrounded.
    """
    height, width, channels = images.shape[1:]
    alongs, downs = _once(_split(x[0]) + _split(y[0])), _once(_split(x[1]) + _split(y[1]))
    column, wx, inside_x = _first_tap(alongs[:2], downs[:2], width, fill_mode)
    row, wy, inside_y = _first_tap(alongs[2:], downs[2:], height, fill_mode)
    pixels = tf.reshape(images, [-1, channels])
    corner = tf.range(tf.shape(images)[0])[:, None, None] * (height * width) + row * width + column
    right, below = min(width - 1, 1), width * min(height - 1, 1)

    def tap(step):  # flat indices: XLA fuses the four gathers and the arithmetic into one loop
        return tf.cast(tf.gather(pixels, corner + step), tf.float32)

    wx, wy = wx[..., None], wy[..., None]
    upper, lower = tap(0), tap(below)
    upper += wx * (tap(right) - upper)
    lower += wx * (tap(right + below) - lower)
    sampled = upper + wy * (lower - upper)
    if fill_mode == "constant":
        return tf.where((inside_x & inside_y)[..., None], sampled, tf.constant(cval, tf.float32))
    return sampled


def _split(position):
    """Float64 pixels as whole pixels and 2⁻³⁰ths, int32."""
    units = tf.cast(tf.round(tf.clip_by_value(position, -FARTHEST, FARTHEST) * ONE), tf.int64)
    whole, part = tf.bitwise.right_shift(units, tf.constant(BITS, tf.int64)), units & tf.constant(ONE - 1, tf.int64)
    return [tf.cast(whole, tf.int32), tf.cast(part, tf.int32)]


def _once(tables):
    """The same tables [B, N], computed once: XLA fuses everything but a matrix product into the pixel loop, and would
    compute them anew for each pixel and channel. So they pass through the identity."""
    stacked = tf.stack(tables, 0)
    count, shape = len(tables), tf.shape(stacked)
    return tf.unstack(tf.reshape(tf.matmul(tf.eye(count, dtype=tf.int32), tf.reshape(stacked, [count, -1])), shape))


def _first_tap(along, down, length, fill_mode):
    """Along one axis, for each pixel: the lower of its two neighbours (int32, at most length - 2, so that the other is
    the next one), the other's weight (float32), and whether the position is inside. All [B, H', W']."""
    part = along[1][:, None, :] + down[1][:, :, None]
    whole = along[0][:, None, :] + down[0][:, :, None] + tf.bitwise.right_shift(part, BITS)
    part &= ONE - 1
    last = length - 1
    inside = (whole >= 0) & ((whole < last) | ((whole == last) & (part == 0)))
    if fill_mode == "reflect":  # … 1 0 | 0 1 … last | last …
        whole = tf.math.floormod(whole, 2 * length)
        back, partial = whole >= length, part > 0
        whole = tf.where(back, 2 * length - 1 - whole - tf.cast(partial, tf.int32), whole)
        part = tf.where(back & partial, ONE - part, part)
    if fill_mode == "wrap":  # SciPy's laps are last long: the first pixel lies on the last one
        lap = tf.math.floormod(whole, max(last, 1))
        seam = (whole < 0) & (lap == 0) & (part == 0)  # to the left of the image it is the last one that shows
        whole = tf.where(inside, whole, tf.where(seam, last, lap))
    first = tf.clip_by_value(whole, 0, max(last - 1, 0))
    weight = tf.cast(whole - first, tf.float32) + tf.cast(part, tf.float32) * (1 / ONE)
    return first, tf.clip_by_value(weight, 0.0, 1.0), inside
