"""What the seeds of a variant say: means, paired differences with their intervals, and how many seeds would do."""
import math
from dataclasses import dataclass

import numpy as np

from cifar_fast.errors import UserError

CONFIDENCE, POWER = 0.95, 0.8
MOST_SEEDS = 100_000  # what `seeds_needed` counts up to


def require():
    """Raises UserError where SciPy is missing: before the first run, not after the last."""
    try:
        import scipy.stats  # noqa: F401
    except ImportError:
        raise UserError("SciPy is not installed, which does the statistics; pip install scipy") from None


@dataclass(frozen=True)
class Mean:
    """n values: their mean, standard deviation and standard error of the mean; None for the last two where n is 1."""

    n: int
    mean: float
    deviation: float | None
    error: float | None


def mean(values):
    """The `Mean` of some numbers, at least one. The deviation is that of a sample, by n - 1."""
    values = np.asarray(values, np.float64)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else None
    return Mean(len(values), float(values.mean()), deviation,
                None if deviation is None else deviation / math.sqrt(len(values)))


def reach(found):
    """How far the 95% interval of a `Mean` goes either way, by Student's t; None where n is 1."""
    from scipy import stats
    return None if found.error is None else float(stats.t.ppf((1 + CONFIDENCE) / 2, found.n - 1)) * found.error


@dataclass(frozen=True)
class Difference:
    """A variant minus the baseline over the n seeds that both have: the mean, and its interval of 95% confidence by
    Student's t (None where n is 1)."""

    n: int
    mean: float
    low: float | None
    high: float | None
    deviation: float | None

    @property
    def shown(self):
        """Whether the interval leaves out zero."""
        return self.low is not None and not self.low <= 0 <= self.high


def paired(ours, baseline):
    """The `Difference` of two dicts {seed: value}; None where they have no seed in common.

    Seeds are paired because they share the order of the images and the augmentation, so that much of what differs from
    seed to seed is in both.
    """
    seeds = sorted(ours.keys() & baseline.keys())
    if not seeds:
        return None
    found = mean([ours[seed] - baseline[seed] for seed in seeds])
    far = reach(found)
    low, high = (None, None) if far is None else (found.mean - far, found.mean + far)
    return Difference(found.n, found.mean, low, high, found.deviation)


def seeds_needed(deviation, difference):
    """How many seeds a paired test needs to find a true difference.

    Args:
      deviation: standard deviation of the paired differences. difference: what is to be found, above 0.
    Returns:
      The least n at which a two-sided t-test at the 5% level finds it with a power of 80%, by the noncentral t
      distribution (Cohen, 1988, Statistical Power Analysis, chapter 2); at least 2. None beyond 100,000.
    """
    from scipy import stats

    def power(n):
        bound = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
        return stats.nct.sf(bound, n - 1, difference * math.sqrt(n) / deviation)

    if not deviation:
        return 2
    low, high = 1, 2
    while power(high) < POWER:
        low, high = high, 2 * high
        if high > 2 * MOST_SEEDS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(middle) >= POWER else (middle, high)
    return high


def above(values, target):
    """The p-value of a one-sided t-test: how likely means as high as that of `values` are if the true one is at
    `target` or below. None for a single value."""
    from scipy import stats
    found = mean(values)
    if found.n == 1:
        return None
    if not found.error:
        return 0.0 if found.mean > target else 1.0
    return float(stats.t.sf((found.mean - target) / found.error, found.n - 1))
