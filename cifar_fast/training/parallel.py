"""Several engines that train as one: each takes its share of every batch, and one sum keeps them equal.

    global batch of indices ─┬► share 0 ─► engine 0: augment, forward, backward ─┐           ┌► engine 0: update
                             └► share 1 ─► engine 1: augment, forward, backward ─┴► the sum ─┴► engine 1: update

In the sum go gradients, moving statistics, totals and, for pruning, the examples' losses. So after each step all
engines hold the same bits: the state of one is the state of all, a checkpoint is exact at any step, and a run may go on
with another number of replicas. All decide by the same sums, whether to skip an overflown update, too.
"""
import functools

import numpy as np
import tensorflow as tf

from cifar_fast.training.evaluate import Evaluator
from cifar_fast.training.replicas import summed
from cifar_fast.training.step import accumulate
from cifar_fast.training.vectors import packed, unpacked


class ParallelEngine:
    """Stands in for a `step.Engine`.

    Args:
      replicas: a `replicas.Replicas`. engines: a `step.Engine` for each of its local devices, its variables there.
      batch_size: the global batch, a multiple of the number of replicas.
      reduce_in: the dtype in which the gradients are summed, such as "float32".
    """

    def __init__(self, replicas, engines, batch_size, reduce_in):
        self.replicas, self.engines, self.batch_size = replicas, engines, batch_size
        self.reduce_in = reduce_in
        wrap = tf.function(jit_compile=True, autograph=False) if engines[0].compiled else lambda function: function
        self.begin = [wrap(functools.partial(_begin, engine)) for engine in engines]
        self.finish = [wrap(functools.partial(_finish, engine)) for engine in engines]

    def variables(self):
        return self.engines[0].variables()

    @tf.function(autograph=False)
    def run(self, batches, epoch, first, start, steps, rates, totals, size=None):
        """What `Engine.run` does, on all replicas; `batches` deliver indices of the global batch, images and labels of
        this process's share."""
        return accumulate(lambda i: self._step(batches.get_next(), epoch, first + i, rates[i], size),
                          start, steps, totals)

    def _step(self, drawn, epoch, step, rate, size):
        sums = self.replicas.run(lambda i: self._contribution(i, drawn, epoch, step, size))
        indices = drawn if self.engines[0].data else drawn[0]
        for device, engine, finish, (gradients, rest) in zip(
                self.replicas.devices, self.engines, self.finish, sums, strict=True):
            with tf.device(device):
                totals, losses = finish(gradients, rest, rate)
                engine.after_update(indices, losses, step)
        return totals

    def _contribution(self, i, drawn, epoch, step, size):
        """The i-th local engine's part of a step: two float32 vectors, summed over all replicas."""
        engine = self.engines[i]
        _, batch, sample_weights = engine.prepared(self._share(i, drawn), epoch, size)
        gradients, statistics, totals, losses = self.begin[i](batch, sample_weights, step)
        if losses is None:
            rest = [statistics, totals]
        else:  # at their places in the global batch
            before = (self.replicas.first + i) * losses.shape[0]
            after = self.batch_size - before - losses.shape[0]
            rest = [statistics, totals, tf.pad(losses, [[before, after]])]
        if self.reduce_in == "float32":
            vectors = [gradients, *rest]
            whole = summed(tf.concat(vectors, 0))
            return tf.split(whole, [gradients.shape[0], whole.shape[0] - gradients.shape[0]])
        return summed(gradients, self.reduce_in), summed(tf.concat(rest, 0))

    def _share(self, i, drawn):
        share = self.batch_size // self.replicas.count
        place = (self.replicas.first + i) * share
        if self.engines[0].data:
            return drawn[place:place + share]
        indices, images, labels = drawn
        return indices[place:place + share], *(t[i * share:(i + 1) * share] for t in (images, labels))


def _begin(engine, batch, sample_weights, step):
    """An engine's part of a step: gradients and statistics, each packed, totals, and losses where they are kept."""
    gradients, totals, losses = engine.gradients(batch, sample_weights, step)
    # The mean of moving statistics is the moving mean of statistics: all replicas began the step with the same.
    statistics = [v * engine.share for v in engine.model.moving_statistics()]
    return packed(gradients), packed(statistics), totals, losses if engine.losses is not None else None


def _finish(engine, gradients, rest, rate):
    """Updates an engine by the sums. Returns totals and losses."""
    moving = engine.model.moving_statistics()
    size = sum(int(np.prod(v.shape)) for v in moving)
    for variable, value in zip(moving, unpacked(rest[:size], moving), strict=True):
        variable.assign(value)
    engine.apply(unpacked(gradients, engine.model.trainable_variables), rate)
    return rest[size:size + 3], rest[size + 3:]


class ParallelEvaluator:
    """Stands in for an `evaluate.Evaluator`: each replica takes a share of the examples.

    Args:
      replicas: a `replicas.Replicas`. models: the local replicas' networks, equal ones.
      images, labels and the rest: as `Evaluator` takes them, the whole set.
    """

    def __init__(self, replicas, models, images, labels, *rest, **options):
        self.replicas, self.examples = replicas, len(images)
        ends = np.linspace(0, self.examples, replicas.count + 1).astype(int)
        self.places = [slice(ends[i], ends[i + 1]) for i in range(replicas.first, replicas.first + len(models))]
        self.evaluators = []
        for device, model, place in zip(replicas.devices, models, self.places, strict=True):
            with tf.device(device):
                self.evaluators.append(Evaluator(model, images[place], labels[place], *rest, **options))

    def build(self, tta):
        self._run.get_concrete_function(tta and bool(self.evaluators[0].view_weights))

    def __call__(self, tta=False):
        parts = [[t.numpy() for t in part] for part in self._run(tta and bool(self.evaluators[0].view_weights))]
        whole = np.zeros([len(parts[0]), self.examples], np.float32)  # exact for the ranks and predictions, too
        for place, part in zip(self.places, parts, strict=True):
            whole[:, place] = [values[:place.stop - place.start] for values in part]
        return self.evaluators[0].evaluation(*self.replicas.total(whole))

    @tf.function(autograph=False)
    def _run(self, tta):
        results = []
        for device, evaluator in zip(self.replicas.devices, self.evaluators, strict=True):
            with tf.device(device):
                results.append(evaluator.run(tta))
        return results
