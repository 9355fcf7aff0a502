"""Pictures and tables of a run, for people."""
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")  # files only: a run must not need a screen
from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.ticker import MaxNLocator  # noqa: E402

TRAIN, TEST, OTHER = "#4477aa", "#cc6677", "#666666"


def curves(metrics, path):
    """Loss, accuracy, learning rate and seconds over the epochs. metrics: the records of `metrics.jsonl`."""
    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    _lines(axes[0, 0], metrics, "loss", {"loss": (TRAIN, "-", "train"), "test_loss": (TEST, "-", "test")})
    _lines(axes[0, 1], metrics, "accuracy", {
        "accuracy": (TRAIN, "-", "train top-1"), "top5": (TRAIN, ":", "train top-5"),
        "test_accuracy": (TEST, "-", "test top-1"), "test_top5": (TEST, ":", "test top-5")})
    axes[0, 1].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    _lines(axes[1, 0], metrics, "learning rate", {"learning_rate": (OTHER, "-", None)})
    _lines(axes[1, 1], metrics, "seconds an epoch", {"seconds": (OTHER, "-", None)})
    axes[1, 1].set_ylim(bottom=0)
    _save(figure, path)


def augmentation_sheet(before, after, path):
    """Each row an image and its augmentations. before: uint8 [N, H, W, C]; after: [N, K, H, W, C], 0 to 255."""
    count, views = after.shape[:2]
    figure, axes = plt.subplots(count, views + 1, figsize=(views + 1, count), squeeze=False)
    for row, axis in enumerate(axes):
        for image, place in zip([before[row], *after[row]], axis, strict=True):
            shown = np.clip(np.round(image), 0, 255).astype(np.uint8)
            place.imshow(shown.squeeze(-1) if shown.shape[-1] == 1 else shown, cmap="gray", vmin=0, vmax=255)
            place.set_axis_off()
    axes[0, 0].set_title("original", fontsize=9)
    axes[0, 1].set_title("augmented", fontsize=9, loc="left")
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.96, 0.06, 0.06)
    _save(figure, path)


def confusion(matrix, class_names, path):
    """Which class is taken for which. matrix: int [K, K], rows the true class, columns the predicted one."""
    classes = len(class_names)
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(8, 7) if classes <= 20 else (16, 15), layout="constrained")
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = 10 if classes <= 20 else 6
    axis.set_xticks(range(classes), class_names, rotation=90, fontsize=size)
    axis.set_yticks(range(classes), class_names, fontsize=size)
    axis.set(xlabel="predicted", ylabel="true", title=f"{np.trace(matrix) / max(matrix.sum(), 1):.2%} "
                                                      f"of {matrix.sum():,} images are right")
    if classes <= 20:
        for i, j in np.ndindex(matrix.shape):
            axis.text(j, i, matrix[i, j] or "", ha="center", va="center", fontsize=8,
                      color="white" if shares[i, j] > 0.5 else "black")
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    _save(figure, path)


def format_table(metrics):
    """The epochs as a text table; of long runs the first, some between and the last."""
    rows = [["epoch", "loss", "top-1", "top-5", "test loss", "top-1", "top-5", "rate", "seconds", "images/s"]]
    shown = metrics if len(metrics) <= 24 else [metrics[round(i)] for i in np.linspace(0, len(metrics) - 1, 20)]
    for m in shown:
        rows.append([f"{m['epoch']}", f"{m['loss']:.4f}", f"{m['accuracy']:.4f}", f"{m['top5']:.4f}",
                     *(f"{m[key]:.4f}" if key in m else "" for key in ("test_loss", "test_accuracy", "test_top5")),
                     f"{m['learning_rate']:.2e}", f"{m['seconds']:.1f}", f"{m['images_per_second']:.0f}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def _lines(axis, metrics, title, series):
    for key, (colour, style, label) in series.items():
        points = [(m["epoch"], m[key]) for m in metrics if key in m]
        if points:
            epochs, values = zip(*points, strict=True)
            axis.plot(epochs, values, style, color=colour, label=label, marker="." if len(points) < 30 else None)
    axis.set(title=title, xlabel="epoch")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    if len(series) > 1:
        axis.legend(frameon=False)


def _save(figure, path):
    """Drawn aside and renamed, so that no half picture is left."""
    path = Path(path)
    aside = path.with_name(f".tmp-{path.name}")
    try:
        figure.savefig(aside, dpi=110, format=path.suffix.lstrip(".") or "png")
        aside.replace(path)
    finally:
        plt.close(figure)
        aside.unlink(missing_ok=True)
