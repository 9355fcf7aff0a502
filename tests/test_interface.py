"""The Python interface: what `import cifar_fast` costs and offers."""
import json
import signal
import subprocess
import sys

import numpy as np
import pytest

import cifar_fast
from tests.support import tiny


def test_importing_is_quick_and_imports_no_tensorflow():
    """Quick as the number of modules tells it, whatever else the machine does."""
    code = ("import sys; before = set(sys.modules); import cifar_fast; cifar_fast.__version__; dir(cifar_fast); "
            "print(*set(sys.modules) - before)")
    names = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"tensorflow", "keras", "numpy", "absl"} & set(names) and len(names) < 25, names


def test_every_name_is_there():
    assert all(getattr(cifar_fast, name) for name in cifar_fast.__all__)
    assert {"Config", "train", "evaluate", "load_data", "Affine", "ImageDataGenerator"} <= set(dir(cifar_fast))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cifar_fast.nothing  # noqa: B018


def test_load_data_gives_what_the_trainer_sees():
    data = cifar_fast.load_data(tiny.config())
    assert data.train_images.shape == (80, 32, 32, 3) and data.test_labels.shape == (40,)


def test_training_returns_what_the_run_came_to(tmp_path, monkeypatch, capsys):
    tiny.few_images(monkeypatch)
    config = tiny.config(epochs=1, workdir=str(tmp_path / "run"))
    result = cifar_fast.train(config)
    assert result["epochs"] == 1 and [line["epoch"] for line in result["metrics"]] == [1]
    assert json.loads(json.dumps(result)) == result and "test accuracy" in capsys.readouterr().out
    found = cifar_fast.evaluate(tmp_path / "run", "last")
    assert found["weights_sha256"] == result["weights_sha256"] and found["accuracy"] == result["test_accuracy"]
    np.savez(tmp_path / "images.npz", x=tiny.data().test_images)
    predicted = cifar_fast.predict(tmp_path / "run", tmp_path / "images.npz", tmp_path / "p.csv", precision="float32")
    assert predicted == {"images": 40, "damaged": []} and (tmp_path / "p.csv").read_text().count("\n") == 41


@pytest.mark.parametrize("number, error", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_stopped_run_ends_as_python_ends_one(tmp_path, monkeypatch, number, error):
    from cifar_fast.runs import train
    monkeypatch.setattr(train, "run", lambda *_: train.Outcome(128 + number, None, []))
    with pytest.raises(error):
        cifar_fast.train(tiny.config(workdir=str(tmp_path)))


@pytest.mark.parametrize("call", [
    lambda: cifar_fast.load_data({"dataset": "cifar10"}), lambda: cifar_fast.train({"epochs": 3}),
    lambda: cifar_fast.evaluate("nowhere"), lambda: cifar_fast.evaluate("nowhere", "latest"),
    lambda: cifar_fast.evaluate("nowhere", epochs=3), lambda: cifar_fast.predict("nowhere", "."),
    lambda: cifar_fast.predict("nowhere", ".", which="latest")])
def test_what_can_not_be_is_one_line(call):
    with pytest.raises(cifar_fast.UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
