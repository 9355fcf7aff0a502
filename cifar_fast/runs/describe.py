"""A run before it is begun: its network as a table, its steps and arithmetic, and the hours that they would take here.

The arithmetic is in closed form. The hours rest on a few seconds of the run's own training step at each image size, on
random images, measured on this machine as it is now: what else runs here meanwhile is in them.
"""
import dataclasses
import time
from typing import NamedTuple

import numpy as np

from cifar_fast.data.cifar.published import CLASSES
from cifar_fast.data.dataset import Dataset
from cifar_fast.machine import runtime, team
from cifar_fast.network import flops
from cifar_fast.training import batch, plan, trainer
from cifar_fast.training.evaluate import passes

PUBLISHED = 50_000, 10_000, (32, 32, 3)  # training and test images of both CIFARs, and their shape
SECONDS = 3.0  # that a measurement takes, at least
STEPS = 8  # of an epoch of the measured training


class Sizes(NamedTuple):
    """Of a run's data: numbers of training and test images and of classes, and the images' (H, W, C)."""

    train: int
    test: int
    classes: int
    shape: tuple[int, int, int]


class Rate(NamedTuple):
    """What was measured at an image size: seconds of a step, of so many that were timed, and of the first, which
    compiles."""

    seconds: float
    steps: int
    first: float


