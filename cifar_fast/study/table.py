"""The table of a study: a row a variant, as text, Markdown, CSV and JSON.

Accuracies are in percent and differences in percentage points there, and in summary.json shares from 0 to 1.
"""
import csv
import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path

from cifar_fast.errors import UserError
from cifar_fast.runs.reports.report import DrawingError
from cifar_fast.study import picture, statistics
from cifar_fast.study.statistics import Difference, Mean
from cifar_fast.system import files
from cifar_fast.system.streams import warn

TOLD = 0.001  # the difference in accuracy that "seeds needed" is about, 0.1 points
FIGURES = {"accuracy": "test_accuracy", "top5": "test_top5", "loss": "test_loss", "tta_accuracy": "tta_accuracy",
           "pflop": "pflop", "seconds": "clock_seconds"}  # of a row: of summary.json


@dataclass(frozen=True)
class Row:
    """A variant's `Mean`s over its finished runs, each a field of `FIGURES` (None where no run has it).

    difference: its accuracy minus the baseline's, None for the baseline itself. seeds_needed: to tell a difference of
    0.1 points from the baseline. above_target: the p-value of a one-sided test, None without a target.
    """

    variant: str
    seeds: tuple[int, ...]
    accuracy: Mean
    top5: Mean
    loss: Mean
    tta_accuracy: Mean | None
    pflop: Mean
    seconds: Mean
    difference: Difference | None
    seeds_needed: int | None
    above_target: float | None


def rows(outcomes, baseline, target=None):
    """The `Row`s of finished runs, in the order of `outcomes`.

    Args:
      outcomes: {variant: {seed: a run's summary, a dict}}; variants without a run are left out.
      baseline: the variant that the others are compared with. target: an accuracy from 0 to 1, or None.
    """
    found, accuracies = [], {v: {s: o["test_accuracy"] for s, o in by_seed.items()} for v, by_seed in outcomes.items()}
    for variant, by_seed in outcomes.items():
        if not by_seed:
            continue
        means = {name: _mean_of([o.get(key) for o in by_seed.values()]) for name, key in FIGURES.items()}
        difference = None
        if variant != baseline:
            difference = statistics.paired(accuracies[variant], accuracies.get(baseline, {}))
        needed = None
        if difference and difference.deviation is not None:
            needed = statistics.seeds_needed(difference.deviation, TOLD)
        above = None if target is None else statistics.above(list(accuracies[variant].values()), target)
        found.append(Row(variant, tuple(sorted(by_seed)), **means, difference=difference, seeds_needed=needed,
                         above_target=above))
    return found


def _mean_of(values):
    return None if None in values else statistics.mean(values)


NOTE = """Accuracy in percent on the images that the title names; sd, se: standard deviation and error over the seeds.
Difference: to the baseline, in points, over the seeds that both have; * where its 95% interval (Student's t) leaves out
zero. Seeds for 0.1: as many would tell a difference of 0.1 points, with a power of 80%."""
HEAD = ("variant", "n", "accuracy", "sd", "se", "top-5", "with TTA", "loss", "PFLOP", "seconds", "difference",
        "95% interval", "seeds for 0.1")


def cells(rows, target=None):
    """The table as lists of texts, its head first."""
    head = [*HEAD, f"p(≤ {100 * target:g}%)"] if target is not None else [*HEAD]
    found = [head]
    for row in rows:
        accuracy, difference = row.accuracy, row.difference
        line = [row.variant, str(accuracy.n), f"{100 * accuracy.mean:.2f}", _points(accuracy.deviation),
                _points(accuracy.error, 3), f"{100 * row.top5.mean:.2f}",
                f"{100 * row.tta_accuracy.mean:.2f}" if row.tta_accuracy else "", f"{row.loss.mean:.4f}",
                f"{row.pflop.mean:.3g}", f"{row.seconds.mean:,.0f}"]
        if difference is None:
            line += ["", "", ""]
        else:
            interval = "" if difference.low is None else f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
            line += [f"{100 * difference.mean:+.2f}" + ("*" if difference.shown else ""), interval,
                     "" if row.seeds_needed is None else f"{row.seeds_needed:,}"]
        if target is not None:
            line.append("" if row.above_target is None else f"{row.above_target:.3g}")
        found.append(line)
    return found


def _points(share, digits=2):
    return "" if share is None else f"{100 * share:.{digits}f}"


def title(baseline, evaluated_on):
    """The line above the table. evaluated_on: "validation" or "test"."""
    return f"on the {evaluated_on} images, differences to {baseline}"


def as_text(rows, target=None):
    """The table in columns of equal width, the first to the left."""
    table = cells(rows, target)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(
        cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(
            zip(line, widths, strict=True))).rstrip() for line in table)


def as_markdown(rows, target=None):
    table = [[cell.replace("|", "\\|").replace("*", "\\*") for cell in line] for line in cells(rows, target)]
    rule = ["---", *["---:"] * (len(table[0]) - 1)]
    return "".join(f"| {' | '.join(line)} |\n" for line in [table[0], rule, *table[1:]])


def as_csv(rows, target=None):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(cells(rows, target))
    return stream.getvalue()


def as_json(rows, **about):
    """All figures unrounded, as shares, seconds and PFLOP; `about` stands at the top."""
    return json.dumps(about | {"rows": [dataclasses.asdict(row) for row in rows]}, indent=2) + "\n"


def write(outcomes, folder, baseline, target=None, **about):
    """Writes table.txt, table.md, table.csv, table.json and study.png into a folder, for what `rows` takes; `about`
    goes into the JSON.

    Returns:
      The table as text, with its title.
    Raises:
      UserError: the folder can't be written, or some runs were evaluated on other images than the others.
    """
    found = rows(outcomes, baseline, target)
    if not found:
        return "no run is finished yet"
    evaluated_on = {outcome["evaluated_on"] for by_seed in outcomes.values() for outcome in by_seed.values()}
    if len(evaluated_on) > 1:
        raise UserError(f"{folder}: some runs were evaluated on the test images and some on validation images; means "
                        "over both would say nothing")
    head, folder = title(baseline, *evaluated_on), Path(folder)
    text = f"{head}\n{as_text(found, target)}"
    about |= {"baseline": baseline, "target": target, "evaluated_on": evaluated_on.pop()}
    with files.writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for name, content in (("table.txt", f"{text}\n\n{NOTE}\n"),
                          ("table.md", f"{head}\n\n{as_markdown(found, target)}\n{NOTE}\n"),
                          ("table.csv", as_csv(found, target)), ("table.json", as_json(found, **about))):
        files.write_atomic(folder / name, content.encode())
    try:
        picture.dots(outcomes, found, baseline, folder / "study.png")
    except DrawingError as error:
        warn(f"left out: {error}")
    return text
