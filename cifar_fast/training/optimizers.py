"""The optimizers by name: Keras's own and Muon, with their learning rate left to the schedule.

Keras composes an update of a dozen operations and more, each a pass over memory. Adam's and SGD's are here TensorFlow's
fused kernels of the same formulas: one operation a variable, and nothing to compile when a run starts.
"""
import keras
import numpy as np
import tensorflow as tf

from cifar_fast import parts
from cifar_fast.errors import UserError
from cifar_fast.training.muon import Muon


def build(config, own=None):
    """The optimizer of a `Config`; under float16 the engine wraps it in Keras's dynamic loss scaling.

    Weight decay is decoupled and by group: kernels (under Muon the dense one alone); gains, offsets and biases.

    own: the function that `config.optimizer` names, if it is of the user's own; None: to be imported.

    Raises:
      UserError: the function fails, or returns no optimizer or one with another learning rate than the run's.
    """
    before = keras.config.floatx()  # of the rate, and may be another by the user's keras.json or program
    keras.config.set_floatx("float32")
    try:
        return _build(config, own)
    finally:
        keras.config.set_floatx(before)


def _build(config, own):
    if ":" in config.optimizer:
        return _own(config, own or parts.load("--optimizer", config.optimizer))
    if config.optimizer == "muon":
        return Muon(config.learning_rate, muon_momentum=config.muon_momentum, momentum=config.momentum,
                    dense_rate=config.dense_rate, vector_rate=config.vector_rate,
                    weight_decay=config.weight_decay, vector_decay=config.vector_decay)
    if config.optimizer == "adam":
        return Adam(config, config.learning_rate)
    return SGD(config, config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0)


def _own(config, function):
    flag = f"--optimizer={config.optimizer}"
    try:
        optimizer = function()
    except Exception as error:  # whatever it does
        raise UserError(f"{flag}: {parts.reason(error)}") from error
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise UserError(f"{flag}: must return a Keras optimizer, not {type(optimizer).__name__}")
    rate = optimizer.learning_rate
    if not schedules_itself(optimizer) and float(rate) != np.float32(config.learning_rate):
        raise UserError(f"{flag}: has the learning rate {float(rate):g}, but --learning_rate={config.learning_rate:g} "
                        f"and --schedule set it; give --learning_rate={float(rate):g}")
    return optimizer


def schedules_itself(optimizer):
    """Whether its learning rate is a `keras.optimizers.schedules.LearningRateSchedule`, no variable."""
    return not hasattr(optimizer.learning_rate, "assign")


class _Decayed:
    """Decays kernels and vectors by a share each, where Keras has one for all, then updates by `fused`."""

    def __init__(self, config, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.decays = [config.weight_decay > 0, config.vector_decay > 0]
        self.inputs = [tf.Variable(value, trainable=False, dtype=tf.float32)  # see `Engine.inputs`
                       for value in (config.weight_decay, config.vector_decay, config.momentum)]

    def update_step(self, gradient, variable, learning_rate):
        group = int(len(variable.shape) == 1)
        if self.decays[group]:
            variable.assign(variable * (1 - learning_rate * self.inputs[group]))
        self.fused(gradient, variable.handle, learning_rate, self._get_variable_index(variable))


class Adam(_Decayed, keras.optimizers.Adam):
    """Keras's Adam (Kingma and Ba, 2015, arXiv:1412.6980), its epsilon outside the bias correction as Keras has it."""

    def fused(self, gradient, variable, rate, index):
        step = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable, m=self._momentums[index].value.handle, v=self._velocities[index].value.handle, lr=rate,
            beta1_power=tf.pow(self.beta_1, step), beta2_power=tf.pow(self.beta_2, step), beta1=self.beta_1,
            beta2=self.beta_2, epsilon=self.epsilon, grad=gradient)


class SGD(_Decayed, keras.optimizers.SGD):
    """Keras's SGD, with Nesterov's momentum or without any."""

    def fused(self, gradient, variable, rate, index):
        if self.momentum:
            tf.raw_ops.ResourceApplyKerasMomentum(
                var=variable, accum=self.momentums[index].value.handle, lr=rate, grad=gradient,
                momentum=self.inputs[2], use_nesterov=self.nesterov)
        else:
            tf.raw_ops.ResourceApplyGradientDescent(var=variable, alpha=rate, delta=gradient)
