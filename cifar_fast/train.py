"""A training run from its `Config` to its run directory: load, restore, epochs, evaluate, save.

Everything random is a function of (seed, epoch, step), so a checkpoint is the variables and a few counters, and
a run that goes on is the run that never stopped.
"""
import dataclasses
import signal
import time

import numpy as np
import tensorflow as tf

from cifar_fast import checkpoint, devices, pipeline, report, trainer
from cifar_fast.batch import Preparation, Statistics
from cifar_fast.config import FREE
from cifar_fast.errors import UserError
from cifar_fast.progress import Progress
from cifar_fast.workdir import Workdir, peak_memory_mib

SECONDS_A_CALL = 2.0  # how long the program may run before Python looks at signals, checkpoints and progress


def run(config):
    """Trains `config` to its end, going on from what `config.workdir` holds. Returns the exit code: 0, or
    128 + the signal that stopped the run after saving.

    Raises:
      UserError: bad data, an unusable or foreign run directory, a loss that is not finite.
    """
    started = time.perf_counter()
    data = trainer.load_data(config)
    pipeline.steps_per_epoch(len(data.train_images), config.batch_size)
    runtime = devices.resolve(config.precision, config.xla)
    # What auto came to belongs to the run: going on elsewhere must not change the arithmetic unseen.
    config = dataclasses.replace(config, precision=runtime.precision, xla="on" if runtime.xla else "off")
    with Workdir(config.workdir) as workdir:
        workdir.open_config(config.flag_lines(), FREE)
        print(f"data          {data.origin}\n{runtime.banner()}", flush=True)
        with Signals() as signals:
            current = Run(config, runtime, data, workdir, started)
            if not current.fit(signals):
                print(f"stopped by {signal.Signals(signals.caught).name} in epoch {current.epoch + 1}, saved; "
                      f"the same command goes on from there (--workdir={config.workdir})", flush=True)
                return 128 + signals.caught
            current.finish()
    return 0


def evaluate_saved(config, which="best"):
    """Evaluates a checkpoint of `config.workdir`: "best" or "last". Returns a dict of plain numbers."""
    folder = Workdir.checkpoints_of(config.workdir)
    arrays, meta = (checkpoint.load_best if which == "best" else checkpoint.load_last)(folder)
    data, runtime = trainer.load_data(config), devices.resolve(config.precision, config.xla)
    model = trainer.build_model(config, runtime, data)
    _restore(model.variables, arrays)
    result = trainer.build_evaluator(config, model, data)()
    return {"checkpoint": which, "epoch": meta["epoch"], "examples": len(data.test_images), "loss": result.loss,
            "accuracy": result.accuracy, "top5": result.top5, "weights_sha256": trainer.weights_sha256(model)}


def draw_augmentation(config, data, path, images=12, views=7):
    """Writes a picture: some training images, each with `views` augmentations of it, one an epoch."""
    indices = np.arange(min(images, len(data.train_images)), dtype=np.int32)
    before = data.train_images[indices]
    prepare = Preparation(config, Statistics.of(before, "channel"))
    after = [prepare.augment(before, indices, epoch).numpy() for epoch in range(views)]
    report.augmentation_sheet(before, np.stack(after, 1), path)


