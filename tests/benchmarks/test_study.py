"""The study beside commands of their own, with the processes replaced: that every run is counted and compared."""
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import study


@pytest.mark.parametrize("odd, code", [(None, 0), ("0.005", 1)])
def test_all_runs_are_compared(tmp_path, monkeypatch, capsys, odd, code):
    commands = []

    def run(command, *arguments):
        commands.append(command)
        given = dict(a.removeprefix("--").split("=", 1) for a in arguments if "=" in a)
        if command == "study":
            for rate in study.RATES:
                for seed in study.SEEDS:
                    write(Path(given["studydir"]) / f"learning_rate={rate}" / f"seed{seed}", rate, seed)
        else:
            write(Path(given["workdir"]), "else" if given["learning_rate"] == odd else given["learning_rate"],
                  given["seed"])

    def write(folder, rate, seed):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(json.dumps({"weights_sha256": f"{rate} {seed}"}))

    monkeypatch.setattr(study, "_run", run)
    given = dict(repeats=2, data_dir=None, train_examples=50, epochs=1, filters=4, out=str(tmp_path / "record.json"))
    monkeypatch.setattr(study, "FLAGS", SimpleNamespace(**given))
    assert study.main([]) == code
    assert commands == 2 * ["study", *12 * ["train"]]
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["same_weights"] is not bool(code) and record["runs"] == 12 and len(record["ratios"]) == 1
    assert "12 runs" in capsys.readouterr().out
