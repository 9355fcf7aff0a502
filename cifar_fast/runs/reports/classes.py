"""How well a network knows each class: a table, and a picture of it."""
import numpy as np

from cifar_fast.runs.reports import report
from cifar_fast.system import files

COLUMNS = ("class", "examples", "precision", "recall", "f1", "top5")
DRAWN = 50  # of more classes the picture has those with the lowest F1


def table(labels, result, class_names):
    """A dict a class, of `COLUMNS`: shares in 0 to 1, or None where there is nothing to take a share of.

    precision: of the images that were taken for the class, those that are of it; recall: of its images, those that
    were taken for it; f1: the harmonic mean of both; top5: of its images, those that had it among the first five.

    Args:
      labels: int [N]. result: the `Evaluation` of the same images. class_names: K strings.
    """
    classes = len(class_names)
    hits = result.predictions == labels
    of_class, taken, right, near = (np.bincount(x, minlength=classes).tolist() for x in (
        labels, result.predictions, labels[hits], labels[result.ranks < 5]))
    return [{"class": name, "examples": of_class[k], "precision": _share(right[k], taken[k]),
             "recall": _share(right[k], of_class[k]), "f1": _share(2 * right[k], taken[k] + of_class[k]),
             "top5": _share(near[k], of_class[k])} for k, name in enumerate(class_names)]


def write(rows, path):
    """Writes what `table` gave as CSV; a share that there is none of is empty. Raises UserError."""
    files.write_atomic(path, files.csv_lines([COLUMNS, *(row.values() for row in rows)]))


def draw(rows, path):
    """Writes a PNG: a bar a class, its F1, and its precision and recall as marks, the lowest F1 on top; of more than
    `DRAWN` classes the lowest.

    Args:
      rows: what `table` gave.
    Raises:
      UserError: `path` can't be written. DrawingError.
    """
    shown = sorted((row for row in rows if row["f1"] is not None), key=lambda row: row["f1"])[:DRAWN]
    places = np.arange(len(shown))[::-1]
    with report.drawing(path, 8.6, 1.6 + 0.3 * max(len(shown), 4)) as figure:
        from matplotlib.ticker import PercentFormatter
        axis = figure.subplots()
        axis.barh(places, [row["f1"] for row in shown], height=0.62, color="#c9d8ea", label="F1")
        for key, colour, mark in (("precision", report.TEST, "|"), ("recall", report.TRAIN, "D")):
            known = [(row[key], place) for row, place in zip(shown, places, strict=True) if row[key] is not None]
            axis.scatter([x for x, _ in known], [y for _, y in known], s=70 if mark == "|" else 18, color=colour,
                         marker=mark, label=key, zorder=3, clip_on=False)
        axis.set_yticks(places, [row["class"].replace("_", " ") for row in shown], parse_math=False)
        few = f" (the {DRAWN} lowest of {len(rows)})" if len(rows) > DRAWN else ""
        axis.set_title(f"Classes by F1{few}", loc="left", fontsize=11, color=report.NEUTRAL, pad=10)
        axis.set_xlim(0, 1)
        axis.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        axis.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        axis.set_axisbelow(True)
        axis.margins(y=0.01)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0, labelcolor=report.NEUTRAL, labelsize=9)
        figure.legend(loc="outside lower left", ncols=3, frameon=False, fontsize=9, labelcolor=report.NEUTRAL)


def _share(part, whole):
    return part / whole if whole else None
