"""Random numbers as a pure function of (seed, example, column): Threefry-2x32, counter by counter.

TensorFlow's stateless generators number a batch by position, so an example's draw would change with its place in
the batch. Here every example has its own counter, and the same example draws the same bits in any batch, on any
replica, compiled or not. Threefry-2x32 with 20 rounds is Salmon et al., "Parallel random numbers: as easy as
1, 2, 3" (SC 2011), the generator that JAX uses; the tests hold its published vectors.
"""
import tensorflow as tf

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(key, counter):
    """One block for each counter. key, counter: pairs of uint32 tensors that broadcast. Returns a pair."""
    k0, k1 = key
    keys = (k0, k1, k0 ^ k1 ^ tf.constant(0x1BD11BDA, tf.uint32))
    x0, x1 = counter[0] + k0, counter[1] + k1
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x0 += x1
            x1 = x0 ^ _rotate(x1, rotation)
        x0 += keys[(group + 1) % 3]
        x1 += keys[(group + 2) % 3] + tf.constant(group + 1, tf.uint32)
    return x0, x1


def bits(seed, ids, columns):
    """Random words.

    Args:
      seed: integer pair: a tensor [2] or two numbers of 32 bits, signed or not.
      ids: int32 [B], the examples. columns: how many words each.
    Returns:
      uint32 [B, columns]; a word depends on its seed, id and column alone.
    """
    key = tf.unstack(_words(seed))
    blocks = (columns + 1) // 2
    counter = _words(ids)[:, None], tf.range(blocks, dtype=tf.int32)[None, :]
    x0, x1 = threefry2x32(key, (counter[0], tf.bitcast(counter[1], tf.uint32)))
    return tf.reshape(tf.stack([x0, x1], 2), [-1, 2 * blocks])[:, :columns]


def uniform(seed, ids, columns):
    """float32 [B, columns] in [0, 1): 24 of the bits, so exact and equal in and out of XLA."""
    words = tf.bitwise.right_shift(bits(seed, ids, columns), tf.constant(8, tf.uint32))
    return tf.cast(tf.bitcast(words, tf.int32), tf.float32) * 2.0**-24


def _words(numbers):
    numbers = tf.convert_to_tensor(numbers)
    return tf.bitcast(tf.cast(numbers, tf.int32), tf.uint32) if numbers.dtype != tf.uint32 else numbers


def _rotate(x, by):
    left = tf.bitwise.left_shift(x, tf.constant(by, tf.uint32))
    return left | tf.bitwise.right_shift(x, tf.constant(32 - by, tf.uint32))
