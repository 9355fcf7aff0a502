"""Averages of the weights over the steps of a run, to evaluate in their place.

"ema" leaves training alone. "lookahead" also puts the average back into the network, and keeps more of itself the
further training is (Zhang et al., 2019, arXiv:1907.08610, with the decay of Keller Jordan's cifar10-airbench):

    average ← d · average + (1 - d) · variable    after steps 1, 1 + every, 1 + 2 · every, …

    ema        d = decay
    lookahead  d = decay^every · (share of the run's steps done)³, then variable ← average

The update after the very first step copies (d = 0), so that no average holds the random weights of the start, unless
that step's learning rate is 0, as one_cycle's is.
"""
import contextlib

import tensorflow as tf

from cifar_fast.training.vectors import packed, unpacked

KINDS = ("ema", "lookahead")


class Averages:
    """A running average of variables, moving statistics included.

    Args:
      variables: float32 variables, Keras's or TensorFlow's. kind: "ema" or "lookahead".
      every: steps between two updates. decay: see above. steps: of the whole run.
    Raises:
      ValueError: another kind, or a variable that is not float32.
    """

    def __init__(self, variables, kind, every, decay, steps):
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r}: must be one of {', '.join(KINDS)}")
        self._averaged, self._kind, self._every, self._steps = list(variables), kind, every, steps
        self._decay = tf.Variable(decay if kind == "ema" else decay**every, trainable=False, dtype=tf.float32)
        self.inputs = [self._decay]  # see `Engine.inputs`
        for variable in self._averaged:
            if tf.as_dtype(variable.dtype) != tf.float32:
                raise ValueError(f"{variable.name} is {variable.dtype}: only float32 variables are averaged")
        # All in one vector: a step then takes one multiplication, not one for each of some hundred variables.
        self._average = tf.Variable(packed(self._averaged), trainable=False, name="average")

    @property
    def variables(self):
        """What a checkpoint must hold: a list of one float32 vector, the averages in the variables' order."""
        return [self._average]

    def update(self, step):
        """To be called after each step, in a tf.function or out of it. step: int32 scalar, steps before this one."""
        tf.cond(tf.equal(step % self._every, 0), lambda: self._take(step), lambda: None)

    @contextlib.contextmanager
    def swapped(self):
        """While it lasts, the variables hold the averages; then what they held before, bit for bit."""
        before = packed(self._averaged)
        self._scatter(self._average.value())
        try:
            yield
        finally:
            self._scatter(before)

    def _take(self, step):
        average = self._average + (1 - self._share_kept(step)) * (packed(self._averaged) - self._average)
        self._average.assign(average)
        if self._kind == "lookahead":
            self._scatter(average)

    def _share_kept(self, step):
        if self._kind == "ema":
            return tf.where(tf.equal(step, 0), 0.0, self._decay)
        done = tf.cast(step + 1, tf.float32) / self._steps
        return tf.where(tf.equal(step, 0), 0.0, self._decay * done**3)

    def _scatter(self, vector):
        for variable, value in zip(self._averaged, unpacked(vector, self._averaged), strict=True):
            variable.assign(value)