def lines(config):
    """What `cifar_fast describe` prints, a string a line, each as soon as it is known.

    Raises:
      UserError: bad data, or a `Config` that does not fit them or this machine.
    """
    decided = runtime.decide(config)
    # Of several workers this one alone, on one device: the others are not asked.
    replicas = None if decided.layout.cluster else team.gather(decided.layout, decided.config)
    data = sizes(config)
    epochs = plan.epochs(config, data.train)
    # Without pruning, which would leave none of so few images out.
    short = dataclasses.replace(decided.config, prune=0.0)
    ours = trainer.Trainer(short, decided.compute, _random(config, data), replicas)
    yield from _table(network(ours.model, data.shape))
    yield ""
    yield from _planned(config, data, epochs)
    training = 0.0
    for size in dict.fromkeys(epoch.size for epoch in epochs):
        rate = measured(ours, size)
        steps = sum(epoch.steps for epoch in epochs if epoch.size == size)
        training += rate.first + steps * rate.seconds
        yield (f"{'measured':<10}  {config.batch_size / rate.seconds:,.0f} images/s{_at(size)} in {rate.steps} steps; "
               f"the first took {rate.first:.1f} s")
    # After epochs, and the final one with its views.
    evaluations = -(-config.epochs // config.eval_every) + passes(config.tta)
    evaluating = evaluations * data.test * _seconds_an_image(ours)
    where = f"{replicas.count} replicas" if replicas else "one device"
    yield (f"{'predicted':<10}  {_hours(training)} of training and {_hours(evaluating)} of evaluations, in "
           f"{decided.compute.precision} on {where}: {decided.compute.reasons['device']}")


def sizes(config):
    """The `Sizes` of what a `Config` trains on. CIFAR is read only where --data_dir says what stands for it."""
    if config.data_dir or config.dataset not in CLASSES:
        data = trainer.load_data(config)
        return Sizes(len(data.train_images), len(data.test_images), len(data.class_names), data.train_images.shape[1:])
    train, test, shape = PUBLISHED
    batch.check(config, shape)
    train, test = train - config.validation_examples, config.validation_examples or test
    return Sizes(min(train, config.train_examples or train), min(test, config.test_examples or test),
                 CLASSES[config.dataset], shape)


def network(model, shape):
    """A row for each layer or unit of a `ResNet` on images of a shape (H, W, C), in order: name, output shape,
    parameters, FLOP of one image's forward pass."""
    rows, size, channels = [], shape[:2], shape[2]
    if model.whitening:
        rows.append(("whitening, 7×7", shape, model.whitening.count_params(),
                     flops.Convolution(size, channels, channels, 7, 1, 1).flops()))
    rows.append(("convolution, 7×7", (*size, model.stem.filters), model.stem.count_params(), _flop(model.stem, size)))
    for number, unit in enumerate(model.units, 1):
        within = size
        size = tuple(-(-side // unit["conv1"].strides[0]) for side in size)
        parts = [layer for layer in unit.values() if hasattr(layer, "count_params")]
        flop = _flop(unit["conv1"], within) + _flop(unit["conv2"], size)
        if unit["widen"]:
            flop += _flop(unit["widen"], within)
        rows.append((f"unit {number}" + (", wider" if unit["widen"] else ""), (*size, unit["conv2"].filters),
                     sum(layer.count_params() for layer in parts), flop))
    width = model.dense.kernel.shape[0]
    rows.append(("normalization, mean", (width,), model.norm.count_params(), 0))
    rows.append(("dense", (model.dense.units,), model.dense.count_params(), 2 * width * model.dense.units))
    return rows


def measured(ours, size):
    """The `Rate` of a `trainer.Trainer` on images of a side; None for their own."""
    epoch = next(number for number, epoch in enumerate(ours.plan) if epoch.size == size)

    def seconds(steps):
        batches = ours.batches(epoch)
        begin = time.perf_counter()
        ours.train(batches, epoch, 0, steps, np.zeros(3, np.float32))
        return time.perf_counter() - begin

    first, steps, total, most = seconds(1), 0, 0.0, ours.plan[epoch].steps
    while not steps or total < SECONDS:
        total, steps = total + seconds(most), steps + most
    return Rate(total / steps, steps, first)


def _seconds_an_image(ours):
    """Of an evaluation: the second of two, of which the first compiles."""
    ours.evaluate()
    begin = time.perf_counter()
    ours.evaluate()
    return (time.perf_counter() - begin) / len(ours.data.test_images)


def _random(config, data):
    """A `Dataset` of random images, enough for `STEPS` steps, on which everything takes as long as on the run's own."""
    rng, names = np.random.default_rng(0), tuple(str(k) for k in range(data.classes))

    def drawn(count):
        return rng.integers(0, 256, (count, *data.shape), np.uint8), rng.integers(0, data.classes, count, np.int32)

    steps = min(STEPS, data.train // config.batch_size)
    return Dataset(*drawn(steps * config.batch_size), *drawn(min(data.test, 500)), names, "random")


def _flop(layer, size):
    height, _, before, after = layer.kernel.shape
    return flops.Convolution(size, before, after, height, layer.strides[0], 1).flops()


def _table(rows):
    total = ("in all", (), sum(row[2] for row in rows), sum(row[3] for row in rows))
    cells = [("layer", "output", "parameters", "GFLOP")] + [
        (name, "×".join(map(str, shape)), f"{parameters:,}", f"{flop / 1e9:.4f}")
        for name, shape, parameters, flop in [*rows, total]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(cell.ljust(width) if i < 2 else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(row, widths, strict=True)))


def _planned(config, data, epochs):
    """The lines about the plan."""
    steps, images = sum(e.steps for e in epochs), sum(e.steps for e in epochs) * config.batch_size
    pflop = sum(flops.epoch(config, epoch, data.classes, data.shape) for epoch in epochs) / 1e15
    height, width, channels = data.shape
    yield (f"{'data':<10}  {data.train:,} training and {data.test:,} test images of {height}×{width}×{channels}, "
           f"{data.classes} classes")
    yield (f"{'plan':<10}  {config.epochs:,} epochs, {steps:,} steps of {config.batch_size:,} images "
           f"({images:,}), {pflop:.3g} PFLOP")


def _at(size):
    return f" at {size}×{size}" if size else ""


def _hours(seconds):
    return f"{seconds / 3600:.2f} hours" if seconds >= 360 else f"{seconds / 60:.1f} minutes"
