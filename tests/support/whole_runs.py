"""Whole runs of a tiny network by the command line: their flags, and what must be equal between two of them."""
import json

import pytest

from cifar_fast.study import study
from tests.support import tiny
from tests.support.command import command_line

FLAGS = ["--dataset=synthetic", "--train_examples=320", "--test_examples=60", "--units=3", "--filters=4",
         "--batch_size=8", "--epochs=2", "--seed=3", "--rotation_range=30", "--horizontal_flip", "--steps_per_call=2"]


def plain(*arguments):
    """The command line in a process of its own, that draws no pictures and looks often whether others are done."""
    tiny.no_pictures(pytest.MonkeyPatch())
    study.POLL = 0.2
    return command_line(*arguments)


def result(workdir):
    """The digest of a run's weights, and its metrics without their clocks."""
    summary = json.loads((workdir / "summary.json").read_text())
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    clocks = {"seconds", "compile_seconds", "images_per_second", "test_seconds"}
    return summary["weights_sha256"], [{k: v for k, v in line.items() if k not in clocks} for line in lines]
