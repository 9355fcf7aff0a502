"""The generator: its published vectors, and that place, batch and compiler leave a draw alone."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment import draws

# threefry2x32 with 20 rounds, from Random123's kat_vectors: key, counter, block.
VECTORS = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]
IDS = np.array([0, 5, -1, 2**31 - 1, 7], np.int32)


def words(*numbers):
    return [tf.constant(n, tf.uint32) for n in numbers]


@pytest.mark.parametrize("key, counter, block", VECTORS)
@pytest.mark.parametrize("jit", [False, True])
def test_published_vectors(key, counter, block, jit):
    function = tf.function(draws.threefry2x32, jit_compile=jit)
    assert tuple(int(w) for w in function(words(*key), words(*counter))) == block


def test_the_key_is_the_seed_and_the_counter_is_id_and_block():
    seed = (0x13198A2E, 0x03707344)
    row = draws.bits(seed, [0x243F6A88], 5)[0]
    for block in range(2):
        expected = draws.threefry2x32(words(*seed), words(0x243F6A88, block))
        np.testing.assert_array_equal(row[2 * block:2 * block + 2], expected)
    assert row.shape == [5] and row.dtype == tf.uint32


@pytest.mark.parametrize("jit", [False, True])
def test_place_batch_and_compiler_leave_a_draw_alone(jit):
    def drawn(seed, ids):
        words = draws.bits(seed, ids, 6)
        return words, draws.unit(words), draws.scaled(words, 10)

    all_ids = tf.range(1000)
    some = tf.constant([999, 3, 500])
    compiled = tf.function(drawn, jit_compile=jit)(tf.constant([1, 2]), some)
    for whole, part in zip(drawn((1, 2), all_ids), compiled, strict=True):
        np.testing.assert_array_equal(tf.gather(whole, some), part)
    np.testing.assert_array_equal(draws.bits((1, 2), some, 3), draws.bits((1, 2), some, 6)[:, :3])


def test_every_form_of_a_seed_is_folded_to_32_bits():
    expected = draws.bits((2**32 - 5, 7), IDS, 4).numpy()
    big = 3 * 2**32
    for seed in [(-5, 7), [-5, 7], np.array([-5, 7]), np.array([-5, 7], np.int32), tf.constant([-5, 7], tf.int64),
                 tf.constant([2**32 - 5, 7], tf.uint32), (big - 5, big + 7), tf.constant([big - 5, 7], tf.int64),
                 (tf.constant(-5), 7), (np.int64(-5), np.int32(7))]:
        np.testing.assert_array_equal(draws.bits(seed, IDS, 4), expected)
    jit = tf.function(draws.bits, jit_compile=True)
    np.testing.assert_array_equal(jit(tf.constant([big - 5, 7], tf.int64), IDS, 4), expected)
    for ids in (IDS.astype(np.int64), IDS.astype(np.uint32)):
        np.testing.assert_array_equal(draws.bits((-5, 7), ids, 4), expected)


def test_other_seeds_ids_and_columns_draw_other_words():
    words = np.concatenate([draws.bits(seed, IDS, 8).numpy().ravel() for seed in [(0, 0), (0, 1), (1, 0)]])
    assert len(np.unique(words)) == len(words)


def test_distributions():
    u = draws.unit(draws.bits((4, 2), tf.range(100000), 5)).numpy()
    assert u.min() >= 0 and u.max() < 1 and u.dtype == np.float32
    np.testing.assert_allclose(u.mean(0), 0.5, atol=0.005)
    np.testing.assert_allclose(u.var(0), 1 / 12, atol=0.003)
    np.testing.assert_allclose(np.corrcoef(u.T), np.eye(5), atol=0.015)
    for below in (1, 2, 7):
        counts = np.bincount(draws.scaled(draws.bits((4, 2), tf.range(20000), 1), below).numpy()[:, 0])
        np.testing.assert_allclose(counts / 20000, 1 / below, atol=0.015)
    whole = draws.scaled(draws.bits((4, 2), tf.range(1000), 2), 2**31 - 1).numpy()
    assert whole.min() >= 0 and whole.max() > 2**30


@pytest.mark.parametrize("seed", [3, (1,), (1, 2, 3), [0.5, 1], np.zeros(3, int), np.zeros(2), tf.zeros([2])])
def test_a_seed_is_two_integers(seed):
    with pytest.raises((ValueError, TypeError), match="integer"):
        draws.bits(seed, IDS, 2)


@pytest.mark.parametrize("ids", [np.zeros((2, 2), int), np.zeros(3), 4])
def test_ids_are_a_vector_of_integers(ids):
    with pytest.raises(ValueError, match="ids"):
        draws.bits((1, 2), ids, 2)
