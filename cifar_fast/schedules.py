"""Learning rates as plain functions of the step: computed on the host, one number a step, nothing to save."""
import numpy as np


def learning_rates(config, steps_per_epoch, steps):
    """The rates of the given steps.

    Args:
      config: a `Config`; its schedule, learning_rate, decay, warmup and epochs count.
      steps_per_epoch: int. steps: int array [n] of global steps, the first is 0.
    Returns:
      float32 [n].
    """
    steps = np.asarray(steps, np.float64)
    done = steps / (config.epochs * steps_per_epoch)  # share of the training that lies behind each step
    factor = {
        "constant": lambda: np.ones_like(done),
        "exponential": lambda: config.decay ** (steps // steps_per_epoch),
        "linear": lambda: 1 - done,
        "cosine": lambda: 0.5 * (1 + np.cos(np.pi * done)),
        "one_cycle": lambda: np.interp(done, *_triangle(config.warmup)),
    }[config.schedule]()
    return (config.learning_rate * factor).astype(np.float32)


def _triangle(peak):
    """Rises from 0 to 1 at `peak`, falls to 0 at 1 (Smith and Topin, 2017, arXiv:1708.07120, without its last leg)."""
    if peak <= 0:
        return [0, 1], [1, 0]
    return ([0, peak, 1], [0, 1, 0]) if peak < 1 else ([0, 1], [0, 1])
