"""GPUs that can't be used are said to be such in one line: faked, since none is here."""
import pytest
import tensorflow as tf

from cifar_fast import cli, environment
from cifar_fast.errors import UserError
from cifar_fast.machine import no_gpu


def fake(patch, capability):
    patch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["a GPU"])
    patch.setattr(tf.config.experimental, "get_device_details",
                  lambda gpu: {"compute_capability": capability, "device_name": "Some card"})


@pytest.mark.parametrize("version, capability, refused", [
    ("2.20.0", (12, 0), True), ("2.21.0", (12, 1), True), ("2.21.0", (9, 0), False), ("2.22.0", (12, 0), False)])
def test_capability_12_is_refused_by_the_versions_that_die_of_it(version, capability, refused, monkeypatch, capsys):
    fake(monkeypatch, capability)
    monkeypatch.setattr(tf, "__version__", version)
    if not refused:
        return no_gpu.check(["a GPU"])
    with pytest.raises(UserError, match=f"Some card: has compute capability 12..*TensorFlow {version} .*=-1"):
        no_gpu.check(["a GPU"])
    for command in ("devices", "train --dataset=synthetic"):
        assert cli.main(["cifar_fast", *command.split()]) == 1
        out, error = capsys.readouterr()
        assert error.startswith("cifar_fast: Some card: ") and error.count("\n") == 1 and not out


@pytest.mark.parametrize("loads, folders, named", [
    (lambda name: "cudnn" not in name, [], "libcudnn.so.9 did not load, and no package has them; pip install"),
    (lambda name: False, ["nvidia/cudnn/lib"], "libcudart.so.12, .* did not load; they come with .* export LD_LIB"),
    (lambda name: True, [], "and CUDA's libraries load: does nvidia-smi list one")])
def test_a_driver_without_a_visible_gpu(loads, folders, named, monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "NVIDIA_DRIVER", tmp_path)
    monkeypatch.setattr(no_gpu, "_loads", loads)
    monkeypatch.setattr(no_gpu, "_folders", lambda: folders)
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: {"cuda_version": "12.5.1"})
    assert no_gpu.why() == "no GPU visible"  # the tests hide them
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    import re
    assert re.search(f"though there is an NVIDIA driver.*{named}", no_gpu.why())
    monkeypatch.setattr(tf.sysconfig, "get_build_info", dict)
    assert "built for CUDA?" in no_gpu.why()


def test_what_loads_is_told_from_what_is_not_there():
    assert no_gpu._loads("libc.so.6") and not no_gpu._loads("libno_such.so.9")
