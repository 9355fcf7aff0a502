"""Trainings of a small network in child processes, and how a run directory is compared with an uninterrupted run's.

TensorFlow takes seconds to import, so it is imported once and each training is a fork of that process, which itself
never runs an operation: TensorFlow's threads start in the child.
"""
import gc
import itertools
import json
import os
import re
import signal
import sys
import time
import traceback
from pathlib import Path

import matplotlib.figure  # noqa: F401  as below
import tensorflow as tf

from benchmarks.support import faulty
from cifar_fast import cli  # noqa: F401  all that a training imports
from cifar_fast.runs import train  # noqa: F401  all that a training imports
from cifar_fast.runs.directory import checkpoint
from cifar_fast.system import portable
from cifar_fast.system.files import TEMPORARY

# Optimizing the graphs takes longer than these trainings, and has no part in what they are for.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})

EPOCHS, STEPS = 6, 8
FLAGS = ("--dataset=synthetic", f"--train_examples={STEPS * 16}", "--test_examples=32", "--batch_size=16", "--units=3",
         "--filters=2", f"--epochs={EPOCHS}", "--precision=float32", "--optimizer=sgd", "--learning_rate=0.02",
         "--checkpoint_every=0", "--steps_per_call=1", "--seed=5")
PATIENCE = 600  # seconds until a child counts as hung
NUMBERS = itertools.count()


class Child:
    """A command line of cifar_fast (by default a training) in a forked process. `prepare` is called in it first;
    `notes` is the folder for what the harness keeps of a run, beside its workdir."""

    def __init__(self, workdir, prepare=lambda: None, command=("train", *FLAGS), notes=None):
        self.workdir, self.begin = Path(workdir), time.monotonic()
        notes = notes or self.workdir.parent / f"{self.workdir.name}.notes"
        notes.mkdir(exist_ok=True)
        self.log, self.saved = notes / f"output-{next(NUMBERS)}", notes / "saved"
        self.log.touch()
        self.pid, self.code = os.fork(), None
        if not self.pid:
            self._run(prepare, command)

    def _run(self, prepare, command):
        code = 70
        gc.freeze()  # a run looks for its garbage when it ends; what is imported by now is none
        try:
            handle = os.open(self.log, os.O_WRONLY | os.O_APPEND)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            for number in (signal.SIGTERM, *portable.WARNINGS):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            faulty.report_saved(self.saved)
            prepare()
            code = cli.main(["cifar_fast", *command, f"--workdir={self.workdir}"])
        except BaseException:  # what would be a traceback of the program
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def poll(self):
        """The exit code, minus the signal if one ended it, or None."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if pid else None
        return self.code

    def wait(self):
        """(exit code, output). A child that takes longer than `PATIENCE` is killed."""
        while self.poll() is None:
            if time.monotonic() - self.begin > PATIENCE:
                self.signal(signal.SIGKILL)
                return "hung", self.output()
            time.sleep(0.01)
        return self.code, self.output()

    def wait_for_training(self):
        """Waits until this child has saved something. Returns whether it is alive."""
        before, deadline = len(self.reported()), time.monotonic() + PATIENCE
        while self.poll() is None and len(self.reported()) == before and time.monotonic() < deadline:
            time.sleep(0.002)
        return self.poll() is None

    def signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def output(self):
        return self.log.read_text(errors="replace")

    def reported(self):
        """The global steps of all checkpoints that this run's processes have reported as saved."""
        return [int(line) for line in self.saved.read_text().split()] if self.saved.exists() else []


def one_line(output):
    """The line that an ended command gave as its error; None if it is not one line, or there is a traceback."""
    lines = [line for line in output.splitlines() if line.startswith("cifar_fast: ")]
    return lines[0] if len(lines) == 1 and "Traceback" not in output and lines[0].isprintable() else None


def errors(output):
    """What a command wrote to its error stream, without what TensorFlow 2.20's XLA logs at any level."""
    return "".join(line for line in output.splitlines(True) if not re.match(
        r"WARNING: All log messages before absl::InitializeLog|I0000 .*Compiled cluster using XLA", line))


def result(workdir):
    """What must be equal between runs. Files that can't be read, or hold something else, raise."""
    summary = json.loads((workdir / "summary.json").read_text())
    json.loads((workdir / "environment.json").read_text())
    _, best = checkpoint.load_best(workdir / "checkpoints")
    _, last, _ = checkpoint.load_last(workdir / "checkpoints")
    metrics = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return {"weights_sha256": summary["weights_sha256"], "metrics": without_clocks(metrics),
            "accuracy": summary["test_accuracy"], "best": (best["epoch"], best["accuracy"]),
            "last": (last["epoch"], without_clocks(last["metrics"])), "leftovers": list(workdir.rglob(f"{TEMPORARY}*")),
            "pictures": [(workdir / "plots" / name).read_bytes() for name in ("augmentation.png", "confusion.png")]}


def without_clocks(lines):
    """Records without the fields that a clock decides: they can't be equal between runs."""
    return [{k: v for k, v in line.items() if not k.endswith(("seconds", "_per_second"))} for line in lines]


def differences(workdir, whole):
    """What of a finished run differs from `whole`, the uninterrupted run's `result`, in words; "" if nothing."""
    try:
        found = result(workdir)
    except Exception as error:  # whatever is wrong with a file is a finding, not the harness's end
        return f"{type(error).__name__}: {error}"
    return ", ".join(key for key in whole if found[key] != whole[key])


def finish(workdir, whole, notes=None, prepare=lambda: None):
    """Runs a run to its end. Returns what is wrong with it then, in words; "" if nothing."""
    code, output = Child(workdir, prepare, notes=notes).wait()
    return f"resumed, it ended with {code}: {output[-300:]}" if code else differences(workdir, whole)
