"""Checkpoints: named arrays and a few numbers in one file, whole and checked, or refused by name.

A file is a magic line, the length of a JSON header (uint64), the header (`meta`; each array's name, dtype,
shape and offset from the header's end), the arrays' little-endian bytes, and the SHA-256 of all before it.
Nothing in it can be executed, and nothing is believed before the checksum fits.
"""
import hashlib
import json
import math
import struct
from pathlib import Path
from typing import NamedTuple

import ml_dtypes  # noqa: F401  makes bfloat16 known to NumPy
import numpy as np

from cifar_fast.errors import UserError, short
from cifar_fast.system import files

MAGIC = b"cifar_fast checkpoint 1\n"
DIGEST_BYTES = hashlib.sha256().digest_size
DTYPES = ("bool", "uint8", "uint32", "uint64", "int32", "int64", "float16", "bfloat16", "float32", "float64")


class CheckpointError(UserError):
    """A file that is not a whole checkpoint; the message names it and says what is wrong."""


class Found(NamedTuple):
    """The newest sound checkpoint; damaged: a line for each newer one."""

    path: Path
    arrays: dict[str, np.ndarray]
    meta: dict
    damaged: list[str]


def named(name, variables):
    """The variables' values as a dict of arrays NAME-000, NAME-001, …

    Named by order of creation: Keras's own names count the layers that the process has made before.
    """
    return {f"{name}-{i:03d}": np.asarray(v) for i, v in enumerate(variables)}


def restore(name, variables, arrays):
    """Assigns the arrays that `named` gave that name.

    Raises:
      UserError: one is not there, or of another shape.
    """
    for i, variable in enumerate(variables):
        array = arrays.get(f"{name}-{i:03d}")
        if array is None or array.shape != tuple(variable.shape):
            raise UserError(f"the checkpoint has nothing of shape {tuple(variable.shape)} for {variable.name}: "
                            "it was made with another network or optimizer, or by another version; use another "
                            "--workdir")
        variable.assign(array)


def save(folder, step, arrays, meta, keep=2):
    """Writes the checkpoint of a global step, then deletes all others but the `keep - 1` before it.

    Later ones go too: what is saved after going on from an earlier step has passed them over as damaged.

    Args:
      arrays: {name: np.ndarray} of any shape, scalars too. meta: what JSON can hold.
    Raises:
      UserError: the system refused to write; all that stood in the folder still does.
      ValueError: a dtype that is not in `DTYPES`.
    """
    path = _path(folder, step)
    _write(path, arrays, meta)
    kept = [p for p in _steps(folder) if p <= path][-keep:]
    for other in _steps(folder):
        if other not in kept:
            with files.writing(other):
                other.unlink(missing_ok=True)


def save_best(folder, arrays, meta):
    """Writes the best network so far, in place of the one before. Raises as `save` does."""
    _write(Path(folder) / "best.ckpt", arrays, meta)


def latest(folder):
    """The `Found`, or None if there is no checkpoint at all.

    Raises CheckpointError if there are some and all are damaged: starting over would throw a run away without a word.
    """
    damaged = []
    for path in reversed(_steps(folder)):
        try:
            return Found(path, *load(path), damaged)
        except CheckpointError as error:
            damaged.append(str(error))
    if damaged:
        raise CheckpointError(f"no checkpoint in {folder} is whole ({'; '.join(damaged)}); restore one from "
                              "a copy, or take another --workdir to start anew")
    return None


def load_best(folder):
    """(arrays, meta) of the best network. Raises CheckpointError."""
    path = Path(folder) / "best.ckpt"
    if not path.exists():
        raise CheckpointError(f"no best.ckpt in {folder}: train with the same --workdir, or take --which=last")
    return load(path)


def load_last(folder):
    """(arrays, meta, damaged) of the newest sound checkpoint, as `latest` has them. Raises CheckpointError."""
    found = latest(folder)
    if found is None:
        raise CheckpointError(f"no checkpoint in {folder}: train first, with the same --workdir")
    return found.arrays, found.meta, found.damaged


def load(path):
    """(arrays, meta), bit for bit as saved. Raises CheckpointError for anything but a whole file."""
    try:
        data = files.read_plain(path)
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read ({error.strerror})") from error
    arrays, meta = decoded(data, path)
    if not isinstance(meta, dict):
        raise CheckpointError(f"{path}: not a checkpoint of a run, it has no named numbers")
    return arrays, meta


def decoded(data, path):
    """(arrays, meta) from a file's bytes. Raises CheckpointError, naming `path`, for anything but a whole file."""
    data = memoryview(data)
    body, digest = data[:-DIGEST_BYTES], data[-DIGEST_BYTES:]
    if body[:len(MAGIC)] != MAGIC:
        raise CheckpointError(f"{path}: damaged or not a checkpoint, its {len(data)} bytes begin otherwise")
    if hashlib.sha256(body).digest() != digest:
        raise CheckpointError(f"{path}: damaged, the checksum does not fit its {len(data)} bytes")
    try:
        return _parse(body[len(MAGIC):])
    # The checksum proves the file whole, not well meant: whoever made it by hand gets a line, too.
    except (ValueError, KeyError, TypeError, AttributeError, struct.error, OverflowError,
            RecursionError) as error:
        raise CheckpointError(f"{path}: not a checkpoint of this program ({short(str(error))})") from error


def _parse(body):
    length, = struct.unpack_from("<Q", body)
    header, data = json.loads(bytes(body[8:8 + length])), body[8 + length:]
    arrays, position = {}, 0
    for entry in header["arrays"]:
        name, shape, dtype = entry["name"], entry["shape"], entry["dtype"]
        sizes_are_sound = all(type(n) is int and n >= 0 for n in shape)
        if not sizes_are_sound or dtype not in DTYPES or entry["offset"] != position:
            raise ValueError(f"wrong dtype, shape or offset of {name}")
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        if position + size > len(data):
            raise ValueError(f"{name} ends beyond the file")
        raw = np.frombuffer(data[position:position + size], np.uint8).copy()
        arrays[name] = raw.view(dtype).reshape(shape)
        position += size
    if position != len(data):
        raise ValueError(f"{len(data) - position} bytes too many")
    return arrays, header["meta"]


def _write(path, arrays, meta):
    files.write_atomic(path, encoded(arrays, meta))


def encoded(arrays, meta):
    """The bytes of a checkpoint file. Raises ValueError for a dtype that is not in `DTYPES`."""
    entries, blobs, position = [], [], 0
    for name, array in arrays.items():
        array = np.asarray(array)
        if array.dtype.name not in DTYPES:
            raise ValueError(f"{name}: can't save dtype {array.dtype}; expected one of {', '.join(DTYPES)}")
        if array.dtype.byteorder == ">":
            array = array.astype(array.dtype.newbyteorder("<"))
        blobs.append(array.tobytes())
        entries.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "offset": position})
        position += len(blobs[-1])
    header = json.dumps({"meta": meta, "arrays": entries}).encode()
    body = b"".join([MAGIC, struct.pack("<Q", len(header)), header, *blobs])
    return body + hashlib.sha256(body).digest()


def _path(folder, step):
    return Path(folder) / f"step-{step:010d}.ckpt"


def _steps(folder):
    # Only names of `_path`'s form: a copy that someone has made is theirs.
    return sorted(Path(folder).glob(f"step-{'[0-9]' * 10}.ckpt"))
