"""Our 3×3 convolutions beside TensorFlow's, each of their three passes alone, at the sizes that the recipes have.

    python -m benchmarks.convolutions --precision=bfloat16 --out=convolutions.json

The two take turns. In bfloat16 kernels are float32, too, as variables are, and TensorFlow's are cast. `gflops` are
those of the definition, 18 · channels · filters · pixels a pass, whatever the algorithm; `deviation` is the root mean
square of the differences from TensorFlow's result in float32, over that of the result.
"""
import os
import sys

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

environment.prepare()

import tensorflow as tf  # noqa: E402

from cifar_fast.errors import UserError  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.network import winograd  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", 250, "images a call", lower_bound=1)
flags.DEFINE_enum("precision", "float32", ["float32", "bfloat16"], "arithmetic, and dtype of activations")
flags.DEFINE_list("image_sizes", ["20", "24", "32"], "pixels a side, of the images of the network")
flags.DEFINE_integer("repeats", 15, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")

GROUPS = ((1, 32), (2, 64), (4, 128))  # how many times smaller the original network's images get, and its filters


def main(_):
    try:
        devices.resolve(FLAGS.precision, "off", convolutions="winograd")
    except UserError as error:  # ours can't run here
        sys.exit(f"convolutions: {error}")
    results, ratios, settings = [], [], {"batch_size": FLAGS.batch_size, "precision": FLAGS.precision}
    for size in map(int, FLAGS.image_sizes):
        for smaller, filters in GROUPS:
            pixels = size // smaller
            shape = (FLAGS.batch_size, pixels, pixels, filters)
            x, dy = (tf.cast(tf.random.stateless_normal(shape, [0, seed]), FLAGS.precision) for seed in (0, 1))
            kernel = tf.random.stateless_normal((3, 3, filters, filters), [0, 2]) / (3 * filters**0.5)
            exact = _passes(tf.cast(x, tf.float32), kernel, tf.cast(dy, tf.float32))
            for name, (ours, theirs) in _passes(x, kernel, dy).items():
                names = [f"{who} {name}, {pixels}×{pixels}×{filters}" for who in ("cifar_fast,", "TensorFlow,")]
                rates = harness.interleave(dict(zip(names, map(_turn, (ours, theirs)), strict=True)), FLAGS.repeats)
                gflop = 18e-9 * filters * filters * pixels**2
                results += [harness.result(n, rates[n], settings, gflops=round(
                    gflop * harness.summary(rates[n])["median"], 1)) for n in names]
                for result, found in zip(results[-2:], (ours(), theirs()), strict=True):
                    result["deviation"] = float(f"{_deviation(found, exact[name][1]()):.2g}")
                ratios.append(harness.ratio(*names, rates))
                print(f"{names[0]}: {results[-2]['gflops']:.0f} GFLOP/s, {ratios[-1]['median']:.2f} "
                      f"({ratios[-1]['min']:.2f}–{ratios[-1]['max']:.2f}) times TensorFlow's "
                      f"{results[-1]['gflops']:.0f}, deviations {results[-2]['deviation']:.1e} and "
                      f"{results[-1]['deviation']:.1e}", flush=True)
    if FLAGS.out:
        harness.write(FLAGS.out, "convolutions", results, ratios,
                      limit=os.environ.get("ONEDNN_MAX_CPU_ISA") or None)


def _passes(x, kernel, dy):
    """{pass: (ours, TensorFlow's)}, callables without arguments."""
    def gradient(convolution, by):
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            y = convolution()
        return tape.gradient(y, by, dy)

    bias = tf.zeros(kernel.shape[-1])

    def ours():
        return winograd.convolution(x, kernel, bias)

    def theirs():
        return tf.nn.conv2d(x, tf.cast(kernel, x.dtype), 1, "SAME")

    # Within a compiled function, whose unused forward pass is left out.
    return {"forward": tuple(map(tf.function, (ours, theirs))),
            "by x": tuple(tf.function(lambda c=c: gradient(c, x), autograph=False) for c in (ours, theirs)),
            "by the kernel": tuple(tf.function(lambda c=c: gradient(c, kernel), autograph=False)
                                   for c in (ours, theirs))}


def _turn(compute):
    def turn():
        compute()
        return FLAGS.batch_size
    return turn


def _deviation(found, exact):
    return float(tf.norm(tf.cast(found, tf.float32) - exact) / tf.norm(exact))


if __name__ == "__main__":
    app.run(main)
