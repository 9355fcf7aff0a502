"""Faster stand-ins for Keras's BatchNormalization, SiLU and ELU: the same values, gradients and moving statistics in
fewer passes over memory. A Convolution whose bias may be left out of training, a Dropout that draws by integers and
keeps no state, and StochasticDepth, which Keras lacks.

`python -m benchmarks.layers` measures them beside Keras's own, inside a training step.
"""
import math

import keras
import tensorflow as tf

from cifar_fast.network import winograd


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization over the last axis of [B, H, W, C], by the fused kernel.

    Keras 3 composes it from elementwise operations in float32, whatever the dtype of its input; the fused
    kernel reads bfloat16 or float16 and keeps statistics, scale and offset float32. Its variables and moving
    statistics (momentum, biased variance) are those of `keras.layers.BatchNormalization`.

    synchronized=True takes the statistics of the batch over all replicas of the strategy in whose replica context the
    layer is called, as Keras's does; their sums are collectives, which XLA can't hold.
    """

    def call(self, inputs, training=False):
        scale, offset = (tf.convert_to_tensor(v) for v in (self.gamma, self.beta))
        if not training:
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=scale, offset=offset, mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance), epsilon=self.epsilon, is_training=False)[0]
        if self.synchronized:
            outputs, mean, variance = _normalized_over_replicas(inputs, scale, offset, self.moving_mean, self.epsilon)
        else:
            outputs, mean, variance = _normalized(inputs, scale, offset, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


def _normalized(inputs, scale, offset, epsilon):
    """The outputs, and the mean and population variance that the kernel took: float32 [C]."""
    unused = tf.zeros([0], tf.float32)  # the kernel wants no statistics while it takes its own
    outputs, mean, variance = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=scale, offset=offset, mean=unused, variance=unused, epsilon=epsilon, is_training=True)[:3]
    # The kernel hands out the sample variance (divided by n - 1), Keras keeps the population's.
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
    return outputs, mean, variance * ((count - 1) / count)


def _normalized_over_replicas(inputs, scale, offset, near, epsilon):
    """`_normalized` by the statistics of all replicas' inputs, of one shape on each, gradients included.

    near: float32 [C], the same on all replicas and near the mean, from which deviations are counted, or else the
    variance would be the difference of two large numbers. A gradient is that of all replicas' losses together:

        dx = scale / σ · (dy - mean(dy) - x̂ · mean(dy · x̂)),  x̂ = (x - mean) / σ

    The kernel of inference gives scale / σ · dy and this replica's sums of dy and dy · x̂; the rest is one more pass.
    """
    context = tf.distribute.get_replica_context()
    replicas, channels = context.num_replicas_in_sync, inputs.shape[-1]
    near = tf.convert_to_tensor(near)

    def summed(*vectors):
        return tf.split(context.all_reduce(tf.distribute.ReduceOp.SUM, tf.concat(vectors, 0)), len(vectors))

    @tf.custom_gradient
    def normalized(inputs, scale, offset):
        _, mean, variance = _normalized(inputs, tf.ones_like(scale), tf.zeros_like(offset), epsilon)
        mean, square = (s / replicas for s in summed(mean - near, variance + tf.square(mean - near)))
        mean, variance = mean + near, tf.maximum(square - tf.square(mean), 0.0)
        outputs = tf.raw_ops.FusedBatchNormV3(x=inputs, scale=scale, offset=offset, mean=mean, variance=variance,
                                              epsilon=epsilon, is_training=False)[0]

        def gradient(dy, *_):
            dx, dscale, doffset = tf.raw_ops.FusedBatchNormGradV3(
                y_backprop=dy, x=inputs, scale=scale, reserve_space_1=mean, reserve_space_2=variance,
                reserve_space_3=tf.zeros([0], tf.float32), epsilon=epsilon, is_training=False)[:3]
            count = tf.cast(replicas * tf.size(inputs) // channels, tf.float32)
            mean_dy_x, mean_dy = (s / count for s in summed(dscale, doffset))
            inverse = tf.math.rsqrt(variance + epsilon)
            slope = scale * tf.square(inverse) * mean_dy_x  # of the line in x that is taken off
            level = scale * inverse * mean_dy - slope * mean
            dx = tf.cast(dx, tf.float32) - (tf.cast(inputs, tf.float32) * slope + level)
            return tf.cast(dx, inputs.dtype), dscale, doffset

        return (outputs, mean, variance), gradient

    return normalized(inputs, scale, offset)


@tf.custom_gradient
def silu(inputs):
    """inputs · sigmoid(inputs) (Elfwing et al., 2018, arXiv:1702.03118), any shape, float32 or 16 bit, the same out.

    One pass forward, which oneDNN has and TensorFlow puts in place of its two operations, and one backward, which keeps
    the inputs alone; composed of TensorFlow's operations the two are eight.
    """
    return tf.nn.silu(inputs), lambda dy: _silu_gradient(inputs, dy)


@tf.function(jit_compile=True, autograph=False)
def _silu_gradient(inputs, dy):
    x = tf.cast(inputs, tf.float32)  # or XLA would come back to 16 bit after each operation
    share = tf.sigmoid(x)
    return _rounded(tf.cast(dy, tf.float32) * share * (1 + x * (1 - share)), inputs.dtype)


@tf.custom_gradient
def elu(inputs):
    """inputs where they are positive, else exp(inputs) - 1 (Clevert et al., 2016, arXiv:1511.07289), any shape, float32
    or 16 bit, the same out. TensorFlow's takes several times as long in bfloat16; its gradient keeps the outputs, too.
    """
    outputs = _elu(inputs)
    return outputs, lambda dy: _elu_gradient(outputs, dy)


@tf.function(jit_compile=True, autograph=False)
def _elu(inputs):
    x = tf.cast(inputs, tf.float32)
    return _rounded(tf.where(x > 0, x, tf.math.expm1(tf.minimum(x, 0))), inputs.dtype)


@tf.function(jit_compile=True, autograph=False)
def _elu_gradient(outputs, dy):
    y = tf.cast(outputs, tf.float32)
    return _rounded(tf.cast(dy, tf.float32) * tf.where(y > 0, 1.0, y + 1), outputs.dtype)


def _rounded(numbers, dtype):
    """float32 → a float dtype, to the nearest and ties to even.

    To bfloat16 by integers: XLA's own way on CPUs takes as long as the whole gradient. Infinities and NaNs stay such;
    a NaN must be looked for, since that of NVIDIA's arithmetic, 0x7FFFFFFF (PTX ISA), would come out as -0.
    """
    if dtype != tf.bfloat16:
        return tf.cast(numbers, dtype)
    bits = tf.bitcast(numbers, tf.uint32)
    upper = _shift(bits + 0x7FFF + (_shift(bits, 16) & 1), 16)
    upper = tf.where(tf.math.is_nan(numbers), tf.constant(0x7FC0, tf.uint32), upper)
    return tf.bitcast(tf.cast(upper, tf.uint16), tf.bfloat16)


class Convolution(keras.layers.Conv2D):
    """Keras's. trains_bias=False keeps the bias as it begins: its gradient, a pass over memory, is not taken.
    by_winograd=True computes it by `winograd`, where that serves, which takes kernel and bias as they are kept, in
    float32."""

    def __init__(self, *args, trains_bias=True, by_winograd=False, **kwargs):
        super().__init__(*args, **kwargs)
        self.trains_bias = trains_bias
        self.by_winograd = by_winograd

    def build(self, shape):
        self.by_winograd = self.by_winograd and winograd.serves(self, shape[-1])
        super().build(shape)
        self.bias.trainable = self.trains_bias

    def add_weight(self, *args, **kwargs):
        return super().add_weight(*args, **{"autocast": not self.by_winograd} | kwargs)

    def call(self, inputs, skip=None):
        """skip: what is added, of the outputs' shape, or None."""
        if self.by_winograd:
            return winograd.convolution(inputs, *map(tf.convert_to_tensor, (self.kernel, self.bias)), skip)
        outputs = super().call(inputs)
        return outputs if skip is None else skip + outputs


