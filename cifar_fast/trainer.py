"""A network, its data and its engine, put together from a `Config`: what trains, without files or signals."""
import hashlib

import numpy as np
import tensorflow as tf

from cifar_fast import optimizers, pipeline, resnet, schedules, sources
from cifar_fast.batch import Preparation, Statistics
from cifar_fast.evaluate import Evaluator
from cifar_fast.step import Engine


class Trainer:
    """Trains and evaluates; where it stands is the caller's to keep.

    Args:
      config: a `Config`. runtime: a `devices.Runtime`. data: a `sources.Dataset`.
    """

    def __init__(self, config, runtime, data):
        self.config, self.data = config, data
        self.steps_per_epoch = pipeline.steps_per_epoch(len(data.train_images), config.batch_size)
        self.model = build_model(config, runtime, data)
        self.resident = pipeline.is_resident(config.input, data.train_images)
        self.engine = Engine(
            config, runtime, self.model, optimizers.build(config),
            Preparation(config, Statistics.of(data.train_images, config.standardize)),
            *((data.train_images, data.train_labels) if self.resident else ()))
        self.evaluate = build_evaluator(config, self.model, data)

    def batches(self, epoch, start=0):
        """An iterator over the batches of an epoch from step `start` on."""
        order = (self.config.seed, epoch, len(self.data.train_images), self.config.batch_size, start)
        if self.resident:
            return iter(pipeline.index_batches(*order))
        return iter(pipeline.image_batches(self.data.train_images, self.data.train_labels, *order))

    def rates(self, epoch):
        """The learning rate of each step of an epoch: float32 [steps_per_epoch]."""
        steps = epoch * self.steps_per_epoch + np.arange(self.steps_per_epoch)
        return schedules.learning_rates(self.config, self.steps_per_epoch, steps)

    def train(self, batches, epoch, start, steps, totals):
        """Takes `steps` steps from step `start` of an epoch on. Returns the epoch's totals, see `Engine.run`."""
        numbers = (tf.constant(n) for n in (epoch, start, steps))
        return self.engine.run(batches, *numbers, tf.constant(self.rates(epoch)), tf.constant(totals)).numpy()


def load_data(config):
    """The `sources.Dataset` that a `Config` names."""
    return sources.load(config.dataset, config.data_dir, seed=config.seed, classes=config.classes,
                        train_examples=config.train_examples, test_examples=config.test_examples,
                        validation_examples=config.validation_examples)


def build_model(config, runtime, data):
    """The network of a `Config`, for the classes and image shape of `data`."""
    return resnet.build(len(data.class_names), data.train_images.shape[1:], units=config.units,
                        filters=config.filters, activation=config.activation, dropout=config.dropout,
                        seed=config.seed, precision=runtime.precision)


def build_evaluator(config, model, data):
    """The `Evaluator` of a model on the test images of `data`."""
    own = config.test_statistics == "own"
    statistics = Statistics.of(data.test_images if own else data.train_images, config.standardize)
    return Evaluator(model, data.test_images, data.test_labels, statistics, l2=config.l2)


def weights_sha256(model):
    """A digest over the bytes of all the model's variables in the order of creation: equal runs, equal digests."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()
