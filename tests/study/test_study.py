"""Whole studies of a tiny network: the bits of runs trained alone, kills, several processes, failures."""
import json
import signal
import time

import pytest

from cifar_fast import cli
from cifar_fast.errors import UserError
from cifar_fast.runs import train
from cifar_fast.study import study, variants
from cifar_fast.study.study import Study
from tests.support import tiny
from tests.support.command import PATIENCE, Command, run
from tests.support.finished import Finished
from tests.support.whole_runs import plain

FLAGS = ["study", "--dataset=synthetic", "--train_examples=140", "--validation_examples=60", "--test_examples=40",
         "--units=3", "--filters=2", "--batch_size=20", "--epochs=2", "--precision=float32",
         "--checkpoint_every=0", "--steps_per_call=1", "--vary=learning_rate=0.001,0.01", "--seeds=0:2"]


def summaries(folder):
    return {str(p.parent.relative_to(folder)): json.loads(p.read_text()) for p in folder.glob("*/*/summary.json")}


def lines(folder):
    return {str(p.parent.relative_to(folder)): p.read_text().count("\n") for p in folder.glob("*/*/metrics.jsonl")}


def test_runs_of_a_study_are_the_runs_that_they_would_be_alone(tmp_path, monkeypatch, capsys):
    tiny.few_images(monkeypatch)
    base = tiny.config(optimizer="sgd", dropout=0.2, epochs=1)
    made, plain = [], study.trainer.Trainer
    monkeypatch.setattr(study.trainer, "Trainer", lambda *some, **named: made.append(1) or plain(*some, **named))
    chosen = variants.combinations(base, ["momentum=0.9,0.5", "filters=4,8"])
    assert Study(chosen, [0, 3], tmp_path, target=0.05).run() == 0
    assert len(made) == 2  # one for each number of filters
    found = summaries(tmp_path)
    assert len(found) == 8 and len({s["weights_sha256"] for s in found.values()}) == 8
    for place in ("momentum=0.9,filters=8/seed3", "momentum=0.5,filters=4/seed3"):
        momentum, filters = (float(part.partition("=")[2]) for part in place.split("/")[0].split(","))
        alone = train.run(tiny.config(optimizer="sgd", dropout=0.2, epochs=1, momentum=momentum, filters=int(filters),
                                      seed=3, workdir=str(tmp_path / "alone" / place)))
        assert alone.summary["weights_sha256"] == found[place]["weights_sha256"]
    table = json.loads((tmp_path / "table.json").read_text())
    assert [row["seeds"] for row in table["rows"]] == [[0, 3]] * 4 and table["baseline"] == "momentum=0.9 filters=4"
    for name in ("table.txt", "table.md", "table.csv", "study.png"):
        assert (tmp_path / name).stat().st_size
    assert "8 of 8" not in capsys.readouterr().out  # the last table stands once


def test_a_finished_study_trains_nothing_again_and_more_seeds_are_added(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    chosen = variants.combinations(tiny.config(epochs=1), [])
    assert Study(chosen, [0], tmp_path).run() == 0
    before, attempts = summaries(tmp_path), []
    monkeypatch.setattr(study.train, "train", lambda *some: attempts.append(1))
    assert Study(chosen, [0], tmp_path).run() == 0
    assert not attempts and summaries(tmp_path) == before
    monkeypatch.undo()
    tiny.few_images(monkeypatch)
    assert Study(chosen, [0, 1], tmp_path).run() == 0 and len(summaries(tmp_path)) == 2


def test_a_finished_study_holds_nothing(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    finished = Finished(monkeypatch)
    one = Study(variants.combinations(tiny.config(epochs=1), []), [0, 1], tmp_path)
    assert one.run() == 0 and not finished.alive()


def test_other_flags_in_its_folder_are_refused(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    assert Study(variants.combinations(tiny.config(epochs=1), []), [0], tmp_path).run() == 0
    with pytest.raises(UserError, match="--filters: 4 there, 8 now"):
        Study(variants.combinations(tiny.config(epochs=1, filters=8), []), [0], tmp_path).run()


def test_a_run_that_fails_is_said_and_the_others_are_trained(tmp_path, monkeypatch, capsys):
    tiny.few_images(monkeypatch)
    chosen = variants.combinations(tiny.config(epochs=1, optimizer="sgd"), ["learning_rate=1e9,0.01"])
    assert Study(chosen, [0, 1], tmp_path).run() == 1
    assert set(summaries(tmp_path)) == {"learning_rate=0.01/seed0", "learning_rate=0.01/seed1"}
    assert "learning_rate=1e9, seed 1" in capsys.readouterr().err
    assert json.loads((tmp_path / "table.json").read_text())["failed"] == [
        "learning_rate=1e9, seed 0", "learning_rate=1e9, seed 1"]


def test_without_a_finished_run_no_table_is_named(tmp_path, monkeypatch, capsys):
    tiny.few_images(monkeypatch)
    chosen = variants.combinations(tiny.config(epochs=1, optimizer="sgd", learning_rate=1e9), [])
    assert Study(chosen, [0], tmp_path).run() == 1
    assert capsys.readouterr().out.splitlines()[-1] == "no run is finished yet" and not (tmp_path / "table.md").exists()


def test_killed_and_shared_by_two_processes_it_is_the_undisturbed_study(tmp_path):
    """Every run once, each metrics.jsonl with each epoch once, and the table's figures the same."""
    whole, disturbed = tmp_path / "whole", tmp_path / "disturbed"
    run(*FLAGS, f"--studydir={whole}", target=plain)
    workers = [Command(*FLAGS, f"--studydir={disturbed}", target=plain) for _ in range(2)]
    deadline = time.time() + PATIENCE
    for number in range(2):
        while not len(list(disturbed.glob("*/*/checkpoints/step-*"))) > 2 * number:
            assert time.time() < deadline
            time.sleep(0.02)
        victim = workers[number % 2]
        if not victim.alive():
            break
        victim.signal(signal.SIGKILL)
        victim.wait()
        workers[number % 2] = Command(*FLAGS, f"--studydir={disturbed}", target=plain)
    for worker in workers:
        assert worker.wait().code == 0, worker.error
    digests = [{place: s["weights_sha256"] for place, s in summaries(folder).items()} for folder in (whole, disturbed)]
    assert digests[0] == digests[1] and len(digests[0]) == 4
    assert lines(disturbed) == lines(whole) == dict.fromkeys(digests[0], 2)
    figures = [[(row["variant"], row["accuracy"], row["difference"]) for row in json.loads(
        (folder / "table.json").read_text())["rows"]] for folder in (whole, disturbed)]
    assert figures[0] == figures[1]


@pytest.mark.parametrize("line", [
    "--seeds=", "--seeds=a", "--vary=learning_rate", "--vary=seed=1,2", "--vary=nothing=1", "--list=/no/such/file",
    "--baseline=nothing", "--target=2", "--seed=1", "--workdir=x", "--final --validation_examples=5",
    "--vary=units=3,4", "--list=x --vary=units=3,6", "--studydir=/dev/null/x", "--which=best"])
def test_wrong_command_lines(line, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["--dataset=synthetic", "--train_examples=80", "--validation_examples=16", "--test_examples=4",
             "--batch_size=8", "--units=3", "--filters=1", "--epochs=1"]
    assert cli.main(["cifar_fast", "study", *small, *line.split()]) == 1
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1 and not list(tmp_path.iterdir()), shown
