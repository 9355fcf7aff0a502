"""A bar on a terminal, plain lines elsewhere."""
import io

import numpy as np
import pytest

from cifar_fast.runs.progress import Progress

LINE = {"epoch": 2, "loss": 1.5, "accuracy": 0.25, "top5": 0.75, "seconds": 12.0, "images_per_second": 4000.0}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(stream, line):
    with Progress(5, 16, stream) as progress:
        progress.update(1, 4, 10, np.array([96.0, 16, 32]), None)
        progress.update(1, 8, 10, np.array([224.0, 48, 64]), 2.5)
        progress.epoch_done(line)
    return stream.getvalue()


def test_elsewhere_only_the_epochs_line():
    assert run(io.StringIO(), LINE) == (
        "epoch   2/5  loss 1.5000  accuracy 0.2500  top-5 0.7500  12.0 s  4,000 images/s\n")


def test_an_evaluation_is_in_the_line():
    line = LINE | {"test_loss": 1.25, "test_accuracy": 0.5, "test_top5": 0.875}
    assert "test loss 1.2500  accuracy 0.5000  top-5 0.8750" in run(io.StringIO(), line)


@pytest.mark.parametrize("shown", ["epoch 2/5", "loss 1.7500", "accuracy 0.3750", "40 images/s", "compiling"])
def test_a_terminal_sees_loss_speed_and_time_left(shown):
    assert shown in run(Terminal(), LINE)
