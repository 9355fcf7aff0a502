"""The final figures, from hand-made records."""
import pytest

from cifar_fast.config import Config
from cifar_fast.runs.reports.summary import summarize
from tests.support import tiny

METRICS = [
    {"epoch": 1, "seconds": 10.0, "compile_seconds": 4.0, "images_per_second": 100.0, "pflop": 0.1,
     "test_accuracy": 0.4, "test_seconds": 2.0},
    {"epoch": 2, "seconds": 20.0, "compile_seconds": 0.0, "images_per_second": 50.0, "pflop": 0.2,
     "test_accuracy": 0.6, "test_seconds": 3.0}]
RESULT = tiny.evaluation([0])


def test_the_clock_counts_training_and_the_last_evaluation_alone():
    summary = summarize(Config(), METRICS, RESULT, 5.0)
    assert summary["clock_seconds"] == 35 and summary["compile_seconds"] == 4 and summary["evaluation_seconds"] == 5
    assert summary["pflop"] == pytest.approx(0.3) and summary["gflops_per_second"] == pytest.approx(1e4)
    assert summary["seconds_per_epoch"] == 15 and summary["images_per_second"] == pytest.approx(2000 / 30)
    assert "seconds_to_target" not in summary


@pytest.mark.parametrize("target, seconds", [(0.3, 12), (0.5, 33), (0.7, None)])
def test_seconds_to_the_target(target, seconds):
    assert summarize(Config(target_accuracy=target), METRICS, RESULT, 5.0)["seconds_to_target"] == seconds


def test_seconds_per_epoch_is_the_median():
    lines = [{"seconds": s, "compile_seconds": 0, "images_per_second": 1, "pflop": 1} for s in (10.0, 20.0, 60.0)]
    assert summarize(Config(), lines, RESULT, 5.0)["seconds_per_epoch"] == 20
