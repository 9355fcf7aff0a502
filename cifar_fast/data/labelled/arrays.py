"""Any labelled images in an .npz."""
import numpy as np

from cifar_fast.data import npz
from cifar_fast.data.dataset import checked
from cifar_fast.data.labelled.images import numbered


def load(path):
    """Reads an .npz, see `npz.labelled`.

    Returns:
      a `Dataset`, its test set empty if there is none. Labels number the names in class_names; without these they are
      names themselves, texts or whole numbers, or one-hot.
    Raises:
      UserError: what in the file is missing, damaged or not what it should be.
    """
    arrays, names = npz.labelled(path)
    labels = [_whole(array) for array in arrays[1::2]]
    if names is None and labels[0].ndim == 2 and labels[0].shape[1] > 1:
        names = [str(number) for number in range(labels[0].shape[1])]
    elif all(array.dtype.kind in "iuU" and array.shape[:1] == (array.size,) for array in labels):
        labels, names = numbered([array.reshape(-1).tolist() for array in labels], names, path)
    return checked([array for pair in zip(arrays[::2], labels, strict=True) for array in pair], names or [],
                   f".npz {path}, {len(names or [])} classes")


def _whole(labels):
    """Labels as integers where they are whole numbers of another kind, as texts where they are bytes."""
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "f" and labels.ndim in (1, 2) and labels.size and (np.abs(labels) < 2**31).all() and (
            labels == np.rint(labels)).all():
        return labels.astype(np.int64)
    return labels
