"""`cifar_fast compare DIR…`: the table and pictures of a study from any run directories, of one study or of none."""
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from cifar_fast.config import FREE, Config
from cifar_fast.errors import UserError, short
from cifar_fast.runs.directory.workdir import Workdir, config_of_run
from cifar_fast.runs.reports.report import DrawingError
from cifar_fast.study import picture, statistics, table
from cifar_fast.system import files
from cifar_fast.system.streams import say, warn

IGNORED = {*FREE, "seed"}  # flags in which runs of one variant may differ


@dataclass(frozen=True)
class Finished:
    """A finished run: its `Config`, its summary and the records of its epochs, as the run directory holds them; data:
    what it was trained and evaluated on, a digest, or the line that names it where an older run has no digest."""

    path: Path
    config: Config
    summary: dict
    metrics: list
    data: str


def read(path):
    """The `Finished` run of a directory. Raises UserError: none is there, it is not finished, or files are damaged."""
    folder, config = Workdir(path), config_of_run(path)
    summary = folder.read_summary()
    if summary is None:
        raise UserError(f"{path}: not finished, it has no summary.json; train it to its end with cifar_fast train "
                        f"--workdir={path} and its flags")
    try:
        metrics = [json.loads(line) for line in files.read_plain(folder.metrics).splitlines()]
        data = summary.get("data") or json.loads(files.read_plain(folder.environment))["data"]
        figures = [summary[key] for key in ("test_accuracy", "test_top5", "test_loss", "pflop", "clock_seconds")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: its metrics.jsonl, environment.json or summary.json can't be read "
                        f"({short(str(error))}); restore them from a copy, or leave this run out") from None
    if not all(isinstance(figure, int | float) for figure in figures):
        raise UserError(f"{folder.summary}: figures that are no numbers; restore it from a copy, or leave this run out")
    return Finished(Path(path), config, summary, metrics, data)


def grouped(runs):
    """Finished runs by the flags in which they differ, other than the seed: {"flag=value flag=value": {seed: run}}.

    Raises:
      UserError: runs on different data, or two of the same flags and seed.
    """
    first = runs[0]
    for run in runs[1:]:
        if (run.data, run.summary["evaluated_on"]) != (first.data, first.summary["evaluated_on"]):
            raise UserError(f"{run.path} and {first.path} are of different data or evaluated on another part of them; "
                            "means over both would say nothing: compare runs on the same data")
    lines = [dict(line.removeprefix("--").split("=", 1) for line in run.config.flag_lines()) for run in runs]
    names = sorted({name for line in lines for name in line} - IGNORED)
    differing = [name for name in names if len({line.get(name) for line in lines}) > 1]
    groups = defaultdict(dict)
    for run, line in zip(runs, lines, strict=True):
        name = " ".join(f"{flag}={line.get(flag, '')}" for flag in differing) or "all"
        if (other := groups[name].get(run.config.seed)) is not None:
            raise UserError(f"{run.path} and {other.path} are the same run, seed {run.config.seed} of {name}; "
                            "leave one out")
        groups[name][run.config.seed] = run
    return dict(groups)


def compare(paths, out, baseline=None, target=None):
    """Prints the table of some finished runs, and writes it with the pictures into the folder `out`.

    Args:
      paths: the run directories. baseline: the name of a group, the first run's if None. target: as `table.rows`.
    Raises:
      UserError: no run, an unfinished one, runs that can't be compared, no such baseline, or a folder that can't be
        written.
    """
    statistics.require()
    if not paths:
        raise UserError("compare: name the run directories, as in cifar_fast compare runs/a runs/b")
    groups = grouped([read(path) for path in paths])
    baseline = baseline or next(iter(groups))
    if baseline not in groups:
        raise UserError(f"--baseline={baseline}: no such group; expected one of {', '.join(groups)}")
    outcomes = {name: {seed: run.summary for seed, run in runs.items()} for name, runs in groups.items()}
    curves = {name: [run.metrics for run in runs.values()] for name, runs in groups.items()}
    text = table.write(outcomes, out, baseline, target)
    try:
        picture.curves(curves, Path(out) / "curves.png")
    except DrawingError as error:
        warn(f"left out: {error}")
    say(f"{text}\n{table.NOTE}\n\ntable.md, table.csv, table.json, study.png and curves.png are in {out}")
