"""Learning rates at hand-computed places."""
import numpy as np
import pytest

from cifar_fast.config import Config
from cifar_fast.training.schedules import learning_rates


@pytest.mark.parametrize("schedule, epoch, done, expected", [
    ("constant", 3, [0, 0.99], [1, 1]),
    ("exponential", 0, [0, 0.09], [1, 1]),
    ("exponential", 9, [0.9, 0.99], [0.9**9, 0.9**9]),
    ("linear", 0, [0, 0.5, 0.99], [1, 0.5, 0.01]),
    ("cosine", 0, [0, 0.5, 0.25], [1, 0.5, (1 + np.sqrt(0.5)) / 2]),
    ("one_cycle", 0, [0, 0.1, 0.2, 0.6, 0.99], [0, 0.5, 1, 0.5, 1 / 80]),
])
def test_values(schedule, epoch, done, expected):
    config = Config(schedule=schedule, learning_rate=2.0, decay=0.9, warmup=0.2)
    rates = learning_rates(config, epoch, done)
    assert rates.dtype == np.float32
    np.testing.assert_allclose(rates, 2 * np.array(expected), rtol=1e-6)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "one_cycle"])
def test_a_final_rate_is_where_it_ends(schedule):
    config = Config(schedule=schedule, learning_rate=2.0, final_rate=0.1)
    np.testing.assert_allclose(learning_rates(config, 0, [0.2, 1.0])[1], 0.2, rtol=1e-6)
    np.testing.assert_allclose(learning_rates(config, 0, np.linspace(0, 1, 11)).max(), 2)


@pytest.mark.parametrize("warmup, first, last", [(0, 1, 0.01), (1, 0, 0.99)])
def test_one_cycle_with_no_rise_or_no_fall(warmup, first, last):
    config = Config(schedule="one_cycle", learning_rate=1.0, warmup=warmup)
    np.testing.assert_allclose(learning_rates(config, 0, [0, 0.99]), [first, last], rtol=1e-5)


@pytest.mark.parametrize("warmup, cooldown, expected", [
    (0.2, 0.4, [0, 0.5, 1, 1, 1, 0.5, 0.1]), (0.2, 0.9, [0, 0.5, 1, 0.75, 0.5, 0.25, 0.05]),
    (0, 0.4, [1, 1, 1, 1, 1, 0.5, 0.1]), (0.2, 0, [0, 0.5, 1, 1, 1, 1, 1])])
def test_one_cycle_holds_its_rate_until_the_cooldown(warmup, cooldown, expected):
    config = Config(schedule="one_cycle", learning_rate=1.0, warmup=warmup, cooldown=cooldown)
    np.testing.assert_allclose(learning_rates(config, 0, [0, 0.1, 0.2, 0.4, 0.6, 0.8, 0.96]), expected, atol=1e-6)


def test_the_original_schedule():
    rates = [learning_rates(Config(), epoch, [epoch / 100])[0] for epoch in range(3)]
    np.testing.assert_allclose(rates, 1e-3 * 0.99 ** np.arange(3), rtol=1e-6)
