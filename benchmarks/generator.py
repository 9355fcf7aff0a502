"""Keras's ImageDataGenerator and ours: the same script, images a second, taking turns.

    python -m benchmarks.generator --out=generator.json --picture=generator.png

`flow` of images in memory; `flow_from_directory` of PNG files of 32×32 and of photographs, JPEG, brought to 224×224, in
the first epoch, which lists and reads the files, and in later ones; and `fit` of a small convolutional network with
each. Random rotations by ±30°, shifts by 0.1 of the size and both flips throughout. oneDNN is on for both.
"""
import tempfile
from pathlib import Path

from absl import app, flags, logging

from benchmarks import augment  # first: it sets TensorFlow's environment

# isort: split
import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from benchmarks.peers.network import StepClock
from benchmarks.support import harness
from cifar_fast.generator import ImageDataGenerator

GENERATORS = {"cifar_fast": ImageDataGenerator, "ImageDataGenerator": tf.keras.preprocessing.image.ImageDataGenerator}
CLASSES = 4


def define_flags():
    flags.DEFINE_list("flows", ["32x32", "128x32", "512x32", "64x224"], "flow: images a batch x pixels a side")
    flags.DEFINE_integer("files", 1024, "PNG files of the directory", lower_bound=CLASSES)
    flags.DEFINE_integer("photographs", 128, "JPEG files of the directory", lower_bound=CLASSES)
    flags.DEFINE_integer("steps", 64, "steps of fit, with 128 images each, a turn", lower_bound=2)
    flags.DEFINE_integer("repeats", 5, "turns that each contestant takes", lower_bound=1)
    flags.DEFINE_float("seconds", 1.0, "least seconds a turn of flow, or of a later epoch", lower_bound=0)
    flags.DEFINE_string("out", None, "JSON file to write the record to")
    flags.DEFINE_string("picture", None, "PNG file to draw the bars to")


def pixels(count, size):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def compare(make, repeats, settings):
    """One interleaved run. make: a function of a generator's class that returns a contestant. Returns (results,
    ratios)."""
    rates = harness.interleave({name: make(which) for name, which in GENERATORS.items()}, repeats)
    results = [harness.result(name, rates[name], settings) for name in rates]
    ratios = [harness.ratio("cifar_fast", "ImageDataGenerator", rates, settings)]
    print(harness.table(results, ratios), "\n", flush=True)
    return results, ratios


def flow(batch, size, seconds):
    images, labels = pixels(4 * batch, size), np.arange(4 * batch) % CLASSES

    def make(generator):
        batches = generator(**augment.ARGUMENTS).flow(images, labels, batch_size=batch)
        return harness.for_seconds(lambda: len(next(batches)[0]), seconds)
    return make


def directory(folder, size, later, seconds):
    """Contestants that read a folder: for the first time, or once more."""
    def begin(generator):
        return generator(**augment.ARGUMENTS).flow_from_directory(folder, (size, size), interpolation="bilinear")

    def epoch(batches):
        return sum(len(next(batches)[0]) for _ in range(len(batches)))

    def make(generator):
        if not later:
            return lambda: epoch(begin(generator))
        batches = begin(generator)
        epoch(batches)
        return harness.for_seconds(lambda: epoch(batches), seconds)
    return make


def write_files(folder, count, side, suffix):
    """Random pictures, blurred as photographs are, in a folder for each class."""
    for i in range(count):
        place = Path(folder) / str(i % CLASSES)
        place.mkdir(exist_ok=True)
        small = np.random.default_rng(i).integers(0, 256, (side // 4, side // 4, 3), dtype=np.uint8)
        Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(place / f"{i}.{suffix}")


def fit(steps, batch=128):
    """Contestants that train a network of 90,000 parameters, one call a turn."""
    images, labels = pixels(steps * batch, 32), np.arange(steps * batch) % CLASSES

    def make(generator):
        layers = keras.layers
        model = keras.Sequential([
            keras.Input((32, 32, 3)), layers.Rescaling(1 / 255),
            *[layers.Conv2D(filters, 3, 2, "same", activation="relu") for filters in (16, 32, 64)],
            layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(CLASSES)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        batches = generator(**augment.ARGUMENTS).flow(images, labels, batch_size=batch)

        def turn():
            clock = StepClock()
            model.fit(batches, verbose=0, callbacks=[clock])
            return steps * batch, clock.seconds(steps)
        return turn
    return make


def main(_):
    values, results, ratios = flags.FLAGS, [], []

    def add(make, **settings):
        more, of_more = compare(make, values.repeats, settings)
        results.extend(more)
        ratios.extend(of_more)

    for text in values.flows:
        batch, size = map(int, text.split("x"))
        add(flow(batch, size, values.seconds), of="flow", batch=batch, size=size)
    keras.config.disable_interactive_logging()  # of what was found, the same each turn
    logging.set_verbosity(logging.WARNING)
    for suffix, count, side, size in (("png", values.files, 32, 32), ("jpg", values.photographs, 320, 224)):
        with tempfile.TemporaryDirectory() as folder:
            write_files(folder, count, side, suffix)
            for later in (False, True):
                add(directory(folder, size, later, values.seconds), of=f"{suffix} files", batch=32, size=size,
                    epoch="later" if later else "first")
    add(fit(values.steps), of="fit", batch=128, size=32)
    if values.out:
        harness.write(values.out, "generator", results, ratios)
    if values.picture:
        harness.bar_chart(values.picture, results, "ImageDataGenerator and cifar_fast in its place", log=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
