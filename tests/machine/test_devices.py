"""What auto comes to on each kind of hardware, and what can't run."""
import importlib

import pytest
import tensorflow as tf

from cifar_fast import environment
from cifar_fast.errors import UserError
from cifar_fast.machine import devices
from cifar_fast.system import processor


@pytest.mark.parametrize("instructions, onednn, precision", [
    ({"avx2"}, True, "float32"), ({"avx2", "avx512_vnni"}, True, "float32"), ({"avx512_bf16"}, True, "bfloat16"),
    ({"amx_bf16", "avx512_bf16"}, True, "bfloat16"), ({"amx_bf16"}, False, "float32")])
def test_auto_precision_on_cpus(instructions, onednn, precision, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: instructions)
    monkeypatch.setattr(devices, "_onednn", lambda: onednn)
    compute = devices.resolve()
    assert (compute.precision, compute.xla, compute.device) == (precision, False, "/CPU:0")
    assert compute.reasons["precision"].startswith(precision)


@pytest.mark.parametrize("limit, precision", [
    ("avx2", "float32"), ("AVX512_CORE", "float32"), ("AVX512_CORE_BF16", "bfloat16"), ("ALL", "bfloat16")])
def test_auto_precision_minds_what_onednn_is_held_to(limit, precision, monkeypatch):
    monkeypatch.setattr(processor, "flags", lambda: {"amx_bf16", "avx512_bf16"})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    compute = devices.resolve()
    assert compute.precision == precision
    assert (limit.upper() in compute.reasons["oneDNN"]) == (limit != "ALL")


@pytest.mark.parametrize("capability, precision", [
    ((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")])
def test_auto_on_gpus(capability, precision, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a GPU"])
    monkeypatch.setattr(tf.config.experimental, "get_device_details",
                        lambda gpu: {"compute_capability": capability, "device_name": "Some card"})
    compute = devices.resolve()
    assert (compute.precision, compute.xla, compute.device) == (precision, True, "/GPU:0")
    assert compute.reasons["device"] == "Some card"


def test_a_driver_without_a_visible_gpu_is_pointed_out(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "NVIDIA_DRIVER", tmp_path)
    assert devices.resolve().reasons["device"].endswith("(no GPU visible)")  # the tests hide them
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "(no GPU visible, though there is an NVIDIA driver" in devices.resolve().reasons["device"]


def test_a_run_with_synchronized_statistics_is_never_compiled_so_that_it_can_go_on_elsewhere():
    compute = devices.resolve(sync_norm=True)
    assert not compute.xla and compute.reasons["XLA"].startswith("off (it can't hold the sums of --sync_batch_norm)")
    assert devices.resolve(xla="on", sync_norm=True).xla  # on one device, if asked for


def test_what_is_asked_for_is_taken():
    compute = devices.resolve("float16", "on")
    assert (compute.precision, compute.xla) == ("float16", True)
    assert "asked for" in compute.reasons["precision"] and "asked for" in compute.reasons["XLA"]


@pytest.mark.parametrize("value, on", [("0", False), ("1", True)])
def test_without_the_private_part_that_knows_onednn_the_environment_counts(value, on, monkeypatch):
    monkeypatch.delattr(importlib.import_module("tensorflow.python.util._pywrap_util_port"), "IsMklEnabled")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    assert devices.resolve().reasons["oneDNN"].startswith("on" if on else "off")


def test_bfloat16_without_onednn_is_refused(monkeypatch):
    monkeypatch.setattr(devices, "_onednn", lambda: False)
    with pytest.raises(UserError, match="--precision=bfloat16: oneDNN is off"):
        devices.resolve("bfloat16")