class Dropout(keras.layers.Layer):
    """Sets a share of the inputs to zero and scales the rest up, deciding by integers hashed from a seed.

    Integers are the same in and out of XLA, where drawn floats are not, and there is no state to save. Sixteen
    bits decide an element, so the share is a multiple of 2**-16; the scale is that of the share taken.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.dropped = round(rate * 2**16)

    def call(self, inputs, seed=None, training=False):
        """inputs: any static shape and float dtype; seed: int32 [2], used when training. Returns the same shape."""
        if not training or not self.dropped:
            return inputs
        return inputs * _kept(seed, self.noise_shape(inputs.shape), self.dropped, inputs.dtype)

    def noise_shape(self, shape):
        """The shape of the mask, a draw an element."""
        return tuple(shape)


class StochasticDepth(Dropout):
    """Sets a share of the batch's examples to zero, all of each, and scales the rest up (Huang et al., 2016,
    arXiv:1603.09382): put on the branch beside a skip, those examples skip it. Draws as `Dropout` does."""

    def noise_shape(self, shape):
        """A draw an example."""
        return (shape[0], *[1] * (len(shape) - 1))


@tf.function(jit_compile=True, autograph=False)
def _kept(seed, shape, dropped, dtype):
    """The mask: 0 where an element is dropped, else the scale. One fused pass.

    The hash is Wellons' lowbias32 (https://nullprogram.com/blog/2018/07/31/), keyed before each of its two rounds;
    a word decides two elements that lie half an array apart.
    """
    size = math.prod(shape)
    first, second = tf.unstack(tf.bitcast(seed, tf.uint32))
    key = _hash(first ^ _hash(second, 0), 0)
    words = _hash(tf.bitcast(tf.range((size + 1) // 2), tf.uint32) * GOLDEN ^ key, _hash(key + GOLDEN, 0))
    kept = tf.stack([words & 0xFFFF, _shift(words, 16)]) >= tf.constant(dropped, tf.uint32)
    scale = tf.cast(2**16 / (2**16 - dropped), dtype)
    return tf.reshape(tf.reshape(tf.where(kept, scale, tf.zeros([], dtype)), [-1])[:size], shape)


GOLDEN = 0x9E3779B9  # 2**32 divided by the golden ratio: spreads consecutive numbers over all words


def _hash(words, key):
    words = (words ^ _shift(words, 16)) * 0x7FEB352D + key
    words = (words ^ _shift(words, 15)) * 0x846CA68B
    return words ^ _shift(words, 16)


def _shift(words, bits):
    return tf.bitwise.right_shift(words, bits)
