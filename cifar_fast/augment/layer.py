"""Random augmentation as Keras layers: `RandomAffine` and its kind stand in a model, or in `Dataset.map`.

Keras's own rotation, shift, zoom and shear layers can't be compiled by XLA, and turn it off for the whole model that
they stand in; these compile, in the model's program or, where that is not compiled, in one of their own.

A layer draws from (seed, number of the call, place in the batch), see `draws`: each step draws anew, and the same seed
the same again. The calls are counted by a variable that is saved with the model. The replicas of a strategy draw as the
places of their shares in the whole batch would. What `Dataset.map` calls several times at once is counted in any order;
there, `Affine` with the batch's number as its seed repeats.
"""
import dataclasses
import random
from numbers import Integral

import keras
import tensorflow as tf

from cifar_fast.augment import crops, kernel, mixing
from cifar_fast.augment.affine import Affine

# A saved model that has one of these is loaded where the class was imported before: `from cifar_fast import …`.
serializable = keras.saving.register_keras_serializable(package="cifar_fast")


class RandomLayer(keras.layers.Layer):
    """What the layers share. Images of any real dtype, [B, H, W, C] or one [H, W, C]; H, W and C static → images of the
    same shape in the layer's compute dtype, augmented if training=True and else as they came.

    `fit` says training=True. On its own, as in `Dataset.map`, a layer must be told: `layer(images, training=True)`.

    seed: an int; None: one from Python's `random`, which `keras.utils.set_random_seed` seeds.

    Raises:
      ValueError: Keras has another backend than TensorFlow; the seed is no int.
    """

    def __init__(self, *, seed=None, **kwargs):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"{type(self).__name__}: Keras's backend is {keras.backend.backend()}, must be tensorflow")
        if not (seed is None or isinstance(seed, Integral)):
            raise ValueError(f"seed={seed!r}: must be an int or None")
        super().__init__(autocast=False, **kwargs)  # or mixed precision would round images before they are resampled
        self.seed = random.randint(1, 10**9) if seed is None else int(seed)
        self.calls = self.add_weight(name="calls", shape=(), dtype="int64", initializer="zeros", trainable=False)

    def call(self, images, training=False):
        images = tf.convert_to_tensor(images)
        if images.shape.rank == 3:
            return self.call(images[None], training)[0]
        images = self._drawn(images, *self._next_draw(images)) if training else self.unaugmented(images)
        return tf.cast(images, self.compute_dtype)

    def augmented(self, images, seed, ids):
        """Images [B, H, W, C], a pair of integers, int32 [B] → augmented images of the same shape."""
        raise NotImplementedError

    def unaugmented(self, images):
        """What the images are when not training."""
        return images

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"seed": self.seed}

    @tf.function(jit_compile=True, autograph=False, reduce_retracing=True)
    def _drawn(self, *arguments):
        return self.augmented(*arguments)

    def _next_draw(self, images):
        """The seed of this call, which is counted, and the images' places in the whole batch."""
        seed = tf.stack([tf.constant(self.seed & 0xFFFFFFFF, tf.int64), tf.convert_to_tensor(self.calls)])
        self.calls.assign_add(1)
        count, replica = tf.shape(images)[0], tf.distribute.get_replica_context()
        return seed, tf.range(count) + (replica.replica_id_in_sync_group * count if replica else 0)


@serializable
class RandomAffine(RandomLayer):
    """`Affine` as a layer: the transforms of ImageDataGenerator, in one resample.

    arguments: those of `Affine`, by name; `rescale` is applied when not training, too. For the rest, and for what is
    raised, see `RandomLayer` and `Affine`.
    """

    def __init__(self, *, seed=None, name=None, dtype=None, trainable=True, **arguments):
        super().__init__(seed=seed, name=name, dtype=dtype, trainable=trainable)
        self.affine = Affine(**arguments)

    def augmented(self, images, seed, ids):
        return self.affine(images, seed, ids)

    def _drawn(self, images, *draw):
        # The resample in C is not for XLA's programs, and faster.
        return self.augmented(images, *draw) if kernel.serves(images) else super()._drawn(images, *draw)

    def unaugmented(self, images):
        rescale = self.affine.rescale
        return images if rescale is None else tf.cast(images, tf.float32) * rescale

    def get_config(self):
        return super().get_config() | dataclasses.asdict(self.affine)


@serializable
class RandomPadCrop(RandomLayer):
    """`crops.pad_crop` as a layer: moves each image by up to `padding` whole pixels either way. mode: what fills the
    border, "reflect" or "zero". For the rest see `RandomLayer`."""

    def __init__(self, padding, mode="reflect", **kwargs):
        super().__init__(**kwargs)
        self.padding, self.mode = padding, mode

    def augmented(self, images, seed, ids):
        return crops.pad_crop(images, seed, ids, self.padding, self.mode)

    def get_config(self):
        return super().get_config() | {"padding": self.padding, "mode": self.mode}


@serializable
class Cutout(RandomLayer):
    """`crops.cutout` as a layer: sets a square of `size` pixels a side to 0, the mean of standardized images, so it
    stands after their standardization. For the rest see `RandomLayer`."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def augmented(self, images, seed, ids):
        return crops.cutout(images, seed, ids, self.size)

    def get_config(self):
        return super().get_config() | {"size": self.size}


@serializable
class MixUp(RandomLayer):
    """`mixing.mixup` as a layer, for `Dataset.map`: takes and returns {"images": [B, H, W, C], "labels": [B, classes]},
    labels being one-hot or shares, which come out float32. alpha: above 0. For the rest see `RandomLayer`."""

    mix = staticmethod(mixing.mixup)

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha

    def call(self, batch, training=False):
        images, labels = tf.convert_to_tensor(batch["images"]), tf.cast(batch["labels"], tf.float32)
        if training:
            images, labels = self._drawn((images, labels), *self._next_draw(images))
        return {"images": tf.cast(images, self.compute_dtype), "labels": labels}

    def augmented(self, batch, seed, ids):
        images, labels = batch
        images, partners, weight = self.mix(tf.cast(images, tf.float32), seed, ids, self.alpha)
        weight = weight[:, None]
        return images, weight * labels + (1 - weight) * tf.gather(labels, partners)

    def get_config(self):
        return super().get_config() | {"alpha": self.alpha}


@serializable
class CutMix(MixUp):
    """`mixing.cutmix` as a layer; the rest is as for `MixUp`."""

    mix = staticmethod(mixing.cutmix)
