"""The limits of every field, and the way from a Config to flags."""
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cifar_fast.config import FREE, Config
from cifar_fast.errors import UserError


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda f: f.name)
def test_values_outside_a_fields_limits_are_refused_by_name(field):
    meta, wrong = field.metadata, []
    if meta["choices"]:
        wrong.append("no-such-choice")
    if meta["low"] is not None:
        wrong.append(meta["low"] - 1)
    if meta["high"] is not None:
        wrong.append(meta["high"] + 1)
    for value in wrong:
        with pytest.raises(UserError, match=f"--{field.name}={value}"):
            Config(**{field.name: value})


@pytest.mark.parametrize("changes", [{"units": 4}, {"classes": 50}, {"learning_rate": float("nan")}])
def test_other_impossible_values(changes):
    with pytest.raises(UserError, match=next(iter(changes))):
        Config(**changes)


def test_flag_lines_name_all_that_is_set():
    lines = Config(horizontal_flip=True, epochs=3).flag_lines()
    assert {"--horizontal_flip=true", "--epochs=3", "--vertical_flip=false"} <= set(lines)
    assert not [line for line in lines if "None" in line]
    assert set(lines) - set(Config(horizontal_flip=True, epochs=3).flag_lines(without=("epochs",))) == {"--epochs=3"}


def test_flag_lines_are_read_back():
    config = Config(horizontal_flip=True, epochs=3, learning_rate=0.1, data_dir="a=b", train_examples=7)
    assert Config.of_flag_lines(config.flag_lines()) == config
    assert Config.of_flag_lines(["--epochs=3"]) == Config(epochs=3)


@pytest.mark.parametrize("line", ["--nothing=1", "--epochs=3.5", "--horizontal_flip=yes", "--learning_rate=",
                                  "--epochs=0"])
def test_lines_that_are_no_flags_are_refused_by_name(line):
    with pytest.raises(UserError, match=line.partition("=")[0]):
        Config.of_flag_lines([line])


def test_a_whole_number_in_a_script_is_what_the_flag_would_be():
    assert "--width_shift_range=3.0" in Config(width_shift_range=3).flag_lines()


@pytest.mark.parametrize("values", [
    {"learning_rate": "1e-3"}, {"learning_rate": None}, {"learning_rate": True}, {"learning_rate": 1j},
    {"epochs": 2.0}, {"epochs": "2"}, {"epochs": None}, {"batch_size": True}, {"batch_size": np.True_},
    {"batch_size": np.float64(16)}, {"seed": np.array([1, 2])}, {"train_examples": "3"}, {"image_sizes": 32},
    {"image_sizes": ["32x2"]}, {"dataset": None}, {"dataset": 10}, {"workdir": b"runs"}, {"data_dir": True},
    {"horizontal_flip": "false"}, {"horizontal_flip": 1}, {"horizontal_flip": None}], ids=str)
def test_other_types_are_refused_by_name(values):
    (name, value), = values.items()
    with pytest.raises(UserError) as error:
        Config(**values)
    assert str(error.value).startswith(f"--{name}={value!r}: must be ") and "\n" not in str(error.value)
    assert str(error.value).endswith(f"of type {type(value).__name__}")


@pytest.mark.parametrize("values, expected", [
    ({"batch_size": np.int64(16)}, 16), ({"seed": np.uint8(200)}, 200), ({"train_examples": np.int32(5)}, 5),
    ({"learning_rate": np.float32(0.5)}, 0.5), ({"mixup": np.int8(1)}, 1.0), ({"horizontal_flip": np.True_}, True),
    ({"workdir": Path("runs/a")}, "runs/a"), ({"data_dir": np.str_("x.npz")}, "x.npz")], ids=str)
def test_numpys_scalars_and_paths_become_pythons_own(values, expected):
    name, = values
    config = Config(**values)
    assert getattr(config, name) == expected and type(getattr(config, name)) is type(expected)
    assert config == Config.of_flag_lines(config.flag_lines())


@pytest.mark.parametrize("number", [10**400, -10**400, 2**31, float("inf"), float("nan"), np.float64("nan")], ids=str)
def test_numbers_too_large_to_count_with(number):
    with pytest.raises(UserError, match="--learning_rate=.*: must be a number of at most 2147483647"):
        Config(learning_rate=number)


def test_free_flags_exist():
    assert set(FREE) <= {f.name for f in dataclasses.fields(Config)}
