"""The optimizers by name: Keras's own, with their learning rate left to the schedule."""
import keras


def build(config):
    """The optimizer of a `Config`; float16 is wrapped in Keras's dynamic loss scaling by the engine."""
    if config.optimizer == "adam":
        return keras.optimizers.Adam(config.learning_rate)
    return keras.optimizers.SGD(config.learning_rate, momentum=config.momentum, nesterov=config.momentum > 0)
