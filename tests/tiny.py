"""What the tests train: a network of three units on a few random or drawn images."""
import numpy as np

from cifar_fast import devices, sources, synthetic, trainer
from cifar_fast.config import Config


def config(**changes):
    defaults = dict(dataset="synthetic", units=3, filters=4, batch_size=16, epochs=2, precision="float32",
                    train_examples=80, test_examples=40, rotation_range=30.0, width_shift_range=0.1,
                    height_shift_range=0.1, horizontal_flip=True, vertical_flip=True)
    return Config(**defaults | changes)


def data(train=80, test=40, seed=0):
    return sources.Dataset(*synthetic.make(seed, 10, train, test), synthetic.SHAPES, "drawn")


def make_trainer(**changes):
    chosen = config(**changes)
    return trainer.Trainer(chosen, devices.resolve(chosen.precision, chosen.xla),
                           data(chosen.train_examples, chosen.test_examples))


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
