"""The benchmarks' timing and records, with a clock and contestants of our own."""
import json
import sys

import pytest

from benchmarks.support import harness


def test_contestants_take_turns_after_the_warmup():
    calls, now = [], iter(range(1000))
    contestants = {name: lambda name=name: calls.append(name) or 6 for name in "ab"}
    rates = harness.interleave(contestants, repeats=3, warmup=1, clock=lambda: next(now) * 2)
    assert calls == list("abababab")
    assert rates == {"a": [3.0] * 3, "b": [3.0] * 3}


def test_a_contestant_may_take_its_own_time():
    assert harness.interleave({"a": lambda: (10, 4.0)}, repeats=2, warmup=0) == {"a": [2.5, 2.5]}


def test_for_seconds_counts_whole_calls_only():
    images, seconds = harness.for_seconds(lambda: 7, 0.01)()
    assert images % 7 == 0 and images >= 7 and seconds >= 0.01


@pytest.mark.parametrize("repeats, warmup", [(0, 0), (1, -1)])
def test_at_least_one_repeat(repeats, warmup):
    with pytest.raises(ValueError, match="repeats"):
        harness.interleave({"a": lambda: 1}, repeats, warmup)


def test_ratios_are_taken_pair_by_pair():
    rates = {"ours": [10, 40, 90], "theirs": [10, 20, 30]}
    assert harness.ratio("ours", "theirs", rates) == {"name": "ours / theirs", "median": 2, "min": 1, "max": 3}
    with pytest.raises(ValueError):
        harness.ratio("ours", "theirs", {"ours": [1], "theirs": [1, 2]})


def test_the_record_has_the_agreed_form(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks/augment.py", "--data_dir=PATH", "--out=a b.json"])
    results = [harness.result("cifar_fast", [1.0, 3.0, 2.0], {"batch_size": 32}, first_epoch_seconds=9.5)]
    ratios = [{"name": "cifar_fast / peer", "median": 2.0, "min": 1.0, "max": 3.0}]
    harness.write(tmp_path / "out.json", "augment", results, ratios)
    whole = json.loads((tmp_path / "out.json").read_text())
    assert list(whole) == ["benchmark", "command", "machine", "versions", "results", "ratios"]
    assert whole["benchmark"] == "augment" and whole["command"].endswith("--data_dir=DATA '--out=a b.json'")
    assert {"cpu", "cores", "memory", "devices"} <= set(whole["machine"])
    assert {"python", "tensorflow", "numpy"} <= set(whole["versions"])
    assert whole["results"] == [{"name": "cifar_fast", "settings": {"batch_size": 32}, "first_epoch_seconds": 9.5,
                                 "images_per_second": {"median": 2.0, "min": 1.0, "max": 3.0},
                                 "runs": [1.0, 3.0, 2.0]}]
    assert whole["ratios"] == ratios


def test_the_table_and_the_picture_show_every_result(tmp_path):
    results = [harness.result("cifar_fast", [1234.0], {"batch_size": 8}), harness.result("peer", [56.0])]
    text = harness.table(results, [harness.ratio("cifar_fast", "peer", {"cifar_fast": [1234.0], "peer": [56.0]})])
    assert "1,234 images/s" in text and "batch_size 8" in text and "cifar_fast / peer" in text and "22.04 ×" in text
    assert len(text.splitlines()) == 4
    for log in (False, True):
        harness.bar_chart(tmp_path / "bars.png", results, "Augmentation", log)
        assert (tmp_path / "bars.png").read_bytes().startswith(b"\x89PNG")
