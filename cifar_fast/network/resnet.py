"""The network: a pre-activation ResNet (He et al., 2016, arXiv:1603.05027) as the 2020 report built it.

A 7×7 convolution, then three groups of units with f, 2f and 4f filters. A unit is two halves

    x + convolution3x3(relu(normalized(x)))

except that the first unit of the second and of the third group widens by a 1×1 convolution, and its first
half has stride 2 and no skip. Dropout stands at the end of each unit. Then a last normalization, the mean over
the image, and a dense layer. With 12 units and 32 filters: 1,574,218 parameters for 10 classes. What is activated
may be blurred before a stride; and the last normalization, too, may be followed by an activation, as it is in the
paper.

Whatever a convolution adds to all of a channel, the normalizations after it take off again: the gradient of its bias is
zero but for rounding, unless dropout or stochastic depth stands between. Those biases are not trained, and stay zero.

With stochastic depth some examples skip a unit's branches: by one draw for both halves, as the paper's blocks have two
convolutions, but an example at a time where the paper drops a block for the whole batch. What has no skip is kept.
"""
import keras
import tensorflow as tf

from cifar_fast.network.blur import blurred
from cifar_fast.network.layers import BatchNormalization, Convolution, Dropout, StochasticDepth, elu, silu
from cifar_fast.network.whitening import Whitening

ACTIVATIONS = {"relu": tf.nn.relu, "elu": elu, "silu": silu}


class ResNet(keras.Model):
    """Images [B, H, W, C], standardized, any float dtype and any H, W ≥ 4 → logits float32 [B, classes].

    Args:
      classes: number of logits.
      units: units in all, a multiple of 3. filters: filters of the first third.
      activation: a key of `ACTIVATIONS`. dropout: share dropped at each unit's end.
      stochastic_depth: share of the examples that skip the last unit when training; falls linearly to 0 at the first.
      whitening: the images pass a `Whitening` first, whose kernel is to be assigned.
      blur: the inputs of the convolutions of stride 2 are `blur.blurred`.
      final_activation: what the last normalization gives is activated before its mean over the image.
      norm_momentum: share that the normalizations' moving statistics keep in a step.
      sync_norm: take the batch statistics over all replicas, see `layers.BatchNormalization`.
      seed: seed of the initial kernels (He normal, each kernel its own draw); biases are zero.
      precision: "float32", "bfloat16" or "float16", the dtype of convolutions and activations. Variables,
        batch statistics, the pooling, the dense layer and the logits are float32.
      by_winograd: 3×3 convolutions are those of `winograd`, where it serves; not in float16, on CPUs.
    """

    def __init__(self, classes, *, units=12, filters=32, activation="relu", dropout=0.1, stochastic_depth=0.0,
                 whitening=False, blur=False, final_activation=False, norm_momentum=0.99, sync_norm=False, seed=0,
                 precision="float32", by_winograd=False):
        super().__init__(name="resnet", dtype="float32")
        policy = precision if precision == "float32" else f"mixed_{precision}"
        seeds = iter(range(seed * 1000, (seed + 1) * 1000))  # one initializer with one seed draws equal kernels

        def convolution(filters, size, strides=1, masked=False):
            # masked: parts of what it gives are dropped. channels_last: not as the user's keras.json may say.
            return Convolution(filters, size, strides, "same", "channels_last", dtype=policy, trains_bias=masked,
                               by_winograd=by_winograd,
                               kernel_initializer=keras.initializers.HeNormal(next(seeds)))

        def normalization():
            return BatchNormalization(momentum=norm_momentum, synchronized=sync_norm, dtype=policy)

        self.policy = keras.DTypePolicy(policy)
        self.activate = ACTIVATIONS[activation]
        self.whitening = Whitening() if whitening else None
        self.stem = convolution(filters, 7)
        self.units = []
        for i in range(units):
            widens = i > 0 and i % (units // 3) == 0
            depth = stochastic_depth * i / (units - 1)
            if widens:
                filters *= 2
            unit = {
                "widen": convolution(filters, 1) if widens else None,
                "norm1": normalization(),
                "blur": blurred if blur and widens else lambda x: x,
                "conv1": convolution(filters, 3, 2 if widens else 1, masked=depth > 0 and not widens),
                "norm2": normalization(),
                "conv2": convolution(filters, 3, masked=depth > 0 or dropout > 0),
                "dropout": Dropout(dropout, dtype=policy),
                "depth": StochasticDepth(depth, dtype=policy),
            }
            self.units.append(unit)
        self.norm = normalization()
        self.final_activation = final_activation
        self.dense = keras.layers.Dense(classes, dtype="float32",
                                        kernel_initializer=keras.initializers.HeNormal(next(seeds)))

    def call(self, images, seed=None, training=False):
        """seed: int32 [2], needed for dropout and stochastic depth when training."""
        def draw(number):
            # Every draw has a seed of its own: the seed's second number counts steps, so shift the first.
            return None if seed is None else seed + [number << 20, 0]

        if self.whitening:
            images = self.whitening(images)
        x = self.stem(tf.cast(images, self.policy.compute_dtype))
        for i, unit in enumerate(self.units):
            depth = {"seed": draw(len(self.units) + i), "training": training}
            if unit["widen"]:
                x = unit["widen"](x)
            h = unit["blur"](self.activate(unit["norm1"](x, training=training)))
            if unit["widen"]:
                x = unit["conv1"](h)
            elif unit["depth"].dropped:
                x += unit["depth"](unit["conv1"](h), **depth)
            else:
                x = unit["conv1"](h, skip=x)
            h = self.activate(unit["norm2"](x, training=training))
            if unit["depth"].dropped or unit["dropout"].dropped:
                h = unit["depth"](unit["conv2"](h), **depth)
                x += unit["dropout"](h, seed=draw(i), training=training)
            else:
                x = unit["conv2"](h, skip=x)
        x = self.norm(x, training=training)
        if self.final_activation:
            x = self.activate(x)
        return self.dense(tf.reduce_mean(tf.cast(x, tf.float32), [1, 2]))

    def moving_statistics(self):
        """The variables in which the normalizations keep what evaluation normalizes by."""
        return [v for v in self.non_trainable_variables if v.name.startswith("moving_")]

    def kernels(self):
        """The variables that L2 acts on: every kernel, no bias, gain or offset."""
        return [v for v in self.trainable_variables if v.name == "kernel"]


def build(classes, image_shape, **options):
    """A `ResNet` whose variables exist, for images of shape (H, W, C)."""
    model = ResNet(classes, **options)
    model(tf.zeros([1, *image_shape]))
    return model
