"""CIFAR's published files, in the Python and in the binary form: what is in them, checked before use."""
import numpy as np

from cifar_fast.data import conversion
from cifar_fast.data.cifar import unpickle
from cifar_fast.data.cifar.published import CLASSES, FORMS, LABELS, SOURCE
from cifar_fast.errors import UserError, short

SHAPES = ((3072,), (3, 32, 32), (32, 32, 3))  # of an image: as published, or as people repack them


def read_form(dataset, form, files):
    """Reads a published form.

    Args:
      dataset: "cifar10", "cifar100" or "cifar100_coarse". form: "python" or "binary". files: an `archive.Files`.
    Returns:
      train images uint8 [N, 32, 32, 3], train labels int32 [N], test images, test labels, class names or None.
    Raises:
      UserError: naming the file that is missing, damaged or not what it should be.
    """
    known = FORMS[dataset, form]
    read = _python_batch if form == "python" else _binary_batch
    parts = [read(dataset, files, name) for name in known.train]
    images, labels = (np.concatenate(p) for p in zip(*parts, strict=True))
    names = _class_names(dataset, form, files, known.names) if known.names in files else None
    return images, labels, *read(dataset, files, known.test), names


def _python_batch(dataset, files, name):
    where = f"{files.path}/{name}"
    batch = unpickle.loads(files.read(name), where)
    key = f"{LABELS[dataset]}s"
    data, labels = (unpickle.array(_entry(batch, k)) for k in ("data", key))
    if data is None or labels is None:
        raise UserError(f"{where}: holds no data and {key}; is it a {dataset} file? Get it anew from {SOURCE}")
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "iuf" or data.shape[1:] not in SHAPES:
        raise UserError(f"{where}: its data are not uint8 [N, 3072]; get it anew from {SOURCE}")
    if data.shape[1:] != (32, 32, 3):
        data = data.reshape(-1, 3, 32, 32)
    images, = conversion.images([data], where)
    if isinstance(labels, list | tuple) and all(isinstance(v, int | float) and abs(v) < 1e9 for v in labels):
        labels = np.array(labels)
    if not isinstance(labels, np.ndarray) or not labels.ndim:
        raise UserError(f"{where}: its labels are not a list of integers; get it anew from {SOURCE}")
    return _checked(dataset, where, images, labels)


def _entry(batch, key):
    """A dict's entry, whether Python 2 or 3 wrote its key; None if it has none or is no dict."""
    return batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None


def _binary_batch(dataset, files, name):
    where, data = f"{files.path}/{name}", files.read(name)
    head = 1 if dataset == "cifar10" else 2
    if not data or len(data) % (head + 3072):
        raise UserError(f"{where}: {len(data)} bytes are no whole number of {head + 3072}-byte records; "
                        f"get it anew from {SOURCE}")
    records = np.frombuffer(data, np.uint8).reshape(-1, head + 3072)
    images = records[:, head:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return _checked(dataset, where, images, records[:, 0 if dataset == "cifar100_coarse" else head - 1])


def _checked(dataset, where, images, labels):
    if len(images) != len(labels):
        raise UserError(f"{where}: {len(images)} images and {len(labels)} labels; get it anew from {SOURCE}")
    return np.ascontiguousarray(images), conversion.labels(labels, CLASSES[dataset], where)


def _class_names(dataset, form, files, meta):
    where, data = f"{files.path}/{meta}", files.read(meta)
    if form == "binary":
        names = data.split(maxsplit=CLASSES[dataset])
    else:
        key = f"{LABELS[dataset]}_names"
        names = _entry(unpickle.loads(data, where), key)
    count = CLASSES[dataset]
    if not isinstance(names, list) or len(names) != count or not all(isinstance(n, bytes | str) for n in names):
        raise UserError(f"{where}: holds no list of {count} class names; get it anew from {SOURCE}")
    # Cut first: 100 names may be one of 200 MB.
    return [short(n[:80].decode("latin1") if isinstance(n, bytes) else n) for n in names]
