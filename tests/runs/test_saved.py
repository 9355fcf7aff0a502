"""What a run has saved, exported; that it is evaluated as its run did it stands in test_train."""
import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.runs import saved, train
from cifar_fast.runs.directory import checkpoint
from cifar_fast.training import trainer
from tests.support import tiny

NETWORK = dict(activation="elu", whitening=True, blur=True, final_activation=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The configuration of a finished run."""
    config = tiny.config(workdir=str(tmp_path_factory.mktemp("trained")), average="ema", average_every=1, l2=0.0,
                         **NETWORK)
    with pytest.MonkeyPatch.context() as patch:
        tiny.few_images(patch)
        train.run(config)
        yield config


def test_an_export_gives_the_probabilities_of_the_weights_that_were_evaluated(trained):
    data = tiny.data()
    for which in ("best", "last"):
        classifier = tf.saved_model.load(saved.export(trained, which))
        found, evaluated = classifier(data.test_images).numpy(), saved.evaluate(trained, which)
        assert found.dtype == np.float32 and found.shape == (40, 10)
        of_labels = found[np.arange(40), data.test_labels]
        assert -np.log(of_labels).mean() == pytest.approx(evaluated["loss"], rel=1e-4)
        assert (found.argmax(1) == data.test_labels).mean() == pytest.approx(evaluated["accuracy"], abs=1e-6)
        np.testing.assert_allclose(classifier(data.test_images[:1]).numpy(), found[:1], atol=1e-5)  # any number of them
        served = classifier.signatures["serving_default"](images=tf.constant(data.test_images))
        assert [np.allclose(v, found, atol=1e-5) for v in served.values()] == [True]
        assert classifier.class_names.numpy().tolist() == [name.encode() for name in data.class_names]


def dark(config):
    """Other training images, in the classes' reversed order, beside the same test images."""
    data, order = tiny.data(), np.arange(10)[::-1]
    return dataclasses.replace(
        data, train_images=data.train_images // 4, class_names=data.class_names[::-1],
        train_labels=order[data.train_labels], test_labels=order[data.test_labels])


def test_statistics_and_classes_are_the_networks(trained, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "load_data", dark)
        found = saved.evaluate(trained)
        assert "other data than the run's" in capsys.readouterr().err
        probabilities = tf.saved_model.load(saved.export(trained))(tiny.data().test_images).numpy()
    assert found == saved.evaluate(trained)
    assert (probabilities.argmax(1) == tiny.data().test_labels).mean() == pytest.approx(found["accuracy"], abs=1e-6)


def test_an_export_needs_no_data(trained, monkeypatch):
    monkeypatch.setattr(trainer, "load_data", lambda config: 1 / 0)
    assert saved.export(trained).is_dir()


def test_runs_that_kept_no_statistics_take_those_of_their_data(trained, tmp_path, capsys, monkeypatch):
    before = {which: saved.evaluate(trained, which) for which in ("best", "last")}
    shutil.copytree(trained.workdir, tmp_path, dirs_exist_ok=True)
    for path in (tmp_path / "checkpoints").glob("*.ckpt"):
        arrays, meta = checkpoint.load(path)
        del meta["network"]
        meta["data"] = tiny.data().sampled_digest()
        path.write_bytes(checkpoint.encoded(arrays, meta))
    old = dataclasses.replace(trained, workdir=str(tmp_path))
    capsys.readouterr()
    for which, result in before.items():
        assert saved.evaluate(old, which) == result
        assert "kept no statistics; taken from the data, the run's" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "load_data", dark)
        saved.evaluate(old)
        assert "kept no statistics; taken from the data, other data than the run's" in capsys.readouterr().err
    with pytest.raises(UserError, match="of another version, it has no network"):
        train.run(old)


def test_the_keras_file_gives_the_same_and_is_replaced(trained):
    data, folder = tiny.data(), Path(trained.workdir)
    expected = tf.saved_model.load(saved.export(trained))(data.test_images)
    before = {p.name for p in folder.iterdir()} | {"model.keras"}
    for _ in range(2):
        path = saved.export(trained, format="keras")
    assert path == folder / "model.keras" and {p.name for p in folder.iterdir()} == before
    found = keras.saving.load_model(path).predict(data.test_images, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_onnx(trained, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="--format=onnx: .* tf2onnx, which is not installed; pip"):
        saved.export(trained, format="onnx")
    monkeypatch.undo()
    runtime = pytest.importorskip("onnxruntime", reason="of the extra [onnx]")
    pytest.importorskip("tf2onnx", reason="of the extra [onnx]")
    data = tiny.data()
    session = runtime.InferenceSession(saved.export(trained, format="onnx"))
    found, = session.run(None, {session.get_inputs()[0].name: data.test_images.astype(np.float32)})
    expected = tf.saved_model.load(saved.export(trained))(data.test_images)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_an_export_takes_the_place_of_the_one_before_or_says_why_not(trained, monkeypatch, tmp_path):
    shutil.copytree(trained.workdir, tmp_path, dirs_exist_ok=True)
    config = dataclasses.replace(trained, workdir=str(tmp_path))
    path = saved.export(config)
    before = {p.name for p in tmp_path.iterdir()}
    (path / "of the one before").touch()
    saved.export(config)
    assert not (path / "of the one before").exists() and {p.name for p in tmp_path.iterdir()} == before

    def full(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device\nand more")

    monkeypatch.setattr(tf.saved_model, "save", full)
    with pytest.raises(UserError, match=f"^can't write {path}: No space left on device.*; make room there") as caught:
        saved.export(config)
    assert "\n" not in str(caught.value) and (path / "saved_model.pb").exists()
    assert {p.name for p in tmp_path.iterdir()} == before
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(UserError, match="no best.ckpt in .*--which=last"):
        saved.export(config)
