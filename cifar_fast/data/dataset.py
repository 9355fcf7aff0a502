"""A data set in memory, and what must hold of it whatever reader it came from."""
import hashlib
from dataclasses import dataclass

import numpy as np

from cifar_fast.errors import UserError

SAMPLE = 500  # of so many images one counts in a digest


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W, C], labels int32 [N], and `origin`, a line that says what was found where."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    origin: str

    def digest(self):
        """64 hexadecimal digits that differ for other data, or the same in another order: of all labels and some
        images."""
        digest = hashlib.sha256()
        for images, labels in ((self.train_images, self.train_labels), (self.test_images, self.test_labels)):
            digest.update(repr(images.shape).encode() + labels.tobytes() + images[::SAMPLE].tobytes())
        return digest.hexdigest()


def checked(name, content, origin):
    """The `Dataset` of what a reader gave: images and labels of training and test, and the classes' names. Checks
    them."""
    train_images, train_labels, test_images, test_labels, names = content
    for kind, images, labels in (("train", train_images, train_labels), ("test", test_images, test_labels)):
        if images.dtype != np.uint8 or images.ndim != 4 or not 1 <= images.shape[3] <= 4 or min(images.shape[1:3]) < 4:
            raise UserError(f"{origin}: {kind} images are {images.dtype} {images.shape}; expected uint8 [N, H, W, C] "
                            "of at least 4×4 pixels in up to 4 channels")
        if labels.dtype.kind not in "iu" or labels.size != len(images) or not len(images):
            raise UserError(f"{origin}: {kind} labels are {labels.dtype} {labels.shape}; expected integers "
                            f"[{len(images)}], one an image, and at least one")
        if labels.min() < 0 or labels.max() >= len(names):
            raise UserError(f"{origin}: labels from {labels.min()} to {labels.max()}; {name}'s are 0 to "
                            f"{len(names) - 1}; give {name}, or name another --dataset")
    if train_images.shape[1:] != test_images.shape[1:]:
        raise UserError(f"{origin}: training images {train_images.shape} and test images {test_images.shape} "
                        "must have one shape")
    return Dataset(np.ascontiguousarray(train_images), train_labels.reshape(-1).astype(np.int32),
                   np.ascontiguousarray(test_images), test_labels.reshape(-1).astype(np.int32), tuple(names),
                   f"{origin}, {len(train_images)} training and {len(test_images)} test images")
