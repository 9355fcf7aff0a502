"""A network, its data and its engine, put together from a `Config`: what trains, without files or signals."""
import contextlib
import dataclasses
import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from cifar_fast.data import sources
from cifar_fast.data.labelled.cache import Form
from cifar_fast.data.labelled.images import Reading
from cifar_fast.network import flops, resnet, whitening
from cifar_fast.training import batch, objective, optimizers, pipeline, plan, pruning, schedules
from cifar_fast.training.averages import Averages
from cifar_fast.training.batch import Preparation, Statistics
from cifar_fast.training.evaluate import Evaluator
from cifar_fast.training.parallel import ParallelEngine, ParallelEvaluator
from cifar_fast.training.step import Engine

# What the compiled programs take as inputs or never see. Runs that differ in these alone, and not in whether one of
# `SWITCHES` is 0, share programs.
INPUTS = ("seed", "learning_rate", "schedule", "decay", "warmup", "cooldown", "final_rate", "momentum", "muon_momentum",
          "dense_rate", "vector_rate", "weight_decay", "vector_decay", "average_decay", "label_smoothing",
          "target_accuracy", "workdir", "eval_every", "checkpoint_every", "steps_per_call")
SWITCHES = ("momentum", "weight_decay", "vector_decay", "label_smoothing")


def shares_programs(one, other):
    """Whether the programs of one `Config` are those of the other, on the same data."""
    return dataclasses.replace(one, **{n: getattr(other, n) for n in INPUTS}) == other and all(
        (getattr(one, n) == 0) == (getattr(other, n) == 0) for n in SWITCHES)


class Own(NamedTuple):
    """The functions of the user's own that a `Config` names; None are imported by those names."""

    optimizer: Callable | None = None
    augmentation: Callable | None = None

    def check(self, config, data):
        """Raises UserError where what `config` names is not there, or does not do on images of `data`."""
        optimizers.build(config, self.optimizer)
        Preparation(config, Statistics.of(data.train_images[:1], config.standardize), self.augmentation).check_own(
            data.train_images[:2])


NAMED = Own()


class Trainer:
    """Trains and evaluates; where it stands is the caller's to keep.

    Args:
      config: a `Config`. compute: a `devices.Compute`. data: a `sources.Dataset`. replicas: the `replicas.Replicas` if
        several train. own: an `Own`.
    Attributes:
      plan: the run's epochs, a list of `plan.Epoch`.
      statistics, test_statistics: the `batch.Statistics` that standardize what is trained and evaluated on.
    """

    def __init__(self, config, compute, data, replicas=None, own=NAMED):
        self.config, self.compute, self.data, self.replicas, self.own = config, compute, data, replicas, own
        examples = len(data.train_images)
        self.plan = plan.epochs(config, examples)
        self.steps = sum(e.steps for e in self.plan)
        self.statistics = Statistics.of(data.train_images, config.standardize)
        self.test_statistics = evaluated_by(config, data, self.statistics)
        self.kernel = whitening.fitted(data.train_images, self.statistics) if config.whitening else None
        self.resident = pipeline.is_resident(config.input, data.train_images)
        held = (data.train_images, data.train_labels) if self.resident else None
        if replicas is None:
            self.engines = [self._build_engine(held, compute.device)]
            self.engine = self.engines[0]
        else:
            self.engines = [
                self._build_engine(held, device, replicas.first + i, replicas.count)
                for i, device in enumerate(replicas.devices)]
            self.engine = ParallelEngine(replicas, self.engines, config.batch_size,
                                         compute.reduced_in(config.reduce_in))
        self.model = self.engines[0].model
        self.evaluate = build_evaluator(config, [engine.model for engine in self.engines], data.test_images,
                                        data.test_labels, self.test_statistics, replicas)

    def restart(self, config):
        """Begins another run with the programs of this one, which is over: `config` shares them with this trainer's,
        see `shares_programs`. It trains as a new `Trainer` would, to the bit."""
        self.config = config
        for engine in self.engines:
            engine.restart(self._build_engine(None, engine.device, engine.replica, engine.replicas))

    def _build_engine(self, held, device, replica=0, replicas=1):
        """held: the training set, to be kept on the device, or None."""
        config, data, compute = self.config, self.data, dataclasses.replace(self.compute, device=device)
        with tf.device(device):
            model = build_model(config, compute, len(data.class_names), data.train_images.shape[1:],
                                config.sync_batch_norm and self.replicas is not None)
            if config.whitening:
                model.whitening.kernel.assign(self.kernel)
            average = None
            if config.average != "none":
                average = Averages(model.variables, config.average, config.average_every, config.average_decay,
                                   self.steps)
            weights = None
            if config.class_weights == "balanced":
                weights = objective.balanced(data.train_labels, len(data.class_names))
            return Engine(
                config, compute, model, optimizers.build(config, self.own.optimizer),
                Preparation(config, self.statistics, self.own.augmentation), len(data.train_images), held, average,
                replica, replicas, weights)

    def batches(self, epoch, start=0):
        """An iterator over the batches of an epoch from step `start` on. Starting an epoch decides what it prunes."""
        order = plan.permutation(self.config.seed, epoch, len(self.data.train_images))
        if self.config.prune:
            if not start:
                self._prune(epoch)
            order = order[self.engines[0].sample_weights.numpy()[order] > 0]
        if self.resident:
            return iter(pipeline.index_batches(order, self.config.batch_size, start))
        share = self.replicas.share(self.config.batch_size) if self.replicas else slice(None)
        return iter(pipeline.image_batches(self.data.train_images, self.data.train_labels, order,
                                           self.config.batch_size, start, share))

    def _prune(self, epoch):
        config, weights = self.config, np.ones(len(self.data.train_images), np.float32)
        if self.plan[epoch].examples < len(weights):
            losses = self.engines[0].losses.numpy()
            weights = pruning.weights(losses, config.prune, config.prune_easy, config.seed, epoch)
        for engine in self.engines:
            engine.sample_weights.assign(weights)

    def rates(self, epoch):
        """The learning rate of each step of an epoch: float32 [its steps]."""
        steps = self.plan[epoch].first_step + np.arange(self.plan[epoch].steps)
        return schedules.learning_rates(self.config, epoch, steps / self.steps)

    def rate(self, epoch, step):
        """The learning rate of a step of an epoch that has just been trained."""
        engine = self.engines[0]
        return float(self.rates(epoch)[step] if engine.rate is not None else engine.optimizer.learning_rate)

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
        stack = contextlib.ExitStack()
        for engine in self.engines:
            if engine.average:
                stack.enter_context(engine.average.swapped())
        return stack


