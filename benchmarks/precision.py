"""Whether mixed precision learns as float32 does: the loss of every step, side by side.

    python -m benchmarks.precision --data_dir=PATH --precisions=float32,bfloat16 --steps=100 --out=precision.json

Each trains the original network with the original recipe from the same weights on the same examples, augmentation and
dropout. A single step's loss is of one batch on weights that have drifted by rounding, so the table compares means over
a few steps; the largest gap of the single steps stands beneath it.
"""
from absl import app, flags

from benchmarks.support import harness
from cifar_fast import environment
from cifar_fast.system import files

environment.prepare()

import numpy as np  # noqa: E402

from cifar_fast import cli  # noqa: E402
from cifar_fast.machine import devices  # noqa: E402
from cifar_fast.training import trainer  # noqa: E402

FLAGS = flags.FLAGS
flags.DEFINE_string("recipe", "seed_cifar10", "a flagfile by name, see cifar_fast recipes")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train")
flags.DEFINE_list("precisions", ["float32", "bfloat16"], "float32, bfloat16, float16; compared with the first one")
flags.DEFINE_integer("batch_size", 128, "images a step", lower_bound=1)
flags.DEFINE_integer("steps", 100, "training steps of each", lower_bound=1)
flags.DEFINE_integer("every", 10, "steps a line, whose mean is compared", lower_bound=1)
flags.DEFINE_integer("seed", 0, "seed of weights, order, augmentation and dropout", lower_bound=0)
flags.DEFINE_string("out", None, "write the record (JSON) here")


def losses(config, data):
    """The training loss of each of the first steps (L2 included): float64 [steps]."""
    ours = trainer.Trainer(config, devices.resolve(config.precision, config.xla), data)
    found, batches = [], ours.batches(0)
    for step in range(FLAGS.steps):
        found.append(ours.train(batches, 0, step, 1, np.zeros(3, np.float32))[0] / config.batch_size)
    return np.array(found, np.float64)


def means(values, every):
    """Means over each `every` values in turn, the last one over what is left."""
    return np.array([values[i:i + every].mean() for i in range(0, len(values), every)])


def main(_):
    data, curves = None, {}
    for precision in FLAGS.precisions:
        arguments = [f"--recipe={FLAGS.recipe}", f"--batch_size={FLAGS.batch_size}", f"--seed={FLAGS.seed}",
                     f"--precision={precision}", "--test_examples=100"]
        config = cli.config_for([*arguments, *([f"--data_dir={FLAGS.data_dir}"] if FLAGS.data_dir else [])])
        data = data or trainer.load_data(config)
        curves[precision] = losses(config, data)
    first = means(curves[FLAGS.precisions[0]], FLAGS.every)
    ends = np.minimum(FLAGS.every * np.arange(1, len(first) + 1), FLAGS.steps)
    columns = {name: means(curve, FLAGS.every) for name, curve in curves.items()}
    print("mean loss of the steps up to".ljust(30) + "".join(f"{name:>22}" for name in columns))
    for row, end in enumerate(ends):
        cells = (f"{column[row]:.4f} ({column[row] / first[row] - 1:+7.2%})" for column in columns.values())
        print(f"{end:>28}  " + "".join(f"{cell:>22}" for cell in cells))
    results = []
    for name, curve in curves.items():
        reference = curves[FLAGS.precisions[0]]
        gaps = {"of_means": float(np.abs(columns[name] / first - 1).max()),
                "of_steps": float(np.abs(curve / reference - 1).max()),
                "of_all_steps": float(abs(curve.mean() / reference.mean() - 1))}
        print(f"{name}: farthest from {FLAGS.precisions[0]} by {gaps['of_means']:.2%} in a mean of {FLAGS.every} "
              f"steps, {gaps['of_steps']:.2%} in one, {gaps['of_all_steps']:.2%} in the mean of all")
        results.append({"name": name, "settings": {"batch_size": FLAGS.batch_size, "every": FLAGS.every},
                        "gaps": gaps, "losses": [round(float(loss), 6) for loss in curve]})
    if FLAGS.out:
        files.write_json(FLAGS.out, harness.record("precision", results, []))


if __name__ == "__main__":
    app.run(main)
