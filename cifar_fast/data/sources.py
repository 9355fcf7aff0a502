"""Where the images come from: published files, .npz, TFDS or the built-in set, all as uint8 arrays in memory."""
import hashlib
import os
import queue
import socket
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from cifar_fast.data import npz, readers, synthetic
from cifar_fast.data.archive import Files
from cifar_fast.data.published import ARCHIVES, CLASS_NAMES, FORMS, SOURCE
from cifar_fast.errors import UserError, short

SAMPLE = 500  # of so many images one counts in a digest
HOST, PROBE_SECONDS = "www.cs.toronto.edu", 8


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
      ValueError: an unknown name, or a number of examples that can't be one.
    """
    if name not in ("synthetic", *ARCHIVES):
        raise ValueError(f"name={name!r}: must be cifar10, cifar100 or synthetic")
    if validation_examples < 0 or any(n is not None and n < 1 for n in (train_examples, test_examples)):
        raise ValueError("train_examples and test_examples must be at least 1 or None, validation_examples at least 0")
    if name == "synthetic":
        train = train_examples + validation_examples if train_examples else synthetic.TRAIN
        test = test_examples or synthetic.TEST
        if max(train, test) > synthetic.MOST:
            raise UserError(f"--dataset=synthetic: {max(train, test)} images were asked for, and at most "
                            f"{synthetic.MOST} are made; take fewer")
        arrays = synthetic.make(seed, classes, train, test)
        origin = f"synthetic: drawn by seed {seed}, {classes} classes"
        data = Dataset(*arrays, synthetic.class_names(classes), origin)
    else:
        data = _from_path(name, Path(data_dir)) if data_dir else _from_tfds(name)
    if validation_examples:
        data = _held_out(data, validation_examples)
    return _first(data, train_examples, test_examples)


def _from_path(name, path):
    try:
        if path.is_dir():
            return _from_folder(name, path)
        if path.is_file():
            return _from_file(name, path)
        raise UserError(f"--data_dir={path}: {'is no folder or file' if path.exists() else 'does not exist'}; give the "
                        f"folder or archive of {ARCHIVES[name]} from {SOURCE}, an .npz or a TFDS folder")
    except OSError as error:
        raise UserError(f"--data_dir={path}: can't be read ({error.strerror})") from None


def _from_folder(name, path):
    for form in ("python", "binary"):
        known = FORMS[name, form]
        for place in (path, path / known.folder):
            if (place / known.train[0]).is_file():
                return _published(name, form, Files(place, name))
    if prepared := _prepared(name, path):
        return _from_tfds(name, prepared)
    raise UserError(f"--data_dir={path}: holds none of {FORMS[name, 'python'].folder}, "
                    f"{FORMS[name, 'binary'].folder}, or a TFDS folder {name} that is prepared; "
                    f"unpack {ARCHIVES[name]} from {SOURCE} there; an .npz is given by its own path")


def _from_file(name, path):
    if path.suffix == ".npz":
        return _dataset(name, (*npz.read(path), None), f"{name}: .npz {path}")
    files = Files(path, name)
    for form in ("python", "binary"):
        if FORMS[name, form].train[0] in files:
            return _published(name, form, files)
    raise UserError(f"--data_dir={path}: an archive without {name}'s files; get {ARCHIVES[name]} from {SOURCE}")


def _published(name, form, files):
    content = readers.read_form(name, form, files)
    return _dataset(name, content, f"{name}: published {form} form in {files.path}, {files.published()}")


def _dataset(name, content, origin):
    """The `Dataset` of what a reader gave: images and labels of training and test, and names or None. Checks them."""
    train_images, train_labels, test_images, test_labels, names = content
    names = names or CLASS_NAMES[name].split()
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


def _from_tfds(name, prepared=None):
    """The data of a prepared version's folder; None takes TFDS's own folder, and downloads if nothing is there, which
    without a network would stall for minutes."""
    folder = prepared or Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    prepared = prepared or _prepared(name, folder)
    if not prepared:
        _reachable(name)
    try:
        import tensorflow_datasets as tfds
        if prepared:  # whatever its version: by its name alone TFDS would get today's, and write it there
            builder = tfds.builder_from_directory(prepared)
        else:
            builder = tfds.builder(name, data_dir=folder)
            builder.download_and_prepare()
        arrays = []
        for split in ("train", "test"):
            dataset = builder.as_dataset(split=split, batch_size=1000, shuffle_files=False)
            batches = [(b["image"].numpy(), b["label"].numpy()) for b in dataset]
            arrays += [np.concatenate(part) for part in zip(*batches, strict=True)]
        names, version = builder.info.features["label"].names, builder.info.full_name
    except Exception as error:  # TFDS, TensorFlow, requests and protobuf each have exceptions of their own
        raise UserError(f"TFDS can't read or get {name} in {folder} ({type(error).__name__}: "
                        f"{short(str(error))}); give {ARCHIVES[name]} from {SOURCE} as "
                        "--data_dir=PATH") from None
    return _dataset(name, (*arrays, names), f"{name}: TFDS {version} in {folder} (in TFDS's own order)")


def _prepared(name, path):
    """The folder of a prepared version, or None. path: that of all TFDS data, that of the data set (of whose versions
    the newest counts), or that of a version."""
    path = path.absolute()
    if path.parent.name == name and (path / "dataset_info.json").is_file():
        return path
    infos = (path if path.name == name else path / name).glob("*/dataset_info.json")
    return max((info.parent for info in infos), key=_version, default=None)


def _version(folder):
    return [int(part) if part.isdecimal() else -1 for part in folder.name.split(".")]


def _reachable(name):
    """Raises UserError if the host, or the proxy on the way to it, gives no answer within `PROBE_SECONDS`."""
    proxy = getproxies().get("https") or getproxies().get("all", "")
    try:
        place = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = (place.hostname, place.port or 80) if place.hostname else (HOST, 443)
    except ValueError:
        raise UserError(f"https_proxy={short(proxy)}: is no proxy's address; expected http://HOST:PORT") from None
    answers = queue.SimpleQueue()

    def probe():
        try:
            socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
            answers.put(None)
        except OSError as error:
            answers.put(error)

    # A thread, for looking up a name knows no time limit and several addresses are tried one after another.
    threading.Thread(target=probe, daemon=True).start()
    try:
        error = answers.get(timeout=PROBE_SECONDS)
    except queue.Empty:
        error = f"no answer within {PROBE_SECONDS} s"
    if error:
        raise UserError(f"no {name} at hand and {host} can't be reached ({error}); download {ARCHIVES[name]} from "
                        f"{SOURCE} and give it as --data_dir=PATH, or try --dataset=synthetic")


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
