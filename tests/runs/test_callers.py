"""A run within a program of somebody's own: from any thread, whatever is set, and nothing set or held afterwards."""
import gc
import logging
import random
import signal
import threading

import absl.flags
import absl.logging
import keras
import matplotlib
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.framework.ops import gradient_registry

from cifar_fast.errors import UserError
from cifar_fast.runs import train
from cifar_fast.training import trainer
from tests.support import tiny
from tests.support.finished import Finished

SETTERS = {"floatx": keras.config.set_floatx, "image_data_format": keras.config.set_image_data_format,
           "dtype_policy": keras.config.set_dtype_policy, "epsilon": keras.config.set_epsilon}

USUAL = {"floatx": "float32", "image_data_format": "channels_last", "dtype_policy": "float32", "epsilon": 1e-7}


@pytest.fixture
def few_images(monkeypatch):
    tiny.few_images(monkeypatch)


@pytest.fixture
def unusual():
    """What a program may have set, with which Keras's own layers would compute otherwise."""
    for name, value in {"floatx": "float16", "image_data_format": "channels_first", "dtype_policy": "mixed_float16",
                        "epsilon": 1e-2}.items():
        SETTERS[name](value)
    yield
    for name, value in USUAL.items():
        SETTERS[name](value)


def settings():
    """All that is global and could be touched."""
    return {"keras": [str(getattr(keras.config, name)()) for name in SETTERS],
            "signals": [signal.getsignal(number) for number in signal.valid_signals()],
            "logging": [logging.getLogger(name).level for name in (None, "tensorflow", "absl", "matplotlib")],
            "absl": (absl.flags.FLAGS.flag_values_dict() if absl.flags.FLAGS.is_parsed() else None,
                     absl.logging.get_verbosity()),
            "random": (np.random.get_state()[1].tolist(), random.getstate(), context.global_seed()),
            "matplotlib": dict(matplotlib.rcParams), "gc": gc.get_threshold(),
            "tensorflow": (tf.executing_eagerly(), tf.config.get_soft_device_placement(), tf.config.optimizer.get_jit(),
                           tf.distribute.has_strategy())}


@pytest.mark.parametrize("changes", [
    {"optimizer": "muon", "precision": "float16", "activation": "silu", "average": "ema"}, {}], ids=["muon", "adam"])
def test_what_is_set_changes_nothing_and_stays(changes, few_images, unusual, tmp_path):
    """The weights are those of a run in a thread, which signals don't reach, with Keras as it comes."""
    tf.random.set_seed(3)
    before, outcomes = settings(), []
    outcomes.append(train.run(tiny.config(workdir=str(tmp_path / "here"), epochs=1, **changes)))
    assert settings() == before
    for name, value in USUAL.items():
        SETTERS[name](value)
    thread = threading.Thread(target=lambda: outcomes.append(
        train.run(tiny.config(workdir=str(tmp_path / "there"), epochs=1, **changes))))
    thread.start()
    thread.join()
    here, there = (outcome.summary["weights_sha256"] for outcome in outcomes)
    assert here == there


@pytest.mark.parametrize("changes", [
    {"activation": "silu", "precision": "float16", "optimizer": "muon", "average": "lookahead", "tta": "mirror"},
    {"num_devices": 2, "logical_cpus": 4, "sync_batch_norm": True}], ids=["tricks", "two replicas"])
def test_a_finished_run_holds_nothing(changes, few_images, monkeypatch, tmp_path):
    finished = Finished(monkeypatch)
    train.run(tiny.config(workdir=str(tmp_path), epochs=1, **changes))
    assert not finished.alive()
    assert set(gradient_registry.list()) <= finished.registered


def test_nor_does_one_that_failed(few_images, monkeypatch, tmp_path):
    """Its error is kept, by a notebook for its debugger, and what is within reach of that is not what it trained."""
    finished = Finished(monkeypatch)
    real = trainer.Trainer.train
    monkeypatch.setattr(trainer.Trainer, "train", lambda *arguments: real(*arguments) * np.float32("nan"))
    with pytest.raises(UserError, match="not finite"):
        train.run(tiny.config(workdir=str(tmp_path)))
    assert not finished.alive()
