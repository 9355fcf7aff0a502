"""Learning rates at hand-computed places."""
import numpy as np
import pytest

from cifar_fast.config import Config
from cifar_fast.schedules import learning_rates


@pytest.mark.parametrize("schedule, steps, expected", [
    ("constant", [0, 99], [1, 1]),
    ("exponential", [0, 9, 10, 99], [1, 1, 0.9, 0.9**9]),
    ("linear", [0, 50, 99], [1, 0.5, 0.01]),
    ("cosine", [0, 50, 25], [1, 0.5, (1 + np.sqrt(0.5)) / 2]),
    ("one_cycle", [0, 10, 20, 60, 99], [0, 0.5, 1, 0.5, 1 / 80]),
])
def test_values(schedule, steps, expected):
    config = Config(schedule=schedule, learning_rate=2.0, decay=0.9, epochs=10, warmup=0.2)
    rates = learning_rates(config, 10, np.array(steps))
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, 2 * np.array(expected), rtol=1e-6)


@pytest.mark.parametrize("warmup, first, last", [(0, 1, 0.01), (1, 0, 0.99)])
def test_one_cycle_with_no_rise_or_no_fall(warmup, first, last):
    config = Config(schedule="one_cycle", learning_rate=1.0, warmup=warmup, epochs=10)
    np.testing.assert_allclose(learning_rates(config, 10, [0, 99]), [first, last], rtol=1e-5)


def test_the_original_schedule():
    rates = learning_rates(Config(), 1562, np.arange(3) * 1562)
    np.testing.assert_allclose(rates, 1e-3 * 0.99 ** np.arange(3), rtol=1e-6)
