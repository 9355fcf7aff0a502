"""What each epoch of a run does, known before it starts: image size, examples, their order, steps.

Everything that counts steps or arithmetic asks here, so that sizes and pruning are decided in one place.
"""
import re
from typing import NamedTuple

import numpy as np

from cifar_fast.errors import UserError


class Epoch(NamedTuple):
    """size: side of the training images in pixels, None for their own; examples: how many it draws from;
    steps: full batches; first_step: steps before it in the run."""

    size: int | None
    examples: int
    steps: int
    first_step: int


def epochs(config, examples):
    """The epochs of a `Config` over so many training images, in order: a list of `Epoch`.

    Raises:
      UserError: an epoch has fewer examples than one batch, or pruning would leave no easy example.
    """
    plan, first = [], 0
    if config.prune and round(config.prune * examples) >= round(config.prune_easy * examples):
        raise UserError(f"--prune={config.prune} --prune_easy={config.prune_easy}: leave none of the easy ones of "
                        f"{examples} training images; take shares further apart")
    for number, size in enumerate(sizes(config.image_sizes, config.epochs)):
        pruned = config.prune_first <= number < config.epochs - config.prune_last
        drawn = examples - round(config.prune * examples) if pruned else examples
        if drawn < config.batch_size:
            raise UserError(f"--batch_size={config.batch_size}: there are only {drawn} training images in an epoch; "
                            f"take a batch of at most {drawn}")
        plan.append(Epoch(size, drawn, drawn // config.batch_size, first))
        first += plan[-1].steps
    return plan


def permutation(seed, epoch, examples):
    """The order of an epoch: int32 [examples], a random permutation drawn from (seed, epoch) alone."""
    return np.random.default_rng([seed, epoch]).permutation(examples).astype(np.int32)


def sizes(text, epochs):
    """"20x4,26x3,32x3" → the image side of each epoch, a list; None stands for no text: all None.

    Raises:
      UserError: another form, a side below 8, or epochs that do not add up.
    """
    if text is None:
        return [None] * epochs
    parts = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})x(\d{1,6})", part.strip())
        if not match or int(match[1]) < 8:
            raise UserError(f"--image_sizes={text}: {part!r} must be SIDExEPOCHS, the side at least 8, as "
                            "in 20x4,26x3,32x3")
        parts.append((int(match[1]), int(match[2])))
    given = sum(count for _, count in parts)
    if given != epochs:
        raise UserError(f"--image_sizes={text}: these are {given} epochs, but --epochs={epochs}; give sizes "
                        f"for so many, as in 32x{epochs}")
    return [size for size, count in parts for _ in range(count)]


def image_size(text):
    """"64" or "48x64" → (height, width); None stands for no text. Raises UserError: another form, or a side below 4 or
    above 1024."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", text, re.ASCII)
    size = match and (int(match[1]), int(match[2] or match[1]))
    if not size or not 4 <= min(size) <= max(size) <= 1024:
        raise UserError(f"--image_size={text}: must be a side of 4 to 1024 pixels, or HEIGHTxWIDTH, as in 64 or 48x64")
    return size
