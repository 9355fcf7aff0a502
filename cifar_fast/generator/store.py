"""Decoded images of files: decoded once and kept as uint8 in memory where they fit, else anew each time."""
import math
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from cifar_fast.data.decode import CHANNELS, decode
from cifar_fast.system import processor

MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}


class Store:
    """The images of some files, brought to one size.

    Args:
      paths: of the files. size: (height, width). color_mode: "grayscale", "rgb" or "rgba". interpolation: one of
        `decode.RESAMPLE`. keep_aspect_ratio: crop instead of stretching. planar: channels first.
      memory_share: of the memory that is free now, what all of them may take; 0 keeps none.
    Attributes:
      needed, free: bytes. images: uint8 [N, …] or None where they are not kept; float32 if a file's grey levels have
        more than 8 bits.
    """

    def __init__(self, paths, size, color_mode, interpolation, keep_aspect_ratio, planar, memory_share):
        self.paths, self.planar = paths, planar
        self.shape = (*size, CHANNELS[MODES[color_mode]])  # as decoded
        self.arguments = (size, MODES[color_mode], interpolation, "crop" if keep_aspect_ratio else "stretch", True)
        self.needed, self.free = len(paths) * math.prod(self.shape), free_memory()
        self.limit = memory_share * self.free
        kept = (*self.shape[2:], *size) if planar else self.shape
        self.images = np.empty((len(paths), *kept), np.uint8) if self.needed <= self.limit else None
        self.lock, self.present = threading.Lock(), np.zeros(len(paths), bool)

    def take(self, index):
        """Images by number, int [B]: an array and int [B], where in it they are. Raises what `decode` raises."""
        missing = np.unique(index[~self.present[index]])
        if self.images is not None and len(missing):
            self._keep(missing, self._decoded(missing))
        images = self.images  # read last: what is present is in it
        return (images, index) if images is not None else (self._decoded(index), np.arange(len(index)))

    def _keep(self, index, decoded):
        with self.lock:
            if self.images is not None and decoded.dtype != self.images.dtype == np.uint8:
                # More than 8 bits take four times the memory.
                self.images = self.images.astype(np.float32) if 4 * self.needed <= self.limit else None
            if self.images is not None:
                self.images[index] = decoded
                self.present[index] = True

    def _decoded(self, index):
        def some(numbers):
            return [decode(self.paths[number], *self.arguments) for number in numbers]

        threads = max(1, min(processor.usable_cores(), len(index)))
        with ThreadPoolExecutor(threads) as pool:  # made anew: a fork leaves threads behind
            # A share for each thread: handing over small images one by one takes as long as decoding them.
            images = [image for share in pool.map(some, np.array_split(index, threads)) for image in share]
        images = np.stack(images) if images else np.empty((0, *self.shape), np.uint8)
        images = np.ascontiguousarray(images.transpose(0, 3, 1, 2)) if self.planar else images
        return images if images.dtype == np.uint8 else images.astype(np.float32)


def free_memory():
    """Bytes of memory that this process may still take: what the system has, cut by a cgroup's limit."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return 1 << 32  # no Linux: a guess
    try:
        group = Path("/sys/fs/cgroup")
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        cached = next(int(line.split()[1]) for line in (group / "memory.stat").read_text().splitlines()
                      if line.startswith("inactive_file"))
        return free if limit == "max" else max(0, min(free, int(limit) - int(used) + cached))
    except (OSError, ValueError, StopIteration):
        return free
