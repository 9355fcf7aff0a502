"""The optimizers by name: Keras's own and Muon, with their learning rate left to the schedule."""
import keras

from cifar_fast.muon import Muon


def build(config):
    """The optimizer of a `Config`; under float16 the engine wraps it in Keras's dynamic loss scaling.

    Weight decay is decoupled and by group: kernels; gains, offsets and biases.
    """
    if config.optimizer == "muon":
        return Muon(config.learning_rate, muon_momentum=config.muon_momentum, momentum=config.momentum,
                    dense_rate=config.dense_rate, vector_rate=config.vector_rate,
                    weight_decay=config.weight_decay, vector_decay=config.vector_decay)
    if config.optimizer == "adam":
        return _decayed(keras.optimizers.Adam)(config, config.learning_rate)
    return _decayed(keras.optimizers.SGD)(config, config.learning_rate, momentum=config.momentum,
                                          nesterov=config.momentum > 0)


def _decayed(kind):
    """A Keras optimizer with a decay of its own for kernels and for vectors, where Keras has one for all."""

    class Decayed(kind):
        def __init__(self, config, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self.decays = config.weight_decay, config.vector_decay

        def update_step(self, gradient, variable, learning_rate):
            decay = self.decays[len(variable.shape) == 1]
            if decay:
                variable.assign(variable * (1 - learning_rate * decay))
            super().update_step(gradient, variable, learning_rate)

    Decayed.__name__ = kind.__name__
    return Decayed
