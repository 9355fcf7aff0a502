"""What our layers give inside a training step, in place of Keras's own; what SiLU, ELU, the blur and biases cost.

    python -m benchmarks.layers --batch_size=128 --out=layers.json

The whole engine trains the original network on the built-in images, with Keras's layers and with ours, in turns; then
with all biases trained; with TensorFlow's convolutions only, as `cifar_fast` has them unless there is AVX2 and no more;
with SiLU and with ELU in place of ReLU, TensorFlow's and ours; and with the blur.
"""
import dataclasses
import time

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

environment.prepare()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from cifar_fast.config import Config  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.network import layers, resnet  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", 128, "images a step", lower_bound=1)
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_list("variants", None, "only these of `VARIANTS`, by name; all where it is left out")
flags.DEFINE_integer("steps", 4, "steps a turn", lower_bound=1)
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")


class KerasDropout(keras.layers.Dropout):
    """Keras's dropout, which draws by a state of its own: the step's seed is not for it."""

    def call(self, inputs, seed=None, training=False):
        return super().call(inputs, training=training)


class _Keras(keras.layers.Conv2D):
    def __init__(self, *arguments, trains_bias, by_winograd, **options):
        super().__init__(*arguments, **options)

    def call(self, inputs, skip=None):
        outputs = super().call(inputs)
        return outputs if skip is None else skip + outputs


def _with_bias(*arguments, trains_bias, **options):
    return layers.Convolution(*arguments, **options)


def _by_tensorflow(*arguments, by_winograd, **options):
    return layers.Convolution(*arguments, **options)


OURS = {"BatchNormalization": layers.BatchNormalization, "Dropout": layers.Dropout, "Convolution": layers.Convolution}
KERAS = {"BatchNormalization": keras.layers.BatchNormalization, "Dropout": KerasDropout, "Convolution": _Keras}
# What `resnet` takes its layers from, what stands in ReLU's place, what the configuration changes, and what the variant
# is compared with.
VARIANTS = {
    "Keras layers": (KERAS, tf.nn.relu, {}, None),
    "our dropout": (KERAS | {"Dropout": layers.Dropout}, tf.nn.relu, {}, "Keras layers"),
    "our normalization": (KERAS | {"BatchNormalization": layers.BatchNormalization}, tf.nn.relu, {}, "Keras layers"),
    "cifar_fast": (OURS, tf.nn.relu, {}, "Keras layers"),
    "all biases trained": (OURS | {"Convolution": _with_bias}, tf.nn.relu, {}, "cifar_fast"),
    "TensorFlow's convolutions": (OURS | {"Convolution": _by_tensorflow}, tf.nn.relu, {}, "cifar_fast"),
    "no dropout": (OURS, tf.nn.relu, {"dropout": 0}, "cifar_fast"),
    "no dropout and all biases trained": (OURS | {"Convolution": _with_bias}, tf.nn.relu, {"dropout": 0}, "no dropout"),
    "TensorFlow's SiLU": (OURS, tf.nn.silu, {}, "cifar_fast"),
    "TensorFlow's ELU": (OURS, tf.nn.elu, {}, "cifar_fast"),
    "our ELU": (OURS, layers.elu, {}, "cifar_fast"),
    "our SiLU": (OURS, layers.silu, {}, "cifar_fast"),
    "the blur": (OURS, tf.nn.relu, {"blur": True}, "cifar_fast"),
}


def main(_):
    config = Config(dataset="synthetic", batch_size=FLAGS.batch_size, precision=FLAGS.precision,
                    train_examples=max(4000, FLAGS.steps * FLAGS.batch_size), test_examples=100)
    data, compute = trainer.load_data(config), devices.resolve(config.precision, config.xla)
    chosen = FLAGS.variants or list(VARIANTS)
    if unknown := set(chosen) - VARIANTS.keys():
        raise app.UsageError(f"--variants: no {', '.join(sorted(unknown))}; there are {', '.join(VARIANTS)}")
    turns = {}
    for name in chosen:
        parts, resnet.ACTIVATIONS["relu"], changes, _ = VARIANTS[name]
        for part, layer in parts.items():
            setattr(resnet, part, layer)
        turns[name] = _turn(trainer.Trainer(dataclasses.replace(config, **changes), compute, data))
    rates = harness.interleave(turns, FLAGS.repeats)
    settings = {"batch_size": FLAGS.batch_size, "precision": compute.precision}
    results = [harness.result(name, rates[name], settings) for name in chosen]
    ratios = [harness.ratio(name, VARIANTS[name][-1], rates) for name in chosen if VARIANTS[name][-1] in chosen]
    print(harness.table(results, ratios))
    if FLAGS.out:
        harness.write(FLAGS.out, "layers", results, ratios)
    if FLAGS.picture:
        harness.bar_chart(FLAGS.picture, results, "Layers inside the training step")


def _turn(ours):
    def turn():
        batches = ours.batches(0)
        begin = time.perf_counter()
        ours.train(batches, 0, 0, FLAGS.steps, np.zeros(3, np.float32))
        return FLAGS.steps * FLAGS.batch_size, time.perf_counter() - begin
    return turn


if __name__ == "__main__":
    app.run(main)
