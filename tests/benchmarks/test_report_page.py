"""The page that `python -m benchmarks.report` writes, from the records that the repository holds."""
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import report
from cifar_fast.errors import UserError

RESULTS = Path(report.__file__).parent / "results" / "speed"
STORED = {"epoch_time": "epoch_time_batch32", "input_pipeline": "input_pipeline", "step_breakdown": "step_breakdown",
          "augment": "augment"}
RECORDS = {name: json.loads((RESULTS / f"{file}.json").read_text()) for name, file in STORED.items()}


def values(out, **changes):
    return SimpleNamespace(**dict(dataset="synthetic", data_dir=None, out=str(out), batch_sizes=["32", "128"],
                                  peers=["original"], fraction=0.01, repeats=2) | changes)


def test_the_page_has_every_part_and_the_43_seconds():
    text = report.page(RECORDS)
    assert text.startswith("# cifar_fast on AMD EPYC, 2 cores\n")
    assert "a Colab GPU, as reported | batch size 32 | 1,163 | 43.0 | 1.00 × |" in text
    for part in ("**cifar_fast**", "cifar_fast / original", "gather and augment", "of a matrix product's best",
                 "cifar_fast, resident / training step", "cifar_fast / ImageDataGenerator", "(report.png)",
                 "--data_dir=PATH", "tensorflow 2."):
        assert part in text
    assert "--out=" not in text


def test_a_gpu_is_named_and_the_fastest_stands_first():
    record = RECORDS["epoch_time"]
    assert len(record["machine"]["devices"]) == 1  # its contestants are processes of their own
    seen = RECORDS["step_breakdown"]
    seen = seen | {"machine": seen["machine"] | {"devices": ["AMD EPYC", "NVIDIA T4"]}}
    assert report.page({"epoch_time": record, "step_breakdown": seen}).startswith("# cifar_fast on NVIDIA T4\n")
    seconds = [row[3] for row in report.epochs(record)]
    assert seconds == sorted(seconds) and 43.0 in seconds
    assert report.picture(record, "a title").startswith(b"\x89PNG")


def test_all_benchmarks_run_and_a_failed_one_is_named(tmp_path, monkeypatch, capsys):
    asked = {}

    def run(name, arguments, folder):
        asked[name] = arguments
        return (None, "exit 1: no such thing") if name == "augment" else (RECORDS[name], None)

    monkeypatch.setattr(report, "run", run)
    assert report.build(values(tmp_path / "new" / "folder", data_dir="data")) == 1
    assert list(asked) == list(STORED)
    assert {"--data_dir=data", "--fraction=0.01", "--repeats=2", "--peers=original"} <= set(asked["epoch_time"])
    assert {"--batch_size=128", "--rotation_range=30"} <= set(asked["step_breakdown"])
    text = (tmp_path / "new" / "folder" / "report.md").read_text()
    assert "**augment failed** (exit 1: no such thing)" in text and "## A step" in text
    assert (tmp_path / "new" / "folder" / "report.png").exists()
    assert "augment" in capsys.readouterr().out


def test_a_child_that_fails_leaves_its_last_line(tmp_path):
    record, failure = report.run("nothing", [], tmp_path)
    assert record is None and failure.startswith("exit 1: ") and "benchmarks.nothing" in failure


def test_what_is_wrong_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--out=.*folder that can be made"):
        report.build(values(tmp_path / "file" / "below"))
    monkeypatch.setattr(report, "run", lambda *_: (None, "exit 2: no memory"))
    with pytest.raises(UserError, match="no memory"):
        report.build(values(tmp_path))
