"""Whether the trainer learns as Keras does: the seed recipe beside ImageDataGenerator and `fit`, from the first step.

    python -m benchmarks.fidelity --data_dir=PATH --steps=500 --out=fidelity.json
    python -m benchmarks.fidelity --data_dir=PATH --recipe=seed_cifar100 --epochs=3 --every=1562

Both train the original network on the same data with the same recipe, each from its own random weights; the table
has the mean loss and accuracy of the epoch's steps so far, as Keras's progress bar does.
"""
from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment
from cifar_fast.system import files

environment.prepare()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from benchmarks.peers import network  # noqa: E402
from cifar_fast import cli  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_enum("recipe", "seed_cifar10", ["seed_cifar10", "seed_cifar100"], "which of the original recipes")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train", required=True)
flags.DEFINE_string("precision", "auto", "ours; Keras's is float32")
flags.DEFINE_integer("epochs", 1, "epochs of each", lower_bound=1)
flags.DEFINE_integer("steps", None, "training steps an epoch (default: the whole epoch)", lower_bound=1)
flags.DEFINE_integer("every", 50, "steps a line", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of both", lower_bound=0)
flags.DEFINE_string("out", None, "write the record (JSON) here")
# Flags of these names are ImageDataGenerator's arguments of the same names.
AUGMENTATION = ("rotation_range", "width_shift_range", "height_shift_range", "horizontal_flip", "vertical_flip",
                "fill_mode")


def keras_curve(data, config, steps):
    """[(epoch, step, mean loss, mean accuracy)] of ImageDataGenerator and `fit`."""
    keras.utils.set_random_seed(config.seed)
    images = data.train_images.astype("float32")
    images = (images - images.mean()) / images.std()
    labels = keras.utils.to_categorical(data.train_labels)
    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        **{name: getattr(config, name) for name in AUGMENTATION})
    model = network.build(labels.shape[1], config.activation)
    model.compile(keras.optimizers.Adam(config.learning_rate), "categorical_crossentropy", metrics=["accuracy"])
    curve = []

    class Recorder(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if (batch + 1) % FLAGS.every == 0:
                curve.append((self.epoch + 1, batch + 1, float(logs["loss"]), float(logs["accuracy"])))

    falling = keras.callbacks.LearningRateScheduler(lambda epoch, _: config.learning_rate * config.decay**epoch)
    # As a generator, which has no length: a sequence of more batches than steps runs out in a later epoch.
    batches = (batch for batch in generator.flow(images, labels, batch_size=config.batch_size, seed=config.seed))
    model.fit(batches, epochs=FLAGS.epochs, steps_per_epoch=steps, shuffle=False, verbose=0,
              callbacks=[falling, Recorder()])
    return curve


def our_curve(data, config, steps):
    """The same of the trainer."""
    ours, curve = trainer.Trainer(config, devices.resolve(config.precision, config.xla), data), []
    for epoch in range(FLAGS.epochs):
        batches, totals = ours.batches(epoch), np.zeros(3, np.float32)
        for start in range(0, steps - FLAGS.every + 1, FLAGS.every):
            totals = ours.train(batches, epoch, start, FLAGS.every, totals)
            examples = (start + FLAGS.every) * config.batch_size
            curve.append((epoch + 1, start + FLAGS.every, float(totals[0] / examples), float(totals[1] / examples)))
    return curve


def main(_):
    config = cli.config_for([f"--recipe={FLAGS.recipe}", f"--data_dir={FLAGS.data_dir}", f"--seed={FLAGS.seed}",
                             f"--precision={FLAGS.precision}"])
    data = trainer.load_data(config)
    steps = FLAGS.steps or len(data.train_images) // config.batch_size
    FLAGS.every = min(FLAGS.every, steps)
    curves = {"cifar_fast": our_curve(data, config, steps),
              "ImageDataGenerator and fit": keras_curve(data, config, steps)}
    print(f"{'epoch':>6}{'steps':>6}" + "".join(f"{name:>32}" for name in curves))
    for rows in zip(*curves.values(), strict=True):
        print(f"{rows[0][0]:>6}{rows[0][1]:>6}" + "".join(
            f"{f'loss {loss:.4f}, accuracy {hits:.4f}':>32}" for _, _, loss, hits in rows))
    if FLAGS.out:
        results = [{"name": name, "activation": config.activation} | dict(zip(
            ("epochs", "steps", "loss", "accuracy"), map(list, zip(*curve, strict=True)), strict=True))
            for name, curve in curves.items()]
        files.write_json(FLAGS.out, harness.record("fidelity", results, []))


if __name__ == "__main__":
    app.run(main)
