"""What auto comes to on each kind of hardware, and what can't run."""
import json

import pytest
import tensorflow as tf

from cifar_fast import environment, processor
from cifar_fast.errors import UserError
from cifar_fast.machine import devices
from tests.support import tiny


@pytest.mark.parametrize("instructions, onednn, precision", [
    ({"avx2"}, True, "float32"), ({"avx2", "avx512_vnni"}, True, "float32"), ({"avx512_bf16"}, True, "bfloat16"),
    ({"amx_bf16", "avx512_bf16"}, True, "bfloat16"), ({"amx_bf16"}, False, "float32")])
def test_auto_precision_on_cpus(instructions, onednn, precision, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: instructions)
    monkeypatch.setattr(devices, "_onednn", lambda: onednn)
    runtime = devices.resolve()
    assert (runtime.precision, runtime.xla, runtime.device) == (precision, False, "/CPU:0")
    assert runtime.reasons["precision"].startswith(precision)


@pytest.mark.parametrize("limit, precision", [
    ("avx2", "float32"), ("AVX512_CORE", "float32"), ("AVX512_CORE_BF16", "bfloat16"), ("ALL", "bfloat16")])
def test_auto_precision_minds_what_onednn_is_held_to(limit, precision, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: {"amx_bf16", "avx512_bf16"})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    runtime = devices.resolve()
    assert runtime.precision == precision
    assert (limit.upper() in runtime.reasons["oneDNN"]) == (limit != "ALL")


@pytest.mark.parametrize("capability, precision", [
    ((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")])
def test_auto_on_gpus(capability, precision, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details",
                        lambda gpu: {"compute_capability": capability, "device_name": "Some card"})
    runtime = devices.resolve()
    assert (runtime.precision, runtime.xla, runtime.device) == (precision, True, "/GPU:0")
    assert runtime.reasons["device"] == "Some card"


def test_a_cpu_that_was_asked_for_is_taken_beside_a_gpu(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    chosen, runtime = devices.decide(tiny.config(logical_cpus=1, precision="auto"))
    assert (chosen.strategy, runtime.device, runtime.xla) == ("one_device", "/CPU:0", False)
    assert "core" in runtime.reasons["device"] and "no GPU" not in runtime.reasons["device"]


def test_a_scaled_rate_belongs_to_the_run():
    runtime, config = devices.resolve("float32"), tiny.config(learning_rate=0.5, scale_learning_rate=True)
    scaled = devices.settled(config, runtime, 4)
    assert (scaled.learning_rate, scaled.scale_learning_rate, scaled.xla) == (2, False, "off")
    assert devices.settled(scaled, runtime, 4) == scaled
    assert devices.settled(tiny.config(learning_rate=0.5), runtime, 4).learning_rate == 0.5


def test_a_driver_without_a_visible_gpu_is_pointed_out(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "NVIDIA_DRIVER", tmp_path)
    assert devices.resolve().reasons["device"].endswith("(no GPU visible)")  # the tests hide them
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "is tensorflow[and-cuda] installed?" in devices.resolve().reasons["device"]


def test_workers_are_described_without_waiting_for_them(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    _, runtime = devices.decide(tiny.config(sync_batch_norm=True))
    assert runtime.reasons["replicas"] == "2, each 8 of a batch of 16; worker 1 of 2, 1 here"
    assert runtime.reasons["all-reduce"].startswith("RING")
    assert runtime.reasons["XLA"].startswith("off (it can't hold the sums of --sync_batch_norm)")


def test_a_run_with_synchronized_statistics_is_never_compiled_so_that_it_can_go_on_elsewhere():
    _, runtime = devices.decide(tiny.config(sync_batch_norm=True))
    assert not runtime.xla and "sync_batch_norm" in runtime.reasons["XLA"]
    assert devices.decide(tiny.config(sync_batch_norm=True, xla="on"))[1].xla


def test_what_is_asked_for_is_taken():
    runtime = devices.resolve("float16", "on")
    assert (runtime.precision, runtime.xla) == ("float16", True)
    assert "asked for" in runtime.reasons["precision"] and "asked for" in runtime.reasons["XLA"]
    assert all(name in runtime.banner() for name in ("device", "oneDNN", "precision", "XLA", "threads"))


def test_bfloat16_without_onednn_is_refused(monkeypatch):
    monkeypatch.setattr(devices, "_onednn", lambda: False)
    with pytest.raises(UserError, match="--precision=bfloat16: oneDNN is off"):
        devices.resolve("bfloat16")
