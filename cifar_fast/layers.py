"""Two layers that stand in for Keras's where a measurement says that it pays: the same values, gradients and
moving statistics, in fewer passes over memory.

`python -m benchmarks.layers` measures both beside Keras's own, inside a training step.
"""
import keras
import tensorflow as tf


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras's batch normalization over the last axis of [B, H, W, C], by the fused kernel.

    Keras 3 composes it from elementwise operations in float32, whatever the dtype of its input; the fused
    kernel reads bfloat16 or float16 and keeps statistics, scale and offset float32. Its variables and moving
    statistics (momentum, biased variance) are those of `keras.layers.BatchNormalization`.
    """

    def call(self, inputs, training=False):
        scale, offset = (tf.convert_to_tensor(v) for v in (self.gamma, self.beta))
        if not training:
            return tf.raw_ops.FusedBatchNormV3(
                x=inputs, scale=scale, offset=offset, mean=tf.convert_to_tensor(self.moving_mean),
                variance=tf.convert_to_tensor(self.moving_variance), epsilon=self.epsilon, is_training=False)[0]
        unused = tf.zeros([0], tf.float32)  # the kernel wants no statistics while it takes its own
        outputs, mean, variance = tf.raw_ops.FusedBatchNormV3(
            x=inputs, scale=scale, offset=offset, mean=unused, variance=unused,
            epsilon=self.epsilon, is_training=True)[:3]
        # The kernel hands out the sample variance (divided by n - 1), Keras keeps the population's.
        count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32)
        variance *= (count - 1) / count
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1 - self.momentum))
        return outputs


class Dropout(keras.layers.Layer):
    """Sets a share of the inputs to zero and scales the rest up, deciding by integers drawn from a seed.

    Integers are the same in and out of XLA, where floats are not, and need no state to save. Sixteen bits
    decide an element, two elements a drawn word, so the share is a multiple of 2**-16; the scale is that of
    the share taken.
    """

    def __init__(self, rate, **kwargs):
        super().__init__(**kwargs)
        self.dropped = round(rate * 2**16)

    def call(self, inputs, seed=None, training=False):
        """inputs: any shape and float dtype; seed: int32 [2], used when training. Returns the same shape."""
        if not training or not self.dropped:
            return inputs
        shape = tf.shape(inputs)
        size = tf.reduce_prod(shape)
        words = tf.random.stateless_uniform([(size + 1) // 2], seed, None, None, tf.int32, alg="philox")
        halves = tf.reshape(tf.reshape(tf.bitcast(words, tf.int16), [-1])[:size], shape)
        kept = tf.cast(halves >= self.dropped - 2**15, inputs.dtype)
        return inputs * (kept * tf.cast(2**16 / (2**16 - self.dropped), inputs.dtype))
