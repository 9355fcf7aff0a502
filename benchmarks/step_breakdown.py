"""Where a training step's time goes, and how near it comes to two bounds measured in the same run.

    python -m benchmarks.step_breakdown --dataset=cifar10 --data_dir=PATH --batch_size=128 --out=breakdown.json

Takes the flags of `cifar_fast train`. The parts are the trainer's own programs, timed in turns; the bounds are the
best rate of a matrix product, and the time that TensorFlow's convolutions of the network's sizes take one by one, each
alone at its own best rate (forward, gradient by the input, gradient by the kernel).
"""
import statistics
import sys
import time

from benchmarks.support import harness
from cifar_fast import cli, environment
from cifar_fast.errors import UserError
from cifar_fast.network import flops
from cifar_fast.system import files

environment.prepare()
with environment.quiet():
    import tensorflow as tf

import numpy as np  # noqa: E402

from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402

REPEATS = 7


def main(arguments):
    own = dict(a[2:].split("=", 1) for a in arguments if a.startswith(("--out=", "--picture=")))
    if {"--help", "-h"} & set(arguments):
        print(__doc__ + "\nMore flags:\n  --out=FILE      write the record (JSON)\n  --picture=FILE  a bar chart (PNG)")
        return
    config = cli.config_for([a for a in arguments if not a.startswith(("--out=", "--picture="))])
    if config.image_sizes or config.crop_size:
        raise UserError("--image_sizes and --crop_size: a step is taken apart on whole images; leave them out")
    compute = devices.resolve(config.precision, config.xla)
    ours = trainer.Trainer(config, compute, trainer.load_data(config))
    size = ours.data.train_images.shape[1:3]
    seconds = _parts(ours, config.batch_size)
    dtype = tf.as_dtype(compute.precision)
    peak = max(_matrix_rate(n, dtype) for n in (1024, 2048, 4096, *[8192, 16384] * ("GPU" in compute.device)))
    convolutions = _convolution_seconds(config, size, dtype)
    done = flops.training(config.units, config.filters, len(ours.data.class_names), size) * config.batch_size
    step = seconds["step"]
    figures = {
        "images_per_second": config.batch_size / step, "gflops": done / step / 1e9, "matrix_peak_gflops": peak / 1e9,
        "share_of_matrix_peak": done / step / peak, "convolutions_seconds": convolutions,
        "best_convolution_gflops": done / convolutions / 1e9, "share_of_convolutions_alone": convolutions / step,
        "share_of_gather_and_augment": seconds["gather and augment"] / step}
    parts = {name: value for name, value in seconds.items() if name != "step"}
    for name, value in (parts | {"step": step}).items():
        print(f"{name:<22}{1e3 * value:9.2f} ms {value / step:7.1%}")
    print("\n".join(f"{name:<30}{value:12.4g}" for name, value in figures.items()))
    rates = [config.batch_size / step]
    settings = {"batch_size": config.batch_size, "precision": compute.precision, "xla": compute.xla}
    results = [harness.result("cifar_fast", rates, settings, seconds=seconds, figures=figures)]
    if "out" in own:
        harness.write(own["out"], "step_breakdown", results, [])
    if "picture" in own:
        _picture(own["picture"], parts, step, convolutions)


