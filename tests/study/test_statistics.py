"""The statistics against SciPy's tests, hand-worked numbers and planted differences."""
import numpy as np
import pytest
from scipy import stats

from cifar_fast.study import statistics


def test_means_by_hand():
    found = statistics.mean([1.0, 2.0, 3.0, 6.0])
    assert found.n == 4 and found.mean == 3.0
    assert found.deviation == pytest.approx((14 / 3) ** 0.5) and found.error == pytest.approx((14 / 3) ** 0.5 / 2)
    assert statistics.mean([5.0]) == statistics.Mean(1, 5.0, None, None)


def test_a_paired_difference_by_hand():
    """Differences 1, 2, 3: mean 2, deviation 1, and t of 2 degrees of freedom is 4.3027."""
    found = statistics.paired({0: 1.0, 1: 4.0, 2: 9.0, 7: 5.0}, {0: 0.0, 1: 2.0, 2: 6.0, 8: 1.0})
    assert found.n == 3 and found.mean == 2.0
    assert (found.low, found.high) == pytest.approx((2 - 4.30265 / 3**0.5, 2 + 4.30265 / 3**0.5), abs=1e-4)
    assert not found.shown
    assert statistics.paired({0: 1.0}, {1: 1.0}) is None
    assert statistics.paired({0: 3.0}, {0: 1.0}) == statistics.Difference(1, 2.0, None, None, None)


def test_intervals_and_tests_are_scipys():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(0.1, 1, 9), rng.normal(0, 1, 9)
    found = statistics.paired(dict(enumerate(ours)), dict(enumerate(theirs)))
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert statistics.above(ours, -0.3) == pytest.approx(stats.ttest_1samp(ours, -0.3, alternative="greater").pvalue)
    assert statistics.above([1.0], 0.5) is None
    assert (statistics.above([1.0, 1.0], 0.5), statistics.above([1.0, 1.0], 1.5)) == (0.0, 1.0)


def test_a_planted_difference_is_found_and_a_planted_zero_is_not():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, [1000, 5])

    def found(planted):
        return np.mean([statistics.paired(dict(enumerate(row + planted)), dict.fromkeys(range(5), 0.0)).shown
                        for row in noise])

    assert abs(found(0.0) - 0.05) <= 0.015
    two_errors = 2 / 5**0.5
    by_theory = stats.nct.sf(stats.t.ppf(0.975, 4), 4, 2) + stats.nct.cdf(-stats.t.ppf(0.975, 4), 4, 2)
    assert abs(found(two_errors) - by_theory) <= 0.04
    assert statistics.seeds_needed(1.0, 2.0) == 5 and found(2.0) > 0.8


@pytest.mark.parametrize("deviation, difference, expected", [(1.0, 1.0, 10), (1.0, 0.5, 34), (0.0, 0.1, 2)])
def test_seeds_needed_are_those_of_the_tables(deviation, difference, expected):
    """10 and 34 pairs for effects of 1 and of 0.5 deviations, as G*Power and its handbook have them."""
    assert statistics.seeds_needed(deviation, difference) == expected


def test_no_number_of_seeds_finds_what_is_too_small():
    assert statistics.seeds_needed(1.0, 1e-5) is None
