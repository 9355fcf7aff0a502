"""Pruning leaves the right ones out, and the expected sum of the losses as it was."""
import numpy as np

from cifar_fast.training import pruning

LOSSES = np.random.default_rng(0).exponential(size=1000)


def test_only_easy_examples_are_left_out_and_the_rest_of_them_weighted_up():
    weights = pruning.weights(LOSSES, 0.35, 0.7, 0, 3)
    easy = LOSSES <= np.sort(LOSSES)[699]
    assert (weights[~easy] == 1).all() and (weights == 0).sum() == 350
    np.testing.assert_array_equal(np.unique(weights[easy]), [0, 2])
    assert weights.sum() == 1000


def test_the_expectation_over_epochs_is_the_whole_set():
    sums = [pruning.weights(LOSSES, 0.3, 0.8, 0, epoch) @ LOSSES for epoch in range(400)]
    np.testing.assert_allclose(np.mean(sums), LOSSES.sum(), rtol=0.01)


def test_draws_are_of_seed_and_epoch_and_not_those_of_the_order():
    one, same, *others = (pruning.weights(LOSSES, 0.3, 0.7, *place) for place in ((1, 2), (1, 2), (1, 3), (3, 2)))
    np.testing.assert_array_equal(one, same)
    assert all((one != other).any() for other in others)
    order = np.random.default_rng([1, 2]).permutation(np.argsort(LOSSES)[:700])[:300]
    assert set(np.flatnonzero(one == 0)) != set(order)
