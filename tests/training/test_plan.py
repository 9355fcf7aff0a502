"""The epochs of a run: sizes, examples, their order and steps."""
import numpy as np
import pytest

from cifar_fast.config import Config
from cifar_fast.errors import UserError
from cifar_fast.training import plan


def test_an_epoch_shows_every_example_at_most_once_and_epochs_differ():
    orders = [plan.permutation(0, epoch, 1000) for epoch in range(3)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    assert not np.array_equal(orders[0], orders[1])
    np.testing.assert_array_equal(orders[2], plan.permutation(0, 2, 1000))
    assert not np.array_equal(orders[0], plan.permutation(1, 0, 1000))


def test_plain_epochs_are_all_alike():
    assert plan.epochs(Config(epochs=3, batch_size=32), 100) == [
        plan.Epoch(None, 100, 3, 0), plan.Epoch(None, 100, 3, 3), plan.Epoch(None, 100, 3, 6)]


def test_sizes_and_pruning_change_epochs():
    config = Config(epochs=5, image_sizes="20x3, 32x2", prune=0.35, prune_first=2, prune_last=1, batch_size=10)
    assert plan.epochs(config, 100) == [
        plan.Epoch(20, 100, 10, 0), plan.Epoch(20, 100, 10, 10), plan.Epoch(20, 65, 6, 20),
        plan.Epoch(32, 65, 6, 26), plan.Epoch(32, 100, 10, 32)]


@pytest.mark.parametrize("text", ["", "20", "20x", "x4", "20x4;32x1", "7x5", "20x4,", "20x-1", "32x4", "20x99999999",
                                  ",".join(["8x999999"] * 1000)])
def test_other_texts_are_refused(text):
    with pytest.raises(UserError, match="--image_sizes="):
        Config(epochs=5, image_sizes=text)


def test_an_epoch_smaller_than_a_batch_is_refused():
    with pytest.raises(UserError, match="only 50 training images in an epoch"):
        plan.epochs(Config(epochs=4, prune=0.5, batch_size=60), 100)


def test_no_epoch_of_another_seed_has_the_same_order():
    assert not np.array_equal(plan.permutation(0, 1, 100), plan.permutation(1, 0, 100))
