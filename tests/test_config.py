"""The limits of every field, and the way from a Config to flags."""
import dataclasses

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


def test_free_flags_exist():
    assert set(FREE) <= {f.name for f in dataclasses.fields(Config)}
