"""Checkpoints: named arrays and a few numbers in one file, whole and checked, or refused by name.

A file is a magic line, the length of a JSON header, the header (`meta` and each array's name, dtype and shape),
the arrays' bytes one after another, and the SHA-256 of all before it. Nothing in it can be executed.
"""
import hashlib
import json
import math
import struct
from pathlib import Path

import numpy as np

from cifar_fast import files
from cifar_fast.errors import UserError

MAGIC = b"cifar_fast checkpoint 1\n"
KEPT = 2
DTYPES = {"bool", "uint8", "uint32", "int32", "int64", "float32", "float64"}


class CheckpointError(UserError):
    """A file that is not a whole checkpoint; the message names it and says what is wrong."""


def write(path, arrays, meta):
    """Writes {name: np.ndarray} and a JSON-able dict to `path`, atomically."""
    arrays = {name: np.asarray(a) for name, a in arrays.items()}
    header = json.dumps({"meta": meta, "arrays": [
        {"name": name, "dtype": a.dtype.name, "shape": list(a.shape)} for name, a in arrays.items()]}).encode()
    body = b"".join([MAGIC, struct.pack("<Q", len(header)), header, *(a.tobytes() for a in arrays.values())])
    files.write_atomic(path, body + hashlib.sha256(body).digest())


def read(path):
    """Returns (arrays, meta). Raises CheckpointError for anything but a file that `write` made."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    body, digest = data[:-32], data[-32:]
    if not data.startswith(MAGIC):
        raise CheckpointError(f"{path}: not a cifar_fast checkpoint")
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError(f"{path}: damaged, its checksum does not fit its {len(data)} bytes")
    start = len(MAGIC) + 8
    end = start + struct.unpack("<Q", body[len(MAGIC):start])[0]
    header = json.loads(body[start:end])
    arrays = {}
    for entry in header["arrays"]:
        if entry["dtype"] not in DTYPES:
            raise CheckpointError(f"{path}: {entry['name']} has the unknown dtype {entry['dtype']}")
        dtype, count = np.dtype(entry["dtype"]), math.prod(entry["shape"])
        arrays[entry["name"]] = np.frombuffer(body, dtype, count, end).reshape(entry["shape"])
        end += count * dtype.itemsize
    return arrays, header["meta"]


def save(folder, step, arrays, meta):
    """Writes the checkpoint of a global step and deletes all but the newest `KEPT`."""
    write(Path(folder) / f"step-{step:010d}.ckpt", arrays, meta)
    for old in _steps(folder)[:-KEPT]:
        old.unlink(missing_ok=True)


def save_best(folder, arrays, meta):
    """Writes the best network so far."""
    write(Path(folder) / "best.ckpt", arrays, meta)


def latest(folder):
    """The newest sound checkpoint: (path, arrays, meta, problems), `problems` naming the newer, damaged ones.

    None if there is no checkpoint at all. Raises CheckpointError if there are some and all are damaged: starting
    over would throw a run away without a word.
    """
    problems = []
    for path in reversed(_steps(folder)):
        try:
            return path, *read(path), problems
        except CheckpointError as error:
            problems.append(str(error))
    if problems:
        raise CheckpointError(f"no checkpoint in {folder} is whole ({'; '.join(problems)}); restore one from a copy, "
                              "or take another --workdir to start anew")
    return None


def load_best(folder):
    """(arrays, meta) of the best network. Raises CheckpointError."""
    return read(Path(folder) / "best.ckpt")


def load_last(folder):
    """(arrays, meta) of the newest sound checkpoint. Raises CheckpointError."""
    found = latest(folder)
    if found is None:
        raise CheckpointError(f"no checkpoint in {folder}: train first, with the same --workdir")
    return found[1], found[2]


def _steps(folder):
    return sorted(Path(folder).glob("step-*.ckpt"))
