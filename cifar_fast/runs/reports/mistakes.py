"""The images that a network is surest about and wrong: what it mixes up, or a label that is wrong."""
import numpy as np

from cifar_fast.runs.reports import report

SHOWN, A_ROW = 40, 8
SIDE = 1.35  # inches of an image's frame


def most_confident(labels, result):
    """The places of up to `SHOWN` mistakes, the one with the highest probability first: int [n].

    Args:
      labels: int [N]. result: the `Evaluation` of the same images.
    """
    wrong = np.flatnonzero(result.predictions != labels)
    return wrong[np.argsort(-result.confidences[wrong], kind="stable")][:SHOWN]


def draw(images, labels, result, class_names, path):
    """Writes a PNG: the most confident mistakes, each with its true name above the predicted one and its probability.

    Args:
      images: uint8 [N, H, W, C], shown as `report.augmentation_sheet` shows them. labels, result: as above.
      class_names: K strings.
    Raises:
      UserError: `path` can't be written. DrawingError.
    """
    places = most_confident(labels, result)
    rows = max(1, -(-len(places) // A_ROW))
    with report.drawing(path, A_ROW * SIDE, rows * (SIDE + 0.42) + 0.6) as figure:
        wrong = int((result.predictions != labels).sum())
        what = "; the most confident: true name, and below it the predicted one" if wrong else ""
        figure.suptitle(f"{wrong:,} of {len(labels):,} images wrong{what}", x=0.01, ha="left", fontsize=11,
                        color=report.NEUTRAL)
        frames = figure.subplots(rows, A_ROW, squeeze=False).flat
        for place, axis in zip(places, frames, strict=False):
            axis.imshow(_coloured(images[place]), interpolation="nearest")
            true, taken = (_cut(class_names[k]) for k in (labels[place], result.predictions[place]))
            axis.set_title(f"{true}\n{taken} {result.confidences[place]:.0%}", fontsize=8, color=report.NEUTRAL, pad=3,
                           parse_math=False)
        for axis in figure.axes:
            axis.axis("off")


def _coloured(image):
    """uint8 [H, W, C] → [H, W, 3]: the first three channels, or the first alone as grey."""
    step = -(-max(image.shape[:2]) // report.SHOWN)
    image = image[::step, ::step]
    return image[..., :3] if image.shape[2] >= 3 else image[..., :1].repeat(3, -1)


def _cut(name, most=18):
    name = name.replace("_", " ")
    return name if len(name) <= most else name[:most - 1] + "…"
