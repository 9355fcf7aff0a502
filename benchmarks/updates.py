"""What an update of the original network's weights costs: the optimizers' fused kernels beside Keras's own operations,
composed, and compiled into one program by XLA; and Muon's iterations of a small square beside those of the kernel.

    python -m benchmarks.updates --out=updates.json

Those of one optimizer take turns. A rate (the record's images_per_second) is updates a second here; the first call's
time is that of tracing and compiling.
"""
import time

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

environment.prepare()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

from cifar_fast.config import Config  # noqa: E402
from cifar_fast.network import resnet  # noqa: E402
from cifar_fast.training import muon, optimizers  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_integer("updates", 50, "updates a turn", lower_bound=1)
flags.DEFINE_integer("repeats", 7, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")

KERAS = {"adam": keras.optimizers.Adam, "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)}
ORTHOGONAL = muon.orthogonal


def main(_):
    results, ratios = [], []
    for name in (*KERAS, "muon"):
        variants = _variants(name)
        turns, first = {}, {}
        for variant, (optimizer, compiled, muon.orthogonal) in variants.items():
            turns[variant] = turn = _turn(optimizer, compiled)
            begin = time.perf_counter()
            turn(1)
            first[variant] = time.perf_counter() - begin
        rates = harness.interleave(turns, FLAGS.repeats)
        results += [harness.result(v, rates[v], first_call_seconds=round(first[v], 2)) for v in variants]
        ours, *others = variants
        ratios += [harness.ratio(ours, other, rates) for other in others]
    for row in results:
        print(f"{row['name']}: {1000 / row['images_per_second']['median']:.2f} ms an update, "
              f"first call {row['first_call_seconds']:.1f} s")
    for ratio in ratios:
        print(f"{ratio['name']}: {ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})")
    if FLAGS.out:
        harness.write(FLAGS.out, "updates", results, ratios)


def _variants(name):
    """{variant: (optimizer, whether XLA compiles it, what Muon makes its matrices orthogonal by)}, ours first."""
    config = Config(optimizer=name, momentum=0.9)
    ours = optimizers.build(config), False, ORTHOGONAL
    if name == "muon":
        return {"muon": ours, "muon, iterated on the kernel": (optimizers.build(config), False, _iterated)}
    kind = KERAS[name]
    return {f"{name}, fused": ours, f"{name}, Keras": (kind(config.learning_rate), False, ORTHOGONAL),
            f"{name}, Keras by XLA": (kind(config.learning_rate), True, ORTHOGONAL)}


def _iterated(kernel):
    """`muon.orthogonal` as its source has it: each iteration multiplies the kernel itself."""
    a, b, c = muon.COEFFICIENTS
    x = tf.reshape(kernel, [-1, kernel.shape[-1]])
    wide = x.shape[0] < x.shape[1]
    x = tf.transpose(x) if wide else x
    x /= tf.norm(x) + 1e-7
    for _ in range(muon.ITERATIONS):
        square = tf.matmul(x, x, transpose_a=True)
        x = a * x + tf.matmul(x, b * square + c * tf.matmul(square, square))
    return tf.reshape(tf.transpose(x) if wide else x, kernel.shape)


def _turn(optimizer, compiled):
    variables = resnet.build(10, (32, 32, 3)).trainable_variables
    optimizer.build(variables)
    gradients = [tf.random.normal(v.shape, stddev=1e-3) for v in variables]

    def update():
        optimizer.apply(gradients, variables)

    update = tf.function(update, jit_compile=True, autograph=False) if compiled else update

    @tf.function
    def updates(count):
        for _ in tf.range(count):
            update()

    def turn(count=FLAGS.updates):
        updates(tf.constant(count))
        return count
    return turn


if __name__ == "__main__":
    app.run(main)
