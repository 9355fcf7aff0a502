"""Random numbers as a pure function of (seed, example, column): Threefry-2x32, counter by counter.

TensorFlow's stateless generators number a batch by position, so an example's draw would change with its place in
the batch, and their floats differ in and out of XLA. Here every example has a counter of its own, so the same
example draws the same bits in any batch, on any replica, compiled or not. Threefry-2x32 with 20 rounds is Salmon
et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), the generator that JAX uses; the tests hold its
published vectors.

A seed is a pair of integers: a tensor or array [2] of int32, int64, uint32 or uint64, or a list of two numbers,
Python's or scalar tensors. Only the low 32 bits of each count, so negative numbers are fine.
"""
import operator

import tensorflow as tf

ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def threefry2x32(key, counter):
    """One block for each counter. key, counter: pairs of uint32 tensors that broadcast. Returns such a pair."""
    keys = (key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA)
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x0 += x1
            x1 = x0 ^ _rotate(x1, rotation)
        x0 += keys[(group + 1) % 3]
        x1 += keys[(group + 2) % 3] + (group + 1)
    return x0, x1


def bits(seed, ids, columns):
    """Random words: uint32 [B, columns]; a word depends on its seed, id and column alone.

    Args:
      seed: a pair of integers, see above.
      ids: integers [B], the examples' names.
      columns: how many words each example draws; words of lower columns stay when it grows.
    Raises:
      ValueError: the seed is not a pair, or ids is not a vector of integers.
    """
    key = pair(seed)
    ids = tf.convert_to_tensor(ids)
    if not ids.dtype.is_integer or ids.shape.rank not in (None, 1):
        raise ValueError(f"ids of shape {ids.shape} and dtype {ids.dtype.name}: must be a vector of integers")
    blocks = (columns + 1) // 2
    x0, x1 = threefry2x32(key, (tf.cast(ids, tf.uint32)[:, None], tf.cast(tf.range(blocks), tf.uint32)))
    return tf.reshape(tf.stack([x0, x1], 2), [-1, 2 * blocks])[:, :columns]


def unit(words):
    """Words uint32 → float32 in [0, 1): their upper 24 bits, so exact and equal in and out of XLA."""
    return tf.cast(tf.cast(tf.bitwise.right_shift(words, 8), tf.int32), tf.float32) * 2.0**-24


def scaled(words, below):
    """Words uint32 → int32 in 0 … below - 1, for `below` from 1 to 2³¹ - 1: the upper half of a 64-bit product (Lemire,
    2019), biased by less than below / 2³²."""
    return tf.cast(tf.bitwise.right_shift(tf.cast(words, tf.int64) * below, 32), tf.int32)


def pair(seed):
    """A seed as two uint32, scalar tensors. Raises ValueError: it is no pair of integers."""
    if isinstance(seed, (list, tuple)):
        words = [_word(number) for number in seed]
    else:
        seed = tf.convert_to_tensor(seed)
        if not seed.dtype.is_integer or seed.shape != [2]:
            raise ValueError(f"seed of shape {seed.shape} and dtype {seed.dtype.name}: must be two integers")
        words = tf.unstack(tf.cast(seed, tf.uint32))
    if len(words) != 2:
        raise ValueError(f"seed={seed}: must be two integers")
    return words


def _word(number):
    if not tf.is_tensor(number):
        return tf.constant(operator.index(number) & 0xFFFFFFFF, tf.uint32)
    return tf.cast(number, tf.uint32)


def _rotate(x, by):
    return tf.bitwise.left_shift(x, by) | tf.bitwise.right_shift(x, 32 - by)
