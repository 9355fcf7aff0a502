"""The cache file of decoded images: the bytes of their array, then a line of JSON with its shape and the rows of
damaged ones.

It is written while images are decoded, aside, and renamed when it is whole. Writers hold a lock on what they write, so
that what killed ones left can be told.
"""
import contextlib
import json
import os
import secrets

import numpy as np

from cifar_fast.system import files, portable

LENGTH = 8  # bytes at the end that say how long the line is
BUFFER = 1 << 18  # bytes that are written at once


def read(path, count, fits):
    """What a cache file holds.

    Args:
      path: a `Path`. count: how many images it is to have. fits: a function of a number of bytes: hold them in memory?
    Returns:
      uint8 [N, H, W, C], an array or a memory map, and [(row, reason) of the damaged]; None if there is no such file,
      or it is not as it was written.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LENGTH))
            tail = int.from_bytes(file.read(LENGTH), "little")
            if not 0 < tail <= size - LENGTH:
                return None
            file.seek(size - LENGTH - tail)
            entry = json.loads(file.read(tail))
        shape, damaged = tuple(map(int, entry["shape"])), [(int(row), str(why)) for row, why in entry["damaged"]]
        nbytes = int(np.prod(shape, dtype=object))
        if len(shape) != 4 or min(shape) < 1 or shape[0] != count or nbytes != size - LENGTH - tail or not all(
                0 <= row < count for row, _ in damaged):
            return None
        if fits(nbytes):
            return np.fromfile(path, np.uint8, nbytes).reshape(shape), damaged
        return np.memmap(path, np.uint8, "r", shape=shape), damaged
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Writer:
    """A cache file while it is written; to be closed.

    Attributes:
      problem: the OSError after which nothing more is written, or None.
    """

    def __init__(self, path, needed=0):
        """path: a `Path`, what `end` makes it; its folder is made if it is not there. needed: bytes of images that can
        be held nowhere else: they are taken from the disk at once, and problems are raised."""
        self.problem, self._path, self._needed, self._file, self._place = None, path, needed, None, 0
        self._aside = path.parent / f"{files.TEMPORARY}{secrets.token_hex(4)}-{path.name}"
        with self._noted():
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent)
            self._file = self._aside.open("xb", buffering=BUFFER)
            portable.lock(self._file)  # as long as its writer lives
            if needed:
                portable.allocate(self._file, needed)  # a full disk is better known before images are decoded

    def write(self, row, image):
        """Writes an image, uint8 [H, W, C], in any order of the rows; those left out are zeros."""
        if not self.problem:
            with self._noted():
                self._put(row * image.nbytes, image)

    def end(self, shape, damaged):
        """Makes the file whole, with [(row, reason)] of the damaged images."""
        entry = json.dumps({"shape": shape, "damaged": damaged}).encode()
        if not self.problem:
            with self._noted():
                self._put(int(np.prod(shape, dtype=object)), entry + len(entry).to_bytes(LENGTH, "little"))
                self._file.flush()
                os.fsync(self._file.fileno())
                os.replace(self._aside, self._path)

    def close(self):
        """Deletes what did not become whole."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        with contextlib.suppress(OSError):
            self._aside.unlink()

    def _put(self, place, data):
        if place != self._place:  # to seek is to write what is held back
            self._file.seek(place)
        self._place = place + memoryview(data).nbytes
        self._file.write(data)

    @contextlib.contextmanager
    def _noted(self):
        try:
            yield
        except OSError as error:
            if self._needed:
                self.close()
                raise
            self.problem = error


def _sweep(folder):
    """Deletes what killed writers left: a living one holds a lock on its file."""
    for path in folder.glob(f"{files.TEMPORARY}*.images"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if portable.lock(file):
                path.unlink()
