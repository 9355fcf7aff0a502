"""Where the images come from: published files, .npz, TFDS or the built-in set, all as uint8 arrays in memory."""
import os
import socket
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cifar_fast import readers, synthetic
from cifar_fast.errors import UserError

ARCHIVES = {"cifar10": "cifar-10-python.tar.gz", "cifar100": "cifar-100-python.tar.gz"}
HOST = "www.cs.toronto.edu"


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W, C], labels int32 [N], and `origin`, a line that says what was found where."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    origin: str


def load(name, data_dir=None, *, seed=0, classes=10, train_examples=None, test_examples=None,
         validation_examples=0):
    """Loads a data set.

    Args:
      name: "cifar10", "cifar100" (fine labels) or "synthetic".
      data_dir: the folder of the published files or one that holds it, their .tar.gz, an .npz, or a TFDS folder;
        None asks TFDS.
      seed, classes: of the synthetic set.
      train_examples, test_examples: use only the first n.
      validation_examples: the last n training images take the test set's place; the first of the rest train.
    Raises:
      UserError: nothing usable there; a damaged or hostile file; fewer images than asked for.
    """
    if name == "synthetic":
        needed = (train_examples or synthetic.TRAIN - validation_examples) + validation_examples
        arrays = synthetic.make(seed, classes, max(needed, 0), test_examples or synthetic.TEST)
        origin = f"synthetic: drawn by seed {seed}, {classes} classes"
        data = Dataset(*arrays, synthetic.class_names(classes), origin)
    else:
        data = _from_path(name, Path(data_dir)) if data_dir else _from_tfds(name, None)
    if validation_examples:
        data = _held_out(data, validation_examples)
    return _first(data, train_examples, test_examples)


def _from_path(name, path):
    if not path.exists():
        raise UserError(f"--data_dir={path}: does not exist; give the folder or archive of {ARCHIVES[name]} "
                        f"from {readers.SOURCE}, an .npz or a TFDS folder")
    if path.suffix == ".npz":
        return _dataset(name, readers.read_npz(path), f".npz {path}")
    if path.is_dir():
        for form in ("python", "binary"):
            folder, train, *_ = readers.FORMS[name, form]
            for place in (path, path / folder):
                if (place / train[0]).is_file() and (name == "cifar10" or place.name == folder or place == path):
                    return _published(name, form, readers.Files(place))
        if (path / name).is_dir():
            return _from_tfds(name, path)
        raise UserError(f"--data_dir={path}: holds none of {readers.FORMS[name, 'python'][0]}, "
                        f"{readers.FORMS[name, 'binary'][0]}, or a TFDS folder {name}; "
                        f"unpack {ARCHIVES[name]} from {readers.SOURCE} there")
    files = readers.Files(path)
    for form in ("python", "binary"):
        if readers.FORMS[name, form][1][0] in files:
            return _published(name, form, files)
    raise UserError(f"--data_dir={path}: an archive without {name}'s files; get {ARCHIVES[name]} from {readers.SOURCE}")


def _published(name, form, files):
    content = readers.read_form(name, form, files)
    sums = "the published checksums" if files.published() else "checksums other than the published ones"
    return _dataset(name, content, f"{name}: published {form} form in {files.path}, {sums}")


def _dataset(name, content, origin):
    *arrays, names = content
    train_images, train_labels, test_images, test_labels = arrays
    if train_images.shape[1:] != test_images.shape[1:] or not len(train_images) or not len(test_images):
        raise UserError(f"{origin}: training images {train_images.shape} and test images {test_images.shape} "
                        "must both be there and have one shape")
    classes = 10 if name == "cifar10" else 100
    for labels in (train_labels, test_labels):
        if labels.min() < 0 or labels.max() >= classes:
            raise UserError(f"{origin}: labels from {labels.min()} to {labels.max()}; {name}'s are 0 to {classes - 1}")
    if name == "cifar10" and not names:
        names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    return Dataset(np.ascontiguousarray(train_images), train_labels.astype(np.int32),
                   np.ascontiguousarray(test_images), test_labels.astype(np.int32),
                   tuple(names or map(str, range(classes))),
                   f"{origin}, {len(train_images)} training and {len(test_images)} test images")


def _from_tfds(name, path):
    """Prepared data if there are some, else a download; TFDS alone would stall for minutes without a network."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(f"TFDS can't be used ({error}); give --data_dir") from None
    where = str(path) if path else os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    where = os.path.expanduser(where)
    builder = tfds.builder(name, data_dir=where)
    if not builder.data_path.exists():
        if path:
            raise UserError(f"--data_dir={path}: TFDS has no prepared {name} there; run without --data_dir to "
                            f"download it, or give the folder of {ARCHIVES[name]} from {readers.SOURCE}")
        _reachable(name)
        builder.download_and_prepare()
    arrays = []
    for split in ("train", "test"):
        dataset = builder.as_dataset(split=split, batch_size=1000, shuffle_files=False)
        batches = [(b["image"].numpy(), b["label"].numpy()) for b in dataset]
        arrays += [np.concatenate(part) for part in zip(*batches, strict=True)]
    return _dataset(name, (*arrays, tuple(builder.info.features["label"].names)),
                    f"{name}: TFDS {builder.info.full_name} in {where} (in TFDS's own order)")


def _reachable(name):
    try:
        socket.create_connection((HOST, 443), timeout=5).close()
    except OSError as error:
        raise UserError(f"no {name} at hand and {HOST} can't be reached ({error}); download {ARCHIVES[name]} from "
                        f"{readers.SOURCE} and give it as --data_dir=PATH, or try --dataset=synthetic") from None


def _held_out(data, count):
    left = len(data.train_images) - count
    if left < 1:
        raise UserError(f"--validation_examples={count}: there are {len(data.train_images)} training images; "
                        "hold out fewer")
    return replace(data, train_images=data.train_images[:left], train_labels=data.train_labels[:left],
                   test_images=data.train_images[left:], test_labels=data.train_labels[left:],
                   origin=f"{data.origin}; the last {count} training images held out in place of the test set")


def _first(data, train, test):
    for flag, count, images in (("train", train, data.train_images), ("test", test, data.test_images)):
        if count and count > len(images):
            raise UserError(f"--{flag}_examples={count}: there are only {len(images)}; ask for fewer")
    if train or test:
        data = replace(data, train_images=data.train_images[:train], train_labels=data.train_labels[:train],
                       test_images=data.test_images[:test], test_labels=data.test_labels[:test],
                       origin=f"{data.origin}; the first {len(data.train_images[:train])} training and "
                              f"{len(data.test_images[:test])} test images used")
    return data
