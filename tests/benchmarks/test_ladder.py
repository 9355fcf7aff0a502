"""The ladder: rungs at equal arithmetic, and a record that is gone on with."""
import json
import sys
from pathlib import Path

import pytest
from absl import flags

from benchmarks import ladder
from cifar_fast.config import Config
from cifar_fast.errors import UserError
from cifar_fast.training import plan


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Sets the ladder's flags, with a tiny task by default, and runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ladder"])

    def ask(*words):
        flags.FLAGS.unparse_flags()
        flags.FLAGS(["ladder", "--dataset=synthetic", "--train_examples=2000", "--units=3", "--filters=4",
                     "--validation_examples=40", *words])

    yield ask
    flags.FLAGS.unparse_flags()


@pytest.fixture
def counted(monkeypatch):
    """Runs that take no time, and are noted."""
    done = []

    def run(config, folder):
        done.append(config)
        return {"seed": config.seed, "test_accuracy": 0.5 + 0.01 * len(done), "test_top5": 0.9, "tta_accuracy": 0.7,
                "pflop": ladder.arithmetic(config) / 1e15, "clock_seconds": 12.0}

    monkeypatch.setattr(ladder, "run", run)
    return done


@pytest.mark.parametrize("size", [(15_000, 6, 16, 8.0), (45_000, 12, 32, 9.18)])
def test_every_rung_is_a_valid_run_at_the_same_arithmetic(asked, size):
    asked(*(f"--{n}={v}" for n, v in zip(("train_examples", "units", "filters", "passes"), size, strict=True)))
    base = ladder._base()
    budget = 1403.4e6 * size[0] * size[3] if size[1] == 12 else None
    rungs = list(ladder.climb(base))
    assert len(rungs) >= 10 and rungs[0][2] == base
    for name, changes, config in rungs:
        whole = ladder.fitted(config, budget or 8 * ladder.arithmetic(ladder.dataclasses.replace(base, epochs=1)))
        budget = budget or ladder.arithmetic(whole)
        assert ladder.arithmetic(whole) == pytest.approx(budget, rel=0.04), name
        for flag, value in changes.items():
            assert flag == "image_sizes" or getattr(whole, flag) == value


@pytest.mark.parametrize("epochs, expected", [
    (14, "20x8,26x4,32x2"), (7, "20x4,26x2,32x1"), (28, "20x16,26x8,32x4"), (9, "20x5,26x3,32x1"), (1, "20x1")])
def test_sizes_keep_their_shares(epochs, expected):
    assert ladder.stretched("20x8,26x4,32x2", epochs) == expected
    assert len(plan.sizes(expected, epochs)) == epochs


def test_the_number_of_epochs_is_the_nearest():
    config = Config(image_sizes="20x8,26x4,32x2", epochs=14, train_examples=5000, batch_size=500, prune=0.3)
    found = ladder.fitted(config, 60e12)
    missed = {epochs: abs(ladder.arithmetic(ladder.dataclasses.replace(
        config, epochs=epochs, image_sizes=ladder.stretched(config.image_sizes, epochs))) - 60e12)
        for epochs in range(2, 30)}
    assert found.epochs == min(missed, key=missed.get)


def test_what_is_recorded_is_not_run_again(asked, counted, tmp_path, monkeypatch, capsys):
    asked("--seeds=0,1", "--rungs=1,no dropout", "--out=a.json", "--picture=a.png")
    ladder.main([])
    assert [(c.batch_size, c.seed) for c in counted] == [(32, 0), (32, 1), (250, 0), (250, 1)]
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert "no dropout" in text and "53.50%" in text and "+2.00" in text and "53.00 – 54.00" in text
    ladder.main([])
    assert len(counted) == 4
    asked("--seeds=0,1,2", "--rungs=1,ReLU", "--out=a.json")
    ladder.main([])
    assert [(c.activation, c.seed) for c in counted[4:]] == [("elu", 2), ("relu", 0), ("relu", 1), ("relu", 2)]

    changed = (ladder.RUNGS[0], ("ReLU", {"activation": "relu", "dropout": 0.2}), *ladder.RUNGS[2:])
    monkeypatch.setattr(ladder, "RUNGS", changed)
    asked("--rungs=1,2", "--out=a.json")
    ladder.main([])
    assert [c.dropout for c in counted[8:]] == [0.2]
    entries = json.loads((tmp_path / "a.json").read_text())["results"]
    assert [(e["number"], len(e["runs"])) for e in entries] == [(1, 3), (2, 1), (7, 2)]

    asked("--rungs=1", "--filters=8", "--out=a.json", "--picture=a.png")
    ladder.main([])
    assert "3 units from 8 filters" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "a.json").read_text())["results"]) == 4


def test_rungs_stay_in_order_when_one_comes_between(asked, counted, tmp_path, monkeypatch):
    rungs = (ladder.RUNGS[0], ("no dropout", {"dropout": 0.0}))
    monkeypatch.setattr(ladder, "RUNGS", rungs)
    asked("--out=a.json")
    ladder.main([])
    monkeypatch.setattr(ladder, "RUNGS", (rungs[0], ("less dropout", {"dropout": 0.05}), rungs[1]))
    ladder.main([])
    assert len(counted) == 3
    entries = json.loads((tmp_path / "a.json").read_text())["results"]
    assert [(e["number"], e["name"]) for e in entries] == [(1, "original"), (2, "less dropout"), (3, "no dropout")]


def test_mistakes_are_said_in_a_line(asked, tmp_path, monkeypatch):
    asked("--rungs=1,mixpu", "--out=a.json")
    with pytest.raises(SystemExit, match="--rungs=mixpu: no such rung; expected numbers from 1"):
        ladder.main([])
    (tmp_path / "b.json").write_text("[]")
    asked("--out=b.json")
    with pytest.raises(SystemExit, match="--out=b.json: not a record"):
        ladder.main([])
    monkeypatch.setenv("PYTHONPATH", str(Path(ladder.__file__).parents[1]))
    with pytest.raises(UserError, match="ended with 1: .*no such"):
        ladder.run(Config(data_dir="no such"), "runs")
