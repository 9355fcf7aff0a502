"""Wrong command lines: one line on standard error, a non-zero exit, and nothing created. Every flag has some.

Those of the flags are made from the fields of `Config`, so a new flag is covered, or fails here for want of limits.
"""
import dataclasses
import os
import resource
import subprocess
import sys
import typing

import pytest

from cifar_fast import cli
from cifar_fast.config import Config

SMALL = ["--dataset=synthetic", "--train_examples=16", "--test_examples=4", "--batch_size=8", "--units=3",
         "--filters=1", "--epochs=1"]
# What is wrong with a text is for each flag to say.
TEXTS = {"dataset": ["cifar", "images", "tfds/", "tfds/../x", "tfds/a b"], "image_column": ["path"],
         "label_column": ["label"], "cache_dir": ["cache", "gs://bucket/x"],
         "tfds_splits": ["train", "train,", "a,b,c"], "image_size": ["x", "3", "0x64", "64x", "1025", "48x64x3"],
         "data_dir": ["/no/such/folder", "/dev/null", "gs://bucket/x", "~no-such-user/x"],
         "workdir": ["/proc/nothing", "/dev/null/run", "s3://bucket/run", "~no-such-user/run"],
         "optimizer": ["lion", "no.such:optimizer"], "augmentation": ["flips", "no.such:augmentation"],
         "profile_steps": ["100", "120:100", "5:5", "-1:3", "a:b"],
         "init_from": ["/no/such/run", "/dev/null", "/dev/null.keras", "gs://bucket/run"],
         "image_sizes": ["32", "x", "32x0", "0x4", "-8x4"]}
PLACES = {"data_dir": ["--dataset=cifar10"]}  # what else must stand there for the flag to count
WRONG = [
    "", "fly", "-v", "--epochs=3", "train=1", "Train", "train evaluate", "train cifar10", "train -- --epochs=3",
    "train --no_such_flag", "train --no_such_flag=1", "train --=3", "train ---epochs", "train --Epochs=3",
    "train --epochs", "train --seed --epochs=3", "train --noepochs", "train --nohorizontal_flip=1",
    "train --seed=1.0", "train --seed=one", "train --epochs=1e3", "train --epochs=٣٣٣x",
    "train --batch_size=17", "train --units=4", "train --classes=11", "train --mixup=1 --cutmix=1",
    "train --alternating_flip --horizontal_flip",
    "train --validation_share=0.5 --validation_examples=3", "train --labels=coarse", "train --skip_damaged",
    "train --dataset=cifar10 --labels=coarse", "train --dataset=images --data_dir=.",
    "train --dataset=images --data_dir=/dev/null", "train --dataset=images --data_dir=. --image_column=path",
    "train --dataset=tfds/mnist --tfds_splits=a,b,c", "train --dataset=cifar10 --tfds_splits=train",
    "train --prune=0.8", "train --prune=0.3 --prune_easy=0.34 --train_examples=10",
    "train --crop_size=33", "train --crop_padding=32", "train --crop_padding=33 --crop_fill=zero", "train --cutout=33",
    "train --crop_size=24 --cutout=25", "train --crop_size=3 --whitening",
    "augment --dataset=synthetic --train_examples=16 --test_examples=4 --cutout=33",
    "train --precision=float64",
    "train --recipe=", "train --recipe=nothing", "train --recipe=../flags/quickstart", "train --recipe",
    "train --flagfile=", "train --flagfile=/no/such/file", "train --flagfile=/", "train --flagfile=/dev/zero",
    "train --which=last", "train --out=x.png", "evaluate --which=worst", "evaluate --which=", "evaluate --epochs=3",
    "evaluate --xla=on", "evaluate --out=x.png", "evaluate", "evaluate --workdir=/no/such/run",
    "evaluate --workdir=/dev/null",
    "evaluate --dataset=mnist", "evaluate --images=x", "evaluate --workdir=/no/such/run --data_dir=/no/such/folder",
    "predict", "predict --images=", "predict --images", "predict --images=. --workdir=/no/such/run",
    "predict --images=gs://bucket/x", "predict --images=. --out=gs://bucket/x", "predict --images=. --which=worst",
    "predict --images=. --probabilities=maybe", "predict --images=. --skip_damaged=2",
    "predict --images=. --data_dir=.", "predict --images=. --tta=rotate", "predict --images=. --tta",
    "predict --images=. --image_column", "predict --images=. --label_column=x",
    "predict --images=. --precision=float64", "predict images",
    "train --images=x", "train --probabilities", "export --images=x", "export --dataset=images",
    "devices --precision=float64", "devices --xla=maybe", "devices --batch_size=0", "devices --epochs=3", "devices cpu",
    "describe --epochs=0", "describe --recipe=nothing", "describe --which=best", "describe quickstart",
    "describe --dataset=synthetic --train_examples=16 --test_examples=4 --batch_size=17",
    "describe --dataset=cifar10 --data_dir=/no/such/folder", "describe --image_sizes=32x3 --epochs=2",
    "augment --out=/no/such/folder/x.png", "augment --out=", "augment --dataset=synthetic --train_examples=16 --out=gs://bucket/x.png",
    "train --flagfile=gs://bucket/x", "augment --which=best", "recipes quickstart",
    "recipes --epochs=3", "launch --recipe=quickstart -- train --epochs=0", "launch", "launch --",
    "launch -- fly", "launch -- evaluate", "launch --workers=0 -- train", "launch --epochs=3", "recipes --flagfile=x",
]
FLAGFILES = ["--no_such_flag=1", "--recipe=quickstart", "--dropout=2", "epochs=3", "--workdir=a\0b", "--seed", "\xff",
             "--flagfile=/no/such/file"]


