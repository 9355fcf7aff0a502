"""A network, its data and its engine, put together from a `Config`: what trains, without files or signals."""
import contextlib
import hashlib

import numpy as np
import tensorflow as tf

from cifar_fast import flops, optimizers, pipeline, plan, pruning, resnet, schedules, sources, whitening
from cifar_fast.averages import Averages
from cifar_fast.batch import Preparation, Statistics
from cifar_fast.evaluate import Evaluator
from cifar_fast.step import Engine


class Trainer:
    """Trains and evaluates; where it stands is the caller's to keep.

    Args:
      config: a `Config`. runtime: a `devices.Runtime`. data: a `sources.Dataset`.
    Attributes:
      plan: the run's epochs, a list of `plan.Epoch`.
    """

    def __init__(self, config, runtime, data):
        self.config, self.data = config, data
        examples = len(data.train_images)
        self.plan = plan.epochs(config, examples)
        self.steps = sum(e.steps for e in self.plan)
        statistics = Statistics.of(data.train_images, config.standardize)
        self.model = build_model(config, runtime, data)
        if config.whitening:
            whitening.whiten(self.model.stem, data.train_images, statistics)
        average = config.average != "none" and Averages(
            self.model.variables, config.average, config.average_every, config.average_decay, self.steps)
        self.resident = pipeline.is_resident(config.input, data.train_images)
        self.engine = Engine(
            config, runtime, self.model, optimizers.build(config), Preparation(config, statistics), examples,
            *((data.train_images, data.train_labels) if self.resident else ()), average=average or None)
        self.evaluate = build_evaluator(config, self.model, data)

    def batches(self, epoch, start=0):
        """An iterator over the batches of an epoch from step `start` on. Starting an epoch decides what it prunes."""
        order = pipeline.permutation(self.config.seed, epoch, len(self.data.train_images))
        if self.config.prune:
            if not start:
                self._prune(epoch)
            order = order[self.engine.weights.numpy()[order] > 0]
        order = (order, self.config.batch_size, start)
        if self.resident:
            return iter(pipeline.index_batches(*order))
        return iter(pipeline.image_batches(self.data.train_images, self.data.train_labels, *order))

    def _prune(self, epoch):
        config, weights = self.config, np.ones(len(self.data.train_images), np.float32)
        if self.plan[epoch].examples < len(weights):
            weights = pruning.weights(self.engine.losses.numpy(), config.prune, config.prune_easy, config.seed, epoch)
        self.engine.weights.assign(weights)

    def rates(self, epoch):
        """The learning rate of each step of an epoch: float32 [its steps]."""
        steps = self.plan[epoch].first_step + np.arange(self.plan[epoch].steps)
        return schedules.learning_rates(self.config, epoch, steps / self.steps)

    def train(self, batches, epoch, start, steps, totals):
        """Takes `steps` steps from step `start` of an epoch on. Returns the epoch's totals, see `Engine.run`."""
        planned, rates = self.plan[epoch], np.zeros(max(e.steps for e in self.plan), np.float32)
        rates[:planned.steps] = self.rates(epoch)  # of one length in all epochs, so that one trace serves them
        numbers = (tf.constant(n) for n in (epoch, planned.first_step, start, steps))
        return self.engine.run(batches, *numbers, tf.constant(rates), tf.constant(totals), planned.size).numpy()

    def flop(self, epoch):
        """The arithmetic of an epoch's training, in FLOP, by closed form."""
        return flops.epoch(self.config, self.plan[epoch], len(self.data.class_names), self.data.train_images.shape[1:])

    def averaged(self):
        """A context in which the model's variables are those that are evaluated: their averages, if there are any."""
        return self.engine.average.swapped() if self.engine.average else contextlib.nullcontext()


def load_data(config):
    """The `sources.Dataset` that a `Config` names."""
    return sources.load(config.dataset, config.data_dir, seed=config.seed, classes=config.classes,
                        train_examples=config.train_examples, test_examples=config.test_examples,
                        validation_examples=config.validation_examples)


def build_model(config, runtime, data):
    """The network of a `Config`, for the classes and image shape of `data`."""
    return resnet.build(len(data.class_names), data.train_images.shape[1:], units=config.units,
                        filters=config.filters, activation=config.activation, dropout=config.dropout,
                        stochastic_depth=config.stochastic_depth, norm_momentum=config.norm_momentum,
                        seed=config.seed, precision=runtime.precision)


def build_evaluator(config, model, data):
    """The `Evaluator` of a model on the test images of `data`."""
    own = config.test_statistics == "own"
    statistics = Statistics.of(data.test_images if own else data.train_images, config.standardize)
    return Evaluator(model, data.test_images, data.test_labels, statistics, l2=config.l2, tta=config.tta)


def weights_sha256(model):
    """A digest over the bytes of all the model's variables in the order of creation: equal runs, equal digests."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()
