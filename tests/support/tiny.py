"""What the tests train: a network of three units on a few random or drawn images, on one to four logical CPUs."""
import dataclasses

import numpy as np

from cifar_fast.config import Config
from cifar_fast.data import sources, synthetic
from cifar_fast.machine import devices
from cifar_fast.training import replicas, trainer
from cifar_fast.training.evaluate import Evaluation

# The original's augmentation, for tests that are about it: it takes a third of the time until a first step.
ORIGINAL = dict(rotation_range=30.0, width_shift_range=0.1, height_shift_range=0.1, horizontal_flip=True,
                vertical_flip=True)


def config(**changes):
    defaults = dict(dataset="synthetic", units=3, filters=4, batch_size=16, epochs=2, precision="float32",
                    train_examples=80, test_examples=40, horizontal_flip=True)
    return Config(**defaults | changes)


def data(train=80, test=40, seed=0):
    return sources.Dataset(*synthetic.make(seed, 10, train, test), synthetic.SHAPES, "drawn")


def evaluation(predictions, confidences=None, ranks=None, accuracy=0.6):
    """An `Evaluation` made by hand."""
    predictions = np.asarray(predictions, np.int32)
    given = (np.zeros(len(predictions)) if values is None else np.asarray(values) for values in (confidences, ranks))
    return Evaluation(1.0, accuracy, 0.9, predictions, *given)


def few_images(patch):
    """For whole runs in this process, by a `MonkeyPatch`: they load `data`, and draw no pictures."""
    patch.setattr(trainer, "load_data", lambda config: data())
    no_pictures(patch)


def no_pictures(patch):
    """A tiny network is trained in the time that they take."""
    for picture in ("preview.draw_augmentation", "report.curves", "report.confusion", "classes.draw", "mistakes.draw"):
        patch.setattr(f"cifar_fast.runs.reports.{picture}", lambda *_: None)


def make_trainer(on=0, by_winograd=False, **changes):
    """on: how many replicas, each on a CPU of its own; 0 is the plain engine. by_winograd: with `winograd`."""
    chosen = config(**changes)
    team = replicas.mirrored([f"/CPU:{i}" for i in range(on)]) if on else None
    compute = devices.resolve(chosen.precision, chosen.xla, team and team.devices)
    return trainer.Trainer(chosen, dataclasses.replace(compute, by_winograd=by_winograd),
                           data(chosen.train_examples, chosen.test_examples), team)


def losses(ours, steps):
    """The loss of each of the first `steps` steps, one step a call, from the weights as they are."""
    found, epoch, start = [], 0, 0
    batches = ours.batches(0)
    for _ in range(steps):
        if start == ours.plan[0].steps:
            epoch, start, batches = epoch + 1, 0, ours.batches(epoch + 1)
        found.append(ours.train(batches, epoch, start, 1, np.zeros(3, np.float32))[0] / ours.config.batch_size)
        start += 1
    return np.array(found)


def weights(ours):
    return [v.numpy() for group in ours.engine.variables().values() for v in group]


def same(some, others):
    """Whether two lists of arrays are the same bits."""
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))
