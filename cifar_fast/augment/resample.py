"""One resample of a batch along straight lines, bilinear or nearest, with all fill modes of SciPy.

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
    (column, wx, inside_x), (row, wy, inside_y) = (
        _first_tap(*place, length) for place, length in _places(images, x, y, fill_mode))
    upper, upper_right, lower, lower_right = _taps(images, row, column)
    wx, wy = wx[..., None], wy[..., None]
    upper += wx * (upper_right - upper)
    lower += wx * (lower_right - lower)
    sampled = upper + wy * (lower - upper)
    return _filled(sampled, inside_x & inside_y, cval) if fill_mode == "constant" else sampled


def nearest(images, x, y, fill_mode="nearest", cval=0.0):
    """The same with order=0: the nearest pixel, of two equally near ones the right or lower, as SciPy rounds. No value
    comes out that is not in the image, or cval."""
    (column, inside_x), (row, inside_y) = (
        (_nearest_tap(*place[:2], length), place[2]) for place, length in _places(images, x, y, fill_mode))
    height, width, channels = images.shape[1:]
    number = tf.range(tf.shape(images)[0])[:, None, None]
    pixels = tf.reshape(images, [-1, channels])
    sampled = tf.cast(tf.gather(pixels, (number * height + row) * width + column), tf.float32)
    return _filled(sampled, inside_x & inside_y, cval) if fill_mode == "constant" else sampled


def _places(images, x, y, fill_mode):
    """For the columns and for the rows what `_folded` says, and their number."""
    height, width = images.shape[1:3]
    alongs, downs = (tf.unstack(once(tf.stack(_split(x[i]) + _split(y[i])))) for i in (0, 1))
    return ((_folded(alongs[:2], downs[:2], width, fill_mode), width),
            (_folded(alongs[2:], downs[2:], height, fill_mode), height))


def _filled(sampled, inside, cval):
    return tf.where(inside[..., None], sampled, tf.constant(cval, tf.float32))


def _split(position):
    """Float64 pixels as whole pixels and 2⁻³⁰ths, int32."""
    units = tf.cast(tf.round(tf.clip_by_value(position, -FARTHEST, FARTHEST) * ONE), tf.int64)
    whole, part = tf.bitwise.right_shift(units, BITS), units & (ONE - 1)
    return [tf.cast(whole, tf.int32), tf.cast(part, tf.int32)]


def once(x):
    """The same numbers, all finite, computed once. XLA fuses cheap arithmetic into each loop that reads it, and would
    compute these anew for every pixel and channel; a sum, here with zero, it computes beforehand."""
    return tf.reduce_sum(x[None] * tf.reshape(tf.constant([1, 0], x.dtype), [2] + [1] * x.shape.rank), 0)


def _taps(images, row, column):
    """The pixel at (row, column), its right neighbour and the two below: float32 [B, H', W', C] each."""
    height, width, channels = images.shape[1:]
    right, below = min(width - 1, 1), width * min(height - 1, 1)
    steps = (0, right, below, right + below)
    place, number = row * width + column, tf.range(tf.shape(images)[0])[:, None, None]
    if images.dtype != tf.uint8:
        pixels, corner = tf.reshape(images, [-1, channels]), number * (height * width) + place
        return [tf.cast(tf.gather(pixels, corner + step), tf.float32) for step in steps]
    # All four bytes in one word, so that one gather brings them: gathering is what takes the time.
    count = height * width - steps[3]  # the places that have all four
    lines = tf.cast(tf.reshape(images, [-1, height * width * channels]), tf.int32)
    four = [tf.bitwise.left_shift(lines[:, step * channels:(step + count) * channels], 8 * i)
            for i, step in enumerate(steps)]
    words = tf.reshape(once(four[0] | four[1] | four[2] | four[3]), [-1, channels])
    word = tf.gather(words, number * count + place)
    return [tf.cast(tf.bitwise.right_shift(word, 8 * i) & 255, tf.float32) for i in range(4)]


def _folded(along, down, length, fill_mode):
    """Along one axis, for each pixel: its position as the fill mode brings it back, whole pixels and 2⁻³⁰ths, and
    whether it was inside. It may still lie up to a pixel outside, where the edge's pixel shows. All [B, H', W']."""
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
    return whole, part, inside


def _first_tap(whole, part, inside, length):
    """The lower of a position's two neighbours (int32, at most length - 2, so that the other is the next one), the
    other's weight (float32), and `inside` as it is."""
    first = tf.clip_by_value(whole, 0, max(length - 2, 0))
    weight = tf.cast(whole - first, tf.float32) + tf.cast(part, tf.float32) * (1 / ONE)
    return first, tf.clip_by_value(weight, 0.0, 1.0), inside


def _nearest_tap(whole, part, length):
    return tf.clip_by_value(whole + tf.bitwise.right_shift(part, BITS - 1), 0, length - 1)
