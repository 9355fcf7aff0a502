"""A run's state: where it is, its loop over the epochs, and the files that it keeps.

Everything random is a function of (seed, epoch, step), so a checkpoint is the variables and a few counters, and
a run that goes on is the run that never stopped.
"""
import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.runs.clock import Clock
from cifar_fast.runs.directory import checkpoint
from cifar_fast.runs.directory.signature import Signature
from cifar_fast.runs.progress import Progress
from cifar_fast.runs.reports import classes, mistakes, preview, report, tensorboard
from cifar_fast.runs.reports.summary import summarize
from cifar_fast.system import portable
from cifar_fast.system.streams import say, warn
from cifar_fast.training import trainer

COUNTERS = ("epoch", "step", "best", "wall_before")  # saved beside the variables
VARIABLES = ("ONEDNN_MAX_CPU_ISA", "XLA_FLAGS", "TF_XLA_FLAGS")  # they choose the instructions, and what is compiled
SECONDS_A_CALL = 2.0  # how long the program may run before Python looks at signals, checkpoints and progress


class Run:
    """A run's state, its loop and its files. `epoch` and `step` (of the epoch) say how far it is."""

    def __init__(self, runtime, data, workdir, started, make_trainer=trainer.Trainer, initial=None,
                 callbacks=()):
        self.runtime, self.data, self.workdir, self.started = runtime, data, workdir, started
        self.callbacks = callbacks  # Keras's: their on_epoch_end(epoch, logs) is called, with the epoch's line
        self.initial = initial  # an `initial.Initial`, for a run that has no checkpoint yet
        self.config = runtime.config
        self.trainer = make_trainer(self.config, runtime.compute, data, runtime.replicas)
        self.plan = self.trainer.plan
        self.identity = {"data": data.digest(), "network": Signature.of(data, self.trainer.test_statistics).meta()}
        self.epoch = self.step = 0
        self.totals, self.clock = np.zeros(3, np.float32), Clock()  # of this epoch
        self.best, self.wall_before = -1.0, 0.0
        self.size = self.first_step_seconds = self.stopped_by = None  # size: that of the running program
        self.restore()
        config, folder = self.config, workdir.path / "tensorboard"
        self.board = tensorboard.Board(folder, self.epoch, self.steps_done()) if config.tensorboard else None
        self.profile = tensorboard.Profile(folder, config.profile_steps) if config.profile_steps else None

    def steps_done(self):
        """Steps of the run so far."""
        return self.plan[self.epoch].first_step + self.step if self.epoch < len(self.plan) else self.trainer.steps

    def latest(self):
        """What `checkpoint.latest` finds; all workers go on from what the chief finds."""
        found = checkpoint.latest(self.workdir.checkpoints)
        if self.runtime.workers == 1:
            return found
        path, arrays, meta, damaged = found or (None, {}, None, None)
        said = self.runtime.replicas.broadcast(checkpoint.encoded(arrays, [str(path), meta, damaged]))
        arrays, (path, meta, damaged) = checkpoint.decoded(said, "the chief's checkpoint")
        return None if meta is None else checkpoint.Found(Path(path), arrays, meta, damaged)

    def restore(self):
        found = self.latest()
        if found is None:
            self.workdir.check_that_nothing_is_lost()
            self.metrics = []
            self.workdir.write_metrics(self.metrics)
            if self.initial:
                self.initial.give(self.trainer)
            return
        path, arrays, meta, damaged = found
        for problem in damaged:
            say(f"passed over: {problem}")
        if lacking := {"totals"} - arrays.keys() | (
                {*COUNTERS, "seconds", "compile_seconds", "metrics", "data", "network"} - meta.keys()):
            raise UserError(f"{path}: of another version, it has no {', '.join(sorted(lacking))}; start in another "
                            "--workdir")
        if meta["data"] != self.identity["data"]:
            raise UserError(f"--data_dir: {self.data.origin}: other data than those that the run in "
                            f"{self.workdir.path} began with, or in another order; give those to go on")
        self.metrics = meta["metrics"]
        self.workdir.write_metrics(self.metrics)  # the checkpoint's word counts, whatever stands in the file
        for engine in self.trainer.engines:
            for name, variables in engine.variables().items():
                checkpoint.restore(name, variables, arrays)
        self.totals = arrays["totals"]
        for name in COUNTERS:
            setattr(self, name, meta[name])
        self.clock.seconds, self.clock.compile_seconds = meta["seconds"], meta["compile_seconds"]
        done = self.epoch == len(self.plan) or self.reached()
        say(f"going on from {path.name}: " + (
            "trained to its end, evaluated anew" if done else
            f"epoch {self.epoch + 1}, step {self.step + 1} of {self.plan[self.epoch].steps}"))
        if self.best >= 0:
            try:
                checkpoint.load_best(self.workdir.checkpoints)
            except checkpoint.CheckpointError as error:
                self.best = -1.0
                say(f"lost: {error}; the best of the epochs to come, or the last, takes its place")

    def finite_arrays(self):
        """What a checkpoint holds. Raises UserError if it is not all finite: it is not worth going on from."""
        arrays = {"totals": self.totals}
        for name, variables in self.trainer.engine.variables().items():
            # One operation a variable; left to NumPy, Keras and TensorFlow read it by two, and name them.
            arrays |= checkpoint.named(name, map(tf.convert_to_tensor, variables))
        for name, array in arrays.items():
            self.check_finite(name, array)
        return arrays

    def check_finite(self, name, value, steps=0):
        """Raises UserError if a value of the next `steps` steps is not finite."""
        if not np.isfinite(value).all():
            when = f"between steps {self.step + 1} and {self.step + steps}" if steps else f"after step {self.step}"
            raise UserError(f"{name} is not finite in epoch {self.epoch + 1}, {when}; the last good checkpoint is kept "
                            f"in {self.workdir.checkpoints}; lower --learning_rate and start in another --workdir")

    def save(self):
        arrays = self.finite_arrays()
        meta = {name: getattr(self, name) for name in COUNTERS} | {
            "seconds": self.clock.seconds, "compile_seconds": self.clock.compile_seconds, "metrics": self.metrics,
            "wall_before": self.wall_seconds(), **self.identity}
        checkpoint.save(self.workdir.checkpoints, self.steps_done(), arrays, meta)

    def wall_seconds(self):
        """Seconds since the command began, and those of the commands before it that this one goes on from."""
        return self.wall_before + time.perf_counter() - self.started

    def fit(self, signals):
        """Trains until the last epoch is done (True), or a signal has stopped it and all is saved (False)."""
        self.workdir.write_environment(self.environment())
        _draw(preview.draw_augmentation, self.config, self.data, self.workdir.plots / "augmentation.png",
              self.trainer.own.augmentation)
        if self.board:
            self.board.begin(self.config, self.trainer.model, self.data.train_images.shape[1:])
            self.board.picture("augmentation", self.workdir.plots / "augmentation.png", 0)
        with Progress(self.config.epochs, self.config.batch_size) as progress:
            while self.epoch < self.config.epochs and not self.reached():
                if not self.train_epoch(signals, progress):
                    self.save()
                    return False
                self.end_epoch(progress)
        if self.reached():
            say(f"--target_accuracy={self.config.target_accuracy} is reached after epoch {self.epoch}")
        return True

    def reached(self):
        """Whether an evaluation has come to the target accuracy."""
        target = self.config.target_accuracy
        return target > 0 and any(line.get("test_accuracy", 0) >= target for line in self.metrics)

    def train_epoch(self, signals, progress):
        """The rest of the current epoch. False if a signal came before its end."""
        planned, saved = self.plan[self.epoch], time.perf_counter()
        batches = self.trainer.batches(self.epoch, self.step)
        if planned.size != self.size:
            self.size = planned.size
            self.clock.new_program()
        while self.step < planned.steps:
            steps = min(self.steps_a_call(), planned.steps - self.step)
            if self.profile:
                self.profile.at(self.steps_done())
                steps = self.profile.limit(self.steps_done(), steps)
            caught, steps = self.agree(signals.caught, steps)
            if caught:  # a signal that came since all agreed counts after the next call
                self.stopped_by = caught  # another worker's, maybe: this one's own may come yet, and is its first
                return False
            begin = time.perf_counter()
            totals = self.trainer.train(batches, self.epoch, self.step, steps, self.totals)
            elapsed = time.perf_counter() - begin
            self.first_step_seconds = self.first_step_seconds or time.perf_counter() - self.started
            self.check_finite("the loss", totals, steps)
            if self.board:
                images = steps * self.config.batch_size
                self.board.scalars({"call/loss": (totals[0] - self.totals[0]) / images,
                                    "call/learning_rate": self.trainer.rate(self.epoch, self.step + steps - 1),
                                    "call/images_per_second": images / elapsed}, self.steps_done() + steps)
            self.totals, self.step = totals, self.step + steps
            self.clock.count(steps, elapsed)
            progress.update(self.epoch, self.step, planned.steps, self.totals, self.clock.steps_per_second)
            if time.perf_counter() - saved > self.config.checkpoint_every and self.step < planned.steps:
                self.save()
                saved = time.perf_counter()
        return True

    def agree(self, caught, steps):
        """What all workers do next: stop by the signal that any of them caught, or take the chief's number of steps."""
        replicas = self.runtime.replicas
        if self.runtime.workers == 1:
            return caught, steps
        said = np.zeros(replicas.workers + 1)
        said[replicas.worker] = caught or 0
        said[-1] = steps if replicas.worker == 0 else 0
        said = replicas.total(said)
        return int(said[:-1].max()) or None, int(said[-1])

    def steps_a_call(self):
        if self.clock.steps_per_second is None:
            return 1  # the first call compiles, the second measures
        return self.config.steps_per_call or max(1, round(SECONDS_A_CALL * self.clock.steps_per_second))

    def end_epoch(self, progress):
        """Evaluates, writes the epoch's checkpoint, then its line: what is reported is saved."""
        self.finite_arrays()  # not even the best network is saved unless all is
        config, planned = self.config, self.plan[self.epoch]
        self.clock.end_epoch(planned.steps)
        examples = planned.steps * config.batch_size
        loss, hits, hits5 = (float(t) / examples for t in self.totals)
        line = {"epoch": self.epoch + 1, "step": planned.first_step + planned.steps, "loss": loss, "accuracy": hits,
                "top5": hits5, "learning_rate": self.trainer.rate(self.epoch, -1),
                "seconds": round(self.clock.seconds, 3), "compile_seconds": round(self.clock.compile_seconds, 3),
                "images_per_second": round(examples / self.clock.seconds, 1),
                "pflop": self.trainer.flop(self.epoch) / 1e15}
        if planned.size:
            line["image_size"] = planned.size
        if (self.epoch + 1) % config.eval_every == 0 or self.epoch + 1 == config.epochs:
            with self.trainer.averaged():
                self.evaluate(line)
        self.metrics.append(line)
        self.epoch, self.step, self.totals = self.epoch + 1, 0, np.zeros(3, np.float32)
        self.clock.begin_epoch()
        self.save()
        self.workdir.append_metrics(line)
        progress.epoch_done(line)
        if self.board:
            self.board.epoch(line)
        for callback in self.callbacks:
            callback.on_epoch_end(self.epoch - 1, dict(line))

    def evaluate(self, line):
        """Adds an evaluation to an epoch's line, and keeps the weights if they are the best so far."""
        begin = time.perf_counter()
        result = self.trainer.evaluate()
        self.check_finite("the test loss", result.loss)
        line |= {"test_loss": result.loss, "test_accuracy": result.accuracy, "test_top5": result.top5,
                 "test_seconds": round(time.perf_counter() - begin, 3)}
        if result.accuracy > self.best:
            self.keep_best(result, self.epoch + 1)

    def keep_best(self, result, epochs):
        """Writes the network, after so many epochs, as the best so far."""
        self.best = result.accuracy
        checkpoint.save_best(self.workdir.checkpoints, checkpoint.named("model", self.trainer.model.variables),
                             {"epoch": epochs, "accuracy": self.best, **self.identity})

    def finish(self):
        """The final evaluation, summary and pictures; prints the table. Returns the summary."""
        with self.trainer.averaged():
            self.trainer.evaluate.build(tta=True)
            begin = time.perf_counter()
            result = self.trainer.evaluate(tta=True)
            evaluation_seconds = time.perf_counter() - begin
            digest = trainer.weights_sha256(self.trainer.model)
            if self.best < 0:  # lost, and no epoch is left to take its place
                self.keep_best(result, self.epoch)
        done = {"parameters": self.trainer.model.count_params(), "precision": self.config.precision,
                "first_step_seconds": self.first_step_seconds, "peak_memory_mib": portable.peak_memory_mib(),
                "wall_seconds": round(self.wall_seconds(), 3), "weights_sha256": digest,
                "class_names": list(self.data.class_names), "data": self.data.digest(),
                "versions": self.environment()["versions"]}
        summary = summarize(self.config, self.metrics, result, evaluation_seconds) | done
        matrix = tf.math.confusion_matrix(self.data.test_labels, result.predictions, len(self.data.class_names))
        rows = classes.table(self.data.test_labels, result, self.data.class_names)
        self.workdir.write_summary(summary)
        classes.write(rows, self.workdir.classes)
        _draw(report.curves, self.metrics, self.workdir.plots / "curves.png")
        _draw(report.confusion, matrix.numpy(), self.data.class_names, self.workdir.plots / "confusion.png")
        _draw(classes.draw, rows, self.workdir.plots / "classes.png")
        _draw(mistakes.draw, self.data.test_images, self.data.test_labels, result, self.data.class_names,
              self.workdir.plots / "mistakes.png")
        if self.profile:
            self.profile.stop()
        if self.board:
            self.board.picture(tensorboard.ONCE, self.workdir.plots / "confusion.png", self.epoch)
            self.board.close()
        tta = f" ({summary['tta']} TTA: {result.tta_accuracy:.2%}, {result.tta_top5:.2%})" if summary["tta"] else ""
        say(f"\n{report.format_table(self.metrics)}\n\n{summary['evaluated_on']} accuracy {result.accuracy:.2%}, "
            f"top-5 {result.top5:.2%}{tta}; training time {summary['clock_seconds']:,.0f} s, "
            f"{summary['pflop']:.3g} PFLOP; {summary['seconds_per_epoch']:.1f} s an epoch, "
            f"{summary['images_per_second']:,.0f} images/s\n"
            f"summary.json, metrics.csv, per_class.csv and plots/ are in {self.workdir.path}")
        return summary

    def environment(self):
        return {"versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": np.__version__},
                "runtime": self.runtime.reasons, "variables": {n: os.environ[n] for n in VARIABLES if n in os.environ},
                "data": self.data.origin,
                "input": "resident" if self.trainer.resident else "stream"}


def _draw(picture, *arguments):
    """Draws a picture; one that can't be drawn is left out, and said."""
    try:
        picture(*arguments)
    except report.DrawingError as error:
        warn(f"left out: {error}")
