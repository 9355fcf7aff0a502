"""A training run from its `Config` to its outcome, on one worker or several."""
import contextlib
import dataclasses
import functools
import io
import os
import signal
import tempfile
import time
from dataclasses import dataclass

from cifar_fast import environment
from cifar_fast.config import FREE
from cifar_fast.errors import UserError
from cifar_fast.machine import runtime
from cifar_fast.runs import memory
from cifar_fast.runs.directory.workdir import Workdir
from cifar_fast.runs.initial import Initial
from cifar_fast.runs.loop import Run
from cifar_fast.runs.reports import tensorboard
from cifar_fast.runs.signals import Signals
from cifar_fast.system import files
from cifar_fast.system.streams import OutputError, say
from cifar_fast.training import plan, trainer


@dataclass(frozen=True)
class Outcome:
    """How a run ended. code: 0, or 128 + the signal that stopped it after saving. summary: what `summary.json` holds,
    plain numbers and texts; None of a stopped run. metrics: its epochs so far, as `metrics.jsonl` holds them."""

    code: int
    summary: dict | None
    metrics: list[dict]


def run(config, own=trainer.NAMED, callbacks=()):
    """Trains `config` to its end, going on from what `config.workdir` holds. Returns an `Outcome`.

    own, callbacks: as for `train`.

    Each of several workers calls it. The first has the run directory and prints; what the others write goes to a
    scratch folder and vanishes.

    Raises:
      UserError: bad data, an unusable or foreign run directory, a loss that is not finite, a lost worker.
    """
    began, make_trainer = time.perf_counter(), functools.partial(trainer.Trainer, own=own)
    with memory.given_back(), runtime.start(config) as ours:  # first, since it says which devices TensorFlow starts
        if ours.leads:
            return train(ours, trainer.load_data(ours.config), began, make_trainer, own, callbacks)
        with _scratch(ours.config.workdir) as scratch, contextlib.redirect_stdout(io.StringIO()):
            config = dataclasses.replace(ours.config, workdir=scratch)
            return train(dataclasses.replace(ours, config=config), trainer.load_data(config), began, make_trainer, own)


def train(ours, data, began, make_trainer=trainer.Trainer, own=trainer.NAMED, callbacks=()):
    """A run on a machine that is ready for it. Returns an `Outcome`, and raises as `run` does.

    Args:
      ours: a `runtime.Runtime`. data: what `trainer.load_data` gives for its config. began: `time.perf_counter()` at
      the run's start. make_trainer: called with what a `trainer.Trainer` takes; gives one that has not trained yet.
      own: a `trainer.Own`. callbacks: objects with Keras's on_epoch_end(epoch, logs).
    """
    config, replicas = ours.config, ours.replicas
    own.check(config, data)
    tensorboard.check(config)
    plan.epochs(config, len(data.train_images))  # raises what does not fit the data, before there is a run directory
    if replicas:
        _check_shared(data, replicas)
    begun = any(Workdir(config.workdir).checkpoints.glob("*.ckpt"))
    initial = Initial(config.init_from, data.class_names) if config.init_from and not begun else None
    with Workdir(config.workdir) as workdir:
        workdir.open_config(config.flag_lines(), FREE)
        say(f"data          {data.origin}\n{ours.banner()}")
        with Signals() as signals:
            current = Run(ours, data, workdir, began, make_trainer, initial, callbacks)
            summary = current.finish() if current.fit(signals) else None
            if replicas:
                replicas.total(0)  # all wait here for the last
            if summary is None:
                with contextlib.suppress(OutputError):  # its reader may have left for the same reason
                    say(f"stopped by {signal.Signals(current.stopped_by).name} in epoch {current.epoch + 1}, saved; "
                        f"the same command goes on from there (--workdir={config.workdir})")
                return Outcome(128 + current.stopped_by, None, current.metrics)
    return Outcome(0, summary, current.metrics)


def _scratch(workdir):
    """A folder that vanishes: a temporary one, or in the run directory where the system has none."""
    if environment.has_temporary_folder():
        return tempfile.TemporaryDirectory(prefix="cifar_fast-")
    with files.writing(workdir):
        os.makedirs(workdir, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix="worker-", dir=workdir)


def _check_shared(data, replicas):
    """Raises UserError unless each replica gets a test image, and all workers have the same data in the same order."""
    if len(data.test_images) < replicas.count:
        raise UserError(f"--test_examples: {len(data.test_images)} test images for {replicas.count} replicas; take at "
                        "least one for each")
    if replicas.workers == 1:
        return
    digest = data.digest().encode()
    differ = replicas.total(replicas.broadcast(digest) != digest)
    if differ:
        raise UserError(f"--data_dir: {int(differ)} of {replicas.workers} workers have other data than the chief, or "
                        "in another order; give all the same archive, or a copy of one folder")
