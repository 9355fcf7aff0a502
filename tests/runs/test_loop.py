"""A run's counters, epochs' ends and last figures; whole runs are `test_train`'s."""
import dataclasses
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cifar_fast.machine import runtime
from cifar_fast.runs.directory import checkpoint
from cifar_fast.runs.directory.workdir import Workdir
from cifar_fast.runs.loop import Run
from cifar_fast.runs.reports import classes, mistakes, report
from cifar_fast.training import replicas
from tests.support import tiny


def make_run(workdir, on=0, **changes):
    """on: how many replicas, each on a CPU of its own; 0 is the plain engine."""
    decided = runtime.decide(tiny.config(**changes))
    if on:
        decided = dataclasses.replace(decided, replicas=replicas.mirrored([f"/CPU:{i}" for i in range(on)]))
    return Run(decided, tiny.data(), workdir, time.perf_counter())


@pytest.fixture
def workdir(tmp_path):
    with Workdir(tmp_path) as workdir:
        yield workdir


def test_counters_come_back(workdir):
    one = make_run(workdir)
    one.epoch, one.step, one.best, one.wall_before = 1, 2, 0.75, 100.0
    one.clock.seconds, one.clock.compile_seconds = 3.5, 1.25
    checkpoint.save_best(workdir.checkpoints, {}, {})
    one.save()
    two = make_run(workdir)
    assert (two.epoch, two.step, two.best) == (1, 2, 0.75) and two.wall_before >= 100
    assert (two.clock.seconds, two.clock.compile_seconds) == (3.5, 1.25)


def test_every_replica_is_restored(workdir):
    one = make_run(workdir, on=2)
    one.trainer.engines[0].model.dense.bias.assign(np.arange(10))
    one.save()
    for engine in make_run(workdir, on=2).trainer.engines:
        np.testing.assert_array_equal(engine.model.dense.bias, np.arange(10))


def test_epochs_end_with_their_figures_and_the_best_is_kept(workdir, monkeypatch):
    ours = make_run(workdir, epochs=4, eval_every=3, schedule="linear")
    scores, labels, found = [0.6, 0.5, 0.5], ours.data.test_labels, []

    class Stub:
        def __call__(self, tta=False):
            return tiny.evaluation(np.zeros(len(labels)), accuracy=scores.pop(0))

        def build(self, tta):
            pass

    ours.trainer.evaluate = Stub()
    for _ in range(4):
        ours.clock.count(1, 1.0)
        ours.end_epoch(SimpleNamespace(epoch_done=lambda line: None))
    assert ["test_loss" in line for line in ours.metrics] == [False, False, True, True]
    assert ours.metrics[0]["learning_rate"] == ours.trainer.rates(0)[-1]
    assert checkpoint.load_best(workdir.checkpoints)[1]["accuracy"] == 0.6
    for module, picture in ((report, "curves"), (classes, "draw"), (mistakes, "draw")):
        monkeypatch.setattr(module, picture, lambda *_: None)
    monkeypatch.setattr(report, "confusion", lambda matrix, *_: found.append(matrix))
    ours.finish()
    np.testing.assert_array_equal(found[0][:, 0], np.bincount(labels, minlength=10))  # rows are the true classes