def load_data(config, tested=True):
    """The `sources.Dataset` that a `Config` names, with test images or, unless it must be `tested`, maybe without.

    Raises:
      UserError: bad data, or its images don't fit the rest of the `Config`.
    """
    form = Form(plan.image_size(config.image_size), config.resize, config.channels, config.skip_damaged)
    reading = Reading(config.image_column, config.label_column, config.labels, form, config.cache_dir)
    data = sources.load(config.dataset, config.data_dir, seed=config.seed, classes=config.classes,
                        train_examples=config.train_examples, test_examples=config.test_examples,
                        validation_examples=config.validation_examples, validation_share=config.validation_share,
                        validation_split=config.validation_split, reading=reading, splits=config.tfds_splits.split(","),
                        tested=tested)
    batch.check(config, data.train_images.shape[1:])
    return data


def build_model(config, compute, classes, image_shape, sync_norm=False):
    """The network of a `Config`, for so many classes and images of a shape (H, W, C). sync_norm: whether batch
    statistics are those of all replicas."""
    return resnet.build(classes, image_shape, units=config.units,
                        filters=config.filters, activation=config.activation, dropout=config.dropout,
                        stochastic_depth=config.stochastic_depth, whitening=config.whitening,
                        blur=config.blur, final_activation=config.final_activation, norm_momentum=config.norm_momentum,
                        sync_norm=sync_norm, seed=config.seed,
                        precision=compute.precision, by_winograd=compute.by_winograd)


def evaluated_by(config, data, statistics):
    """The `batch.Statistics` that standardize the test images of `data`, those of whose training images are given."""
    return Statistics.of(data.test_images, config.standardize) if config.test_statistics == "own" else statistics


def build_evaluator(config, models, images, labels, statistics, replicas=None):
    """The `Evaluator` of a model, or of the local replicas' equal ones, on images and labels."""
    arguments = images, labels, statistics
    if replicas is None:
        return Evaluator(models[0], *arguments, l2=config.l2, tta=config.tta)
    return ParallelEvaluator(replicas, models, *arguments, l2=config.l2, tta=config.tta)


def weights_sha256(model):
    """A digest over the bytes of all the model's variables in the order of creation: equal runs, equal digests."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()
