"""An iterator's batches as a tf.data.Dataset."""
import numpy as np
import tensorflow as tf


def of(iterator):
    """The tf.data.Dataset that `Iterator.dataset` describes."""
    def epoch():
        iterator.reset()
        for _ in range(len(iterator)):
            yield _tuples(next(iterator))

    def spec(array):
        return tf.TensorSpec((None, *array.shape[1:]), array.dtype)

    # A batch of no examples tells dtypes and shapes, and leaves what will be drawn as it is.
    empty = iterator._batch(np.zeros(0, int), np.random.default_rng)()
    data = tf.data.Dataset.from_generator(epoch, output_signature=tf.nest.map_structure(spec, _tuples(empty)))
    return data.apply(tf.data.experimental.assert_cardinality(len(iterator))).prefetch(tf.data.AUTOTUNE)


def _tuples(batch):
    """Lists as tuples: tf.data would make one tensor of a list."""
    return tuple(map(_tuples, batch)) if isinstance(batch, (list, tuple)) else batch
