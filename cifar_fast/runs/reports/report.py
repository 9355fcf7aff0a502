"""Pictures and tables of a run, for people. Each picture is written whole or not at all, and is the same whatever the
user has set Matplotlib to."""
import contextlib
import io
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from cifar_fast import environment
from cifar_fast.errors import UserError, short
from cifar_fast.system import files

TRAIN, TEST, NEUTRAL = "#3b6fb6", "#d1602f", "#4a4a4a"
FAINT = "#8a8a8a"
DOTTED = (0, (1, 1.2))
DOTS_AN_INCH = 120
SHOWN = 128
CELLS_WITH_TEXT = 20  # more classes than this are drawn without a figure in each cell
FEW_EPOCHS = 15  # fewer than this get a dot each
LABEL_GAP = 0.06  # between labels, as a share of the axis
TABLE_ROWS = 24


class DrawingError(UserError):
    """Matplotlib is not there, or can't draw a picture: no reason to stop a run."""


def curves(metrics, path):
    """Writes a PNG: loss, accuracy, learning rate and seconds an epoch, over the epochs.

    Args:
      metrics: the records of `metrics.jsonl`, in order; those of epochs without an evaluation have no `test_*`.
    Raises:
      UserError: `path` can't be written. DrawingError.
    """
    with drawing(path, 11, 7.6) as figure:
        from matplotlib.ticker import PercentFormatter
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)  # inches
        loss, accuracy, rate, seconds = figure.subplots(2, 2, gridspec_kw={"height_ratios": [3, 2]}).flat
        _draw(loss, metrics, "Loss", [("loss", TRAIN, "-", "train"), ("test_loss", TEST, "-", "test")],
              top=_highest_loss(metrics))
        _draw(accuracy, metrics, "Accuracy", [
            ("accuracy", TRAIN, "-", "train top-1"), ("test_accuracy", TEST, "-", "test top-1"),
            ("top5", TRAIN, DOTTED, "train top-5"), ("test_top5", TEST, DOTTED, "test top-5")], top=1)
        accuracy.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        _draw(rate, metrics, "Learning rate at the epoch's end", [("learning_rate", NEUTRAL, "-", "")])
        rate.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _draw(seconds, metrics, "Training time (seconds an epoch)", [("seconds", NEUTRAL, "-", "")])
        for axis in (rate, seconds):
            axis.set_xlabel("epoch", color=NEUTRAL)


