"""The network as a functional model of Keras's own layers, which opens, and goes on training, where only Keras is.

What ours computes in fewer passes over memory, or by code in C, stands here as Keras has it, so the probabilities
differ by rounding. Layers with weights are named alike on both sides: "stem", "unit1_norm1", "unit1_conv1", …, "dense".
"""
import keras
import numpy as np

from cifar_fast.network.blur import KERNEL, blurred
from cifar_fast.network.resnet import ACTIVATIONS
from cifar_fast.network.whitening import SIDE


def weighted(model):
    """{name: layer} of the layers of a `ResNet` that have weights, in their order."""
    found = {"whitening": model.whitening, "stem": model.stem}
    for i, unit in enumerate(model.units, 1):
        found |= {f"unit{i}_{part}": unit[part] for part in ("widen", "norm1", "conv1", "norm2", "conv2")}
    found |= {"norm": model.norm, "dense": model.dense}
    return {name: layer for name, layer in found.items() if layer}


def functional(model, statistics, image_shape):
    """A `keras.Model`: images [B, H, W, C] on the 0 to 255 scale → float32 [B, classes], the probability of each class.

    Args:
      model: a built `ResNet`, whose weights are copied. statistics: the `batch.Statistics` that standardize its images.
      image_shape: (H, W, C).
    """
    activation = next(name for name, function in ACTIVATIONS.items() if function is model.activate)

    def put(kind, x, *arguments, **options):
        return kind(*arguments, dtype="float32", **options)(x)

    def convolution(name, x):
        layer = ours[name]
        return put(keras.layers.Conv2D, x, layer.filters, layer.kernel_size, layer.strides, "same", CHANNELS, name=name,
                   kernel_initializer="he_normal")

    def normalized(name, x):
        return put(keras.layers.BatchNormalization, x, momentum=ours[name].momentum, name=name)

    def active(x):
        return put(keras.layers.Activation, x, activation)

    def dropped(layer, x, noise_shape=None):
        return put(keras.layers.Dropout, x, layer.dropped / 2**16, noise_shape) if layer.dropped else x

    def plus(x, h):
        return put(keras.layers.Add, [x, h])

    ours = weighted(model)
    x = inputs = keras.Input(image_shape, name="images")
    scale = 1 / statistics.deviation  # not Keras's Normalization: its constants come out of an ONNX export as inputs
    x = put(keras.layers.Rescaling, x, scale.tolist(), (-statistics.mean * scale).tolist(), name="standardized")
    if model.whitening:
        margin = (SIDE // 2, SIDE // 2)
        x = keras.ops.pad(x, ((0, 0), margin, margin, (0, 0)), "reflect")
        x = put(keras.layers.Conv2D, x, image_shape[-1], SIDE, data_format=CHANNELS, use_bias=False, trainable=False,
                name="whitening", kernel_initializer="zeros")
    x = convolution("stem", x)
    for i, unit in enumerate(model.units, 1):
        if unit["widen"]:
            x = convolution(f"unit{i}_widen", x)
        h = active(normalized(f"unit{i}_norm1", x))
        if unit["blur"] is blurred:
            h = put(keras.layers.DepthwiseConv2D, h, 3, padding="same", data_format=CHANNELS, use_bias=False,
                    trainable=False, name=f"unit{i}_blur", depthwise_initializer="zeros")
        h = convolution(f"unit{i}_conv1", h)
        x = h if unit["widen"] else plus(x, dropped(unit["depth"], h, DEPTH))
        h = convolution(f"unit{i}_conv2", active(normalized(f"unit{i}_norm2", x)))
        x = plus(x, dropped(unit["dropout"], dropped(unit["depth"], h, DEPTH)))
    x = normalized("norm", x)
    if model.final_activation:
        x = active(x)
    x = put(keras.layers.GlobalAveragePooling2D, x, CHANNELS)
    outputs = put(keras.layers.Dense, x, model.dense.units, "softmax", name="dense",
                  kernel_initializer="he_normal")

    plain = keras.Model(inputs, outputs, name="cifar_fast")
    for layer in plain.layers:
        if layer.name in ours:
            layer.set_weights(ours[layer.name].get_weights())
        elif layer.name.endswith("_blur"):
            layer.set_weights([np.tile(KERNEL, (1, 1, layer.kernel.shape[2], 1))])
    return plain


CHANNELS = "channels_last"  # not as the user's keras.json may say
DEPTH = (None, 1, 1, 1)  # the shape of stochastic depth's draws: one an example, by which both halves of a unit differ