def wrong_values(field):
    """Values that a field of `Config` must refuse, as they stand on a command line."""
    kind = next(k for k in typing.get_args(field.type) or [field.type] if k is not type(None))
    low, high = field.metadata["low"], field.metadata["high"]
    if kind is bool:
        return ["maybe", "2", ""]
    if kind is str:
        return ["", "a\nb", *(["no such choice"] if field.metadata["choices"] else TEXTS[field.name])]
    values = ["", "many", "nan", "inf", "-inf", "1e300" if kind is float else "9" * 30, "0x", "1,5"]
    values += [str(low - 1)] if low is not None else []
    return values + ([str(high + 1)] if high is not None else [])


def cpu_seconds():
    """Of this process and the children it has waited for; other work on the machine doesn't count."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def check(code, error, seconds, before, folder):
    lines = error.splitlines()
    assert code not in (0, None) and len(lines) == 1 and lines[0].startswith("cifar_fast: "), (code, error)
    assert lines[0].isprintable() and "Traceback" not in error
    assert seconds < 10
    assert os.listdir(folder) == before


@pytest.fixture
def refuses(tmp_path, monkeypatch, capsys):
    """A function that runs arguments in an empty folder and checks how they are refused."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CIFAR_DATA_DIR", raising=False)

    def refuses(*arguments):
        before, begin = os.listdir(tmp_path), cpu_seconds()
        code = cli.main(["cifar_fast", *arguments])
        check(code, capsys.readouterr().err, cpu_seconds() - begin, before, tmp_path)
    return refuses


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_every_flag_refuses_wrong_values(field, refuses):
    for value in wrong_values(field):
        refuses("train", *SMALL, *PLACES.get(field.name, []), f"--{field.name}={value}")


@pytest.mark.parametrize("line", WRONG)
def test_wrong_lines_are_refused(line, refuses):
    command, *rest = line.split(" ") if line else [""]
    small = SMALL if command == "train" or "--out=/" in line else []
    refuses(command, *small, *rest)


@pytest.mark.parametrize("text", FLAGFILES)
def test_wrong_flagfiles_are_refused(text, refuses, tmp_path):
    (tmp_path / "run.flags").write_bytes(text.encode("latin-1"))
    refuses("train", *SMALL, "--flagfile=run.flags")


@pytest.mark.parametrize("line", [
    "fly", "train --epochs=0", "train --learning_rate=nan", "recipes --epochs=3", "evaluate --workdir=/no/such/run",
    "train --dataset=cifar10 --data_dir=/no/such/folder"])
def test_so_does_a_process(line, tmp_path):
    begin = cpu_seconds()
    done = subprocess.run([sys.executable, "-m", "cifar_fast", *line.split()], cwd=tmp_path, capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": os.getcwd()})
    check(done.returncode, done.stderr, cpu_seconds() - begin, [], tmp_path)
