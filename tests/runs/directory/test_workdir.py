import csv
import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from cifar_fast.config import FREE
from cifar_fast.errors import UserError
from cifar_fast.runs.directory.workdir import CHECKSUM, COLUMNS, Workdir
from cifar_fast.system import files
from tests.support import tiny

LINES = ["--dataset=cifar10", "--seed=1", "--workdir=a=b"]
HOLD = """
import sys, time
from cifar_fast.runs.directory.workdir import Workdir
with Workdir(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def workdir(tmp_path):
    with Workdir(tmp_path / "runs" / "a") as opened:
        yield opened


def test_folders_and_leftovers(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / f"{files.TEMPORARY}x").touch()
    with Workdir(tmp_path) as workdir:
        assert workdir.plots.is_dir() and os.listdir(workdir.checkpoints) == []


def test_a_second_run_is_refused_and_a_dead_ones_lock_taken_over(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        message = f"process {holder.pid} on .* is training there"
        with pytest.raises(UserError, match=message), Workdir(tmp_path):
            pass
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with Workdir(tmp_path):
        assert json.loads((tmp_path / "lock").read_text())["pid"] == os.getpid()


def test_a_link_in_the_locks_place_leads_nowhere(tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match="can't be written"), Workdir(tmp_path / "run"):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


@pytest.mark.parametrize("kind", ["pipe", "not UTF-8", "control characters"])
def test_a_strange_configuration_gets_one_printable_line(kind, workdir):
    lines = {"pipe": b"", "not UTF-8": b"--seed=\xff\n", "control characters": b"--seed=\x1b[2J\n"}[kind]
    if kind == "pipe":
        os.mkfifo(workdir.config)
    else:
        workdir.config.write_bytes(lines + CHECKSUM + hashlib.sha256(lines).hexdigest().encode() + b"\n")
    with pytest.raises(UserError, match="config.flags|--seed") as error:
        workdir.open_config(LINES, ())
    assert str(error.value).isprintable()


def test_the_lock_is_freed_at_the_end_and_in_one_process_too(tmp_path):
    with Workdir(tmp_path):
        (tmp_path / "lock").write_text("not json")
        with pytest.raises(UserError, match="another process"), Workdir(tmp_path):
            pass
    with Workdir(tmp_path):
        pass


def test_a_workdir_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "run", "/proc/nothing"):
        with pytest.raises(UserError, match=f"--workdir={path}: can't be written"), Workdir(path):
            pass


def test_config_goes_on_only_with_the_same_flags(workdir):
    workdir.open_config(LINES, free=["workdir"])
    workdir.open_config([*LINES[:2], "--workdir=elsewhere"], free=["workdir"])
    assert workdir.read_config() == [*LINES[:2], "--workdir=elsewhere"]
    with pytest.raises(UserError) as error:
        workdir.open_config(["--dataset=cifar10", "--seed=2", "--units=3"], free=["workdir"])
    assert "--seed: 1 there, 2 now" in str(error.value) and "--units: unset there, 3 now" in str(error.value)
    assert "dataset" not in str(error.value) and "elsewhere" not in str(error.value)
    assert "--seed=1" in workdir.read_config()


def test_a_run_gets_more_epochs_where_none_depends_on_their_number(workdir):
    def lines(epochs, **changes):
        return tiny.config(epochs=epochs, **changes).flag_lines()

    workdir.open_config(lines(1), FREE)
    workdir.write_summary({"epochs": 1})
    assert workdir.read_summary(lines(1), FREE) == {"epochs": 1}
    assert workdir.read_summary(lines(3), FREE) is None
    workdir.open_config(lines(3), FREE)
    assert "--epochs=3" in workdir.read_config() and not workdir.summary.exists()
    for other in (lines(2), lines(4, seed=1)):
        with pytest.raises(UserError, match="--epochs: 3 there.*give the same flags"):
            workdir.open_config(other, FREE)


@pytest.mark.parametrize("changes", [
    dict(schedule="cosine"), dict(schedule="one_cycle"), dict(average="lookahead"), dict(prune=0.3, prune_last=1)])
def test_else_it_is_said_how_to_train_on(changes, workdir):
    workdir.open_config(tiny.config(epochs=1, **changes).flag_lines(), FREE)
    with pytest.raises(UserError, match=f"--epochs: 1 there, 3 now.*--init_from={workdir.path} and another") as error:
        workdir.open_config(tiny.config(epochs=3, **changes).flag_lines(), FREE)
    name, value = list(changes.items())[-1]
    assert f"--{name}={value}" in str(error.value)


@pytest.mark.parametrize("damage", [
    b"", b"\xff\xfe", b"--dataset=cifar10\n--seed\n", b"--dataset=cifar10\n-.seed=1\n"])
def test_a_damaged_config_is_refused(workdir, damage):
    workdir.config.write_bytes(damage)
    with pytest.raises(UserError, match="config.flags: damaged|--seed"):
        workdir.open_config(LINES, free=["workdir"])


def test_a_lost_config_beside_checkpoints_is_refused(workdir):
    (workdir.checkpoints / "step-0000000001.ckpt").touch()
    with pytest.raises(UserError, match="config.flags: missing"):
        workdir.open_config(LINES, free=[])


def test_a_run_without_its_checkpoints_is_refused_or_said(workdir, capsys):
    workdir.check_that_nothing_is_lost()
    assert capsys.readouterr().out == ""
    workdir.write_environment({})
    workdir.check_that_nothing_is_lost()
    assert "starting from the first step" in capsys.readouterr().out
    workdir.append_metrics({"epoch": 1})
    with pytest.raises(UserError, match="checkpoints: no checkpoint there, but .*metrics.jsonl tells of a run"):
        workdir.check_that_nothing_is_lost()


def test_an_edited_config_is_refused(workdir):
    workdir.open_config(LINES, free=["workdir"])
    workdir.config.write_text(workdir.config.read_text().replace("--seed=1", "--seed=2"))
    with pytest.raises(UserError, match="config.flags: damaged, edited"):
        workdir.read_config()


def test_reading_a_run_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no run to read there.*No such file"):
        Workdir(tmp_path).read_config()


def test_metrics_are_a_line_an_epoch_and_can_be_rewritten(workdir):
    lines = [{"epoch": i, "loss": 0.1 * i} for i in (1, 2, 3)]
    for line in lines:
        workdir.append_metrics(line)
    assert [json.loads(line) for line in workdir.metrics.read_text().splitlines()] == lines
    workdir.write_metrics(lines[:1])
    assert [json.loads(line) for line in workdir.metrics.read_text().splitlines()] == lines[:1]


def test_the_table_of_metrics_is_the_lines_with_a_column_each(workdir):
    workdir.write_metrics([{"epoch": 1, "loss": 0.1, "test_accuracy": 1 / 3}])
    workdir.append_metrics({"epoch": 2, "loss": 1e-9})
    rows = list(csv.DictReader(workdir.metrics_table.open(newline="")))
    assert [list(row) for row in rows] == [list(COLUMNS)] * 2
    assert [{k: float(v) for k, v in row.items() if v} for row in rows] == [
        {"epoch": 1, "loss": 0.1, "test_accuracy": 1 / 3}, {"epoch": 2, "loss": 1e-9}]
    with pytest.raises(ValueError, match="no column for speed"):
        workdir.append_metrics({"epoch": 3, "speed": 1})


def test_summary_and_environment(workdir):
    workdir.write_summary({"test_accuracy": 0.5})
    workdir.write_environment({"versions": {}})
    assert json.loads((workdir.path / "summary.json").read_text()) == {"test_accuracy": 0.5}
    assert json.loads((workdir.path / "environment.json").read_text()) == {"versions": {}}


def test_a_summary_alone_tells_of_a_run_and_empty_metrics_do_not(workdir):
    workdir.write_metrics([])
    workdir.check_that_nothing_is_lost()
    workdir.metrics.unlink()
    workdir.write_summary({})
    with pytest.raises(UserError, match="summary.json tells of a run"):
        workdir.check_that_nothing_is_lost()
