"""Mixtures of two images and their labels: mixup and cutmix.

Both mix an image with its partner in the batch and return (images, partners, weight): the loss of an example is

    weight · loss(prediction, labels) + (1 - weight) · loss(prediction, tf.gather(labels, partners))

which `mixed_labels` gives as one label distribution. Partners are the first and the second example of a batch, the
third and the fourth, … (the batch is in random order already), each with a weight of its own from (seed, id): so a
batch that is split over replicas in even shares is mixed as it would be on one. The last of an odd number stays alone.
"""
import functools

import numpy as np
import tensorflow as tf

from cifar_fast.augment import draws

QUANTILE_BITS = 14


def mixup(images, seed, ids, alpha=1.0):
    """weight · image + (1 - weight) · partner, the weight from Beta(alpha, alpha) (Zhang et al., 2018).

    Args:
      images: float [B, H, W, C]. seed: a pair of integers; ids: int32 [B], see `draws`. alpha: above 0.
    Returns:
      images, partners int32 [B] (places in the batch), weight float32 [B].
    Raises:
      ValueError: alpha is not above 0, or images are not floats.
    """
    _check(images, alpha)
    partners, weight = _partners(images), beta(seed, ids, alpha)
    share = tf.cast(weight, images.dtype)[:, None, None, None]
    return share * images + (1 - share) * tf.gather(images, partners), partners, weight


def cutmix(images, seed, ids, alpha=1.0):
    """Pastes a box of the partner into each image (Yun et al., 2019): its area is 1 - weight of the image before it
    is cut at the image's edge; the weight returned is that of the pixels that are left.

    Arguments, results and errors are those of `mixup`; images of any dtype.
    """
    _check(images, alpha, floats=False)
    height, width = images.shape[1:3]
    partners = _partners(images)
    side = tf.sqrt(1 - beta(seed, ids, alpha))
    words = draws.bits(seed, ids, 2)
    rows = _box(height, side, draws.scaled(words[:, 0], height))
    columns = _box(width, side, draws.scaled(words[:, 1], width))
    pasted = rows[:, :, None] & columns[:, None, :]
    share = tf.reduce_sum(tf.cast(pasted, tf.int32), [1, 2])
    weight = tf.cast(height * width - share, tf.float32) * (1 / (height * width))  # XLA would multiply anyway
    return tf.where(pasted[..., None], tf.gather(images, partners), images), partners, weight


def mixed_labels(labels, partners, weight, classes):
    """Labels int32 [B] → the mixture float32 [B, classes]: what a cross entropy against a distribution takes."""
    one_hot, weight = tf.one_hot(labels, classes), weight[:, None]
    return weight * one_hot + (1 - weight) * tf.gather(one_hot, partners)


def beta(seed, ids, alpha):
    """float32 [B] from Beta(alpha, alpha), by its inverse: one of 2¹⁴ quantiles, equally likely, looked up in a table
    (an integer draw and no arithmetic, so compiled and not give the same bits). Below an alpha of 10⁻⁶ as at it: 0 or
    1."""
    place = draws.scaled(draws.bits(seed, ids, 3)[:, 2], 1 << QUANTILE_BITS)  # columns 0 and 1 are cutmix's
    return tf.gather(tf.constant(_quantiles(max(float(alpha), 1e-6))), place)


@functools.cache
def _quantiles(alpha):
    """The table: float32 [2¹⁴], the quantiles at (i + 1/2) / 2¹⁴. The density is symmetric, so it is integrated up to
    1/2 by trapezoids; below alpha = 1 it is infinite at 0, and s = tᵃ takes the pole out of the integral."""
    if alpha < 1:
        s = np.linspace(0, 0.5**alpha, 1 << 17)
        t = s ** (1 / alpha)
        heights, widths = (1 - t) ** (alpha - 1), np.diff(s)
    else:
        t = np.linspace(0, 0.5, 1 << 17)
        heights, widths = (4 * t * (1 - t)) ** (alpha - 1), np.diff(t)
    mass = np.concatenate([[0], np.cumsum((heights[1:] + heights[:-1]) / 2 * widths)])
    half = 1 << (QUANTILE_BITS - 1)
    lower = np.interp((np.arange(half) + 0.5) / (2 * half), mass / (2 * mass[-1]), t)
    return np.concatenate([lower, 1 - lower[::-1]]).astype(np.float32)


def _partners(images):
    """Who is mixed with whom: places in the batch, int32 [B]."""
    count = tf.shape(images)[0]
    return tf.minimum(tf.bitwise.bitwise_xor(tf.range(count), 1), count - 1)


def _box(length, side, center):
    """Which pixels of an axis the box covers: bool [B, length]. side: its share of the length; center in pixels."""
    cut = tf.cast(side * length, tf.int32)
    low = (center - cut // 2)[:, None]
    place = tf.range(length)[None]
    return (place >= low) & (place < low + cut[:, None])


def _check(images, alpha, floats=True):
    if not 0 < alpha < float("inf"):
        raise ValueError(f"alpha={alpha}: must be a finite number above 0")
    if floats and not images.dtype.is_floating:
        raise ValueError(f"images of dtype {images.dtype.name}: must be floats, or the mixture would be rounded")
