"""Trains by JAX's client from programs that `benchmarks.export` wrote, on a machine without TensorFlow.

    python -m benchmarks.replay FOLDER --data=cifar10.npz --out=replay.json

The arithmetic is that of TensorFlow's own compiled programs, the weights, order and draws are those of the seed. The
version of XLA, and what calls the programs, are JAX's: so are the times, and a record of this is none of `cifar_fast
train`. Needs jax, numpy and absl-py.

    --data=FILE   an .npz of uint8 images and labels: x_train, y_train, x_test, y_test. Without it the images are
                  random: the times are as good, and there is no accuracy
    --epochs=N    stop after so many
    --trials=FILE train once for each line of FILE, by flags of `cifar_fast train` over the exported ones, as in
                  --learning_rate=0.05 --seed=1: those that the programs leave open (benchmarks/trials.py)
    --out=FILE    write the record (JSON), anew after each epoch
    --check       no training: how far the first call is from TensorFlow's, where the export has --expected
"""
import argparse
import io
import json
import sys
import time
import zipfile
from pathlib import Path

import numpy as np

from benchmarks import trials
from benchmarks.support import stablehlo
from cifar_fast.errors import UserError
from cifar_fast.network import flops
from cifar_fast.system import files, paths
from cifar_fast.training import plan, pruning, schedules


