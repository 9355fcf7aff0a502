"""Learning rates as plain functions of the progress: computed on the host, one number a step, nothing to save."""
import numpy as np


def learning_rates(config, epoch, done):
    """The rates of some steps of an epoch.

    Args:
      config: a `Config`; its schedule, learning_rate, decay, warmup and final_rate count.
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
        "one_cycle": lambda: np.interp(done, *_triangle(config.warmup, last)),
    }[config.schedule]()
    return (config.learning_rate * factor).astype(np.float32)


def _triangle(peak, last):
    """From 0 to 1 at `peak`, to `last` at 1 (Smith and Topin, 2017, arXiv:1708.07120, without its last leg)."""
    if peak <= 0:
        return [0, 1], [1, last]
    return ([0, peak, 1], [0, 1, last]) if peak < 1 else ([0, 1], [0, 1])
