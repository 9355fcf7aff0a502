"""ImageDataGenerator's geometry for a whole batch in one resample.

Rotation, shift, shear, zoom and flips compose into one map from output to input coordinates, and every output
pixel is interpolated once. Each image draws its own parameters from (seed, id), see `draws`.
"""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cifar_fast import draws

FILL_MODES = ("nearest", "constant", "reflect", "wrap")


class Parameters(NamedTuple):
    """One number an image, float32 [B]: degrees, pixels, degrees, factors, and 0 or 1 for the flips."""

    theta: tf.Tensor
    dx: tf.Tensor
    dy: tf.Tensor
    shear: tf.Tensor
    zx: tf.Tensor
    zy: tf.Tensor
    flip_x: tf.Tensor
    flip_y: tf.Tensor


@dataclass(frozen=True)
class Affine:
    """Random affine augmentation with ImageDataGenerator's argument names and meanings.

    rotation_range, shear_range: degrees. width_shift_range moves columns, height_shift_range rows (Keras's own
    swaps the two): a fraction of the size below 1, pixels from 1 on. zoom_range: a number z for [1 - z, 1 + z],
    or (low, high). fill_mode: "nearest", "constant" (with cval), "reflect" or "wrap", as SciPy defines them.

    Raises:
      ValueError: naming the argument, its value and what is allowed.
    """

    rotation_range: float = 0.0
    width_shift_range: float = 0.0
    height_shift_range: float = 0.0
    shear_range: float = 0.0
    zoom_range: float | tuple[float, float] = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "nearest"
    cval: float = 0.0

    def __post_init__(self):
        for name in ("rotation_range", "width_shift_range", "height_shift_range", "shear_range"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)}: must be a number of at least 0")
        if self.fill_mode not in FILL_MODES:
            raise ValueError(f"fill_mode={self.fill_mode!r}: must be one of {', '.join(FILL_MODES)}")
        low, high = self._zoom()
        if not 0 < low <= high:
            raise ValueError(f"zoom_range={self.zoom_range}: factors must be above 0, the lower first")

    def __call__(self, images, seed, ids=None):
        """Augments a batch.

        Args:
          images: uint8 or float [B, H, W, C]. seed: integer pair, see `draws.bits`.
          ids: int32 [B], what names each image; its place in the batch if left out.
        Returns:
          float32 [B, H, W, C], interpolated but not rounded, on the scale of the input.
        """
        images = tf.convert_to_tensor(images)
        if images.shape.rank != 4:
            raise ValueError(f"images of shape {images.shape}: must be [batch, height, width, channels]")
        ids = tf.range(tf.shape(images)[0]) if ids is None else ids
        return self.transform(images, self.parameters(seed, ids, images.shape[1:3]))

    def parameters(self, seed, ids, size):
        """Draws each image's `Parameters`. size: (height, width)."""
        u = tf.unstack(draws.uniform(seed, ids, 8), axis=1)
        height, width = size

        def symmetric(i, limit):
            return (2 * u[i] - 1) * limit

        def pixels(limit, length):
            return limit * length if limit < 1 else limit

        low, high = self._zoom()
        half = [tf.cast(u[i] < 0.5, tf.float32) for i in (6, 7)]
        return Parameters(
            symmetric(0, self.rotation_range), symmetric(1, pixels(self.width_shift_range, width)),
            symmetric(2, pixels(self.height_shift_range, height)), symmetric(3, self.shear_range),
            low + u[4] * (high - low), low + u[5] * (high - low),
            half[0] * float(self.horizontal_flip), half[1] * float(self.vertical_flip))

    def transform(self, images, parameters):
        """Resamples a batch by given parameters: float32 [B, H, W, C]."""
        height, width = images.shape[1:3]
        p = parameters
        flips = [v[:, None, None] for v in (p.flip_x, p.flip_y)]
        columns = np.arange(width, dtype=np.float32) - (width - 1) / 2
        rows = np.arange(height, dtype=np.float32)[:, None] - (height - 1) / 2
        x, y = columns * (1 - 2 * flips[0]), rows * (1 - 2 * flips[1])  # centred: a flip is a sign
        if self._moves():
            theta, shear = (v[:, None, None] * (np.pi / 180) for v in (p.theta, p.shear))
            dx, dy, zx, zy = (v[:, None, None] for v in (p.dx, p.dy, p.zx, p.zy))
            # rotation · shift · shear · zoom, as Keras multiplies them
            x, y = zx * x, zy * y
            x, y = x - tf.sin(shear) * y + dx, tf.cos(shear) * y + dy
            x, y = tf.cos(theta) * x - tf.sin(theta) * y, tf.sin(theta) * x + tf.cos(theta) * y
        return self._sample(images, x + (width - 1) / 2, y + (height - 1) / 2)

    def _moves(self):
        return any((self.rotation_range, self.width_shift_range, self.height_shift_range, self.shear_range,
                    self._zoom() != (1, 1)))

    def _zoom(self):
        zoom = self.zoom_range
        return (1 - zoom, 1 + zoom) if np.isscalar(zoom) else tuple(zoom)

    def _sample(self, images, x, y):
        """Bilinear at fractional columns x and rows y, [B, H, W]; plain picking where only flips are drawn."""
        height, width, channels = images.shape[1:]
        shape = tf.stack([tf.shape(images)[0], height, width])
        x, y = tf.broadcast_to(x, shape), tf.broadcast_to(y, shape)
        pixels = tf.reshape(images, [-1, channels])
        starts = tf.range(shape[0])[:, None, None] * (height * width)

        def tap(column, row):
            return tf.cast(tf.gather(pixels, starts + row * width + column), tf.float32)

        if not self._moves():
            return tap(tf.cast(x, tf.int32), tf.cast(y, tf.int32))
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        (x0, x1, wx), (y0, y1, wy) = self._taps(x, width), self._taps(y, height)
        upper = tap(x0, y0) + wx * (tap(x1, y0) - tap(x0, y0))
        lower = tap(x0, y1) + wx * (tap(x1, y1) - tap(x0, y1))
        sampled = upper + wy * (lower - upper)
        return tf.where(inside[..., None], sampled, self.cval) if self.fill_mode == "constant" else sampled

    def _taps(self, position, length):
        """Both neighbours of a position along one axis, int32 within it, and the second one's weight."""
        last = length - 1
        if self.fill_mode in ("nearest", "constant"):
            position = tf.clip_by_value(position, 0.0, float(last))
        elif self.fill_mode == "wrap":  # SciPy's wrap has period length - 1
            position = position - last * tf.floor(position / last)
        first = tf.floor(position)
        weight = (position - first)[..., None]
        first = tf.cast(first, tf.int32)
        if self.fill_mode == "reflect":
            taps = [tf.math.floormod(first + i, 2 * length) for i in (0, 1)]
            taps = [tf.minimum(t, 2 * length - 1 - t) for t in taps]
        else:
            taps = [first, tf.minimum(first + 1, last)]
        return *taps, weight
