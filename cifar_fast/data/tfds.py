"""CIFAR as TensorFlow Datasets has prepared it, or prepares it where the network allows."""
import os
import queue
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import numpy as np

from cifar_fast import paths
from cifar_fast.data.cifar.published import ARCHIVES, SOURCE
from cifar_fast.data.dataset import checked
from cifar_fast.errors import UserError, short

HOST, PROBE_SECONDS = "www.cs.toronto.edu", 8


def load(name, prepared=None):
    """The data of a prepared version's folder; None takes TFDS's own folder, and downloads if nothing is there, which
    without a network would stall for minutes."""
    given = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    folder = prepared or Path(paths.local(given, "TFDS_DATA_DIR"))
    prepared = prepared or prepared_in(name, folder)
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
    return checked(arrays, names, f"{name}: TFDS {version} in {folder} (in TFDS's own order)")


def prepared_in(name, path):
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
