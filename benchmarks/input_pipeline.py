"""How fast batches come, alone: index batches (data on the device), image batches (streamed), beside the step.

    python -m benchmarks.input_pipeline --batch_size=128 --out=input_pipeline.json

Each is drained for a while in turns with the training step of the original network; the last lines say how many times
the step's images a second each delivers. Augmentation is not in them: `step_breakdown` and `augment` have it.
"""
import time

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment

environment.prepare()

import numpy as np  # noqa: E402

from cifar_fast.config import Config  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.training import (  # noqa: E402
    pipeline,
    plan,
    trainer,  # noqa: E402
)

FLAGS = flags.FLAGS
flags.DEFINE_string("dataset", "synthetic", "cifar10, cifar100 or synthetic")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
flags.DEFINE_integer("batch_size", 128, "images a step", lower_bound=1)
flags.DEFINE_integer("steps", 4, "training steps a turn", lower_bound=1)
flags.DEFINE_integer("repeats", 5, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")
flags.DEFINE_string("picture", None, "write a bar chart (PNG) here")


def main(_):
    config = Config(dataset=FLAGS.dataset, data_dir=FLAGS.data_dir, batch_size=FLAGS.batch_size, test_examples=100)
    data = trainer.load_data(config)
    ours = trainer.Trainer(config, devices.resolve(config.precision, config.xla), data)
    order = plan.permutation(0, 0, len(data.train_images))

    def drain(batches):
        begin, images = time.perf_counter(), 0
        for _ in batches:
            images += FLAGS.batch_size
        return images, time.perf_counter() - begin

    def step():
        batches = ours.batches(0)
        begin = time.perf_counter()
        ours.train(batches, 0, 0, FLAGS.steps, np.zeros(3, np.float32))
        return FLAGS.steps * FLAGS.batch_size, time.perf_counter() - begin

    rates = harness.interleave({
        "cifar_fast, resident": lambda: drain(pipeline.index_batches(order, FLAGS.batch_size)),
        "cifar_fast, stream": lambda: drain(pipeline.image_batches(data.train_images, data.train_labels, order,
                                                                  FLAGS.batch_size)),
        "training step": step}, FLAGS.repeats)
    results = [harness.result(name, r, {"batch_size": FLAGS.batch_size}) for name, r in rates.items()]
    ratios = [harness.ratio(name, "training step", rates) for name in rates if name != "training step"]
    print(harness.table(results, ratios))
    if FLAGS.out:
        harness.write(FLAGS.out, "input_pipeline", results, ratios)
    if FLAGS.picture:
        harness.bar_chart(FLAGS.picture, results, "Batches alone, and the step", log=True)


if __name__ == "__main__":
    app.run(main)
