"""From the original recipe to the fast one, a trick at a time, each at the same arithmetic.

    python -m benchmarks.ladder --data_dir=PATH --out=ladder.json --picture=ladder.png

A rung changes some flags of the rung before it. Every rung trains for as many epochs as the budget pays for, the
arithmetic of `--passes` passes of the original recipe, by `cifar_fast train` in a process of its own, and is measured
on the last `--validation_examples` training images. The defaults are a fraction of the real thing, and the record says
which (a narrower and shallower network on fewer images); the real thing is

    --train_examples=45000 --units=12 --filters=32

A run that is in the record is not run again, a stopped one goes on: the same command finishes what is left. Rungs of
different sizes may share a record; table and picture keep them apart.
"""
import dataclasses
import hashlib
import itertools
import json
import statistics
import subprocess
import sys
from pathlib import Path

from absl import app, flags

from benchmarks.support import harness
from cifar_fast import cli
from cifar_fast.errors import UserError
from cifar_fast.network import flops
from cifar_fast.system import files, paths
from cifar_fast.training import plan

# Name, and the flags that it changes. `image_sizes` stand for shares of the epochs, whose number follows.
RUNGS = (
    ("original", {}),
    ("ReLU", {"activation": "relu"}),
    ("batch 250, one cycle", {"batch_size": 250, "learning_rate": 4e-3, "schedule": "one_cycle", "warmup": 0.2}),
    ("quicker statistics", {"norm_momentum": 0.9}),
    ("crops for rotations", {"rotation_range": 0.0, "width_shift_range": 0.0, "height_shift_range": 0.0,
                             "vertical_flip": False, "crop_padding": 2}),
    ("statistics by channel", {"standardize": "channel", "test_statistics": "train"}),
    ("no dropout", {"dropout": 0.0}),
    ("label smoothing", {"label_smoothing": 0.2}),
    ("SGD", {"optimizer": "sgd", "learning_rate": 0.2, "weight_decay": 5e-4, "l2": 0.0}),
    ("Muon", {"optimizer": "muon", "learning_rate": 0.07, "momentum": 0.85, "dense_rate": 2.0, "vector_rate": 0.5,
              "warmup": 0.1}),
    ("alternating flip", {"horizontal_flip": False, "alternating_flip": True}),
    ("growing images", {"image_sizes": "20x8,26x4,32x2"}),
    ("faster gains and offsets", {"vector_rate": 32.0}),
    ("pruning", {"prune": 0.35}),
    ("lookahead", {"average": "lookahead"}),
    ("cutout", {"cutout": 8}),
    ("SiLU", {"activation": "silu"}),
    ("whitening", {"whitening": True}),
    ("blur before strides", {"blur": True}),
)
SHAPE, CLASSES = (32, 32, 3), {"cifar10": 10, "cifar100": 100, "synthetic": 10}

FLAGS = flags.FLAGS
flags.DEFINE_enum("dataset", "cifar10", list(CLASSES), "what to train on")
flags.DEFINE_string("data_dir", None, "as for cifar_fast train; not needed for synthetic")
flags.DEFINE_integer("train_examples", 15_000, "train on the first so many images", lower_bound=1)
flags.DEFINE_integer("validation_examples", 5_000, "measure on the last so many training images", lower_bound=1)
flags.DEFINE_integer("units", 6, "units of the network (12 in the original)", lower_bound=3)
flags.DEFINE_integer("filters", 16, "filters of its first third (32 in the original)", lower_bound=1)
flags.DEFINE_float("passes", 8.0, "budget, in passes of the original recipe over the training images", lower_bound=1)
flags.DEFINE_list("rungs", [], "run these only, by name or number (default: all)")
flags.DEFINE_list("seeds", ["0"], "seeds to run each rung with")
flags.DEFINE_string("precision", "auto", "auto, float32, bfloat16 or float16")
flags.DEFINE_string("runs", "runs/ladder", "folder of the run directories")
flags.DEFINE_string("out", "ladder.json", "the record (JSON): read, and written after each run")
flags.DEFINE_string("picture", None, "write a picture (PNG) here")


def climb(base):
    """Yields (name, changes, `Config`) of each rung: `base` with the changes of all rungs up to it."""
    config = base
    for name, changes in RUNGS:
        sizes = changes.get("image_sizes", config.image_sizes)
        config = dataclasses.replace(config, **changes, epochs=_epochs(sizes) or config.epochs)
        yield name, changes, config


def fitted(config, flop):
    """`config` with the number of epochs whose arithmetic is nearest to `flop`, its image sizes stretched along."""
    best = None
    for epochs in itertools.count(1):
        sizes = config.image_sizes and stretched(config.image_sizes, epochs)
        candidate = dataclasses.replace(config, epochs=epochs, image_sizes=sizes)
        missed = arithmetic(candidate) - flop
        if best is None or abs(missed) < best[0]:
            best = abs(missed), candidate
        if missed > flop / 2:
            return best[1]


