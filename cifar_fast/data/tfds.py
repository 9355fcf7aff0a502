"""Data sets by TensorFlow Datasets: as it has prepared them, or prepares them where the network allows."""
import os
import queue
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from cifar_fast.data.cifar.published import ARCHIVES, SOURCE
from cifar_fast.data.dataset import checked
from cifar_fast.data.labelled import cache, images
from cifar_fast.errors import UserError, short
from cifar_fast.system import paths

# What is asked whether there is a network: where CIFAR lies, and where TFDS keeps much of what it has prepared.
HOST, MIRROR, PROBE_SECONDS = "www.cs.toronto.edu", "storage.googleapis.com", 8


def home():
    """The folder where TFDS keeps its data."""
    return Path(paths.local(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets"), "TFDS_DATA_DIR"))


def load(name, folder=None, splits=("train", "test"), reading=None):
    """A data set of TFDS, in memory.

    Args:
      name: as TFDS has it: "cifar10", "svhn_cropped", "NAME/CONFIG", "NAME:VERSION"; or "cifar100_coarse".
      folder: of its data, or of a prepared version; None takes TFDS's own, and downloads if nothing is there, which
        without a network would stall for minutes.
      splits: one or two, for training and evaluation. reading: an `images.Reading`; None for its defaults.
    Returns:
      a `Dataset`, its test set empty if there is one split.
    Raises:
      UserError: no such data set, split, images or labels; no network; more than is held in memory.
    """
    reading = reading or images.Reading()
    coarse = name.endswith("_coarse") or reading.labels == "coarse"
    name = name.removesuffix("_coarse")
    folder = folder or home()
    prepared = prepared_in(name, folder)
    try:
        import tensorflow_datasets as tfds
        # A prepared one whatever its version: by its name alone TFDS would get today's, and write it there.
        builder = tfds.builder_from_directory(prepared) if prepared else tfds.builder(name, data_dir=folder)
        if not prepared and not Path(builder.data_path).exists():
            _reachable(name)
            builder.download_and_prepare()
        image, label = builder.info.supervised_keys or ("image", "label")
        label = "coarse_label" if coarse else label
        names, version = builder.info.features[label].names, builder.info.full_name
        arrays = []
        for split in splits:
            arrays += _arrays(builder, split, image, label, reading.form)
    except UserError:
        raise
    except Exception as error:  # TFDS, TensorFlow, requests and protobuf each have exceptions of their own
        archive = f"; give {ARCHIVES[name]} from {SOURCE} as --data_dir=PATH" if name in ARCHIVES else ""
        raise UserError(f"TFDS can't read or get {name} in {folder} ({type(error).__name__}: {short(str(error))})"
                        f"{archive}") from None
    return checked(arrays, names, f"{name}: TFDS {version} in {folder} (in TFDS's own order)")


def _arrays(builder, split, image, label, form):
    """The images uint8 [N, H, W, C] and labels of a split."""
    shape, count = builder.info.features[image].shape, builder.info.splits[split].num_examples
    if None in shape and not form.size:
        raise UserError(f"--image_size: the images of {builder.info.full_name} have several sizes; give the one that "
                        "all get, as in --image_size=64")
    height, width = form.size or shape[:2]
    if not cache.fits(count * height * width * 4):
        raise UserError(f"{builder.info.full_name}: {count} images of {height}×{width} pixels are more than is held in "
                        "memory; take a part, as in --tfds_splits=train[:50%],test, or a smaller --image_size")
    if None not in shape:
        dataset = builder.as_dataset(split=split, batch_size=1000, shuffle_files=False)
        batches = [(b[image].numpy(), b[label].numpy()) for b in dataset]
        return [np.concatenate(part) for part in zip(*batches, strict=True)]
    pixels, labels = [], []
    for example in builder.as_dataset(split=split, shuffle_files=False):
        pixels.append(cache.formed(example[image].numpy()[None], form)[0])
        labels.append(example[label].numpy())
    return [np.stack(pixels), np.array(labels)]


def prepared_in(name, path):
    """The folder of a prepared version, or None. path: that of all TFDS data, that of the data set (of whose versions
    the newest counts), or that of a version."""
    path, name = path.absolute(), name.removesuffix("_coarse")
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
        host, port = (
            (place.hostname, place.port or 80) if place.hostname else (HOST if name in ARCHIVES else MIRROR, 443))
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
        get = f"download {ARCHIVES[name]} from {SOURCE}" if name in ARCHIVES else "prepare it where there is a network"
        raise UserError(f"no {name} at hand and {host} can't be reached ({error}); {get} and give it as "
                        "--data_dir=PATH, or try --dataset=synthetic")