class Run:
    """A run's state, its loop and its files. `epoch` and `step` (of the epoch) say how far it is."""

    def __init__(self, config, runtime, data, workdir, started):
        self.config, self.runtime, self.data, self.workdir, self.started = config, runtime, data, workdir, started
        self.trainer = trainer.Trainer(config, runtime, data)
        self.steps = self.trainer.steps_per_epoch
        self.epoch = self.step = 0
        self.totals, self.seconds, self.best = np.zeros(3, np.float32), 0.0, -1.0
        self.first_step_seconds = self.steps_per_second = self.result = None
        self.restore()

    def restore(self):
        found = checkpoint.latest(self.workdir.checkpoints)
        self.metrics = [] if found is None else found[2]["metrics"]
        self.workdir.write_metrics(self.metrics)  # the checkpoint's word counts, whatever stands in the file
        if found is None:
            return
        path, arrays, meta, problems = found
        for problem in problems:
            print(f"passed over: {problem}", flush=True)
        _restore(self.trainer.engine.variables(), arrays)
        self.totals = arrays["totals"]
        self.epoch, self.step, self.seconds, self.best = (meta[k] for k in ("epoch", "step", "seconds", "best"))
        print(f"going on from {path.name}: {self.epoch} epochs and {self.step} steps are done", flush=True)

    def save(self):
        arrays = _arrays(self.trainer.engine.variables()) | {"totals": self.totals}
        meta = {"epoch": self.epoch, "step": self.step, "seconds": self.seconds, "best": self.best,
                "metrics": self.metrics}
        checkpoint.save(self.workdir.checkpoints, self.epoch * self.steps + self.step, arrays, meta)

    def fit(self, signals):
        """Trains until the last epoch is done (True), or a signal has stopped it and all is saved (False)."""
        self.workdir.write_environment(self.environment())
        if not self.epoch and not self.step:
            draw_augmentation(self.config, self.data, self.workdir.plots / "augmentation.png")
        with Progress(self.config.epochs, self.steps, self.config.batch_size) as progress:
            while self.epoch < self.config.epochs:
                if not self.train_epoch(signals, progress):
                    self.save()
                    return False
                self.end_epoch(progress)
        return True

    def train_epoch(self, signals, progress):
        """The rest of the current epoch. False if a signal came before its end."""
        batches, saved = self.trainer.batches(self.epoch, self.step), time.perf_counter()
        while self.step < self.steps:
            if signals.caught:
                return False
            steps = min(self.steps_a_call(), self.steps - self.step)
            begin = time.perf_counter()
            totals = self.trainer.train(batches, self.epoch, self.step, steps, self.totals)
            elapsed = time.perf_counter() - begin
            if not np.isfinite(totals).all():
                raise UserError(f"the loss is not finite in epoch {self.epoch + 1}, between steps {self.step + 1} and "
                                f"{self.step + steps}; the last good checkpoint is kept in "
                                f"{self.workdir.checkpoints}; lower --learning_rate and start in another --workdir")
            self.totals, self.seconds, self.step = totals, self.seconds + elapsed, self.step + steps
            if self.first_step_seconds is None:
                self.first_step_seconds = time.perf_counter() - self.started
            else:
                self.steps_per_second = steps / elapsed
            progress.update(self.epoch, self.step, self.totals, self.steps_per_second)
            if time.perf_counter() - saved > self.config.checkpoint_every and self.step < self.steps:
                self.save()
                saved = time.perf_counter()
        return True

    def steps_a_call(self):
        if self.steps_per_second is None:
            return 1  # the first call compiles, the second measures
        return self.config.steps_per_call or max(1, round(SECONDS_A_CALL * self.steps_per_second))

    def end_epoch(self, progress):
        """Evaluates, writes the epoch's line, then its checkpoint, from which the lines are rewritten on resuming."""
        config, examples = self.config, self.steps * self.config.batch_size
        loss, hits, hits5 = (float(t) / examples for t in self.totals)
        line = {"epoch": self.epoch + 1, "step": (self.epoch + 1) * self.steps, "loss": loss, "accuracy": hits,
                "top5": hits5, "learning_rate": float(self.trainer.rates(self.epoch)[-1]),
                "seconds": round(self.seconds, 3), "images_per_second": round(examples / self.seconds, 1)}
        if (self.epoch + 1) % config.eval_every == 0 or self.epoch + 1 == config.epochs:
            begin = time.perf_counter()
            self.result = result = self.trainer.evaluate()
            line |= {"test_loss": result.loss, "test_accuracy": result.accuracy, "test_top5": result.top5,
                     "test_seconds": round(time.perf_counter() - begin, 3)}
        self.workdir.append_metrics(line)
        self.metrics.append(line)
        progress.epoch_done(line)
        self.epoch, self.step, self.seconds, self.totals = self.epoch + 1, 0, 0.0, np.zeros(3, np.float32)
        if line.get("test_accuracy", -1.0) > self.best:
            self.best = line["test_accuracy"]
            checkpoint.save_best(self.workdir.checkpoints, _arrays(self.trainer.model.variables),
                                 {"epoch": self.epoch, "accuracy": self.best})
        self.save()

    def finish(self):
        """Writes summary and pictures, and prints the table."""
        result = self.result or self.trainer.evaluate()  # a finished run, called again, has none yet
        seconds = float(np.median([m["seconds"] for m in self.metrics]))
        summary = {
            "test_accuracy": result.accuracy, "test_top5": result.top5, "test_loss": result.loss,
            "evaluated_on": "validation" if self.config.validation_examples else "test",
            "parameters": self.trainer.model.count_params(), "epochs": self.config.epochs,
            "seconds_per_epoch": seconds, "images_per_second": self.steps * self.config.batch_size / seconds,
            "first_step_seconds": self.first_step_seconds, "peak_memory_mib": peak_memory_mib(),
            "precision": self.runtime.precision, "versions": self.environment()["versions"],
            "weights_sha256": trainer.weights_sha256(self.trainer.model)}
        classes = len(self.data.class_names)
        matrix = np.zeros((classes, classes), np.int64)
        np.add.at(matrix, (self.data.test_labels, result.predictions), 1)
        report.curves(self.metrics, self.workdir.plots / "curves.png")
        report.confusion(matrix, self.data.class_names, self.workdir.plots / "confusion.png")
        self.workdir.write_summary(summary)
        print(f"\n{report.format_table(self.metrics)}\n\n{summary['evaluated_on']} accuracy {result.accuracy:.2%}, "
              f"top-5 {result.top5:.2%}; {seconds:.1f} s an epoch, {summary['images_per_second']:,.0f} images/s\n"
              f"summary.json, metrics.jsonl and plots/ are in {self.workdir.path}", flush=True)

    def environment(self):
        return {"versions": {"tensorflow": tf.__version__, "keras": tf.keras.__version__, "numpy": np.__version__},
                "runtime": self.runtime.reasons, "data": self.data.origin,
                "input": "resident" if self.trainer.resident else "stream"}


class Signals:
    """While it lasts, the first SIGINT or SIGTERM is only noted in `caught`; a second one acts as usual."""

    def __init__(self):
        self.caught = None

    def __enter__(self):
        self.before = {s: signal.signal(s, self._catch) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _catch(self, number, _):
        self.caught = number
        print(f"\n{signal.Signals(number).name}: saving after this call; once more to leave at once", flush=True)
        self.__exit__()


def _arrays(variables):
    """Named by order of creation: Keras's own names count the layers that the process has made before."""
    return {f"variable-{i:03d}": v.numpy() for i, v in enumerate(variables)}


def _restore(variables, arrays):
    """Assigns `_arrays`' arrays; extra ones (the optimizer's, when only a model is wanted) are left."""
    for i, variable in enumerate(variables):
        array = arrays.get(f"variable-{i:03d}")
        if array is None or array.shape != tuple(variable.shape):
            raise UserError(f"the checkpoint has nothing of shape {tuple(variable.shape)} for {variable.path}: "
                            "it was made with another network or optimizer; use another --workdir")
        variable.assign(array)
