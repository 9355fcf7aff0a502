"""A training run from its `Config` to its run directory: load, restore, epochs, evaluate, save.

Everything random is a function of (seed, epoch, step), so a checkpoint is the variables and a few counters, and
a run that goes on is the run that never stopped.
"""
import dataclasses
import hashlib
import signal
import time

import numpy as np
import tensorflow as tf

from cifar_fast import checkpoint, devices, optimizers, pipeline, report, resnet, schedules, sources
from cifar_fast.batch import Preparation, Statistics
from cifar_fast.config import FREE
from cifar_fast.errors import UserError
from cifar_fast.evaluate import Evaluator
from cifar_fast.progress import Progress
from cifar_fast.step import Engine
from cifar_fast.workdir import Workdir, peak_memory_mib

SECONDS_A_CALL = 2.0  # how long the program may run before Python looks at signals, checkpoints and progress


def run(config):
    """Trains `config` to its end, going on from what `config.workdir` holds. Returns the exit code: 0, or
    128 + the signal that stopped the run after saving.

    Raises:
      UserError: bad data, an unusable or foreign run directory, a loss that is not finite.
    """
    data = load_data(config)
    pipeline.steps_per_epoch(len(data.train_images), config.batch_size)
    runtime = devices.resolve(config.precision, config.xla)
    # The precision that auto came to belongs to the run: going on elsewhere must not change it unseen.
    config = dataclasses.replace(config, precision=runtime.precision)
    with Workdir(config.workdir) as workdir:
        workdir.open_config(config.flag_lines(), FREE)
        print(f"data       {data.origin}\n{runtime.banner()}", flush=True)
        with Signals() as signals:
            trainer = Trainer(config, runtime, data, workdir)
            if not trainer.fit(signals):
                print(f"stopped by {signal.Signals(signals.caught).name} at epoch {trainer.epoch + 1}, saved; "
                      f"the same command goes on: --workdir={config.workdir}", flush=True)
                return 128 + signals.caught
            trainer.finish()
    return 0


def load_data(config):
    """The `sources.Dataset` that a `Config` names."""
    return sources.load(config.dataset, config.data_dir, seed=config.seed, classes=config.classes,
                        train_examples=config.train_examples, test_examples=config.test_examples,
                        validation_examples=config.validation_examples)


def evaluate_saved(config, which="best"):
    """Evaluates a checkpoint of `config.workdir`: "best" or "last". Returns a dict of plain numbers."""
    data, runtime = load_data(config), devices.resolve(config.precision, config.xla)
    model = build_model(config, runtime, data)
    arrays, meta = checkpoint.load_best(Workdir.checkpoints_of(config.workdir)) if which == "best" else (
        checkpoint.load_last(Workdir.checkpoints_of(config.workdir)))
    _restore(model.variables, arrays)
    result = evaluator_of(config, model, data)()
    return {"checkpoint": which, "epoch": meta["epoch"], "examples": len(data.test_images), "loss": result.loss,
            "accuracy": result.accuracy, "top5": result.top5, "weights_sha256": weights_sha256(model)}


def draw_augmentation(config, data, path, images=12, views=7):
    """Writes a picture: some training images, each with `views` augmentations of it (one an epoch)."""
    prepare = Preparation(config, Statistics.of(data.train_images[:images], "channel"))
    indices = np.arange(min(images, len(data.train_images)), dtype=np.int32)
    before = data.train_images[indices]
    after = [prepare.augment(before, indices, epoch).numpy() for epoch in range(views)]
    report.augmentation_sheet(before, np.stack(after, 1), path)


def build_model(config, runtime, data):
    return resnet.build(len(data.class_names), data.train_images.shape[1:], units=config.units,
                        filters=config.filters, activation=config.activation, dropout=config.dropout,
                        seed=config.seed, precision=runtime.precision)


def evaluator_of(config, model, data):
    own = config.test_statistics == "own"
    statistics = Statistics.of(data.test_images if own else data.train_images, config.standardize)
    return Evaluator(model, data.test_images, data.test_labels, statistics, l2=config.l2)


def weights_sha256(model):
    """A digest over the bytes of all the model's variables in the order of creation: equal runs, equal digests."""
    digest = hashlib.sha256()
    for variable in model.variables:
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