def arithmetic(config):
    """FLOPs of a whole run; its train_examples must be set."""
    return sum(flops.epoch(config, planned, CLASSES[config.dataset], SHAPE)
               for planned in plan.epochs(config, config.train_examples))


def stretched(sizes, epochs):
    """"20x8,26x4,32x2" over 7 epochs: "20x4,26x2,32x1". Shares are rounded so that the largest remainders win."""
    sides = plan.sizes(sizes, _epochs(sizes))
    shares = {side: sides.count(side) * epochs / len(sides) for side in dict.fromkeys(sides)}
    counts = {side: int(share) for side, share in shares.items()}
    by_remainder = sorted(shares, key=lambda side: counts[side] - shares[side])
    for side in by_remainder[:epochs - sum(counts.values())]:
        counts[side] += 1
    return ",".join(f"{side}x{count}" for side, count in counts.items() if count)


def run(config, folder):
    """One run of `cifar_fast train`, or the rest of it. Returns what the record keeps of it.

    Raises:
      UserError: it failed or was stopped; with its last lines.
    """
    lines = config.flag_lines()
    digest = hashlib.sha256("\n".join(_identity(config)).encode()).hexdigest()[:10]  # other flags, another folder
    workdir = Path(folder) / f"{digest}-seed{config.seed}"
    child = subprocess.Popen([sys.executable, "-m", "cifar_fast", "train", *lines, f"--workdir={workdir}"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output = child.communicate()[0]
    if child.returncode:
        raise UserError(f"cifar_fast train in {workdir} ended with {child.returncode}: {output.strip()[-500:]}")
    summary = json.loads((workdir / "summary.json").read_text(encoding="utf-8"))
    kept = ("test_accuracy", "test_top5", "tta_accuracy", "tta_top5", "pflop", "clock_seconds", "training_seconds",
            "compile_seconds", "wall_seconds", "precision", "weights_sha256")
    return {"seed": config.seed} | {name: summary[name] for name in kept}


class Record:
    """The ladder's JSON file: an entry a rung and size of the task, with all its runs."""

    def __init__(self, path):
        self.path, self.entries = Path(paths.local(path, "--out")), []
        if self.path.exists():
            try:
                self.entries = json.loads(self.path.read_text(encoding="utf-8"))["results"]
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"--out={path}: not a record of a ladder ({error!r}); name another file") from None

    def entry(self, number, name, changes, config):
        """The entry of a rung, added if there is none with these flags; one of the same name and size gives way."""
        settings = {"dataset": config.dataset, "train_examples": config.train_examples, "units": config.units,
                    "filters": config.filters, "passes": FLAGS.passes}
        new = {"number": number, "name": name, "changes": changes, "settings": settings, "epochs": config.epochs,
               "image_sizes": config.image_sizes, "flags": _identity(config), "runs": []}
        for entry in self.entries:
            if (entry["name"], entry["settings"]) == (name, settings):
                if entry["flags"] == new["flags"]:
                    entry["number"] = number
                    return entry
                self.entries.remove(entry)
                break
        self.entries.append(new)
        return new

    def write(self):
        self.entries.sort(key=lambda e: (json.dumps(e["settings"]), e["number"]))
        kept = [entry for entry in self.entries if entry["runs"]]
        harness.write(self.path, "ladder", kept, [], validation_examples=FLAGS.validation_examples)

    def groups(self):
        """[(a line that says the size, entries in order)], an item for each size of the task."""
        filled = [entry for entry in self.entries if entry["runs"]]
        for _, group in itertools.groupby(filled, key=lambda entry: json.dumps(entry["settings"])):
            group = list(group)
            yield _size(group[0]["settings"]), group


def table(record):
    """The rungs as text: means over the seeds, the accuracy with its least and most, its gain over the row above."""
    parts = []
    for size, entries in record.groups():
        rows = [["", "rung", "epochs", "PFLOP", "accuracy", "from – to", "gain", "top-5", "TTA", "seconds", "seeds"]]
        before = None
        for entry in entries:
            values, accuracy = _column(entry, "test_accuracy"), _mean(entry, "test_accuracy")
            gain = "" if before is None else f"{100 * (accuracy - before):+.2f}"
            rows.append([str(entry["number"]), entry["name"], str(entry["epochs"]), f"{_mean(entry, 'pflop'):.3g}",
                         f"{accuracy:.2%}", f"{100 * min(values):.2f} – {100 * max(values):.2f}", gain,
                         f"{_mean(entry, 'test_top5'):.2%}", f"{_mean(entry, 'tta_accuracy'):.2%}",
                         f"{_mean(entry, 'clock_seconds'):,.0f}", str(len(values))])
            before = accuracy
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(cell.ljust(w) if i == 1 else cell.rjust(w)
                           for i, (cell, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
        parts.append("\n".join([size, *lines]))
    return "\n\n".join(parts)


def picture(path, record):
    """Writes a PNG: for each size of the task accuracy (a dot, and a line from least to most) and seconds by rung."""
    from matplotlib.figure import Figure

    groups = list(record.groups())
    heights = [1 + 0.3 * len(entries) for _, entries in groups]
    figure = Figure(figsize=(11, 0.8 + sum(heights)), layout="constrained")
    axes = figure.subplots(len(groups), 2, squeeze=False,
                           gridspec_kw={"width_ratios": [2, 1], "height_ratios": heights})
    for (size, entries), (left, right) in zip(groups, axes, strict=True):
        places = list(range(len(entries)))
        means = [100 * _mean(entry, "test_accuracy") for entry in entries]
        for place, entry in zip(places, entries, strict=True):
            values = [100 * value for value in _column(entry, "test_accuracy")]
            left.plot([min(values), max(values)], [place, place], color="#1f5fa8", linewidth=1.5)
        left.plot(means, places, "o-", color="#1f5fa8", linewidth=0.5, markersize=5)
        for place, mean in zip(places, means, strict=True):
            left.annotate(f"{mean:.2f}", (mean, place), (7, 5), textcoords="offset points", fontsize=8)
        left.set_yticks(places, [entry["name"] for entry in entries])
        left.set_title(size, loc="left", fontsize=9)
        left.set_xlabel("accuracy on held-out images, %")
        right.barh(places, [_mean(entry, "clock_seconds") for entry in entries], color="#b8c4d0")
        right.set_yticks(places, [])
        right.set_xlabel("training time, s")
        for axis in (left, right):
            axis.set_ylim(len(entries) - 0.4, -0.6)
            axis.spines[["top", "right"]].set_visible(False)
        left.margins(x=0.1)
    files.write_atomic(path, harness.png(figure))


def main(_):
    try:
        _main()
    except UserError as error:
        sys.exit(f"ladder: {error}")


def _main():
    base = _base()
    budget = FLAGS.passes * arithmetic(dataclasses.replace(base, epochs=1))
    record = Record(FLAGS.out)
    for number, (name, changes, config) in enumerate(climb(base), 1):
        if FLAGS.rungs and not {name, str(number)} & set(FLAGS.rungs):
            continue
        config = fitted(config, budget)
        config = dataclasses.replace(config, eval_every=config.epochs)
        entry = record.entry(number, name, changes, config)
        for seed in map(int, FLAGS.seeds):
            if any(one["seed"] == seed for one in entry["runs"]):
                continue
            print(f"rung {number}, {name}, seed {seed}: {config.epochs} epochs, {arithmetic(config) / 1e15:.3g} PFLOP, "
                  f"{arithmetic(config) / budget:.1%} of the budget", flush=True)
            entry["runs"].append(run(dataclasses.replace(config, seed=seed), FLAGS.runs))
            record.write()
    record.write()  # in order, where rungs have come between those of the record
    print(table(record))
    if FLAGS.picture:
        picture(FLAGS.picture, record)


def _base():
    """The original recipe at the size that the flags ask for."""
    recipe = "seed_cifar100" if FLAGS.dataset == "cifar100" else "seed_cifar10"
    unknown = set(FLAGS.rungs) - {name for name, _ in RUNGS} - {str(i + 1) for i in range(len(RUNGS))}
    if unknown:
        raise UserError(f"--rungs={','.join(sorted(unknown))}: no such rung; expected numbers from 1 to {len(RUNGS)} "
                        f"or names of {', '.join(name for name, _ in RUNGS)}")
    return cli.config_for(
        [f"--recipe={recipe}"], dataset=FLAGS.dataset, data_dir=FLAGS.data_dir, train_examples=FLAGS.train_examples,
        validation_examples=FLAGS.validation_examples, units=FLAGS.units, filters=FLAGS.filters,
        precision=FLAGS.precision, tta="translate")


def _identity(config):
    """The flags that make a run what it is, seed apart."""
    return config.flag_lines(without=("data_dir", "workdir", "seed", "eval_every"))


def _epochs(sizes):
    return sizes and sum(int(part.partition("x")[2]) for part in sizes.split(","))


def _size(settings):
    return (f"{settings['dataset']}, {settings['train_examples']:,} images, {settings['units']} units from "
            f"{settings['filters']} filters, the arithmetic of {settings['passes']:g} passes")


def _column(entry, name):
    return [one[name] for one in entry["runs"]]


def _mean(entry, name):
    return statistics.mean(_column(entry, name))


if __name__ == "__main__":
    app.run(main)
