"""The report's network as a Keras user writes it: functional API, Keras's own layers."""
import time

import keras


def build(classes=10, activation="relu"):
    """A compiled-ready `keras.Model` for images [B, 32, 32, 3], ending in a float32 softmax as the report's did."""
    def convolution(x, filters, size, strides=1):
        return keras.layers.Conv2D(filters, size, strides, "same", kernel_initializer="he_normal",
                                   kernel_regularizer=keras.regularizers.L2(1e-6))(x)

    def active(x):
        return keras.layers.Activation(activation)(keras.layers.BatchNormalization()(x))

    inputs = keras.Input((32, 32, 3))
    filters, x = 32, convolution(inputs, 32, 7)
    for unit in range(12):
        if unit in (4, 8):
            filters *= 2
            x = convolution(active(convolution(x, filters, 1)), filters, 3, 2)
        else:
            x = keras.layers.Add()([x, convolution(active(x), filters, 3)])
        x = keras.layers.Add()([x, keras.layers.Dropout(0.1)(convolution(active(x), filters, 3))])
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(8)(keras.layers.BatchNormalization()(x)))
    outputs = keras.layers.Dense(classes, activation="softmax", dtype="float32", kernel_initializer="he_normal",
                                 kernel_regularizer=keras.regularizers.L2(1e-6))(x)
    return keras.Model(inputs, outputs)


class StepClock(keras.callbacks.Callback):
    """Times `fit` from the end of its first batch to the end of its last: `fit` spends seconds before and after."""

    def __init__(self):
        super().__init__()
        self.ends = []

    def on_train_batch_end(self, batch, logs=None):
        self.ends.append(time.perf_counter())

    def seconds(self, steps):
        """Seconds of `steps` steps, from the steps - 1 intervals seen."""
        return (self.ends[-1] - self.ends[0]) * steps / (len(self.ends) - 1)