def augmentation_sheet(before, after, path):
    """Writes a PNG: a row an image, the original and then its augmentations. Of images of more than `SHOWN` pixels a
    side every second pixel is drawn, or every third, and so on.

    Args:
      before: uint8 [N, H, W, C]. after: [N, K, H, W, C] of any dtype, on the 0 to 255 scale. Of three channels and
        more the first three are shown as red, green and blue, of fewer the first as grey.
    Raises:
      UserError: `path` can't be written. DrawingError. ValueError: the shapes don't fit.
    """
    if after.ndim != 5 or before.shape != after[:, 0].shape:
        raise ValueError(f"expected [N, H, W, C] and [N, K, H, W, C], got {before.shape} and {after.shape}")
    step = -(-max(before.shape[1:3]) // SHOWN)
    before, after = before[:, ::step, ::step], after[:, :, ::step, ::step]
    gap = max(1, min(before.shape[1:3]) // 16)
    originals = _sheet(before[:, None], gap)
    augmented = _sheet(after, gap)
    # Every pixel of an image becomes a square of whole dots, so that none is blurred.
    scale = max(1, round(1100 / max(originals.shape[1] + augmented.shape[1], originals.shape[0])))
    left, right = (np.kron(s, np.ones((scale, scale, 1), np.uint8)) for s in (originals, augmented))
    margin, head, between = 14, 34, 3 * gap * scale
    wide = 2 * margin + left.shape[1] + between + right.shape[1]
    high = head + left.shape[0] + margin
    with drawing(path, wide / DOTS_AN_INCH, high / DOTS_AN_INCH, layout=None) as figure:
        for x, picture, title in ((margin, left, "original"), (margin + left.shape[1] + between, right, "augmented")):
            figure.figimage(picture, x, margin, origin="upper")
            figure.text(x / wide, 1 - 0.62 * head / high, title, fontsize=10, color=NEUTRAL, va="center")


def confusion(matrix, class_names, path):
    """Writes a PNG: which class is taken for which.

    Args:
      matrix: int [K, K], rows the true class, columns the predicted one. class_names: K strings.
    Raises:
      UserError: `path` can't be written. DrawingError. ValueError: the shapes don't fit.
    """
    classes = len(class_names)
    if matrix.shape != (classes, classes):
        raise ValueError(f"expected a matrix of [{classes}, {classes}], got {list(matrix.shape)}")
    few = classes <= CELLS_WITH_TEXT
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    names = [name.replace("_", " ") for name in class_names]
    with drawing(path, *(8.6, 7.6) if few else (15.5, 14.5)) as figure:
        axis = figure.subplots()
        # The root lifts the few mistakes of a good network out of the white.
        image = axis.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
        size = 10 if few else 6.5
        # A name is a name: between two dollar signs Matplotlib would read a formula.
        axis.set_xticks(range(classes), names, rotation=45 if few else 90, ha="right" if few else "center",
                        rotation_mode="anchor" if few else "default", fontsize=size, parse_math=False)
        axis.set_yticks(range(classes), names, fontsize=size, parse_math=False)
        axis.tick_params(length=0 if few else 2, color=FAINT)
        axis.spines[:].set_visible(False)
        axis.set_xticks(np.arange(classes + 1) - 0.5, minor=True)
        axis.set_yticks(np.arange(classes + 1) - 0.5, minor=True)
        axis.grid(which="minor", color="white" if few else "#e8e8e8", linewidth=1.5 if few else 0.3)
        axis.tick_params(which="minor", length=0)
        axis.set_xlabel("predicted class", labelpad=8)
        axis.set_ylabel("true class", labelpad=8)
        right, total = np.trace(matrix), matrix.sum()
        axis.set_title(f"{right:,} of {total:,} images right: {right / max(total, 1):.2%}", loc="left", fontsize=13,
                       color=NEUTRAL, pad=12)
        if few:
            for i, j in zip(*np.nonzero(matrix), strict=True):
                axis.text(j, i, f"{matrix[i, j]:,}", ha="center", va="center", fontsize=9,
                          color="white" if shares[i, j] > 0.3 else NEUTRAL)
        bar = figure.colorbar(image, shrink=0.6, aspect=30, pad=0.02)
        ticks = [0, 0.01, 0.05, 0.1, 0.25, 0.5, 1]
        bar.set_ticks(np.sqrt(ticks), labels=[f"{t:.0%}" for t in ticks])
        bar.set_label("share of the true class's images")
        bar.outline.set_visible(False)


def format_table(metrics):
    """The epochs as a table of text; of a long run `TABLE_ROWS` epochs, evenly spaced, the first and last included."""
    chosen = np.unique(np.linspace(0, len(metrics) - 1, min(len(metrics), TABLE_ROWS)).round().astype(int))
    rows = [["", "train", "", "", "test", "", "", "learning", "", ""],
            ["epoch", "loss", "top-1", "top-5", "loss", "top-1", "top-5", "rate", "seconds", "images/s"]]
    for record in (metrics[i] for i in chosen):
        rows.append([f"{record['epoch']}", *_scores(record, ""), *_scores(record, "test_"),
                     f"{record['learning_rate']:.2e}", f"{record['seconds']:.1f}",
                     f"{record['images_per_second']:,.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _scores(record, prefix):
    if f"{prefix}loss" not in record:
        return "", "", ""
    return (f"{record[prefix + 'loss']:.4f}", f"{record[prefix + 'accuracy']:.2%}", f"{record[prefix + 'top5']:.2%}")


def _draw(axis, metrics, title, series, top=None):
    """Lines over the epochs. series: (key, colour, line style, the label at the line's end) each."""
    from matplotlib.ticker import MaxNLocator
    last = max((record["epoch"] for record in metrics), default=1)
    ends = []
    for key, colour, style, label in series:
        points = [(record["epoch"], record[key]) for record in metrics if key in record]
        if points:
            above = top is not None and max(value for _, value in points) > top  # those leave the axis, cut off there
            axis.plot(*zip(*points, strict=True), color=colour, linestyle=style, linewidth=1.8, clip_on=above,
                      marker="o" if len(points) < FEW_EPOCHS else None, markersize=4)
            ends.append((points[-1][1], label, colour))
    axis.set_title(title, loc="left", fontsize=11, color=NEUTRAL, pad=10)
    axis.set_xlim(*(1, last) if last > 1 else (0.5, 1.5))
    round_ones = MaxNLocator(8, integer=True).tick_values(1, last)
    axis.set_xticks([1, *(tick for tick in round_ones if 1 < tick <= last)])
    axis.margins(y=0.08)
    axis.set_ylim(0, top)
    axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.spines["bottom"].set_color(FAINT)
    axis.tick_params(color=FAINT, labelcolor=NEUTRAL, labelsize=9)
    axis.tick_params(axis="y", length=0)
    _label_ends(axis, ends)


def _highest_loss(metrics):
    """Where the axis of the losses ends: above all of them but test losses of more than twice the highest training
    loss, as moving statistics that are not there yet give; None, for Matplotlib to choose, where there are none."""
    limit = 2 * max((record["loss"] for record in metrics), default=0.0)
    shown = [record["loss"] for record in metrics] + [record.get("test_loss", 0.0) for record in metrics]
    return None if max(shown, default=0.0) <= limit else 1.08 * max(loss for loss in shown if loss <= limit) or None


def _label_ends(axis, ends):
    """Labels right of the lines' ends, moved apart where they would overlap. ends: (value, label, colour)."""
    bottom, top = axis.get_ylim()
    ends = sorted(ends)
    heights = []
    for value, *_ in ends:  # upwards, each at least a line above the one before
        heights.append(max((value - bottom) / (top - bottom), heights[-1] + LABEL_GAP if heights else 0.0))
    for i in reversed(range(len(heights))):  # and back down, where that went beyond the top
        heights[i] = min(heights[i], heights[i + 1] - LABEL_GAP if i + 1 < len(heights) else 1.0)
    for height, (_, label, colour) in zip(heights, ends, strict=True):
        axis.text(1.025, height, label, color=colour, fontsize=9, va="center", transform=axis.transAxes)


def _sheet(images, gap):
    """[N, K, H, W, C] on the 0 to 255 scale → one uint8 RGB picture of N rows, white gaps between."""
    count, views, height, width, channels = images.shape
    sheet = np.full((count, height + gap, views, width + gap, 3), 255, np.uint8)
    shown = np.clip(np.rint(images), 0, 255).transpose(0, 2, 1, 3, 4)
    sheet[:, :height, :, :width] = shown[..., :3] if channels >= 3 else shown[..., :1].repeat(3, -1)
    return sheet.reshape(count * (height + gap), views * (width + gap), 3)[:-gap, :-gap]


@contextlib.contextmanager
def drawing(path, width, height, layout="constrained"):
    """A figure to draw on, in inches, written as a PNG at the end: no window, nothing shared with a caller's plots.
    Raises as the pictures do."""
    try:
        with _matplotlib(Path(path).parent):
            from matplotlib.figure import Figure
            figure, picture = Figure(figsize=(width, height), dpi=DOTS_AN_INCH, layout=layout), io.BytesIO()
            yield figure
            figure.savefig(picture, format="png")
    except Exception as error:  # Matplotlib has many, and whatever it is, the run doesn't depend on it
        raise DrawingError(f"can't draw {path}: {type(error).__name__}, {short(str(error))}") from error
    files.write_atomic(path, picture.getvalue())


@contextlib.contextmanager
def _matplotlib(folder):
    """While it lasts, Matplotlib is as it comes, with none of the user's settings. folder: can be written."""
    with contextlib.ExitStack() as stack:
        if "matplotlib" not in sys.modules:
            stack.enter_context(_importable(folder))
        import matplotlib
        defaults = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
        stack.enter_context(matplotlib.rc_context(defaults))
        yield


@contextlib.contextmanager
def _importable(folder):
    """While it lasts, nothing in the environment ends Matplotlib's import; then all is as if it had been imported."""
    before = {name: os.environ.get(name) for name in ("MPLBACKEND", "MPLCONFIGDIR")}
    with contextlib.ExitStack() as stack:
        os.environ.pop("MPLBACKEND", None)  # a notebook's, which its shell hands on, need not be there for us
        if not environment.has_temporary_folder():  # where Matplotlib keeps its fonts if the home can't be written
            os.environ["MPLCONFIGDIR"] = stack.enter_context(
                tempfile.TemporaryDirectory(prefix=files.TEMPORARY, dir=folder))
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
    if before["MPLBACKEND"]:
        import matplotlib
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = before["MPLBACKEND"]
