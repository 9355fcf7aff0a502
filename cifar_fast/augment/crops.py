"""Augmentation of the fast recipes, by whole pixels and without interpolation: crop, alternating flip, cutout.

All draw from (seed, id), see `draws`: an image's crop is the same in any batch, compiled or not. Give every
epoch a seed of its own, except to `alternating_flip`. Images are [B, H, W, C] of any real dtype, which the result
keeps.
"""
import tensorflow as tf

from cifar_fast.augment import draws

# Each function reads columns of its own, so that one seed serves all of them.
SHIFT, FLIP, CUTOUT = slice(0, 2), 2, slice(3, 5)
WORDS = 5


def pad_crop(images, seed, ids, padding, mode="reflect", size=None):
    """Pads each image by `padding` pixels on all sides and crops a window out of it.

    Args:
      seed: a pair of integers; ids: int32 [B], see `draws`. padding: pixels, at least 0.
      mode: what fills the border: "reflect" (mirrored about the edge pixel, as tf.pad does) or "zero".
      size: the window's side in pixels; None: that of the image, which is then moved by up to `padding` pixels.
    Returns:
      the windows, [B, size, size, C]; each that fits into the padded image is as likely as any other.
    Raises:
      ValueError: an unknown mode; padding negative, or not below the size with "reflect"; a window below 1 pixel or
        larger than the image.
    """
    height, width = images.shape[1:3]
    if size is not None and not 1 <= size <= min(height, width):
        raise ValueError(f"size={size}: must be from 1 to {min(height, width)} for {height}×{width} images")
    limit = min(height, width) - 1 if mode == "reflect" else max(height, width)
    if mode not in ("reflect", "zero"):
        raise ValueError(f"mode={mode!r}: must be reflect or zero")
    if not 0 <= padding <= limit:
        raise ValueError(f"padding={padding}: must be from 0 to {limit} for {height}×{width} images and mode {mode!r}")
    words = draws.bits(seed, ids, WORDS)[:, SHIFT]
    rows, row_inside = _window(height, size or height, words[:, 0], padding, mode)
    columns, column_inside = _window(width, size or width, words[:, 1], padding, mode)
    starts = tf.range(tf.shape(images)[0])[:, None, None] * (height * width)
    flat = tf.reshape(images, [-1, images.shape[3]])
    moved = tf.gather(flat, starts + rows[:, :, None] * width + columns[:, None, :])
    if mode == "reflect":
        return moved
    inside = row_inside[:, :, None] & column_inside[:, None, :]
    return tf.where(inside[..., None], moved, tf.zeros([], images.dtype))


def alternating_flip(images, seed, ids, epoch):
    """Mirrors left to right: half of the images in epoch 0, and in each later epoch those that the last one left.

    Every two epochs then show an image both ways (Jordan, "94% on CIFAR-10 in 3.29 seconds", 2024).

    Args:
      seed: a pair of integers, the same in all epochs; ids: int32 [B], see `draws`.
      epoch: an integer or a scalar tensor, from 0.
    """
    first = draws.scaled(draws.bits(seed, ids, WORDS)[:, FLIP], 2) == 1
    odd = tf.cast(epoch, tf.int32) % 2 == 1
    flip = tf.not_equal(first, odd)
    return tf.where(flip[:, None, None, None], tf.reverse(images, [2]), images)


def cutout(images, seed, ids, size):
    """Sets a square of each image to 0, the mean of standardized images (DeVries and Taylor, 2017); all of it lies
    within the image.

    Args:
      seed: a pair of integers; ids: int32 [B], see `draws`. size: the square's side in pixels.
    Raises:
      ValueError: the size is negative or above the image's.
    """
    height, width = images.shape[1:3]
    if not 0 <= size <= min(height, width):
        raise ValueError(f"size={size}: must be from 0 to {min(height, width)} for {height}×{width} images")
    words = draws.bits(seed, ids, WORDS)[:, CUTOUT]
    rows = _between(height, draws.scaled(words[:, 0], height - size + 1), size)
    columns = _between(width, draws.scaled(words[:, 1], width - size + 1), size)
    hidden = rows[:, :, None] & columns[:, None, :]
    return tf.where(hidden[..., None], tf.zeros([], images.dtype), images)


def _window(length, size, words, padding, mode):
    """Where each pixel of a window's axis comes from, int32 [B, size], and whether that was inside."""
    start = draws.scaled(words, length + 2 * padding - size + 1) - padding
    position = tf.range(size)[None] + start[:, None]
    inside = (position >= 0) & (position < length)
    if mode == "reflect":
        return length - 1 - tf.abs(length - 1 - tf.abs(position)), inside
    return tf.clip_by_value(position, 0, length - 1), inside


def _between(length, start, size):
    place = tf.range(length)[None]
    return (place >= start[:, None]) & (place < start[:, None] + size)
