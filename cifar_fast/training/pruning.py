"""Unbiased pruning of easy examples, after InfoBatch (Qin et al., ICLR 2024, arXiv:2303.04947).

An epoch leaves out a share of the examples, drawn at random from those whose last loss was low; those of the easy
ones that stay are weighted up, so that the expected gradient is that of the whole set. InfoBatch takes the mean
loss as the border of the easy ones; here it is a quantile, so that every epoch has a number of steps known before.
"""
import numpy as np


def weights(losses, prune, easy, seed, epoch):
    """The weight of each example's loss in an epoch.

    Args:
      losses: float [N], each example's last loss. prune: share of all examples to leave out, below `easy`.
      easy: share of all examples, those of the lowest losses, that may be left out. seed, epoch: integers.
    Returns:
      float32 [N]: 0 for round(prune · N) examples, easy / (easy - prune) for the easy ones that stay, 1 for the
      rest. The sum is N, up to rounding.
    """
    count, dropped = round(easy * len(losses)), round(prune * len(losses))
    candidates = np.argsort(losses, kind="stable")[:count]
    found = np.ones(len(losses), np.float32)
    found[candidates] = count / (count - dropped)
    found[np.random.default_rng([seed, epoch, 1]).permutation(candidates)[:dropped]] = 0
    return found
