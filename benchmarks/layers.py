"""What our layers give inside a training step, in place of Keras's own; and what SiLU, ELU and the blur cost.

    python -m benchmarks.layers --batch_size=128 --out=layers.json

The whole engine trains the original network on the built-in images, with Keras's BatchNormalization and Dropout and
with ours, in turns; then with SiLU and with ELU in place of ReLU, TensorFlow's and ours, and with the blur.
"""
import dataclasses
import time

from absl import app, flags

from benchmarks import harness
from cifar_fast import environment

environment.prepare()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from cifar_fast import devices, layers, resnet, trainer  # noqa: E402
from cifar_fast.config import Config  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", 128, "images a step", lower_bound=1)
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_integer("steps", 4, "steps a turn", lower_bound=1)
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")


class KerasDropout(keras.layers.Dropout):
    """Keras's dropout, which draws by a state of its own: the step's seed is not for it."""

    def call(self, inputs, seed=None, training=False):
        return super().call(inputs, training=training)


# Normalization, dropout, activation, blur, and what the variant is compared with.
VARIANTS = {
    "Keras layers": (keras.layers.BatchNormalization, KerasDropout, tf.nn.relu, False, None),
    "our dropout": (keras.layers.BatchNormalization, layers.Dropout, tf.nn.relu, False, "Keras layers"),
    "our normalization": (layers.BatchNormalization, KerasDropout, tf.nn.relu, False, "Keras layers"),
    "cifar_fast": (layers.BatchNormalization, layers.Dropout, tf.nn.relu, False, "Keras layers"),
    "TensorFlow's SiLU": (layers.BatchNormalization, layers.Dropout, tf.nn.silu, False, "cifar_fast"),
    "TensorFlow's ELU": (layers.BatchNormalization, layers.Dropout, tf.nn.elu, False, "cifar_fast"),
    "our ELU": (layers.BatchNormalization, layers.Dropout, layers.elu, False, "cifar_fast"),
    "our SiLU": (layers.BatchNormalization, layers.Dropout, layers.silu, False, "cifar_fast"),
    "the blur": (layers.BatchNormalization, layers.Dropout, tf.nn.relu, True, "cifar_fast"),
}


def main(_):
    config = Config(dataset="synthetic", batch_size=FLAGS.batch_size, precision=FLAGS.precision,
                    train_examples=max(4000, FLAGS.steps * FLAGS.batch_size), test_examples=100)
    data, runtime = trainer.load_data(config), devices.resolve(config.precision, config.xla)
    turns = {}
    for name, (resnet.BatchNormalization, resnet.Dropout, resnet.ACTIVATIONS["relu"], blur, _) in VARIANTS.items():
        turns[name] = _turn(trainer.Trainer(dataclasses.replace(config, blur=blur), runtime, data))
    rates = harness.interleave(turns, FLAGS.repeats)
    settings = {"batch_size": FLAGS.batch_size, "precision": runtime.precision}
    results = [harness.result(name, rates[name], settings) for name in VARIANTS]
    ratios = [harness.ratio(name, base, rates) for name, (*_, base) in VARIANTS.items() if base]
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
