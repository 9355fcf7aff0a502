"""Order, draws and what they depend on: seeds, epochs, workers; the iterators as sequences and as endless iterators."""
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from cifar_fast.generator import ImageDataGenerator

X = np.random.default_rng(0).integers(0, 256, (22, 6, 7, 3), dtype=np.uint8)
Y = np.arange(22)
MOVES = dict(rotation_range=30, width_shift_range=0.2, horizontal_flip=True)


def flow(seed=3, draws=None, **options):
    return ImageDataGenerator(**MOVES, draws=draws).flow(X, Y, **dict(batch_size=4, seed=seed) | options)


def epochs(iterator, count=2):
    return [next(iterator) for _ in range(count * len(iterator))]


def equal(a, b):
    return all(np.array_equal(x, y) for one, other in zip(a, b, strict=True) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("draws", [None, "keras"])
def test_with_a_seed_a_run_repeats_and_each_epoch_and_image_draws_anew(draws):
    whole = epochs(flow(draws=draws))
    assert equal(whole, epochs(flow(draws=draws)))
    assert not equal(whole, epochs(flow(seed=4, draws=draws)))
    assert not equal(whole[:6], whole[6:])
    for half in (whole[:6], whole[6:]):
        assert [len(y) for _, y in half] == [4, 4, 4, 4, 4, 2]
        assert sorted(np.concatenate([y for _, y in half])) == list(range(22))
    same = ImageDataGenerator(**MOVES, draws=draws).flow(X[[0] * 12], batch_size=4, seed=0)
    seen = np.concatenate(epochs(same))
    assert len(np.unique(seen.reshape(24, -1), axis=0)) == 24


def test_workers_change_nothing():
    expected, iterator = [], flow()
    for _ in range(2):
        expected.append([iterator[i] for i in range(6)])
        iterator.on_epoch_end()
    for order in (range(6), [3, 5, 1, 0, 2, 4]):
        iterator = flow()
        for batches in expected:
            with ThreadPoolExecutor(4) as pool:
                found = dict(zip(order, pool.map(iterator.__getitem__, order), strict=True))
            assert equal([found[i] for i in range(6)], batches)
            iterator.on_epoch_end()
    copy = pickle.loads(pickle.dumps(flow()))
    assert equal([copy[i] for i in range(6)], expected[0])
    assert equal(epochs(flow(), 1), expected[0])


def test_without_a_seed_numpys_global_one_decides():
    def run(seed):
        np.random.seed(seed)
        return epochs(flow(seed=None))

    assert equal(run(1), run(1)) and not equal(run(1), run(2))


def test_two_generators_of_one_seed_move_images_and_masks_alike():
    masks = (X > 127).astype(np.uint8) * 255
    plain = ImageDataGenerator(**MOVES, interpolation_order=0).flow(X, seed=9, batch_size=5)
    rich = ImageDataGenerator(**MOVES, interpolation_order=0, rescale=1 / 255).flow(masks, seed=9, batch_size=5)
    for _ in range(10):
        np.testing.assert_array_equal(next(plain) > 127, next(rich) > 0.5)


def test_it_is_a_sequence_and_can_be_begun_anew():
    iterator = flow(shuffle=False)
    assert len(iterator) == 6 and iter(iterator) is iterator
    np.testing.assert_array_equal(iterator[-1][1], [20, 21])
    for wrong in (6, -7):
        with pytest.raises(ValueError, match=f"batch {wrong}: there are 6"):
            iterator[wrong]
    first, again = iterator[0], iterator[0]
    assert np.array_equal(first[1], again[1]) and not np.array_equal(first[0], again[0])
    next(iterator), next(iterator)
    assert iterator.batch_index == 2
    iterator.reset()
    np.testing.assert_array_equal(next(iterator)[1], range(4))
    assert iterator.total_batches_seen == 6


@pytest.mark.parametrize("size", [0, -1, 2.5, None])
def test_a_batch_size_that_cannot_be_is_refused(size):
    with pytest.raises(ValueError, match="batch_size="):
        flow(batch_size=size)