def main(arguments):
    parser = argparse.ArgumentParser(prog="replay", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--trials", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    for name in ("folder", "data", "trials"):
        if path := getattr(options, name):
            setattr(options, name, Path(paths.local(path)))
    if options.check and (options.data or options.trials):
        raise UserError("--check: compares the first call on random images; leave --data and --trials out")
    tried = trials.read(options.trials, exported(options.folder)) if options.trials else [[]]
    replay = Replay(options.folder, options.data)
    record = replay.about()
    if options.check:
        record["away"] = replay.away()
        print(record["away"])
        tried = []
    for flags in tried:
        replay.begin(*flags)
        trial = {"flags": flags, "epochs": []}
        record["trials"].append(trial)
        for row in replay.train(options.epochs):
            trial["epochs"].append(row)
            print("  ".join(f"{name} {value:,.4g}" for name, value in row.items()), flush=True)
            if options.out:
                files.write_json(options.out, record)
        trial |= replay.evaluate()
        found = [f"{name} {value:,.4g}" for name, value in trial.items() if name.startswith(("test", "tta"))]
        print("  ".join(flags + found), flush=True)
    if options.out:
        files.write_json(options.out, record)


class Replay:
    """The programs of a folder, compiled for JAX's first device, and the variables, which begin as exported.

    Args:
      folder: a Path. data: the Path of an .npz, or None for random images.
    Raises:
      UserError: no JAX, no export in the folder, or data that can't be read or have not the programs' shapes.
    """

    def __init__(self, folder, data=None):
        self.exported = exported(folder)
        try:
            import jax
        except ImportError as error:
            raise UserError(f"a replay needs jax: {error}; pip install jax") from error

        jax.config.update("jax_enable_x64", True)  # or the optimizer's count of steps would lose half its bits
        self.jax, self.device, self.folder, self.real = jax, jax.devices()[0], folder, data is not None
        train, test = _images(data, self.exported)
        self.images = {"train": self._put(train), "evaluate": self._put(test)}
        with np.load(folder / "variables.npz") as file:
            self.start = [file[str(i)] for i in range(len(file.files))]
        self.seconds, self.programs = {}, {}
        for name in self.exported["programs"]:
            begin = time.perf_counter()
            self.programs[name] = stablehlo.load(folder / f"{name}.mlir", self.device)
            self.seconds[name] = time.perf_counter() - begin
        self.begin()

    def begin(self, *flags):
        """Goes back to the start, with a trial's flags over the exported ones; see `trials.planned`, also for errors.

        Another seed than the exported one gives another order, and other weights: the exported ones of each kernel,
        shuffled. The draws of augmentation and dropout are in the programs, and stay.
        """
        self.config, self.plan = trials.planned(flags, self.exported)
        variables = list(self.start)
        if f"--seed={self.config.seed}" not in self.exported["flags"]:
            draws = np.random.default_rng(self.config.seed)
            for i in self.exported["kernels"]:  # whitening's is none: it is made from the images, not drawn
                variables[i] = draws.permutation(variables[i].reshape(-1)).reshape(variables[i].shape)
        self.variables = self._put(variables)

    def about(self):
        """A record without its figures."""
        kept = ("precision", "steps", "flags")
        return {"what": "programs exported from TensorFlow, run by JAX's client", "export": self.exported["command"],
                "device": self.device.device_kind,
                "versions": {"jax": self.jax.__version__, **self.exported["versions"]},
                "compile_seconds": self.seconds, "images": "real" if self.real else "random",
                **{k: self.exported[k] for k in kept}, "trials": []}

    def train(self, epochs=None):
        """Trains so many epochs, all if None, and yields a dict of numbers after each."""
        exported, shape = self.exported, self.exported["train"]
        for number, epoch in enumerate(self.plan[:epochs]):
            begin = time.perf_counter()
            totals = self.epoch(number)
            seconds, images = time.perf_counter() - begin, epoch.steps * self.config.batch_size
            means = dict(zip(("loss", "accuracy", "top5"), (totals / images).tolist(), strict=True))
            tflop = flops.epoch(self.config, epoch, exported["classes"], shape[1:]) / 1e12
            yield {"epoch": number + 1, **(means if self.real else {}), "seconds": seconds,
                   "images_per_second": images / seconds, "tflops": tflop / seconds}

    def epoch(self, number):
        """Trains an epoch, by its number from 0. Returns its totals (loss, top-1, top-5 hits), float64 [3]."""
        order = self._order(number)
        starts = range(0, self.plan[number].steps, self.exported["steps"])
        calls = [self.steps(number, order, start) for start in starts]  # all are on their way before the first is read
        return np.sum([np.asarray(c, np.float64) for c in calls], 0)

    def steps(self, number, order, start=0):
        """One call, from step `start` of an epoch on. Returns its totals, float32 [3], on the device."""
        epoch, steps = self.plan[number], np.arange(start, start + self.exported["steps"])
        batch, done = self.config.batch_size, (epoch.first_step + steps) / sum(e.steps for e in self.plan)
        return self._call(
            trials.program(epoch, self.exported["train"]), epoch=np.int32(number),
            indices=order[start * batch:(start + len(steps)) * batch].reshape(-1, batch),
            first=np.int32(epoch.first_step + start), rates=schedules.learning_rates(self.config, number, done))

    def evaluate(self):
        """A dict: test_loss, test_accuracy, test_top5, and with TTA tta_accuracy, tta_top5; the seconds it took. By the
        averages of the weights, where the run takes them."""
        begin, trained = time.perf_counter(), self.variables
        self.variables = self._averaged()
        found = np.asarray(self._call("evaluate")).tolist()
        self.variables = trained
        names = ("test_loss", "test_accuracy", "test_top5", "tta_accuracy", "tta_top5")[:len(found)]
        figures = dict(zip(names, found, strict=True)) if self.real else {}
        return figures | {"evaluation_seconds": time.perf_counter() - begin}

    def away(self):
        """How far the first call on random images is from TensorFlow's. A dict: of the totals, ‖ours - theirs‖ /
        ‖theirs‖; of the model's variables, ‖ours - theirs‖ / ‖theirs - the start's‖."""
        if not (self.folder / "expected.npz").is_file():
            raise UserError(f"--check: {self.folder} has no expected.npz; export it with --expected")
        model = range(*self.exported["variables"]["model"])
        with np.load(self.folder / "expected.npz") as file:
            theirs, expected = _vector(file[str(i)] for i in model), file["totals"]
        before = _vector(self.variables[i] for i in model)
        totals = np.asarray(self.steps(0, self._order(0)))
        ours = _vector(self.variables[i] for i in model)
        return {"totals": float(np.linalg.norm(totals - expected) / np.linalg.norm(expected)),
                "model": float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs - before))}

    def _averaged(self):
        """The variables, the model's replaced by their averages if there are any (see `averages.Averages`)."""
        places = self.exported["variables"]
        averages = [self.variables[i] for i in range(*places["average"])]
        if not averages:
            return self.variables
        first, end = places["model"]
        model = self.variables[first:end]
        parts = self.jax.numpy.split(averages[0], np.cumsum([v.size for v in model])[:-1])
        parts = [p.reshape(v.shape) for p, v in zip(parts, model, strict=True)]
        return [*self.variables[:first], *parts, *self.variables[end:]]

    def _order(self, number):
        """The examples of an epoch in order; under pruning, decides which, as `Trainer.batches` does."""
        seed, examples = self.config.seed, self.exported["train"][0]
        order = plan.permutation(seed, number, examples)
        if not self.config.prune:
            return order
        losses, weights = range(*self.exported["variables"]["pruning"])
        found = np.ones(examples, np.float32)
        if self.plan[number].examples < examples:
            found = pruning.weights(np.asarray(self.variables[losses]), self.config.prune, self.config.prune_easy, seed,
                                    number)
        self.variables[weights], = self._put([found])
        return order[found[order] > 0]

    def _call(self, name, **arguments):
        """Runs a program on its arguments, the data and the variables, which it may change. Returns its first
        result, on the device."""
        images, labels = self.images[name.split("_")[0]]
        named = dict(zip(arguments, self._put(arguments.values()), strict=True), images=images, labels=labels)
        takes = self.exported["programs"][name]
        program, changed = self.programs[name]
        results = program.execute_sharded([named[t] if isinstance(t, str) else self.variables[t] for t in takes])
        results = [r[0] for r in results.disassemble_into_single_device_arrays()]
        for result, taken in changed:
            self.variables[takes[taken]] = results[result]
        return results[0]

    def _put(self, arrays):
        return [self.jax.device_put(np.asarray(a), self.device) for a in arrays]


