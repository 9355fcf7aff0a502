"""What a run uses, decided from a `Config` in one pass; workers, where there are some, are asked by `test_workers`."""
import json

import pytest
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.machine import runtime
from tests.support import tiny


def test_a_cpu_that_was_asked_for_is_taken_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    decided = runtime.decide(tiny.config(logical_cpus=1, precision="auto"))
    assert decided.layout.strategy == "one_device"
    assert (decided.compute.device, decided.compute.xla) == ("/CPU:0", False)
    assert "core" in decided.reasons["device"] and "no GPU" not in decided.reasons["device"]


def test_what_was_decided_belongs_to_the_run():
    config = tiny.config(learning_rate=0.5, scale_learning_rate=True, logical_cpus=4, precision="auto")
    settled = runtime.decide(config).config
    assert (settled.learning_rate, settled.scale_learning_rate, settled.xla) == (2, False, "off")
    assert settled.precision in ("float32", "bfloat16")
    assert runtime.decide(settled).config == settled
    assert runtime.decide(tiny.config(learning_rate=0.5, logical_cpus=4)).config.learning_rate == 0.5


def test_workers_are_described_without_waiting_for_them(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    decided = runtime.decide(tiny.config(sync_batch_norm=True))
    assert decided.reasons["replicas"] == "2, each 8 of a batch of 16; worker 1 of 2, 1 here"
    assert decided.reasons["all-reduce"].startswith("RING")
    assert decided.reasons["normalization"] == "batch statistics of all replicas"
    assert decided.config.xla == "off"  # where auto could be on, too: it can't hold the sums
    assert decided.replicas is None


def test_the_banner_has_a_line_for_each_decision():
    lines = runtime.decide(tiny.config()).banner().splitlines()
    assert [line.split()[0] for line in lines] == [
        "strategy", "device", "instructions", "oneDNN", "precision", "XLA", "convolutions", "threads", "versions"]


def test_too_small_a_memory_names_the_batch_and_other_failures_are_not_hidden():
    exhausted = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor\nand more")
    with pytest.raises(UserError, match="--batch_size=16: the memory of /CPU:0 does not hold it .*OOM") as error:
        with runtime.start(tiny.config()):
            raise exhausted
    assert "\n" not in str(error.value)
    with pytest.raises(tf.errors.InternalError), runtime.start(tiny.config()):
        raise tf.errors.InternalError(None, None, "a fault of TensorFlow's")
