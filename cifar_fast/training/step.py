"""The training step, and the program that runs many of them a call.

    indices ─► gather, augment, standardize ─► forward, loss, backward ─► update, average
               one XLA program                 XLA, or oneDNN's kernels

The loop over steps is a TensorFlow loop: nothing is read back and no Python runs between steps. It is written as one,
so that AutoGraph need not rewrite a Python loop whenever a run starts.
"""
import keras
import tensorflow as tf

from cifar_fast.network.layers import GOLDEN
from cifar_fast.training import objective, optimizers


def accumulate(step, start, steps, totals):
    """`totals` and the sum of `step(i)` over i from `start` to below `start + steps`, by a TensorFlow loop.

    Args:
      step: int32 scalar → a tensor shaped as `totals`. start, steps: int32 scalars.
    """
    def advance(i, totals):
        return i + 1, totals + step(i)

    return tf.while_loop(lambda i, _: i < start + steps, advance, [start, totals])[1]


class Engine:
    """A network in training.

    Args:
      config: a `Config`. compute: a `devices.Compute`.
      model: a built `ResNet`. optimizer: a Keras optimizer.
      prepare: a `batch.Preparation`.
      examples: N, the number of training images.
      data: the training set, images uint8 [N, H, W, C] and labels int32 [N], put on the device; None if the
        batches bring their images (`pipeline.image_batches`).
      average: an `averages.Averages` of the model's variables, or None.
      replica, replicas: this engine's number among so many that share each batch (`parallel.ParallelEngine`).
      class_weights: what `objective.balanced` gives, or None.
    """

    def __init__(self, config, compute, model, optimizer, prepare, examples, data=None, average=None, replica=0,
                 replicas=1, class_weights=None):
        self.model, self.prepare, self.average = model, prepare, average
        self.device, self.replica, self.replicas = compute.device, replica, replicas
        self.l2, self.smoothed = config.l2, config.label_smoothing > 0
        self.share, self.class_weights = 1 / replicas, class_weights
        self.rate = None if optimizers.schedules_itself(optimizer) else optimizer.learning_rate
        self.optimizer_inputs = getattr(optimizer, "inputs", [])
        self.scaled = compute.precision == "float16"
        self.optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if self.scaled else optimizer
        self.optimizer.build(model.trainable_variables)
        with tf.device(compute.device):
            # Each replica drops by draws of its own. int64: TensorFlow keeps int32 variables off the GPU.
            self.seed = tf.Variable((config.seed + replica * GOLDEN) % 2**31, trainable=False, dtype=tf.int64)
            self.smoothing = tf.Variable(config.label_smoothing, trainable=False, dtype=tf.float64)
            self.data = tuple(map(tf.constant, data)) if data else None
            # Under pruning: each example's last loss, huge before it has one, since what was never trained on is not
            # easy; and its weight in this epoch, 0 for those left out.
            self.losses, self.sample_weights = (
                (tf.Variable(tf.fill([examples], 1e30)), tf.Variable(tf.ones([examples]))) if config.prune else
                (None, None))
        self.compiled = compute.xla
        self.update = tf.function(self._update, jit_compile=True, autograph=False) if compute.xla else self._update

    def variables(self):
        """All that a checkpoint must hold: lists by name, in the order of creation."""
        return {"model": self.model.variables, "optimizer": self.optimizer.variables,
                "average": self.average.variables if self.average else [],
                "pruning": [self.losses, self.sample_weights] if self.losses is not None else []}

    def inputs(self):
        """What the programs read from variables though it stays in a run: runs that differ in these share programs."""
        return [self.seed, self.smoothing, self.prepare.seed, *self.optimizer_inputs,
                *(self.average.inputs if self.average else [])]

    def restart(self, fresh):
        """Takes the variables and inputs of an engine that has not trained yet, of the same programs."""
        for name, variables in fresh.variables().items():
            for ours, theirs in zip(self.variables()[name], variables, strict=True):
                ours.assign(theirs)
        for ours, theirs in zip(self.inputs(), fresh.inputs(), strict=True):
            ours.assign(theirs)

    @tf.function(autograph=False)
    def run(self, batches, epoch, first, start, steps, rates, totals, size=None):
        """Trains some steps of an epoch; one trace serves any number of them.

        Args:
          batches: an iterator of index batches (data on the device) or of image batches, at step `start`.
          epoch: int32 scalar, its number. first: int32 scalar, the steps of the run before this epoch.
          start, steps: int32 scalars, the step of the epoch to begin at, and how many to take.
          rates: float32 [n], the learning rates of the epoch's steps, from its first on.
          totals: float32 [3], what `run` returned for the epoch so far, or zeros.
          size: a Python integer, the side of the training images in pixels; None leaves theirs. One trace each.
        Returns:
          float32 [3]: sums over examples of the loss (L2 included), top-1 hits, top-5 hits.
        """
        return accumulate(lambda i: self.step(batches.get_next(), epoch, first + i, rates[i], size),
                          start, steps, totals)

    def step(self, drawn, epoch, step, rate, size):
        """One step, the `step`-th of the run, on what `run`'s iterator gave. Returns its share of the totals."""
        indices, batch, sample_weights = self.prepared(drawn, epoch, size)
        totals, losses = self.update(batch, sample_weights, step, rate)
        self.after_update(indices, losses, step)
        return totals

    def prepared(self, drawn, epoch, size):
        """What `run`'s iterator gave → indices (int32 [B]), a `batch.Batch`, and `loss`'s sample_weights."""
        if self.data:
            indices, batch = drawn, self.prepare.gathered(*self.data, drawn, epoch, size)
        else:
            indices, images, labels = drawn
            batch = self.prepare(images, labels, indices, epoch, size)
        return indices, batch, None if self.sample_weights is None else tf.gather(self.sample_weights, indices)

    def after_update(self, indices, losses, step):
        """Notes the examples' losses, for pruning, and averages the weights."""
        if self.losses is not None:
            self.losses.scatter_update(tf.IndexedSlices(losses, indices))
        if self.average:
            self.average.update(step)

    def loss(self, batch, step, sample_weights=None):
        """What a step minimizes.

        Args:
          batch: a `batch.Batch`. step: int32 scalar. sample_weights: float32 [B], on the losses; None for ones.
        Returns:
          the loss, L2 included (float32 scalar); each example's weighted cross-entropy (float32 [B]);
          logits (float32 [B, K]).
        """
        logits = self.model(batch.images, seed=tf.stack([tf.cast(self.seed, tf.int32), step]), training=True)
        smoothing = tf.identity(self.smoothing) if self.smoothed else 0.0
        losses = objective.cross_entropy(logits, batch.labels, smoothing, self.class_weights)
        if batch.others is not None:
            others = objective.cross_entropy(logits, batch.others, smoothing, self.class_weights)
            losses = batch.shares * losses + (1 - batch.shares) * others
        loss = tf.reduce_mean(losses if sample_weights is None else sample_weights * losses)
        return loss + objective.l2_penalty(self.model.kernels(), self.l2), losses, logits

    def _update(self, batch, sample_weights, step, rate):
        """Trains on a `batch.Batch`. Returns the step's share of the totals, and each example's loss."""
        gradients, totals, losses = self.gradients(batch, sample_weights, step)
        self.apply(gradients, rate)
        return totals, losses

    def gradients(self, batch, sample_weights, step):
        """The gradients of this replica's share of the loss (scaled, under float16), in the order of the variables;
        totals, and losses."""
        with tf.GradientTape() as tape:
            loss, losses, logits = self.loss(batch, step, sample_weights)
            minimized = loss * self.share  # so that the replicas' sum is the mean over the whole batch
            minimized = self.optimizer.scale_loss(minimized) if self.scaled else minimized
        gradients = tape.gradient(minimized, [v.value for v in self.model.trainable_variables])
        ranks, examples = objective.ranks(logits, batch.labels), tf.cast(tf.size(batch.labels), tf.float32)
        hits = [tf.reduce_sum(tf.cast(ranks < k, tf.float32)) for k in (1, 5)]
        return gradients, tf.stack([loss * examples, *hits]), losses

    def apply(self, gradients, rate):
        """Updates the variables by gradients as `gradients` gives them."""
        if self.rate is not None:
            self.rate.assign(rate)
        self.optimizer.apply(gradients, self.model.trainable_variables)