class Trainer:
    """The state of a run and the loop over it. `epoch` and `step_in_epoch` say how far it is."""

    def __init__(self, config, runtime, data, workdir):
        self.started = time.perf_counter()
        self.config, self.runtime, self.data, self.workdir = config, runtime, data, workdir
        self.model = build_model(config, runtime, data)
        self.resident = pipeline.is_resident(config.input, data.train_images)
        self.engine = Engine(
            config, runtime, self.model, optimizers.build(config),
            Preparation(config, Statistics.of(data.train_images, config.standardize)),
            *((data.train_images, data.train_labels) if self.resident else ()))
        self.evaluate = evaluator_of(config, self.model, data)
        self.steps_per_epoch = pipeline.steps_per_epoch(len(data.train_images), config.batch_size)
        self.epoch = self.step_in_epoch = 0
        self.totals, self.seconds, self.best = np.zeros(3, np.float32), 0.0, -1.0
        self.first_step_seconds = None
        self.steps_per_second = None
        self.metrics = workdir.read_metrics()
        self.restore()

    def restore(self):
        found = checkpoint.latest(self.workdir.checkpoints)
        if found is None:
            self.metrics = self.workdir.truncate_metrics(0)
            return
        path, arrays, meta, damaged = found
        for line in damaged:
            print(f"damaged, passed over: {line}", flush=True)
        self.totals = arrays.pop("totals")
        _restore(self.engine.variables(), arrays)
        self.epoch, self.step_in_epoch = meta["epoch"], meta["step_in_epoch"]
        self.seconds, self.best = meta["seconds"], meta["best"]
        self.metrics = self.workdir.truncate_metrics(self.epoch)
        print(f"going on from {path.name}: epoch {self.epoch + 1}, step {self.step_in_epoch}", flush=True)

    def save(self):
        arrays = _arrays(self.engine.variables()) | {"totals": self.totals}
        meta = {"epoch": self.epoch, "step_in_epoch": self.step_in_epoch, "seconds": self.seconds, "best": self.best}
        checkpoint.save(self.workdir.checkpoints, self.step, arrays, meta)

    @property
    def step(self):
        return self.epoch * self.steps_per_epoch + self.step_in_epoch

    def fit(self, signals):
        """Trains until the last epoch is done (True), or a signal has stopped it and all is saved (False)."""
        self.workdir.write_environment(self.environment())
        if not self.metrics and not self.step:
            draw_augmentation(self.config, self.data, self.workdir.plots / "augmentation.png")
        with Progress(self.config.epochs, self.steps_per_epoch, self.config.batch_size) as progress:
            while self.epoch < self.config.epochs:
                if not self.train_epoch(signals, progress):
                    self.save()
                    return False
                self.end_epoch(progress)
        return True

    def train_epoch(self, signals, progress):
        config = self.config
        order = (config.seed, self.epoch, len(self.data.train_images), config.batch_size, self.step_in_epoch)
        batches = iter(pipeline.index_batches(*order) if self.resident else
                       pipeline.image_batches(self.data.train_images, self.data.train_labels, *order))
        saved = time.perf_counter()
        while self.step_in_epoch < self.steps_per_epoch:
            if signals.caught:
                return False
            steps = min(self.steps_a_call(), self.steps_per_epoch - self.step_in_epoch)
            rates = schedules.learning_rates(config, self.steps_per_epoch, self.step + np.arange(steps))
            begin = time.perf_counter()
            totals = self.engine.run(batches, tf.constant(self.epoch), tf.constant(self.step), tf.constant(rates),
                                     tf.constant(self.totals)).numpy()
            elapsed = time.perf_counter() - begin
            if not np.isfinite(totals).all():
                raise UserError(f"the loss is not finite in epoch {self.epoch + 1}, steps {self.step_in_epoch + 1} to "
                                f"{self.step_in_epoch + steps}; the last good checkpoint is kept in "
                                f"{self.workdir.checkpoints}; start anew with a lower --learning_rate")
            self.totals, self.seconds = totals, self.seconds + elapsed
            self.step_in_epoch += steps
            if self.first_step_seconds is None:
                self.first_step_seconds = time.perf_counter() - self.started
            else:
                self.steps_per_second = steps / elapsed
            progress.update(self.epoch, self.step_in_epoch, self.totals, self.steps_per_second)
            if time.perf_counter() - saved > config.checkpoint_every and self.step_in_epoch < self.steps_per_epoch:
                self.save()
                saved = time.perf_counter()
        return True

    def steps_a_call(self):
        if self.steps_per_second is None:
            return 1  # the first call compiles, the second measures
        return self.config.steps_per_call or max(1, round(SECONDS_A_CALL * self.steps_per_second))

    def end_epoch(self, progress):
        """Evaluates, writes the epoch's line, then its checkpoint: a line without one is cut off on resuming."""
        config, examples = self.config, self.steps_per_epoch * self.config.batch_size
        loss, hits, hits5 = (float(t) / examples for t in self.totals)
        last_rate = schedules.learning_rates(config, self.steps_per_epoch, [self.step - 1])[0]
        line = {"epoch": self.epoch + 1, "step": self.step, "loss": loss, "accuracy": hits, "top5": hits5,
                "learning_rate": float(last_rate), "seconds": round(self.seconds, 3),
                "images_per_second": round(examples / self.seconds, 1)}
        if (self.epoch + 1) % config.eval_every == 0 or self.epoch + 1 == config.epochs:
            begin = time.perf_counter()
            result = self.evaluate()
            line |= {"test_loss": result.loss, "test_accuracy": result.accuracy, "test_top5": result.top5,
                     "test_seconds": round(time.perf_counter() - begin, 3)}
        self.workdir.append_metrics(line)
        self.metrics.append(line)
        progress.epoch_done(line)
        self.epoch, self.step_in_epoch, self.seconds = self.epoch + 1, 0, 0.0
        self.totals = np.zeros(3, np.float32)
        if line.get("test_accuracy", -1.0) > self.best:
            self.best = line["test_accuracy"]
            checkpoint.save_best(self.workdir.checkpoints, _arrays(self.model.variables),
                                 {"epoch": self.epoch, "accuracy": self.best})
        self.save()

    def finish(self):
        """Writes summary and pictures, and prints the table."""
        result = self.evaluate()
        seconds = sorted(m["seconds"] for m in self.metrics)
        median = float(np.median(seconds))
        summary = {
            "test_accuracy": result.accuracy, "test_top5": result.top5, "test_loss": result.loss,
            "evaluated_on": "validation" if self.config.validation_examples else "test",
            "parameters": self.model.count_params(), "epochs": self.config.epochs, "seconds_per_epoch": median,
            "images_per_second": self.steps_per_epoch * self.config.batch_size / median,
            "first_step_seconds": self.first_step_seconds, "peak_memory_mib": peak_memory_mib(),
            "precision": self.runtime.precision, "versions": self.environment()["versions"],
            "weights_sha256": weights_sha256(self.model)}
        classes = len(self.data.class_names)
        confusion = np.zeros((classes, classes), np.int64)
        np.add.at(confusion, (self.data.test_labels, result.predictions), 1)
        report.curves(self.metrics, self.workdir.plots / "curves.png")
        report.confusion(confusion, self.data.class_names, self.workdir.plots / "confusion.png")
        self.workdir.write_summary(summary)
        print(f"\n{report.format_table(self.metrics)}\n\n{summary['evaluated_on']} accuracy {result.accuracy:.2%}, "
              f"top-5 {result.top5:.2%}; {median:.1f} s an epoch, {summary['images_per_second']:.0f} images/s\n"
              f"summary, metrics and pictures: {self.workdir.path}", flush=True)

    def environment(self):
        return {"versions": {"tensorflow": tf.__version__, "keras": tf.keras.__version__, "numpy": np.__version__},
                "runtime": self.runtime.reasons, "data": self.data.origin,
                "input": "resident" if self.resident else "stream"}


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
    """Names are numbered by order of creation, since layers may share names."""
    return {f"{i:03d}/{v.path}": v.numpy() for i, v in enumerate(variables)}


def _restore(variables, arrays):
    """Assigns `_arrays`' arrays; extra ones (the optimizer's, when only a model is wanted) are left."""
    for i, variable in enumerate(variables):
        name = f"{i:03d}/{variable.path}"
        if name not in arrays or arrays[name].shape != tuple(variable.shape):
            raise UserError(f"the checkpoint has no {name} of shape {tuple(variable.shape)}: "
                            "it was made with another network; use another --workdir")
        variable.assign(arrays[name])