def _parts(ours, batch_size):
    """Median seconds of each part of a step; the update is what is left, with the gaps between programs."""
    engine = ours.engine
    indices = next(ours.batches(0)) if ours.resident else next(ours.batches(0))[0]
    batch = engine.prepare.gathered(ours.data.train_images, ours.data.train_labels, indices, tf.constant(0))
    data = tf.constant(ours.data.train_images), tf.constant(ours.data.train_labels)
    variables = ours.model.trainable_variables

    @tf.function(jit_compile=engine.compiled)
    def forward(images, step):
        return engine.loss(batch._replace(images=images), step)[0]

    @tf.function(jit_compile=engine.compiled)
    def gradients(images, step):
        with tf.GradientTape() as tape:
            loss = engine.loss(batch._replace(images=images), step)[0]
        return tape.gradient(loss, [v.value for v in variables])

    state = {"start": 0, "batches": ours.batches(0)}

    def steps(count=4):
        if state["start"] + count > ours.plan[0].steps:
            state.update(start=0, batches=ours.batches(0))
        ours.train(state["batches"], 0, state["start"], count, np.zeros(3, np.float32))
        state["start"] += count

    programs = {
        "gather and augment": (lambda: engine.prepare.gathered(*data, indices, tf.constant(1)), 1),
        "forward": (lambda: forward(batch.images, tf.constant(0)), 1),
        "forward and backward": (lambda: gradients(batch.images, tf.constant(0)), 1),
        "step": (steps, 4)}
    times = {name: [] for name in programs}
    for turn in range(REPEATS + 1):
        for name, (program, count) in programs.items():
            begin = time.perf_counter()
            program()
            tf.test.experimental.sync_devices()
            if turn:
                times[name].append((time.perf_counter() - begin) / count)
    medians = {name: statistics.median(values) for name, values in times.items()}
    both = medians.pop("forward and backward")
    return {"gather and augment": medians["gather and augment"], "forward": medians["forward"],
            "backward": both - medians["forward"],
            "update and gaps": medians["step"] - both - medians["gather and augment"], "step": medians["step"]}


def _best(program):
    """The shortest of some runs, in seconds: what the machine can do when nothing disturbs it."""
    times = []
    for turn in range(5 + 1):  # the first is not counted
        begin = time.perf_counter()
        program()
        tf.test.experimental.sync_devices()
        if turn:
            times.append(time.perf_counter() - begin)
    return min(times)


def _matrix_rate(n, dtype):
    """FLOP/s of an n × n × n matrix product."""
    a = tf.cast(tf.random.stateless_normal([n, n], [0, 1]), dtype)
    product = tf.function(lambda: tf.linalg.matmul(a, a))
    return 2 * n**3 / _best(product)


def _convolution_seconds(config, size, dtype):
    """Seconds that a step's convolutions take, each alone."""
    total = 0.0
    for number, c in enumerate(flops.convolutions(config.units, config.filters, size)):
        images = tf.cast(tf.random.stateless_normal([config.batch_size, *c.size, c.before], [0, 1]), dtype)
        kernel = tf.cast(tf.random.stateless_normal([c.kernel, c.kernel, c.before, c.after], [0, 2]), dtype)
        where = dict(strides=[1, c.stride, c.stride, 1], padding="SAME")
        forward = tf.function(lambda x, k, where=where: tf.raw_ops.Conv2D(input=x, filter=k, **where))
        out = forward(images, kernel)
        by_input = tf.function(lambda k, d, x=images, where=where: tf.raw_ops.Conv2DBackpropInput(
            input_sizes=x.shape, filter=k, out_backprop=d, **where))
        by_kernel = tf.function(lambda x, d, k=kernel, where=where: tf.raw_ops.Conv2DBackpropFilter(
            input=x, filter_sizes=k.shape, out_backprop=d, **where))
        passes = [lambda f=forward, x=images, k=kernel: f(x, k), lambda f=by_kernel, x=images, d=out: f(x, d)]
        if number:  # nothing needs the gradient by the images
            passes.append(lambda f=by_input, k=kernel, d=out: f(k, d))
        total += c.count * sum(map(_best, passes))
    return total


def _picture(path, parts, step, convolutions):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4), layout="constrained")
    axis = figure.subplots()
    left = 0.0
    for (name, value), colour in zip(parts.items(), ("#44aa77", "#1f5fa8", "#7fa8d8", "#b8c4d0"), strict=True):
        axis.barh(1, 1e3 * value, left=1e3 * left, color=colour, label=name)
        left += value
    axis.barh(0, 1e3 * convolutions, color="#dddddd", label="its convolutions, each alone")
    axis.set(yticks=[1, 0], yticklabels=["step", "bound"], xlabel=f"milliseconds (a step takes {1e3 * step:.0f})")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, ncols=3, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.35))
    files.write_atomic(path, harness.png(figure))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"step_breakdown: {error}")
