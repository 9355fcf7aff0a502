"""From stored examples to the network's input: gather, augment, standardize, mix, resize, in one compiled program."""
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cifar_fast import parts
from cifar_fast.augment import Affine, crops, mixing
from cifar_fast.augment.jitter import brightness_contrast
from cifar_fast.augment.resize import resized
from cifar_fast.errors import UserError
from cifar_fast.network import whitening

# Each stage draws from (seed, epoch + its own number), so that none repeats another's draws.
CROPS, MIXING, FLIP, OWN, JITTER = 1 << 28, 2 << 28, 3 << 28, 4 << 28, 5 << 28
COUNTED = 1 << 22  # numbers that are counted at a time: as many int64 are made of them


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation on the 0 to 255 scale: float32 [C], or [1] for one number over all channels."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, images, kind):
        """images: uint8 [N, H, W, C], a part at a time is in memory; kind: "scalar" or "channel". Exact: counted, not
        summed in floats. Where all numbers are the same, as those of an opaque fourth channel, 255 stands for a
        deviation of 0."""
        counts, step = 0.0, max(1, COUNTED // int(np.prod(images.shape[1:])))
        for first in range(0, len(images), step):
            part = images[first:first + step]
            channels = [part] if kind == "scalar" else [part[..., c] for c in range(part.shape[-1])]
            counts += np.array([np.bincount(c.reshape(-1), minlength=256) for c in channels], np.float64)
        values, total = np.arange(256.0), counts.sum(1)
        mean = counts @ values / total
        variance = counts @ values**2 / total - mean**2
        deviation = np.sqrt(np.where(variance > 1e-6, variance, 255.0**2))
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def __call__(self, images):
        """Images on the 0 to 255 scale, any dtype → float32, mean 0 and deviation 1 over the data they are of."""
        return (tf.cast(images, tf.float32) - self.mean) * (1 / self.deviation)


def check(config, shape):
    """Raises UserError where the augmentation of a `Config` does not fit images of a shape (H, W, C)."""
    height, width = shape[:2]
    side = min(height, width)
    limits = {"crop_size": side, "crop_padding": side - 1 if config.crop_fill == "reflect" else max(height, width),
              "cutout": config.crop_size or side}
    for name, limit in limits.items():
        if getattr(config, name) > limit:
            cropped = f", cropped to {limit}" if name == "cutout" and config.crop_size else ""
            raise UserError(f"--{name}={getattr(config, name)}: must be at most {limit} for images of "
                            f"{height}×{width} pixels{cropped}")
    if config.whitening:
        whitening.check(height, width, config.crop_size)


class Batch(NamedTuple):
    """images: float32 [B, H, W, C]; labels: int32 [B]. Where images are mixed, the loss counts `shares` (float32
    [B]) of a label and the rest of `others` (int32 [B]); else both are None."""

    images: tf.Tensor
    labels: tf.Tensor
    others: tf.Tensor | None = None
    shares: tf.Tensor | None = None


class Preparation:
    """A training batch: `prepare(images, labels, indices, epoch, size)`, a `Batch`.

    Images are uint8 [B, H, W, C], labels int32 [B], those of the examples named by `indices` (int32 [B], their
    places in the training set); `size` is the side of the prepared images, None for what the augmentation leaves.
    What an example looks like in an epoch depends on (seed, epoch, index) alone: not on its place in the batch, the
    batch size, the step or the device. Mixing takes the partner from the batch.
    """

    def __init__(self, config, statistics, own=None):
        """own: the function that `config.augmentation` names; None: to be imported, if it names one."""
        self.config, self.statistics = config, statistics
        self.own = own or config.augmentation and parts.load("--augmentation", config.augmentation)
        self.seed = tf.Variable(config.seed, trainable=False, dtype=tf.int64)  # see `Engine.inputs`
        self.affine = Affine(
            rotation_range=config.rotation_range, width_shift_range=config.width_shift_range,
            height_shift_range=config.height_shift_range, shear_range=config.shear_range,
            zoom_range=config.zoom_range, horizontal_flip=config.horizontal_flip,
            vertical_flip=config.vertical_flip, fill_mode=config.fill_mode)
        self.moves = self.affine != Affine(fill_mode=config.fill_mode)

    def augment(self, images, indices, epoch):
        """The augmented images, float32 on the 0 to 255 scale."""
        config = self.config
        if config.crop_padding or config.crop_size:
            images = crops.pad_crop(images, self._seed(epoch + CROPS), indices, config.crop_padding, config.crop_fill,
                                    config.crop_size or None)
        if config.alternating_flip:
            images = crops.alternating_flip(images, self._seed(FLIP), indices, epoch)
        images = self.affine(images, self._seed(epoch), indices) if self.moves else images
        if self.own:
            images = self.own(images, self._seed(epoch + OWN), indices)
        return tf.cast(images, tf.float32)

    def check_own(self, images):
        """Raises UserError unless the user's own augmentation makes images of some of them (uint8 [B, H, W, C])."""
        if not self.own:
            return
        flag = f"--augmentation={self.config.augmentation}"
        try:
            found = tf.function(self.augment, jit_compile=True, autograph=False)(
                images, tf.range(len(images)), tf.constant(0))
        except Exception as error:  # whatever it does
            raise UserError(f"{flag}: {parts.reason(error)}; it must be TensorFlow's operations, which XLA can "
                            "compile") from error
        if found.shape.rank != 4 or (found.shape[0], found.shape[3]) != (len(images), images.shape[3]):
            raise UserError(f"{flag}: must return images [{len(images)}, height, width, {images.shape[3]}] of as many, "
                            f"not {found.shape}")
        if not np.isfinite(found).all():
            raise UserError(f"{flag}: returns numbers that are not finite")

    @tf.function(jit_compile=True, autograph=False)
    def __call__(self, images, labels, indices, epoch, size=None):
        return self._prepared(images, labels, indices, epoch, size)

    @tf.function(jit_compile=True, autograph=False)
    def gathered(self, images, labels, indices, epoch, size=None):
        """The same from the whole training set: images uint8 [N, H, W, C], labels int32 [N]."""
        return self._prepared(tf.gather(images, indices), tf.gather(labels, indices), indices, epoch, size)

    def _prepared(self, images, labels, indices, epoch, size):
        config = self.config
        images = self.statistics(self.augment(images, indices, epoch))
        if config.brightness or config.contrast:
            images = brightness_contrast(images, self._seed(epoch + JITTER), indices, config.brightness,
                                         config.contrast)
        if config.cutout:
            images = crops.cutout(images, self._seed(epoch + CROPS), indices, config.cutout)
        mix, alpha = (mixing.mixup, config.mixup) if config.mixup else (mixing.cutmix, config.cutmix)
        others = shares = None
        if alpha:
            images, partners, shares = mix(images, self._seed(epoch + MIXING), indices, alpha)
            others = tf.gather(labels, partners)
        return Batch(images if size is None else resized(images, size), labels, others, shares)

    def _seed(self, number):
        return tf.stack([tf.cast(self.seed, tf.int32), number])
