"""The comparison of any finished runs."""
import json
import shutil

import pytest

from cifar_fast import cli
from cifar_fast.errors import UserError
from cifar_fast.study import compare, variants
from cifar_fast.study.study import Study
from tests.support import tiny


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Those of a study, whose programs are compiled once; "elsewhere" as if it had been trained on other data."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        tiny.few_images(patch)
        chosen = variants.combinations(tiny.config(epochs=1), ["learning_rate=0.001,0.01"])
        assert Study(chosen, [0, 1], folder).run() == 0
    for variant, letter in zip(chosen, "ab", strict=True):
        for seed in (0, 1):
            (folder / variant.folder / f"seed{seed}").rename(folder / f"{letter}{seed}")
    shutil.copytree(folder / "a0", folder / "elsewhere")
    summary = json.loads((folder / "a0" / "summary.json").read_text())
    (folder / "elsewhere" / "summary.json").write_text(json.dumps(summary | {"data": tiny.data(seed=9).digest()}))
    return folder


def test_runs_are_grouped_by_the_flags_in_which_they_differ(runs, tmp_path, capsys):
    line = ["cifar_fast", "compare", *(str(runs / name) for name in ("a0", "b0", "a1")), f"--out={tmp_path / 'out'}"]
    assert cli.main(line) == 0
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert [(row["variant"], row["seeds"]) for row in table["rows"]] == [
        ("learning_rate=0.001", [0, 1]), ("learning_rate=0.01", [0])]
    assert "learning_rate=0.01" in capsys.readouterr().out
    assert all((tmp_path / "out" / name).stat().st_size for name in ("study.png", "curves.png", "table.md"))


def test_means_over_different_data_are_refused(runs, tmp_path):
    with pytest.raises(UserError, match="elsewhere and .*a0 are of different data"):
        compare.compare([runs / "a0", runs / "elsewhere"], tmp_path)


def test_an_older_run_is_known_by_the_name_of_its_data(runs, tmp_path):
    for name in ("a0", "a1"):
        shutil.copytree(runs / name, tmp_path / name)
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        del summary["data"]
        (tmp_path / name / "summary.json").write_text(json.dumps(summary))
    assert len(compare.grouped([compare.read(tmp_path / name) for name in ("a0", "a1")])["all"]) == 2


@pytest.mark.parametrize("damage", [
    lambda folder: (folder / "summary.json").unlink(), lambda folder: (folder / "summary.json").write_text("{"),
    lambda folder: (folder / "summary.json").write_text("{}"),
    lambda folder: (folder / "summary.json").write_text("[]"),
    lambda folder: (folder / "metrics.jsonl").write_text("["),
    lambda folder: (folder / "config.flags").write_text("--epochs=3\n"), shutil.rmtree])
def test_what_is_no_finished_run_is_one_line(runs, tmp_path, damage):
    shutil.copytree(runs / "a0", tmp_path / "a0")
    damage(tmp_path / "a0")
    with pytest.raises(UserError) as caught:
        compare.compare([tmp_path / "a0"], tmp_path / "out")
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


def test_wrong_calls(runs, tmp_path):
    with pytest.raises(UserError, match="name the run directories"):
        compare.compare([], tmp_path)
    with pytest.raises(UserError, match="are the same run, seed 0"):
        compare.compare([runs / "a0", runs / "a0"], tmp_path)
    with pytest.raises(UserError, match="--baseline=c: no such group; expected one of learning_rate=0.001, learning"):
        compare.compare([runs / "a0", runs / "b0"], tmp_path, baseline="c")
