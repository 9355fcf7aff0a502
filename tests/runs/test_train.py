"""Whole runs of a tiny network: the run directory, stopping, killing, going on."""
import contextlib
import csv
import dataclasses
import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from types import SimpleNamespace

import numpy as np
import pytest

from cifar_fast import environment
from cifar_fast.errors import UserError
from cifar_fast.runs import saved, train
from cifar_fast.runs.directory import checkpoint
from cifar_fast.runs.loop import Run
from tests.support import tiny
from tests.support.command import PATIENCE, Command, run
from tests.support.whole_runs import FLAGS, plain, result


def command(workdir, *more):
    return "train", *FLAGS, f"--workdir={workdir}", *more


def epochs(table):
    with open(table, newline="") as file:
        return [row["epoch"] for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    run(*command(workdir))
    return workdir


@pytest.fixture
def few_images(monkeypatch):
    """No pictures, too, which `uninterrupted` has."""
    tiny.few_images(monkeypatch)


def test_the_run_directory_is_complete(uninterrupted):
    for name in ("config.flags", "environment.json", "metrics.jsonl", "metrics.csv", "per_class.csv", "summary.json",
                 "checkpoints/best.ckpt", "plots/curves.png", "plots/augmentation.png", "plots/confusion.png",
                 "plots/classes.png", "plots/mistakes.png"):
        assert (uninterrupted / name).stat().st_size > 0, name
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert {"test_accuracy", "test_top5", "test_loss", "parameters", "epochs", "seconds_per_epoch",
            "images_per_second", "versions", "weights_sha256"} <= summary.keys()
    environment = json.loads((uninterrupted / "environment.json").read_text())
    assert environment["variables"]["XLA_FLAGS"] == os.environ["XLA_FLAGS"]
    assert [line["epoch"] for line in result(uninterrupted)[1]] == [1, 2]
    with open(uninterrupted / "per_class.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["class"] for row in rows] == summary["class_names"] and sum(int(r["examples"]) for r in rows) == 60
    right = sum(int(row["examples"]) * float(row["recall"] or 0) for row in rows)
    assert right / 60 == pytest.approx(summary["test_accuracy"])


def test_a_killed_run_goes_on_to_the_same_bits(uninterrupted, tmp_path):
    """SIGKILL at three points: in the first epoch, about its end after 40 steps, and in the second."""
    workdir = tmp_path / "run"
    for wanted in (4, 39, 50):
        child, deadline = Command(*command(workdir, "--checkpoint_every=0"), target=plain), time.time() + PATIENCE
        while child.alive() and time.time() < deadline and max(
                (int(p.stem[5:]) for p in workdir.glob("checkpoints/step-*.ckpt")), default=0) < wanted:
            time.sleep(0.005)
        child.signal(signal.SIGKILL)
        child.wait()
    assert not (workdir / "summary.json").exists(), "the kills came too late to mean anything"
    run(*command(workdir, "--checkpoint_every=0"), target=plain)
    assert result(workdir) == result(uninterrupted)
    assert epochs(workdir / "metrics.csv") == epochs(uninterrupted / "metrics.csv") == ["1", "2"]
    assert not list(workdir.rglob(".tmp-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_saves_and_says_how_to_go_on(number, tmp_path):
    workdir = tmp_path / "run"
    child = Command(*command(workdir, "--steps_per_call=1", "--batch_size=2", "--rotation_range=0"), target=plain)
    while not (workdir / "metrics.jsonl").exists() or not (workdir / "metrics.jsonl").read_text():
        time.sleep(0.01)
        assert child.alive()
    sent = time.time_ns()  # in the second epoch, whose 160 steps no clock interrupts to save
    child.signal(number)
    assert child.wait().code == 128 + number
    assert f"the same command goes on from there (--workdir={workdir})" in child.output
    path, _, meta, _ = checkpoint.latest(workdir / "checkpoints")
    assert meta["epoch"] == 1 and path.stat().st_mtime_ns > sent


def test_a_closed_terminal_saves(tmp_path):
    """The kernel sends SIGHUP then, and whatever is written afterwards fails."""
    workdir, (here, there) = tmp_path / "run", pty.openpty()
    line = [sys.executable, "-m", "cifar_fast", *command(workdir, "--steps_per_call=1", "--batch_size=2"),
            "--rotation_range=0"]
    child = subprocess.Popen(line, stdin=there, stdout=there, stderr=there, start_new_session=True,
                             preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(there)
    os.set_blocking(here, False)
    while not (workdir / "metrics.jsonl").exists() or not (workdir / "metrics.jsonl").read_text():
        time.sleep(0.01)
        with contextlib.suppress(BlockingIOError):
            os.read(here, 1 << 16)  # or the terminal would be full
        assert child.poll() is None
    sent = time.time_ns()
    os.close(here)
    assert child.wait(PATIENCE) == 128 + signal.SIGHUP
    assert checkpoint.latest(workdir / "checkpoints").path.stat().st_mtime_ns > sent


def test_a_signal_is_kept_that_comes_while_the_workers_agree(tmp_path, monkeypatch, few_images):
    real = Run.agree

    def agree(self, caught, steps):
        answer = real(self, caught, steps)
        if not self.step:
            signal.raise_signal(signal.SIGTERM)
        return answer

    monkeypatch.setattr(Run, "agree", agree)
    outcome = train.run(tiny.config(workdir=str(tmp_path)))
    assert outcome.code == 128 + signal.SIGTERM and outcome.summary is None
    assert checkpoint.latest(tmp_path / "checkpoints")[2]["step"] == 1


def test_pictures_that_cannot_be_drawn_cost_nothing_else(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train.trainer, "load_data", lambda config: tiny.data())
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *_, **__: 1 / 0)
    assert train.run(tiny.config(workdir=str(tmp_path), epochs=1)).code == 0
    assert (tmp_path / "summary.json").exists() and not list((tmp_path / "plots").iterdir())
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(tmp_path.name)[0][:21] for line in lines] == ["left out: can't draw "] * 5


def test_workers_with_other_data_are_refused():
    ours, theirs = tiny.data(), tiny.data()
    order = np.random.default_rng(0).permutation(len(theirs.train_labels))
    theirs.train_images[:], theirs.train_labels[:] = theirs.train_images[order], theirs.train_labels[order]

    def team(chief):
        return SimpleNamespace(count=2, workers=2, broadcast=lambda _: chief.digest().encode(), total=float)

    train._check_shared(ours, team(tiny.data()))
    with pytest.raises(UserError, match="--data_dir: 1 of 2 workers have other data"):
        train._check_shared(theirs, team(ours))
    with pytest.raises(UserError, match="--test_examples: 1 test images for 2 replicas"):
        train._check_shared(tiny.data(test=1), team(ours))


PLAIN = dict(horizontal_flip=False, epochs=4, steps_per_call=1, checkpoint_every=0.0)
TRICKS = {
    "lookahead": PLAIN | dict(
        optimizer="muon", learning_rate=0.1, schedule="one_cycle", image_sizes="8x2,16x2", average="lookahead",
        average_every=2, prune=0.4, prune_first=1, crop_padding=2, alternating_flip=True, cutout=8, mixup=0.3,
        stochastic_depth=0.2, blur=True, final_activation=True, label_smoothing=0.1, tta="mirror"),
    "ema": PLAIN | dict(
        optimizer="sgd", weight_decay=0.01, crop_size=16, cutmix=1.0, average="ema", whitening=True, tta="translate",
        norm_momentum=0.9),
}


@pytest.mark.parametrize("tricks", TRICKS.values(), ids=TRICKS)
def test_a_run_with_every_trick_goes_on_to_the_same_bits(tricks, tmp_path, monkeypatch, few_images):
    """The second run finds what the first had on the disk at its tenth call, within an epoch, as if it had been killed
    there."""
    real, calls = train.trainer.Trainer.train, []

    def copied(self, *arguments):
        calls.append(arguments)
        if len(calls) == 10:
            shutil.copytree(tmp_path / "whole", tmp_path / "cut")
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(train.trainer.Trainer, "train", copied)
        train.run(tiny.config(workdir=str(tmp_path / "whole"), **tricks))
    config = tiny.config(workdir=str(tmp_path / "cut"), **tricks)
    assert not (tmp_path / "cut/summary.json").exists()
    train.run(config)
    assert result(tmp_path / "cut") == result(tmp_path / "whole")
    summary = json.loads((tmp_path / "cut/summary.json").read_text())
    evaluated = saved.evaluate(config, "last")
    assert (evaluated["weights_sha256"], evaluated["tta_accuracy"]) == (
        summary["weights_sha256"], summary["tta_accuracy"])
    # What each epoch was evaluated by is the average, too.
    lines, best = result(tmp_path / "cut")[1], saved.evaluate(config, "best")
    assert lines[-1]["test_loss"] == pytest.approx(summary["test_loss"], rel=1e-5)
    assert lines[best["epoch"] - 1]["test_loss"] == pytest.approx(best["loss"], rel=1e-5)


def test_a_finished_run_that_gets_more_epochs_is_the_run_that_had_them_from_the_start(tmp_path, few_images):
    """By the exponential schedule, which counts epochs from the start."""
    tricks = dict(average="ema", average_every=2, prune=0.3, prune_first=1, prune_last=0, decay=0.5)
    train.run(tiny.config(workdir=str(tmp_path / "whole"), epochs=3, **tricks))
    for epochs in (1, 3):
        train.run(tiny.config(workdir=str(tmp_path / "longer"), epochs=epochs, **tricks))
    assert result(tmp_path / "longer") == result(tmp_path / "whole")


def test_other_data_and_damage_are_named_and_a_run_goes_on_with_neither(tmp_path, monkeypatch, few_images, capsys):
    config = tiny.config(workdir=str(tmp_path))
    train.run(config)
    capsys.readouterr()
    saved.evaluate(config)
    assert not capsys.readouterr().err
    newest = checkpoint.latest(tmp_path / "checkpoints")[0]
    newest.write_bytes(b"damaged")
    data = tiny.data()
    data.train_images[1:] ^= 255  # all but one: every byte counts
    monkeypatch.setattr(train.trainer, "load_data", lambda config: data)
    with pytest.raises(UserError, match="^--data_dir: drawn: other data than those that the run in .* began with"):
        train.run(config)
    assert f"passed over: {newest}: damaged" in capsys.readouterr().out
    assert saved.evaluate(config, "last")["epoch"] == 1
    passed_over, other = capsys.readouterr().err.splitlines()
    assert passed_over.startswith(f"passed over: {newest}: damaged")
    assert other == "other data than the run's, or in another order: drawn; standardized as the run's"
    data = tiny.data()
    grey = dataclasses.replace(data, train_images=data.train_images[..., :1], test_images=data.test_images[..., :1])
    monkeypatch.setattr(train.trainer, "load_data", lambda config: grey)
    for which in ("last", "best"):
        with pytest.raises(UserError, match="^drawn: images of .* 1 channel; the network takes .* 3 channels"):
            saved.evaluate(config, which)


def test_a_signal_that_another_worker_caught_is_not_this_ones_first(tmp_path, monkeypatch, few_images):
    def agree(self, caught, steps):
        monkeypatch.setattr(Run, "save", lambda self: signal.raise_signal(signal.SIGTERM))  # this one's own
        return signal.SIGTERM, steps

    monkeypatch.setattr(Run, "agree", agree)
    outcome = train.run(tiny.config(workdir=str(tmp_path)))
    assert outcome.code == 128 + signal.SIGTERM and outcome.summary is None


def test_a_target_stops_the_run_and_a_lost_best_is_replaced(tmp_path, few_images, capsys):
    config = tiny.config(workdir=str(tmp_path), epochs=5, target_accuracy=0.01)
    for finished in (False, True):
        train.run(config)
        assert saved.evaluate(config, "best")["weights_sha256"] == result(tmp_path)[0]
        (tmp_path / "checkpoints/best.ckpt").unlink()
        with pytest.raises(UserError, match="--which=last"):
            saved.evaluate(config, "best")
        summary = json.loads((tmp_path / "summary.json").read_text())
        assert summary["epochs"] == 1 and summary["seconds_to_target"] > 0
        output = capsys.readouterr().out
        assert "--target_accuracy=0.01 is reached after epoch 1" in output
        assert ("trained to its end" in output) == finished


def test_a_run_with_other_flags_is_refused_by_name(uninterrupted):
    done = Command(*command(uninterrupted, "--learning_rate=0.5")).wait()
    assert done.code == 1 and "Traceback" not in done.error
    assert "--learning_rate: 0.001 there, 0.5 now" in done.error


def test_evaluating_the_last_checkpoint_repeats_the_summary(uninterrupted):
    done = run("evaluate", f"--workdir={uninterrupted}", "--which=last")
    evaluated = json.loads(done.output.splitlines()[-1])
    summary = json.loads((uninterrupted / "summary.json").read_text())
    assert evaluated["accuracy"] == summary["test_accuracy"]
    assert evaluated["weights_sha256"] == summary["weights_sha256"]


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(tmp_path, monkeypatch, few_images):
    real = train.trainer.Trainer.train
    monkeypatch.setattr(train.trainer.Trainer, "train", lambda self, batches, epoch, *rest: (
        real(self, batches, epoch, *rest) * (np.float32("nan") if epoch else np.float32(1))))
    with pytest.raises(UserError, match="loss is not finite in epoch 2"):
        train.run(tiny.config(workdir=str(tmp_path)))
    assert checkpoint.load_last(tmp_path / "checkpoints")[1]["epoch"] == 1
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_damaged_metrics_are_rewritten_from_the_checkpoint(tmp_path, few_images):
    config = tiny.config(workdir=str(tmp_path), batch_size=80)  # a step an epoch: none has a second call to time
    train.run(config)
    metrics = tmp_path / "metrics.jsonl"
    whole = metrics.read_bytes()
    assert [json.loads(line)["step"] for line in whole.splitlines()] == [1, 2]
    assert all(json.loads(line)["seconds"] > 0 for line in whole.splitlines())
    table = tmp_path / "metrics.csv"
    rows = table.read_bytes()
    for path in (metrics, table):
        path.write_bytes(path.read_bytes()[:-9])
    train.run(config)
    assert (metrics.read_bytes(), table.read_bytes()) == (whole, rows)
    for path in (metrics, table):
        path.unlink()
    train.run(config)
    assert (metrics.read_bytes(), table.read_bytes()) == (whole, rows)


def test_a_worker_that_has_no_temporary_folder_makes_one_in_the_run_directory(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "has_temporary_folder", lambda: False)
    with train._scratch(tmp_path / "run") as scratch:
        assert os.path.dirname(scratch) == str(tmp_path / "run")
    assert not os.listdir(tmp_path / "run")
