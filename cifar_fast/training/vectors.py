"""Many tensors as one vector: one collective, one average and one array of a checkpoint in place of a hundred."""
import numpy as np
import tensorflow as tf


def packed(tensors):
    """Tensors → one float32 vector of all their elements."""
    return tf.concat([tf.reshape(tf.cast(t, tf.float32), [-1]) for t in tensors], 0)


def unpacked(vector, like):
    """What `packed` did, undone: tensors of the static shapes of `like`."""
    parts = tf.split(vector, [int(np.prod(t.shape)) for t in like])
    return [tf.reshape(part, t.shape) for part, t in zip(parts, like, strict=True)]