def exported(folder):
    """What `benchmarks.export` says of a folder that it wrote, a dict. Raises UserError: it wrote none there."""
    if not (folder / "replay.json").is_file():
        raise UserError(f"{folder}: has no replay.json; expected a folder that python -m benchmarks.export wrote")
    return json.loads((folder / "replay.json").read_text())


def random_images(shape, classes):
    """Images uint8 of a shape [N, H, W, C] and labels int32 [N] that mean nothing, the same for all."""
    draws = np.random.default_rng(0)
    return draws.integers(256, size=shape, dtype=np.uint8), draws.integers(classes, size=shape[0], dtype=np.int32)


def npz(arrays):
    """{name: array} → the bytes of an .npz."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _images(path, exported):
    """(images, labels) to train on, and those to test on, padded as the exported `Evaluator`'s are."""
    pairs = []
    for kind in ("train", "test"):
        shape = exported[kind]
        if path is None:
            images, labels = random_images(shape, exported["classes"])
        else:
            try:
                with np.load(path) as file:
                    images, labels = file[f"x_{kind}"], file[f"y_{kind}"].astype(np.int32).reshape(-1)
            except (OSError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
                raise UserError(f"{path}: can't read x_{kind} and y_{kind}: {error}; expected an .npz with "
                                "x_train, y_train, x_test, y_test") from error
        if list(images.shape) != shape or images.dtype != np.uint8 or len(labels) != len(images):
            raise UserError(f"{path}: x_{kind} is {images.dtype} {list(images.shape)}, with {len(labels)} labels, but "
                            f"the programs are for uint8 {shape} and as many labels; export them for these data")
        pairs.append((images, labels))
    padding = exported["padded"] - len(labels)
    return pairs[0], [np.concatenate([a, a[:padding]]) for a in pairs[1]]


def _vector(arrays):
    return np.concatenate([np.asarray(a, np.float64).reshape(-1) for a in arrays])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"replay: {error}")
