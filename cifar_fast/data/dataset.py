"""A data set in memory, and what must hold of it whatever reader it came from."""
import functools
import hashlib
import math
from dataclasses import dataclass

import numpy as np

from cifar_fast.data import conversion
from cifar_fast.errors import UserError

CHUNK = 16 << 20  # bytes that are taken from a memory map at a time


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W, C], labels int32 [N], and `origin`, a line that says what was found where.

    Images may be a memory map or `rows.Rows` of one, larger than the memory: index them, a batch at a time.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    origin: str

    def digest(self):
        """64 hexadecimal digits that differ for other data, or the same in another order: of every byte of images and
        labels, which takes some 0.2 s for CIFAR the first time."""
        return self._digest

    @functools.cached_property
    def _digest(self):
        digest = hashlib.blake2b(digest_size=32)
        for images, labels in self._parts():
            digest.update(repr(images.shape).encode() + labels.tobytes())
            step = max(1, CHUNK // max(1, math.prod(images.shape[1:])))
            for first in range(0, len(images), step):
                digest.update(np.ascontiguousarray(images[first:first + step]))
        return digest.hexdigest()

    def sampled_digest(self):
        """What runs of before version 0.2 noted of their data: of all labels, and every 500th image."""
        digest = hashlib.sha256()
        for images, labels in self._parts():
            digest.update(repr(images.shape).encode() + labels.tobytes() + images[::500].tobytes())
        return digest.hexdigest()

    def _parts(self):
        return (self.train_images, self.train_labels), (self.test_images, self.test_labels)


def checked(arrays, names, origin):
    """The `Dataset` of what a reader gave: images and labels of training and, if there is one, of the test set, see
    `conversion`, and the classes' names. Raises UserError, naming `origin`."""
    images, labels = conversion.images(arrays[::2], origin), []
    for kind, found, given in zip(("training", "test"), images, arrays[1::2], strict=False):
        labels.append(conversion.labels(given, len(names), f"{origin}, {kind} set"))
        if len(found) != len(labels[-1]):
            raise UserError(f"{origin}, {kind} set: {len(found)} images and {len(labels[-1])} labels")
    if len(images) == 1:
        images.append(images[0][:0])
        labels.append(labels[0][:0])
    if images[0].shape[1:] != images[1].shape[1:]:
        raise UserError(f"{origin}: training images {images[0].shape} and test images {images[1].shape} must have one "
                        "shape")
    before = arrays[0].dtype
    return Dataset(np.ascontiguousarray(images[0]), labels[0], np.ascontiguousarray(images[1]), labels[1], tuple(names),
                   f"{origin}, {len(images[0])} training and {len(images[1])} test images"
                   f"{'' if before == np.uint8 else f', which were {before}'}")
