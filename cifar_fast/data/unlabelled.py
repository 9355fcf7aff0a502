"""Images without labels: one file, those in a folder or an archive or that a table names, those in a Parquet file, or
an array in an .npz; a batch at a time."""
import functools
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cifar_fast.data import conversion, decode, npz, packing
from cifar_fast.data.labelled import tables
from cifar_fast.data.labelled.cache import PIXELS, RESAMPLE
from cifar_fast.data.labelled.images import PICTURES
from cifar_fast.data.labelled.members import Folder, members, opened
from cifar_fast.data.labelled.parquet import Parquet
from cifar_fast.errors import UserError, short
from cifar_fast.system import processor

AHEAD = 100  # images for each core that are decoded before they are asked for
MODES = {channels: mode for mode, channels in decode.CHANNELS.items()}


class Form(NamedTuple):
    """What images become: uint8 of a shape (H, W, C), brought there by `resize`, one of `decode.FITS`. skip_damaged:
    leave out what can't be decoded."""

    shape: tuple[int, int, int]
    resize: str = "stretch"
    skip_damaged: bool = False

    @property
    def mode(self):
        return MODES.get(self.shape[2])


class Source:
    """count: how many images there are; damaged: a line for each that was left out; and what `batches` gives."""

    def __init__(self, count, each):
        self.count, self.each, self.damaged = count, each, []

    def batches(self, size):
        """Pairs of a list of names and the images of these, uint8 [n, H, W, C], n up to `size`, in order, each when it
        is asked for. Raises UserError: an image is damaged."""
        names, images = [], []
        for name, image in self.each(self.damaged):
            names.append(name)
            images.append(image)
            if len(names) == size:
                yield names, np.stack(images)
                names, images = [], []
        if names:
            yield names, np.stack(images)


def find(path, form, image_column=None):
    """The `Source` of what lies at a path.

    Args:
      path: an image file; a folder, or an archive (.zip, .tar, packed or not): all images below it, of a folder in the
        order of their names, of an archive in its own; a table (CSV, TSV or Parquet), beside which its images lie,
        named as it names them, in its order; Parquet with the images in it, named "FILE[0]", "FILE[1]", …; an .npz with
        an array of images, named "x[0]", "x[1]", …. A folder without images may hold tables.
      form: a `Form`.
      image_column: of a table; None finds it by looking. In a folder or archive it asks for the tables there, whose
        images come, of an archive, in the archive's order.
    Raises:
      UserError: no images there, or such as can't be brought to the form; no such column.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"--images={path}: does not exist; give an image, a folder, archive or table of images, or an "
                        ".npz")
    try:
        if path.is_file() and path.suffix.lower() in tables.ENDINGS:
            return _of_tables(path, None, [path.name], form, image_column)
        if path.is_file() and path.suffix.lower() in PICTURES:
            _refuse(path, image_column)
            return _of_files(path, 1, [(path.name, functools.partial(opened, path, path.stat().st_size))], form)
        if path.is_file() and packing.kind(path) == ".zip" and npz.is_one(path):
            _refuse(path, image_column)
            return _of_array(path, form)
    except OSError as error:
        raise UserError(f"--images={path}: can't be read ({error.strerror})") from None
    files = members(path)
    names = [name for name in files.files if name.lower().endswith(PICTURES)]
    listed = [name for name in files.files if name.lower().endswith(tables.ENDINGS)]
    if listed and (image_column or not names):
        return _of_tables(path, files, listed, form, image_column)
    _refuse(path, image_column)
    if not names:
        raise UserError(f"--images={path}: holds no image; expected files ending in {', '.join(PICTURES)}")
    return _of_files(path, len(names), files.read(names), form)


def _refuse(path, image_column):
    if image_column:
        raise UserError(f"--image_column={image_column}: {path} is no table and holds none; leave the flag out")


def _of_tables(path, files, names, form, image_column):
    """files: the `Members` with the tables in them, or None for a table that is `path` itself."""
    folder = path if files else path.parent
    parquets = [name for name in names if name.lower().endswith(".parquet")]
    if parquets and not folder.is_dir():
        raise UserError(f"--images={path}: Parquet files are not read within an archive; unpack it")
    whole = [Parquet([folder / name]) for name in parquets]
    if whole and "image" in whole[0].kinds.values():
        columns = [table.images(image_column) for table in whole]
        return _of_files(path, sum(table.rows for table in whole), (
            (f"{name}[{row}]", opened) for name, table, column in zip(parquets, whole, columns, strict=True)
            for row, opened in table.read(column, range(table.rows))), form)
    files = files or Folder(folder)
    pictures = [name for name in files.files if name.lower().endswith(PICTURES)]
    called = {}  # by the table, of each image
    for name in parquets or names:
        called |= dict(zip(*tables.unlabelled(files, name, pictures, image_column), strict=True))
    return _of_files(path, len(called), ((called[name], opened) for name, opened in files.read(list(called))), form)


def _of_array(path, form):
    name, array = npz.read_images(path)
    images, = conversion.images([array], path)
    if images.shape[1:] != form.shape and {images.shape[3], form.shape[2]} - MODES.keys():
        raise UserError(f"--images={path}: images of {images.shape[3]} channels, which can't be made {form.shape[2]}; "
                        "give them as they are to be")

    def each(_):
        for number, image in enumerate(images):
            if image.shape != form.shape:
                image = decode.converted(image, form.shape[:2], form.mode, RESAMPLE, form.resize)
            yield f"{name}[{number}]", image

    return Source(len(images), each)


def _of_files(path, count, opened, form):
    """opened: pairs of a name and a function that opens its file."""
    if not form.mode:
        raise UserError(f"--images={path}: the network takes images of {form.shape[2]} channels, which no image file "
                        "has; give an .npz")

    def each(damaged):
        for name, image in _ahead(opened, functools.partial(_decoded, form=form)):
            if not isinstance(image, Exception):
                yield name, image
                continue
            why = f"{short(name)} can't be decoded ({short(str(image.__cause__ or image))})"
            if not form.skip_damaged:
                raise UserError(f"--images={path}: {why}; mend it, or leave such out by --skip_damaged")
            damaged.append(why)

    return Source(count, each)


def _decoded(opened, form):
    """An image, or the error that it raised."""
    try:
        with opened() as file:
            return decode.decode(file, form.shape[:2], form.mode, RESAMPLE, form.resize, draft=True, most=PIXELS)
    except (OSError, ValueError) as error:
        return error


def _ahead(pairs, work):
    """The same pairs with work(second) in the second's place, in order, done by all cores some pairs ahead."""
    cores, waiting = processor.usable_cores(), deque()
    with ThreadPoolExecutor(cores) as pool:
        try:
            for name, given in pairs:
                waiting.append((name, pool.submit(work, given)))
                if len(waiting) > AHEAD * cores:
                    name, future = waiting.popleft()
                    yield name, future.result()
            for name, future in waiting:
                yield name, future.result()
        finally:
            pool.shutdown(cancel_futures=True)
