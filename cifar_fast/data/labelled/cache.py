"""Image files to one array of pixels, decoded and resized once: the next run finds it in a cache file.

The file's name is a digest of the images' names, sizes and times and of what was asked for: other images, another
name. What fits is held in memory, the rest in a memory map of which a batch at a time is read.
"""
import contextlib
import hashlib
import itertools
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from tqdm import tqdm

from cifar_fast.data import decode
from cifar_fast.data.labelled import cachefile
from cifar_fast.data.rows import chosen
from cifar_fast.errors import UserError, short
from cifar_fast.system import portable, processor

HELD = 2 << 30  # bytes of pixels that are held in memory, if that is at most a quarter of the machine's
PIXELS = 1 << 26  # that an image may declare: 8192×8192
RESAMPLE = "lanczos"  # Pillow's is antialiased when it makes smaller
SMALLEST = 4  # pixels a side that the network takes
BLOCK = 8  # images that a thread takes at a time
NAMED = 5  # damaged images that a message names
VERSION = 1  # of the file and of what decides its pixels


class Form(NamedTuple):
    """What images become. size: (height, width), None for the one that all have. resize: how a size is reached, one of
    `decode.FITS`. channels: "grey", "rgb", "rgba", or "auto": what all of them have. skip_damaged: leave out what
    can't be decoded."""

    size: tuple[int, int] | None = None
    resize: str = "stretch"
    channels: str = "auto"
    skip_damaged: bool = False


MODES = {"grey": "L", "rgb": "RGB", "rgba": "RGBA"}


def pixels(sources, form, folder, key):
    """Decodes images, or finds them in the cache.

    Args:
      sources: a list of (keys, read), one after another in the result: read(keys) gives pairs of each key and a
        function that opens its file, in any order. form: a `Form`.
      folder: a `Path`, that of the cache; made if it is not there. key: texts that say which images these are.
    Returns:
      images: uint8 [N, H, W, C], in memory, or a memory map or `Rows` of one.
      kept: int64 [N], which of all the keys these are: all but the damaged ones.
      note: where they come from, a phrase.
    Raises:
      UserError: a damaged image, unless those are skipped; images of different sizes and no size given; a cache that
        can't be written, and too many images for the memory.
    """
    count = sum(len(keys) for keys, _ in sources)
    digest = hashlib.sha256(repr((VERSION, PIL.__version__, form[:3])).encode())
    for text in key:
        digest.update(text.encode(errors="surrogateescape") + b"\0")
    path = folder / f"{digest.hexdigest()[:40]}.images"
    cached = cachefile.read(path, count, fits)
    if cached:
        note = f"from the cache {path}"
    else:
        began = time.perf_counter()
        cached, problem = _decoded(sources, count, form, path)
        note = f"decoded in {time.perf_counter() - began:.1f} s, " + (problem or f"cached in {path}")
    images, damaged = cached
    if damaged and not form.skip_damaged:  # of a file that was written with them skipped
        raise _refusal(damaged, count)
    kept = np.setdiff1d(np.arange(count), [row for row, _ in damaged])
    if damaged:
        note += f", {len(damaged)} damaged left out ({short(damaged[0][1])}{', …' if len(damaged) > 1 else ''})"
    return chosen(images, kept) if damaged else images, kept, note


def formed(images, form):
    """Images that are pixels already, uint8 [N, H, W, C], brought to a `Form`. Raises UserError: two channels can't
    be."""
    size, channels = form.size or images.shape[1:3], images.shape[3]
    mode = MODES.get(form.channels) or next((m for m, c in decode.CHANNELS.items() if c == channels), None)
    if mode and images.shape[1:] == (*size, decode.CHANNELS[mode]) or mode is None and size == images.shape[1:3]:
        return images
    if channels not in decode.CHANNELS.values():
        raise UserError(f"--image_size, --channels: images of {channels} channels can't be changed; give them as they "
                        "are to be")
    out = np.empty((len(images), *size, decode.CHANNELS[mode]), np.uint8)

    def work(row):
        out[row] = decode.converted(images[row], size, mode, RESAMPLE, form.resize)

    with ThreadPoolExecutor(processor.usable_cores()) as pool:
        for _ in pool.map(work, range(len(images))):
            pass
    return out


