"""Where each output pixel samples its input, by the parameters that ImageDataGenerator names.

The map is rotation · shift · shear · zoom about the centre and flips before it, as Keras multiplies them
(keras/src/legacy/preprocessing/image.py). As there, the centre of the columns is reckoned from the height and that of
the rows from the width, which only images that are not square can tell.
"""
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cifar_fast.augment.resample import once


class Parameters(NamedTuple):
    """What was drawn: tensors [B], float32 and for the flips bool; None where the arguments ask for nothing.

    The names are those of ImageDataGenerator.apply_transform: theta and shear in degrees, tx (along the columns)
    and ty (along the rows) in pixels, zx and zy as factors of the source region, so below 1 enlarges.
    """

    theta: tf.Tensor | None = None
    tx: tf.Tensor | None = None
    ty: tf.Tensor | None = None
    shear: tf.Tensor | None = None
    zx: tf.Tensor | None = None
    zy: tf.Tensor | None = None
    flip_horizontal: tf.Tensor | None = None
    flip_vertical: tf.Tensor | None = None
    channel_shift_intensity: tf.Tensor | None = None
    brightness: tf.Tensor | None = None


def coordinates(parameters, height, width):
    """As `resample.bilinear` takes them: a pair (along, down) for the columns and one for the rows, float64 [B, width]
    and [B, height]."""
    return _first(height, width, parameters, height, width)


def matrices(parameters, height, width):
    """As `kernel.resample` takes them: float64 [B, 6]."""
    (x_along, x_down), (y_along, y_down) = _first(2, 2, parameters, height, width)
    return tf.stack([entry for along, down in ((y_along, y_down), (x_along, x_down)) for entry in (
        down[:, 1] - down[:, 0], along[:, 1] - along[:, 0], along[:, 0] + down[:, 0])], 1)


def _first(rows, columns, parameters, height, width):
    """`coordinates` of so many rows and columns of an image."""
    p = parameters
    center_x, center_y = height / 2 - 0.5, width / 2 - 0.5
    batch = next(tf.shape(v)[0] for v in p if v is not None)

    def wide(value, default):
        return tf.fill([batch, 1], tf.constant(default, tf.float64)) if value is None else (
            tf.cast(value, tf.float64)[:, None])

    def centred(count, length, center, flip):
        place = np.arange(float(count))[None] - center
        return place if flip is None else tf.where(flip[:, None], length - 1 - 2 * center - place, place)

    theta, shear = (wide(v, 0.0) * (math.pi / 180) for v in (p.theta, p.shear))
    tx, ty, zx, zy = wide(p.tx, 0.0), wide(p.ty, 0.0), wide(p.zx, 1.0), wide(p.zy, 1.0)
    cos, sin = tf.unstack(once(tf.stack([tf.cos(theta), tf.sin(theta)])))
    right = zx * centred(columns, width, center_x, p.flip_horizontal)
    down = zy * centred(rows, height, center_y, p.flip_vertical)
    slanted, low = tx - tf.sin(shear) * down, ty + tf.cos(shear) * down
    return ((cos * right, cos * slanted - sin * low + center_x),
            (sin * right, sin * slanted + cos * low + center_y))
