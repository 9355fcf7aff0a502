"""Parts of the user's own: by name at the command line, as functions in Python; recorded, and refused in one line."""
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import cifar_fast
from cifar_fast import parts
from cifar_fast.config import Config
from cifar_fast.errors import UserError
from cifar_fast.runs import train
from tests.support import tiny

MODULE = """
import keras, tensorflow as tf
def lion(): return keras.optimizers.Lion(0.002)
def scheduled(): return keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.05))
def dark(images, seed, ids): return tf.cast(images, tf.float32) * 0.5
def fails(*_): raise ValueError("some\\nreason")
def halves(images, seed, ids): return images[:1]
def infinite(images, seed, ids): return tf.cast(images, tf.float32) / 0.0
number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module `mine` in the working directory."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    tiny.few_images(monkeypatch)
    return tmp_path


def test_by_name(mine):
    config = tiny.config(workdir="run", epochs=1, optimizer="mine:lion", learning_rate=0.002, augmentation="mine:dark")
    first = train.run(config).summary
    plain = train.run(tiny.config(workdir="plain", epochs=1)).summary
    assert first["weights_sha256"] != plain["weights_sha256"]
    lines = (mine / "run" / "config.flags").read_text().splitlines()
    assert {"--optimizer=mine:lion", "--augmentation=mine:dark"} <= set(lines)
    with pytest.raises(UserError, match="--augmentation: mine:dark there, unset now"):
        train.run(tiny.config(workdir="run", epochs=1, optimizer="mine:lion", learning_rate=0.002))
    assert cifar_fast.evaluate("run")["weights_sha256"] == first["weights_sha256"]


@pytest.mark.parametrize("on", [0, 2])
def test_an_optimizer_with_a_schedule_of_its_own_runs_by_it(on, mine):
    ours = tiny.make_trainer(on, optimizer="mine:scheduled", learning_rate=0.7)
    tiny.losses(ours, 4)
    assert ours.rate(0, 3) == pytest.approx(0.1 - 0.05 * 4 / 10)


def test_as_functions(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    seen, seeds = [], []

    def mirrored(images, seed, ids):
        seeds.append(seed.shape)
        return tf.reverse(tf.cast(images, tf.float32), [2])

    class Noted(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append((epoch, logs["loss"]))

    config = tiny.config(workdir=str(tmp_path), optimizer="adam", learning_rate=0.001)
    found = cifar_fast.train(config, keras.optimizers.Adam, mirrored, [Noted()])
    assert seen == [(i, line["loss"]) for i, line in enumerate(found["metrics"])] and len(seen) == 2
    assert seeds and all(shape == [2] for shape in seeds)
    flags = (tmp_path / "config.flags").read_text()
    assert ":Adam\n" in flags and ":test_as_functions.<locals>.mirrored\n" in flags
    assert json.loads((tmp_path / "summary.json").read_text())["weights_sha256"] == found["weights_sha256"]


def test_an_augmentation_sees_the_seed_of_each_epoch_and_its_images(mine):
    def noised(images, seed, ids):
        return tf.cast(images, tf.float32) + tf.cast(seed[1] + ids, tf.float32)[:, None, None, None]

    from cifar_fast.training.batch import OWN, Preparation, Statistics
    data = tiny.data()
    statistics = Statistics(np.zeros(1, np.float32), np.ones(1, np.float32))
    prepare = Preparation(tiny.config(augmentation="x:y", horizontal_flip=False), statistics, noised)
    ids = np.array([3, 7], np.int32)
    found = prepare(data.train_images[ids], data.train_labels[ids], ids, tf.constant(2)).images
    expected = data.train_images[ids] + (np.float32(2 + OWN) + ids)[:, None, None, None]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("flags, named", [
    (dict(optimizer="lion"), "--optimizer=lion: must be one of adam, sgd, muon, or package.module:function"),
    (dict(augmentation="mine.dark"), "--augmentation=mine.dark: must be package.module:function"),
    (dict(optimizer="mine:lion", learning_rate=0.1), "has the learning rate 0.002, .* give --learning_rate=0.002"),
    (dict(optimizer="mine:lion", weight_decay=0.1), "leave --weight_decay and --vector_decay out"),
    (dict(optimizer="nowhere:lion"), "--optimizer=nowhere:lion: ModuleNotFoundError: .*; expected package.module"),
    (dict(optimizer="mine:lyon"), "--optimizer=mine:lyon: AttributeError: "),
    (dict(optimizer="mine:number"), "--optimizer=mine:number: is no function but of type int"),
    (dict(optimizer="mine:fails"), "--optimizer=mine:fails: ValueError: some reason$"),
    (dict(optimizer="mine:dark"), "--optimizer=mine:dark: TypeError: "),
    (dict(augmentation="mine:fails"), "--augmentation=mine:fails: ValueError: some reason; it must be TensorFlow's"),
    (dict(augmentation="mine:halves"), r"must return images \[2, height, width, 3\] of as many, not \(1, 32, 32, 3\)"),
    (dict(augmentation="mine:infinite"), "returns numbers that are not finite")])
def test_what_can_not_be_is_one_line_and_leaves_no_run(flags, named, mine):
    with pytest.raises(UserError, match=named) as caught:
        train.run(tiny.config(workdir="run", **flags))
    assert "\n" not in str(caught.value) and not (mine / "run").exists()


@pytest.mark.parametrize("arguments, named", [
    (dict(optimizer=keras.optimizers.SGD(0.1)), "optimizer=.* must be a function or a class, not of type SGD"),
    (dict(callbacks=[3]), "callbacks: int has no on_epoch_end")])
def test_arguments_of_other_kinds_are_refused(arguments, named):
    with pytest.raises(UserError, match=named):
        cifar_fast.train(Config(), **arguments)


def test_a_function_is_named_as_a_flag_would_name_it():
    assert parts.load("--x", parts.name("x", parts.check)) is parts.check
