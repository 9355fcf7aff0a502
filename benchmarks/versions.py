"""Training steps of this checkout beside those of another one, such as an earlier commit's.

    git worktree add ../before COMMIT && (cd ../before && python setup.py build_ext --inplace)
    python -m benchmarks.versions --other=../before --precision=bfloat16 --out=versions.json

Each trains a recipe of its own `flags/`, on the built-in images, in a process of its own, at one image size after the
other; at each size they take turns. A ratio is that of images a second, this checkout's over the other's.

On a machine that others use, too, take one core and --clock=processor, which counts the seconds that a process computes
in place of those that pass: `taskset -c 0 python -m benchmarks.versions …`.
"""
import os
import subprocess
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness
from benchmarks.support.turns import Contestant, paced

FLAGS = flags.FLAGS
flags.DEFINE_string("other", None, "the other checkout, its C code compiled", required=True)
flags.DEFINE_string("recipe", "fast_cifar10", "a file of flags/, without its ending")
flags.DEFINE_list("image_sizes", ["20", "24", "32"], "pixels a side; resized to")
flags.DEFINE_integer("batch_size", 250, "images a step", lower_bound=1)
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_enum("clock", "wall", ["wall", "processor"], "what a second is")
flags.DEFINE_integer("steps", 4, "steps a turn, or as many more as take a second", lower_bound=1)
flags.DEFINE_integer("repeats", 9, "turns of each", lower_bound=1)
flags.DEFINE_string("out", None, "write the record (JSON) here")

HERE = Path(__file__).resolve().parents[1]
EPOCHS = 1000  # more than are trained


def main(_):
    checkouts = {"cifar_fast": HERE, "the other": Path(FLAGS.other).resolve()}
    commits = {name: _commit(folder) for name, folder in checkouts.items()}
    results, ratios = [], []
    for size in map(int, FLAGS.image_sizes):
        settings = {"image size": size, "batch_size": FLAGS.batch_size}
        running = [Contestant(name, "benchmarks.peers.ours", _flags(size), folder=folder)
                   for name, folder in checkouts.items()]
        rates = harness.interleave({c.name: _turns(c) for c in running}, FLAGS.repeats)
        for contestant in running:
            results.append(harness.result(contestant.name, rates[contestant.name],
                                          settings | {"precision": contestant.about["settings"]["precision"]},
                                          commit=commits[contestant.name]))
            contestant.close()
        ratios.append(harness.ratio(*checkouts, rates, settings))
        print(harness.table(results[-2:], ratios[-1:]), flush=True)
    if FLAGS.out:
        harness.write(FLAGS.out, "versions", results, ratios, recipe=FLAGS.recipe, clock=FLAGS.clock)


def _flags(size):
    return {"flagfile": f"flags/{FLAGS.recipe}.flags", "dataset": "synthetic", "train_examples": 40 * FLAGS.batch_size,
            "test_examples": 100, "batch_size": FLAGS.batch_size, "precision": FLAGS.precision, "epochs": EPOCHS,
            "eval_every": EPOCHS, "image_sizes": f"{size}x{EPOCHS}", "prune": 0, "strategy": "one_device"}


def _turns(contestant):
    turn = paced(contestant, FLAGS.steps)
    if FLAGS.clock == "wall":
        return turn

    def counted():
        before = _processor_seconds(contestant.child.pid)
        images, _ = turn()
        return images, _processor_seconds(contestant.child.pid) - before
    return counted


def _processor_seconds(pid):
    """Those of all its threads: the 14th and 15th field of its `stat`, in the system's ticks (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _commit(folder):
    """Its commit, with a mark where files differ from it."""
    return subprocess.run(["git", "-C", folder, "describe", "--always", "--dirty"], capture_output=True, text=True,
                          check=True).stdout.strip()


if __name__ == "__main__":
    app.run(main)
