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
      problem: the OSError after which nothing more is written, or None. `end` raises it where the file is needed.
    """

    def __init__(self, path, needed=0):
        """path: a `Path`, what `end` makes it; its folder is made if it is not there. needed: bytes of images that can
        be held nowhere else: they are taken from the disk at once, and an OSError is raised."""
        self.problem, self._path, self._needed, self._file = None, path, needed, None
        self._aside = path.parent / f"{files.TEMPORARY}{secrets.token_hex(4)}-{path.name}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _sweep(path.parent)
            self._file = self._aside.open("xb", buffering=0)
            portable.lock(self._file)  # as long as its writer lives
            if needed:
                portable.allocate(self._file, needed)  # a full disk is better known before images are decoded
        except OSError as error:
            self._note(error)

    def write(self, row, image):
        """Writes an image, uint8 [H, W, C]; from any thread, in any order of the rows. Those left out are zeros."""
        if not self.problem:
            try:
                portable.write_at(self._file, row * image.nbytes, image)
            except OSError as error:
                self.problem = error

    def end(self, shape, damaged):
        """Makes the file whole, with [(row, reason)] of the damaged images. Raises OSError."""
        entry = json.dumps({"shape": shape, "damaged": damaged}).encode()
        try:
            if self.problem:
                raise self.problem
            portable.write_at(self._file, int(np.prod(shape, dtype=object)),
                              entry + len(entry).to_bytes(LENGTH, "little"))
            os.fsync(self._file.fileno())
            os.replace(self._aside, self._path)
        except OSError as error:
            self._note(error)

    def close(self):
        """Deletes what did not become whole."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        with contextlib.suppress(OSError):
            self._aside.unlink()

    def _note(self, error):
        self.problem = error
        if self._needed:
            self.close()
            raise error


def _sweep(folder):
    """Deletes what killed writers left: a living one holds a lock on its file."""
    for path in folder.glob(f"{files.TEMPORARY}*.images"):
        with contextlib.suppress(OSError), path.open("rb") as file:
            if portable.lock(file):
                path.unlink()
