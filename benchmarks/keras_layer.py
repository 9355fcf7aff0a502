"""`fit` with our augmentation layer, with Keras's three layers and with none: seconds an epoch, taking turns.

    python -m benchmarks.keras_layer --out=keras_layer.json

One network, the 2020 report's, behind a uint8 input, the augmentation of `benchmarks.augment` and a rescaling.
jit_compile=True is asked for and, for comparison, False; Keras's rotation and shift declare that they can't be
compiled, by which `fit` leaves their whole model uncompiled. The layers are measured alone, too: ours compiled, Keras's
in a tf.function.
"""
from absl import app, flags

from benchmarks import augment  # first: it sets TensorFlow's environment

# isort: split
import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers import network
from benchmarks.support import harness
from cifar_fast.augment.layer import RandomAffine

EPOCH = 50_000  # images


def define_flags():
    flags.DEFINE_integer("batch_size", 128, "images a step", lower_bound=1)
    flags.DEFINE_integer("steps", 20, "steps a turn", lower_bound=2)
    flags.DEFINE_integer("repeats", 5, "turns that each contestant takes", lower_bound=1)
    flags.DEFINE_list("jit_compile", ["true", "false"], "whether fit compiles: true, false or both")
    flags.DEFINE_string("out", None, "JSON file to write the record to")


def none():
    return keras.Sequential()


def ours():
    return keras.Sequential([RandomAffine(**augment.ARGUMENTS)])


AUGMENTATIONS = {"no augmentation": none, "cifar_fast": ours, "Keras layers": augment.keras_layers}


def fitted(augmentation, jit_compile, images, labels, batch_size):
    """A contestant: `fit` on all images, one call a turn."""
    model = keras.Sequential([keras.Input(images.shape[1:], dtype="uint8"), *augmentation.layers,
                              keras.layers.Rescaling(1 / 255), network.build()])
    model.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", jit_compile=jit_compile)

    def turn():
        clock = network.StepClock()
        model.fit(images, labels, batch_size=batch_size, verbose=0, callbacks=[clock])
        return len(images), clock.seconds(len(images) // batch_size)
    return model, turn


def alone(augmentation, jit_compile, images, batch_size):
    """A contestant: the augmentation of all images, batch by batch."""
    program = tf.function(lambda batch: augmentation(batch, training=True), jit_compile=jit_compile)
    batches = [tf.constant(images[i:i + batch_size]) for i in range(0, len(images), batch_size)]

    def turn():
        for batch in batches:
            program(batch).numpy()
        return len(images)
    return turn


def main(_):
    values = flags.FLAGS
    random, size = np.random.default_rng(0), values.batch_size
    images = random.integers(0, 256, (size * values.steps, 32, 32, 3), dtype=np.uint8)
    labels = random.integers(0, 10, len(images)).astype(np.int32)
    results, ratios, named = [], [], {}
    turns = {"layer alone: cifar_fast": alone(ours(), True, images, size),
             "layer alone: Keras layers": alone(augment.keras_layers(), False, images, size)}
    for asked in values.jit_compile:
        for name, build in AUGMENTATIONS.items():
            model, turn = fitted(build(), asked == "true", images, labels, size)
            named[f"{name}, jit_compile={asked}"] = {
                "batch": size, "jit_compile": asked, "compiled": str(model.jit_compile).lower()}
            turns[f"{name}, jit_compile={asked}"] = turn
    rates = harness.interleave(turns, values.repeats)
    for name in turns:
        seconds = harness.summary([EPOCH / rate for rate in rates[name]])
        results.append(harness.result(name, rates[name], named.get(name, {"batch": size}), seconds_per_epoch=seconds))
    for asked in values.jit_compile:
        for peer in ("no augmentation", "Keras layers"):
            ratios.append(harness.ratio(f"cifar_fast, jit_compile={asked}", f"{peer}, jit_compile={asked}", rates))
    ratios.append(harness.ratio("layer alone: cifar_fast", "layer alone: Keras layers", rates))
    print(harness.table(results, ratios))
    for entry in results:
        print(f"{entry['name']:<36} {entry['seconds_per_epoch']['median']:7.1f} s an epoch of {EPOCH:,} images")
    if values.out:
        harness.write(values.out, "keras_layer", results, ratios)


if __name__ == "__main__":
    define_flags()
    app.run(main)
