"""Images augmented a second: cifar_fast and the ways people do it today, on the same images, taking turns.

    python -m benchmarks.augment --batch_sizes=128,512,4096 --out=augment.json
    python -m benchmarks.augment --batch_sizes=64 --image_sizes=224 --out=augment_photographs.json

All do rotation by ±30°, shifts by 0.1 of the size and both flips, with the nearest pixel outside. ImageDataGenerator
and ours interpolate once; Keras's three layers do it up to three times. Keras's layers are measured in every form
that people run them in, and the ratio is taken against the best one. Ours are those of cifar_fast in tf.data, which is
what the documentation advises.
"""
import functools
import importlib.util

from absl import app, flags

from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benchmarks.support import harness  # noqa: E402
from cifar_fast.augment.affine import Affine  # noqa: E402
from cifar_fast.augment.places import coordinates  # noqa: E402

DEGREES, SHARE = 30, 0.1
ARGUMENTS = dict(rotation_range=DEGREES, width_shift_range=SHARE, height_shift_range=SHARE, horizontal_flip=True,
                 vertical_flip=True)
LARGEST = 2**30  # bytes of a batch in float32: several contestants hold one at the same time


def define_flags():
    flags.DEFINE_list("batch_sizes", ["128", "512", "4096"], "images a batch")
    flags.DEFINE_list("image_sizes", ["32"], "pixels a side, e.g. 32,224; a batch above 1 GiB in float32 is left out")
    flags.DEFINE_integer("repeats", 5, "turns that each contestant takes", lower_bound=1)
    flags.DEFINE_float("seconds", 1.0, "least seconds a turn", lower_bound=0)
    flags.DEFINE_string("out", None, "JSON file to write the record to")
    flags.DEFINE_string("picture", None, "PNG file to draw the bars to")


def ours(images, compiled=False):
    """cifar_fast called, a new seed each batch: as the documentation advises, or as its trainer runs it, one program
    compiled by XLA."""
    program = tf.function(Affine(**ARGUMENTS), jit_compile=compiled)
    seeds = iter(range(1 << 30))
    return lambda: program(images, tf.constant([0, next(seeds)]))


def ours_in_dataset(images, compiled=False):
    """The same in somebody's own pipeline."""
    program = tf.function(Affine(**ARGUMENTS), jit_compile=compiled)
    data = tf.data.Dataset.from_tensors(images).repeat().enumerate()
    return endless(data.map(lambda i, batch: program(batch, tf.stack([i, 1])), tf.data.AUTOTUNE))


def image_data_generator(images):
    generator = tf.keras.preprocessing.image.ImageDataGenerator(**ARGUMENTS)
    batches = generator.flow(images.numpy(), batch_size=len(images), shuffle=False)
    return lambda: next(batches)


def keras_layers():
    """RandomFlip, RandomRotation and RandomTranslation with ImageDataGenerator's ranges."""
    layers = tf.keras.layers
    return tf.keras.Sequential([
        layers.RandomFlip("horizontal_and_vertical"),
        layers.RandomRotation(DEGREES / 360, fill_mode="nearest"),
        layers.RandomTranslation(SHARE, SHARE, fill_mode="nearest")])


def keras_called(images):
    model = keras_layers()
    return lambda: model(images, training=True)


def keras_traced(images):
    model = keras_layers()
    return tf.function(lambda: model(images, training=True))


def keras_in_dataset(images):
    model = keras_layers()
    return endless(tf.data.Dataset.from_tensors(images).repeat().map(
        lambda x: model(x, training=True), tf.data.AUTOTUNE))