def fits(count):
    """Whether so many bytes of pixels are held in memory."""
    return count <= min(HELD, portable.memory() // 4)


def default_folder():
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "cifar_fast" / "images"


def _decoded(sources, count, form, path):
    """What `cachefile.read` gives, of a file newly written; and why it was not, if it was not and all fits."""
    size, mode = _first(sources, count, form)
    seen = {mode}  # what images have; it only grows, so that this ends
    while True:
        with contextlib.suppress(_Other):
            return _written(sources, count, form, size, seen, path)


class _Other(Exception):
    """Not all images have what those before have: they become something else."""


def _written(sources, count, form, size, seen, path):
    shape = count, *size, decode.CHANNELS[_mode(form, seen)]
    nbytes = int(np.prod(shape, dtype=object))
    held, needed = (np.zeros(shape, np.uint8), 0) if fits(nbytes) else (None, nbytes)

    def put(row, image):
        if image.shape == shape[1:]:
            file.write(row, image)  # while it is in a cache of the processor
            if held is not None:
                held[row] = image

    try:
        with contextlib.closing(cachefile.Writer(path, needed)) as file:
            damaged = _fill(put, sources, form, size, seen, count)
            file.end(shape, damaged)
    except OSError as error:
        raise UserError(f"--cache_dir={path.parent}: can't be written ({error.strerror or error}), and {nbytes >> 20} "
                        "MiB of pixels are too many for the memory; name another folder") from None
    if held is None:
        return cachefile.read(path, count, fits), None
    problem = file.problem and f"not cached ({path.parent}: {file.problem.strerror or file.problem})"
    return (held, damaged), problem


def _first(sources, count, form):
    """The size that all images get, and "L", "LA", "RGB" or "RGBA": as the first one that is not damaged has it."""
    damaged = []
    for row, key, looks in _each(sources, count, "", lambda _, file: decode.look(file, PIXELS)):
        if isinstance(looks, Exception):
            damaged.append((row, _reason(key, looks)))
            continue
        size = form.size or looks[:2]
        if min(size) < SMALLEST:
            raise UserError(f"--image_size: the images have {size[0]}×{size[1]} pixels; give a size of at least "
                            f"{SMALLEST}")
        return size, looks[2]
    raise _refusal(damaged, count)


def _mode(form, seen):
    """What images of some modes become: what all of them have, unless the `Form` says it."""
    return MODES.get(form.channels) or (
        "RGBA" if seen <= {"LA", "RGBA"} else "L" if seen <= {"L", "LA"} else "RGB")


def _fill(put, sources, form, size, seen, count):
    """Decodes all and calls put(row, image), in several threads. Returns [(row, reason)] of the damaged ones.

    Raises UserError; and `_Other`, when an image adds to what is `seen` so that all become something else.
    """
    mode = _mode(form, seen)

    def work(row, file):
        looks, image = decode.looked_at(file, form.size, mode, RESAMPLE, form.resize, draft=True, most=PIXELS)
        put(row, image)
        return looks

    first, damaged, read = None, [], 0
    with contextlib.closing(_each(sources, count, "decoding images", work)) as each:  # none is put after this
        for row, key, looks in each:
            read += 1
            if isinstance(looks, Exception):
                damaged.append((row, _reason(key, looks)))
                continue
            first = first or key
            if not form.size and looks[:2] != size:
                raise UserError(f"--image_size: the images have several sizes ({short(str(first))}: {size[0]}×{size[1]}"
                                f", {short(str(key))}: {looks[0]}×{looks[1]}); give the one that all get, as in "
                                "--image_size=64")
            seen.add(looks[2])
            if _mode(form, seen) != mode:
                raise _Other
    if damaged and not form.skip_damaged or not first:
        raise _refusal(damaged, count)
    if read < count:
        raise UserError(f"{count - read} of {count} images were gone when they were to be read; start again when "
                        "nothing changes the files")
    return sorted(damaged)


def _reason(key, error):
    cause = error.__cause__ or error
    why = "no image of a known format" if isinstance(cause, PIL.UnidentifiedImageError) else (
        getattr(cause, "strerror", None) or str(cause) or type(cause).__name__)
    return f"{key if isinstance(key, str) else f'row {key}'}: {why}"


def _refusal(damaged, count):
    named = "; ".join(short(why) for _, why in sorted(damaged)[:NAMED])
    more = f", and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    return UserError(f"{len(damaged)} of {count} images can't be decoded ({named}{more}); mend or remove them, or "
                     "leave them out by --skip_damaged")


def _each(sources, count, doing, work):
    """Triples of each image's row, its key, and what `work(row, file)` returns or raises. On all cores; a few images at
    a time are in memory."""
    def done(block):
        return [(row, key, _result(work, row, opened)) for row, key, opened in block]

    cores, waiting = processor.usable_cores(), deque()
    with ThreadPoolExecutor(cores) as pool, tqdm(
            total=count, desc=doing, unit="image", disable=None if doing else True, leave=False) as bar:
        try:
            for block in _blocks(sources):
                waiting.append(pool.submit(done, block))
                if len(waiting) > 2 * cores:
                    yield from waiting.popleft().result()
                    bar.update(len(block))
            while waiting:
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def _blocks(sources):
    """Lists of up to `BLOCK` triples of a row, a key and what opens it."""
    first = 0
    for keys, read in sources:
        rows = {key: row for row, key in enumerate(keys, first)}
        found = ((rows[key], key, opened) for key, opened in read(keys))
        try:
            while block := list(itertools.islice(found, BLOCK)):
                yield block
        except OSError as error:  # of an archive: those of single images are told where they are opened
            raise UserError(f"{error.filename or 'the images'}: can't be read ({error.strerror or error})") from None
        first += len(keys)


def _result(work, row, opened):
    try:
        with opened() as file:
            return work(row, file)
    except (OSError, ValueError) as error:
        return error
