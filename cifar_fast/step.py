"""The training step, and the program that runs many of them a call.

    indices ─► gather, augment, standardize ─► forward, loss, backward ─► update
               one XLA program                 XLA, or oneDNN's kernels

The loop over steps is a TensorFlow loop: nothing is read back and no Python runs between steps.
"""
import keras
import tensorflow as tf

from cifar_fast import objective


class Engine:
    """A network in training.

    Args:
      config: a `Config`. runtime: a `devices.Runtime`.
      model: a built `ResNet`. optimizer: a Keras optimizer.
      prepare: a `batch.Preparation`.
      images, labels: the training set, uint8 [N, H, W, C] and int32 [N], put on the device; None if the
        batches bring their images (`pipeline.image_batches`).
    """

    def __init__(self, config, runtime, model, optimizer, prepare, images=None, labels=None):
        self.model, self.prepare = model, prepare
        self.l2, self.smoothing = config.l2, config.label_smoothing
        self.seed = config.seed
        self.rate = optimizer.learning_rate
        self.scaled = runtime.precision == "float16"
        self.optimizer = keras.optimizers.LossScaleOptimizer(optimizer) if self.scaled else optimizer
        self.optimizer.build(model.trainable_variables)
        with tf.device(runtime.device):
            self.data = None if images is None else (tf.constant(images), tf.constant(labels))
        self.compiled = runtime.xla
        self.update = tf.function(self._update, jit_compile=True) if runtime.xla else self._update

    def variables(self):
        """All that a checkpoint must hold, in the order of creation."""
        return [*self.model.variables, *self.optimizer.variables]

    @tf.function
    def run(self, batches, epoch, start, steps, rates, totals):
        """Trains some steps of an epoch; one trace serves any number of them.

        Args:
          batches: an iterator of index batches (data on the device) or of image batches, at step `start`.
          epoch, start, steps: int32 scalars; the first step's place in its epoch, and how many to take.
          rates: float32 [steps an epoch], the learning rates of the whole epoch.
          totals: float32 [3], what `run` returned for the epoch so far, or zeros.
        Returns:
          float32 [3]: sums over examples of the loss (L2 included), top-1 hits, top-5 hits.
        """
        for i in tf.range(start, start + steps):
            totals += self._step(next(batches), epoch, epoch * tf.size(rates) + i, rates[i])
        return totals

    def _step(self, batch, epoch, step, rate):
        if self.data:
            images, labels = self.prepare.gathered(*self.data, batch, epoch)
        else:
            indices, images, labels = batch
            images = self.prepare(images, indices, epoch)
        return self.update(images, labels, step, rate)

    def loss(self, images, labels, step):
        """The training loss of a batch, L2 included (float32 scalar), and its logits (float32 [B, K])."""
        logits = self.model(images, seed=tf.stack([self.seed, step]), training=True)
        loss = tf.reduce_mean(objective.cross_entropy(logits, labels, self.smoothing))
        return loss + objective.l2_penalty(self.model.kernels(), self.l2), logits

    def _update(self, images, labels, step, rate):
        """images float32 [B, H, W, C], standardized; labels int32 [B]. Returns the step's share of the totals."""
        gradients, totals = self._gradients(images, labels, step)
        self._apply(gradients, rate)
        return totals

    def _gradients(self, images, labels, step):
        """The gradients of the loss (scaled, under float16), in the order of the variables, and the totals."""
        with tf.GradientTape() as tape:
            loss, logits = self.loss(images, labels, step)
            minimized = self.optimizer.scale_loss(loss) if self.scaled else loss
        gradients = tape.gradient(minimized, [v.value for v in self.model.trainable_variables])
        ranks, examples = objective.ranks(logits, labels), tf.cast(tf.size(labels), tf.float32)
        hits = [tf.reduce_sum(tf.cast(ranks < k, tf.float32)) for k in (1, 5)]
        return gradients, tf.stack([loss * examples, *hits])

    def _apply(self, gradients, rate):
        self.rate.assign(rate)
        self.optimizer.apply(gradients, self.model.trainable_variables)
