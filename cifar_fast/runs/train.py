"""A training run from its `Config` to its exit code, on one worker or several."""
import contextlib
import dataclasses
import io
import signal
import tempfile
import time

import tensorflow as tf

from cifar_fast.config import FREE
from cifar_fast.errors import UserError, short
from cifar_fast.machine import devices, workers
from cifar_fast.runs.loop import Run
from cifar_fast.runs.signals import Signals
from cifar_fast.runs.workdir import Workdir
from cifar_fast.streams import say
from cifar_fast.training import plan, trainer


def run(config):
    """Trains `config` to its end, going on from what `config.workdir` holds. Returns the exit code: 0, or
    128 + the signal that stopped the run after saving.

    Each of several workers calls it. The first has the run directory and prints; what the others write goes to a
    scratch folder and vanishes.

    Raises:
      UserError: bad data, an unusable or foreign run directory, a loss that is not finite, a lost worker.
    """
    started = time.perf_counter()
    runtime = devices.for_run(config)  # first, since it says which devices TensorFlow starts
    replicas = runtime.replicas
    try:
        if runtime.workers == 1:
            return _run(config, runtime, started)
        if replicas.worker == 0:
            code = _run(config, runtime, started)
            workers.outlive(replicas.cluster)
            return code
        with tempfile.TemporaryDirectory(prefix="cifar_fast-") as scratch, contextlib.redirect_stdout(io.StringIO()):
            return _run(dataclasses.replace(config, workdir=scratch), runtime, started)
    except tf.errors.ResourceExhaustedError as error:
        raise UserError(f"--batch_size={config.batch_size}: the memory of {runtime.device} does not hold it "
                        f"({short(error.message)}); take --input=stream, or a smaller batch in another "
                        "--workdir") from error
    except tf.errors.OpError as error:
        if runtime.workers == 1:
            raise
        raise workers.lost(replicas.cluster, error) from error


def _run(config, runtime, started):
    data = trainer.load_data(config)
    plan.epochs(config, len(data.train_images))  # raises what does not fit the data, before there is a run directory
    if runtime.replicas:
        _check_shared(data, runtime.replicas)
    config = devices.settled(config, runtime, runtime.replicas.count if runtime.replicas else 1)
    with Workdir(config.workdir) as workdir:
        workdir.open_config(config.flag_lines(), FREE)
        say(f"data          {data.origin}\n{runtime.banner()}")
        with Signals() as signals:
            current = Run(config, runtime, data, workdir, started)
            trained = current.fit(signals)
            if trained:
                current.finish()
            if runtime.replicas:
                runtime.replicas.total(0)  # all wait here for the last
            if not trained:
                say(f"stopped by {signal.Signals(current.stopped_by).name} in epoch {current.epoch + 1}, saved; "
                    f"the same command goes on from there (--workdir={config.workdir})")
                return 128 + current.stopped_by
    return 0


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