def projective_op(images):
    """TensorFlow's own op by our parameters, in one resample; XLA can't compile it."""
    affine, size = Affine(**ARGUMENTS), images.shape[1]
    floats = tf.cast(images, tf.float32)
    seeds = iter(range(1 << 30))

    @tf.function
    def program(seed):
        (along_x, down_x), (along_y, down_y) = coordinates(
            affine.parameters(seed, tf.range(len(images)), images.shape), size, size)
        zero = tf.zeros([len(images)], tf.float64)
        rows = tf.cast(tf.stack([
            along_x[:, 1] - along_x[:, 0], down_x[:, 1] - down_x[:, 0], along_x[:, 0] + down_x[:, 0],
            along_y[:, 1] - along_y[:, 0], down_y[:, 1] - down_y[:, 0], along_y[:, 0] + down_y[:, 0],
            zero, zero], 1), tf.float32)
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=floats, transforms=rows, output_shape=[size, size], interpolation="BILINEAR", fill_mode="NEAREST",
            fill_value=0.0)

    return lambda: program(tf.constant([0, next(seeds)]))


def torchvision(images):
    """torchvision v2 image by image, as its data sets apply it: a batch at once would draw one transform for all."""
    import torch
    from torchvision.transforms import v2

    transform = v2.Compose([
        v2.RandomHorizontalFlip(), v2.RandomVerticalFlip(),
        v2.RandomAffine(DEGREES, (SHARE, SHARE), interpolation=v2.InterpolationMode.BILINEAR)])
    planes = torch.from_numpy(np.ascontiguousarray(images.numpy().transpose(0, 3, 1, 2)))
    return lambda: torch.stack([transform(image) for image in planes])


def endless(dataset):
    batches = iter(dataset.prefetch(1))
    return lambda: next(batches)


KERAS_FORMS = {"Keras layers, called": keras_called, "Keras layers in tf.function": keras_traced,
               "Keras layers in tf.data": keras_in_dataset}
CONTESTANTS = {"cifar_fast": ours, "cifar_fast in tf.data": ours_in_dataset,
               "cifar_fast by XLA": functools.partial(ours, compiled=True),
               "cifar_fast by XLA in tf.data": functools.partial(ours_in_dataset, compiled=True),
               "ImageDataGenerator": image_data_generator, **KERAS_FORMS,
               "ImageProjectiveTransformV3": projective_op}


def compare(batch_size, image_size, repeats, seconds):
    """One interleaved run. Returns (results, ratios), the entries of a record."""
    settings = {"batch": batch_size, "size": image_size}
    shape = (batch_size, image_size, image_size, 3)
    images = tf.constant(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))
    builders = dict(CONTESTANTS)
    if importlib.util.find_spec("torchvision"):
        builders["torchvision v2"] = torchvision

    on_gpu = bool(tf.config.list_physical_devices("GPU"))  # which would return before the work is done

    def contestant(call):
        def work():
            call()
            if on_gpu:
                tf.test.experimental.sync_devices()
            return batch_size
        return harness.for_seconds(work, seconds)

    rates = harness.interleave({name: contestant(build(images)) for name, build in builders.items()}, repeats)
    results = [harness.result(name, rates[name], settings) for name in rates]
    best = max(KERAS_FORMS, key=lambda name: harness.summary(rates[name])["median"])
    rates["Keras layers"] = rates[best]
    peers = ["ImageDataGenerator", "Keras layers", "ImageProjectiveTransformV3",
             *(["torchvision v2"] if "torchvision v2" in rates else [])]
    ratios = [harness.ratio("cifar_fast in tf.data", peer, rates, settings) for peer in peers]
    ratios[1]["against"] = best
    return results, ratios


def main(_):
    values = flags.FLAGS
    sizes = [(int(b), int(s)) for s in values.image_sizes for b in values.batch_sizes]
    results, ratios = [], []
    for batch_size, image_size in sizes:
        if batch_size * image_size**2 * 12 > LARGEST:
            print(f"batch {batch_size} of {image_size}×{image_size}: left out, above 1 GiB in float32\n")
            continue
        more, of_more = compare(batch_size, image_size, values.repeats, values.seconds)
        print(harness.table(more, of_more), flush=True)
        print()
        results += more
        ratios += of_more
    if values.out:
        harness.write(values.out, "augment", results, ratios)
    if values.picture:
        harness.bar_chart(values.picture, results, "Augmentation: rotation ±30°, shifts 0.1, flips", log=True)


if __name__ == "__main__":
    define_flags()
    app.run(main)
