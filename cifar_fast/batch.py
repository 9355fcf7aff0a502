"""From stored examples to the network's input: gather, augment, standardize, in one compiled program."""
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from cifar_fast.augment import Affine


@dataclass(frozen=True)
class Statistics:
    """Mean and deviation on the 0 to 255 scale: float32 [C], or [1] for one number over all channels."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, images, kind):
        """images: uint8 [N, H, W, C]; kind: "scalar" or "channel". Exact: counted, not summed in floats."""
        channels = [images] if kind == "scalar" else [images[..., c] for c in range(images.shape[-1])]
        counts = np.array([np.bincount(c.reshape(-1), minlength=256) for c in channels], np.float64)
        values, total = np.arange(256.0), counts.sum(1)
        mean = counts @ values / total
        variance = counts @ values**2 / total - mean**2
        return cls(mean.astype(np.float32), np.sqrt(np.maximum(variance, 1e-6)).astype(np.float32))

    def __call__(self, images):
        """Images on the 0 to 255 scale, any dtype → float32, mean 0 and deviation 1 over the data they are of."""
        return (tf.cast(images, tf.float32) - self.mean) * (1 / self.deviation)


class Preparation:
    """A training batch: `prepare(images, indices, epoch)`.

    Images are uint8 [B, H, W, C], the examples named by `indices` (int32 [B], their places in the training
    set); the result is float32 [B, H, W, C]. What an example looks like in an epoch depends on (seed, epoch,
    index) alone: not on its place in the batch, the batch size, the step or the device.
    """

    def __init__(self, config, statistics):
        self.seed, self.statistics = config.seed, statistics
        self.affine = Affine(
            rotation_range=config.rotation_range, width_shift_range=config.width_shift_range,
            height_shift_range=config.height_shift_range, shear_range=config.shear_range,
            zoom_range=config.zoom_range, horizontal_flip=config.horizontal_flip,
            vertical_flip=config.vertical_flip, fill_mode=config.fill_mode)

    def augment(self, images, indices, epoch):
        """The augmented images, float32 on the 0 to 255 scale."""
        return self.affine(images, tf.stack([self.seed, epoch]), indices)

    @tf.function(jit_compile=True)
    def __call__(self, images, indices, epoch):
        return self.statistics(self.augment(images, indices, epoch))

    @tf.function(jit_compile=True)
    def gathered(self, images, labels, indices, epoch):
        """The same from the whole training set: images uint8 [N, H, W, C], labels int32 [N] → images, labels."""
        return self.statistics(self.augment(tf.gather(images, indices), indices, epoch)), tf.gather(labels, indices)
