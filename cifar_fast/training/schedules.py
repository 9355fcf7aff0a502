"""Learning rates as plain functions of the progress: computed on the host, one number a step, nothing to save."""
import numpy as np


def learning_rates(config, epoch, done):
    """The rates of some steps of an epoch.

    Args:
      config: a `Config`; its schedule, learning_rate, decay, warmup, cooldown and final_rate count.
      epoch: int, from 0. done: floats [n], the share of all the run's steps that lies behind each of these.
    Returns:
      float32 [n].
    """
    done, last = np.asarray(done, np.float64), config.final_rate
    factor = {
        "constant": lambda: np.ones_like(done),
        "exponential": lambda: np.full_like(done, config.decay**epoch),
        "linear": lambda: 1 - (1 - last) * done,
        "cosine": lambda: last + (1 - last) * 0.5 * (1 + np.cos(np.pi * done)),
        "one_cycle": lambda: np.interp(done, *_corners(config.warmup, config.cooldown, last)),
    }[config.schedule]()
    return (config.learning_rate * factor).astype(np.float32)


def _corners(warmup, cooldown, last):
    """Places and heights: from 0 to 1 at `warmup`, from 1 to `last` over the final `cooldown`, or all that the rise
    leaves (Smith and Topin, 2017, arXiv:1708.07120, without its last leg; held high between, as Hägele et al., 2024,
    arXiv:2405.18392)."""
    falls = max(warmup, 1 - cooldown)
    places, heights = ([0, warmup], [0, 1]) if warmup > 0 else ([0], [1])
    if falls > warmup:
        places, heights = [*places, falls], [*heights, 1]
    return (places, heights) if falls >= 1 else ([*places, 1], [*heights, last])
