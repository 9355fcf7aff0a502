"""What a network takes and what it gives, kept in its checkpoint: whatever data lie at hand later, its weights were
trained for these statistics and these classes."""
import math
from dataclasses import dataclass

import numpy as np

from cifar_fast.errors import UserError, short
from cifar_fast.training.batch import Statistics

NUMBERS = 1 << 26  # of an image at most: what a checkpoint asks for is allocated


@dataclass(frozen=True)
class Signature:
    """image_shape: (H, W, C) of the uint8 images; class_names: strings in the order of the labels; statistics: the
    `batch.Statistics` that standardize what is evaluated, of the run's training images, or of its test images where
    --test_statistics=own."""

    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    statistics: Statistics

    @classmethod
    def of(cls, data, statistics):
        """The one of a network that was trained on a `sources.Dataset`."""
        return cls(data.train_images.shape[1:], data.class_names, statistics)

    def meta(self):
        """What `of_meta` reads: lists of numbers and strings, the float32 numbers exact."""
        return {"image_shape": list(self.image_shape), "class_names": list(self.class_names),
                "mean": self.statistics.mean.tolist(), "deviation": self.statistics.deviation.tolist()}

    @classmethod
    def of_meta(cls, meta, path):
        """Raises UserError, naming `path`, for anything but what `meta` made."""
        try:
            shape, names = tuple(meta["image_shape"]), tuple(meta["class_names"])
            mean, deviation = (np.array(meta[key], np.float32) for key in ("mean", "deviation"))
            sound = (len(shape) == 3 and all(type(n) is int and n > 0 for n in shape) and math.prod(shape) <= NUMBERS
                     and names and all(isinstance(name, str) for name in names)
                     and mean.shape == deviation.shape in ((1,), (shape[2],))
                     and np.isfinite([mean, deviation]).all() and (deviation > 0).all())
        except (TypeError, KeyError, ValueError, OverflowError):
            sound = False
        if not sound:
            raise UserError(f"{path}: its image shape, classes or statistics are not such of a run; restore it from a "
                            "copy")
        return cls(shape, names, Statistics(mean, deviation))

    def reading(self):
        """The fields of a `Config` by which images of other sizes become the network's."""
        height, width, channels = self.image_shape
        names = {1: "grey", 3: "rgb", 4: "rgba"}
        return {"image_size": f"{height}x{width}", "channels": names.get(channels, "auto")}

    def check_shape(self, shape, origin):
        """Raises UserError unless images of a shape (H, W, C) are what the network takes."""
        if tuple(shape) != self.image_shape:
            raise UserError(f"{origin}: images of {_size(shape)}; the network takes {_size(self.image_shape)}")

    def labels(self, labels, class_names, origin):
        """Labels (int [N]) of data whose classes have these names, in the network's order of classes: int32 [N]. Where
        they are called by numbers, for want of names, these are the network's.

        Raises:
          UserError: a class that the network does not know.
        """
        numbers = range(len(self.class_names))
        places = {str(i): i for i in numbers} | dict(zip(self.class_names, numbers, strict=True))
        unknown = [name for name in class_names if name not in places]
        if unknown:
            raise UserError(f"{origin}: has the class {short(unknown[0])!r}, which the network was not trained on; its "
                            f"classes are {_listed(self.class_names)}")
        return np.array([places[name] for name in class_names], np.int32)[labels]


def _size(shape):
    height, width, channels = shape
    return f"{height}×{width} pixels and {channels} channel{'s' * (channels > 1)}"


def _listed(names, most=10):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(short(name) for name in names[:most]) + more
