"""The pictures of a study: each run a dot beside its variant's mean and interval; and the curves over one another."""
import numpy as np

from cifar_fast.runs.reports import report
from cifar_fast.study import statistics

COLOURS = ("#3b6fb6", "#d1602f", "#4f9a5b", "#8a5bb0", "#b08a2e", "#3f9aa5", "#b5477b", "#6b6b6b")
LONGEST = 60  # characters of a variant's name in a picture


def dots(outcomes, rows, baseline, path):
    """Writes a PNG: the test accuracy of each run, the mean of each variant and its 95% interval.

    Args:
      outcomes, rows: as `table.rows` takes and gives them. baseline: the variant with a line through its mean.
    Raises:
      UserError: `path` can't be written. report.DrawingError.
    """
    with report.drawing(path, 11, 1.6 + 0.5 * max(2, len(rows))) as figure:
        from matplotlib.ticker import PercentFormatter
        axis = figure.subplots()
        for place, row in enumerate(rows):
            values = [outcome["test_accuracy"] for outcome in outcomes[row.variant].values()]
            # Runs of one accuracy lie on one another; a little up and down tells them apart.
            axis.scatter(values, place + 0.16 * np.linspace(-1, 1, len(values)), s=22, color=report.TRAIN, alpha=0.6,
                         linewidth=0, zorder=2)
            reach = statistics.reach(row.accuracy)
            axis.errorbar([row.accuracy.mean], [place], xerr=None if reach is None else [[reach], [reach]], fmt="D",
                          color=report.TEST, markersize=6, capsize=4, zorder=3)
            if row.variant == baseline:
                axis.axvline(row.accuracy.mean, color=report.FAINT, linewidth=1, linestyle="--", zorder=1)
        axis.set_yticks(range(len(rows)), [_short(row.variant) for row in rows], parse_math=False)
        axis.invert_yaxis()
        axis.margins(y=0.5 / max(1, len(rows)))
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=2))
        axis.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
        axis.set_title("Accuracy: each run, means, 95% intervals", loc="left", fontsize=11, color=report.NEUTRAL)


def curves(groups, path):
    """Writes a PNG: the losses and accuracies of runs over their epochs, a colour a group.

    Args:
      groups: {name: a list of runs, each a list of records as `metrics.jsonl` holds them}.
    Raises:
      UserError: `path` can't be written. report.DrawingError.
    """
    with report.drawing(path, 12, 4.8) as figure:
        from matplotlib.ticker import PercentFormatter
        loss, accuracy = figure.subplots(1, 2)
        for place, (name, runs) in enumerate(groups.items()):
            colour = COLOURS[place % len(COLOURS)]
            for number, records in enumerate(runs):
                for axis, key in ((loss, "loss"), (accuracy, "test_accuracy")):
                    points = [(record["epoch"], record[key]) for record in records if key in record]
                    if points:
                        axis.plot(*zip(*points, strict=True), color=colour, linewidth=1.2, alpha=0.8,
                                  marker="o" if len(points) == 1 else None,
                                  label=_short(name) if number == 0 and axis is accuracy else None)
        for axis, title in ((loss, "Training loss"), (accuracy, "Test accuracy")):
            axis.set_title(title, loc="left", fontsize=11, color=report.NEUTRAL)
            axis.set_xlabel("epoch")
            axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
            axis.spines[["top", "right", "left"]].set_visible(False)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        if accuracy.lines:
            for text in accuracy.legend(frameon=False, fontsize=8, loc="lower right").get_texts():
                text.set_parse_math(False)


def _short(name):
    return name if len(name) <= LONGEST else f"{name[:LONGEST - 1]}…"
