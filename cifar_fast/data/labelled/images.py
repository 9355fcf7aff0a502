"""Any labelled images: class folders, a table of paths, or Parquet with the images in it; which, is found by looking.

Classes are numbered in the order of their names. Examples lie in the order of class and file name; where there is a
table, of its rows.
"""
import contextlib
import itertools
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cifar_fast.data.dataset import Dataset
from cifar_fast.data.labelled import cache, tables
from cifar_fast.data.labelled.members import Folder, members, names_in
from cifar_fast.data.labelled.parquet import Parquet
from cifar_fast.data.rows import chosen
from cifar_fast.errors import UserError, short

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
SPLITS = {word: split for split, words in {"train": ("train", "training"), "test": ("test", "testing"),
                                           "val": ("val", "valid", "validation")}.items() for word in words}
LOOKED_AT = 1000  # files of an archive
CLASSES = 100_000  # more are no classes, but some other column
EXPECTED = ("class folders (train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png), a CSV or Parquet table of paths "
            "and labels, or Parquet files that hold the images")


@dataclass(frozen=True)
class Reading:
    """How labelled images are read. The columns of a table, None to find them; `labels` is "fine" or "coarse" where it
    has both; `form` is what images become; cache: the folder of `cache.pixels`, None for its default."""

    image_column: str | None = None
    label_column: str | None = None
    labels: str = "fine"
    form: cache.Form = cache.Form()
    cache: str | None = None


class Split(NamedTuple):
    """Examples: a key each, unique in all splits; their labels, str or int; `read(keys)` gives pairs of each key and a
    function that opens its image."""

    keys: list
    labels: list
    read: Callable


class Found(NamedTuple):
    """splits: {"train": `Split`, "test": one, if there is one}. names: those of the classes that int labels number, or
    None. what: the form, in words. stamps: texts that change with the files."""

    splits: dict[str, Split]
    names: list[str] | None
    what: str
    stamps: list[str]


def load(path, reading, names=None):
    """Reads labelled images.

    Args:
      path: a `Path`: a folder, a .zip, a .tar or .tar.gz, or a table within a folder. reading: a `Reading`.
      names: of the classes in their order, where they are known before: labels then are these names or their numbers.
    Returns:
      a `Dataset`, its test set empty if there is none.
    Raises:
      UserError: nothing of the kind there; a damaged image or table; a label that is no class; what `cache.pixels`
        raises.
    """
    found = find(path, reading)
    splits = [found.splits["train"], *([found.splits["test"]] if "test" in found.splits else [])]
    labels = [split.labels for split in splits]
    if names and found.names:  # numbers there may mean others
        labels = [[found.names[label] if 0 <= label < len(found.names) else label for label in part] for part in labels]
    numbers, names = numbered(labels, names or found.names, path)
    folder = Path(reading.cache) if reading.cache else cache.default_folder()
    images, kept, note = cache.pixels([(split.keys, split.read) for split in splits], reading.form, folder,
                                      [str(path.absolute()), *found.stamps])
    numbers, border = np.concatenate(numbers)[kept], int((kept < len(splits[0].keys)).sum())
    train, test = slice(border), slice(border, None)
    return Dataset(chosen(images, train), numbers[train], chosen(images, test), numbers[test], tuple(names),
                   f"{found.what}, {note}; {len(names)} classes, {border} training and {len(numbers) - border} test "
                   f"images of {images.shape[1]}×{images.shape[2]} pixels in {images.shape[3]} channel"
                   f"{'s' * (images.shape[3] > 1)}")


def in_archive(path, others):
    """Whether there is an image among the first files of an archive. Its other files are not looked for, since to list
    a .tar is to read it, once there is one named in `others`; and what is damaged holds none."""
    with contextlib.suppress(UserError):
        for name in itertools.islice(names_in(path), LOOKED_AT):
            if name.lower().endswith(PICTURES):
                return True
            if name.rsplit("/", 1)[-1] in others:
                return False
    return False


def find(path, reading):
    """What labelled images lie at a `Path`: a `Found`. Raises UserError."""
    if path.suffix.lower() in tables.ENDINGS:
        return _of_tables(Folder(path.parent), [path.name], reading)
    files = members(path)
    pictures = [name for name in files.files if name.lower().endswith(PICTURES)]
    parquets = [name for name in files.files if name.lower().endswith(".parquet")]
    if parquets and not isinstance(files, Folder):
        raise UserError(f"--data_dir={path}: Parquet files are not read within an archive; unpack it")
    listed = parquets or [name for name in files.files if name.lower().endswith(tables.ENDINGS)]
    asked = reading.image_column or reading.label_column
    if listed and (parquets or asked or _classes(pictures)[1] or not pictures):
        return _of_tables(files, listed, reading)
    if not pictures or asked:
        raise UserError(f"--data_dir={path}: holds no {'table' if asked else 'labelled images'}; expected {EXPECTED}")
    return _of_folders(files, pictures)


def numbered(labels, names, where):
    """Labels → numbers, and the classes' names.

    Args:
      labels: lists of str or int, the training split's first. where: for messages.
      names: of the classes in their order; None takes the training labels for names.
    Returns:
      a list of int32 [n], and the names: printable, all different.
    Raises:
      UserError: fewer than two classes, or too many; a label that is no class.
    """
    if names is None:
        known = sorted(set(labels[0]), key=_order(set(labels[0])))
        place, names = {label: number for number, label in enumerate(known)}, list(map(str, known))
    else:
        place = {label: number for number, name in enumerate(names) for label in (number, str(number))}
        place |= {name: number for number, name in enumerate(names)}
    if not 2 <= len(names) <= CLASSES:
        raise UserError(f"--data_dir={where}: {len(names)} classes; expected 2 to {CLASSES}")
    numbers = []
    for part in labels:
        strange = next((label for label in part if label not in place), None)
        if strange is not None:
            raise UserError(f"--data_dir={where}: has the label {short(str(strange))}, which is none of the "
                            f"{len(names)} classes ({', '.join(map(short, names[:5]))}{', …' * (len(names) > 5)})")
        numbers.append(np.array([place[label] for label in part], np.int32))
    names = [name if name.isprintable() and name else short(name) or "(empty)" for name in names]
    if len(set(names)) < len(names):
        raise UserError(f"--data_dir={where}: two classes are called alike; rename one")
    return numbers, names


def _classes(pictures):
    """Images in class folders → {split: [(class, the rest of the name, name)]}, sorted; and those in none."""
    parts = [name.split("/") for name in pictures]
    while parts and min(map(len, parts)) > 2 and len({p[0] for p in parts}) == 1 and parts[0][0].lower() not in SPLITS:
        parts = [p[1:] for p in parts]  # all in one folder
    if not any(len(p) > 2 and SPLITS.get(p[0].lower()) == "train" for p in parts):
        parts = [["train", *p] for p in parts]
    found, loose = {}, []
    for part, name in zip(parts, pictures, strict=True):
        split = SPLITS.get(part[0].lower())
        if split and len(part) > 2:
            found.setdefault(split, []).append((part[1], "/".join(part[2:]), name))
        elif split in (None, "train"):  # a test split may come without labels
            loose.append(name)
    order = _order({label for rows in found.values() for label, *_ in rows})
    return {split: sorted(rows, key=lambda row: (order(row[0]), row[1])) for split, rows in found.items()}, loose


def _order(labels):
    """By what labels are sorted: as numbers, if all are whole numbers."""
    return int if all(isinstance(label, int) or re.fullmatch(r"0|[1-9][0-9]{0,17}", label) for label in labels) else str


def _of_folders(files, pictures):
    found, loose = _classes(pictures)
    if loose:
        raise UserError(f"--data_dir={files.path}: {short(loose[0])} lies in no class folder; expected {EXPECTED}")
    splits = {split: Split([name for *_, name in rows], [label for label, *_ in rows], files.read)
              for split, rows in _two(found).items()}
    return Found(splits, None, f"class folders in {files.path}{_aside(found)}", _stamps(files, splits))


def _two(found):
    """The training split, and the one that it is evaluated on: the test split or, where there is none, validation."""
    test = found.get("test", found.get("val"))
    return {"train": found["train"]} | ({"test": test} if test else {})


def _aside(found):
    return ", its validation images left aside" if {"test", "val"} <= found.keys() else ""


def _stamps(files, splits):
    return [f"{name} {files.files[name]}" for split in splits.values() for name in split.keys]


def _split(file):
    """The split that a table is called after, or None: "train-00000-of-00001.parquet" is of "train"."""
    return SPLITS.get(re.split(r"[-_.]", file.lower(), maxsplit=1)[0])


def _of_tables(files, names, reading):
    """Of several tables, those of one folder, by split."""
    by_folder = {}
    for name in names:
        folder, file = posixpath.split(name)
        above, last = posixpath.split(folder)
        split = _split(file) or _split(last)
        by_folder.setdefault(above if _split(last) else folder, {}).setdefault(split, []).append(name)
    if len(by_folder) > 1:
        folders = ", ".join(short(folder) or "." for folder in list(by_folder)[:10])
        raise UserError(f"--data_dir={files.path}: has tables in several folders ({folders}); give one of them")
    (by_split,) = by_folder.values()
    if "train" not in by_split:  # they are called after nothing: all of them train
        by_split = {"train": [name for part in by_split.values() for name in part]}
    by_split.pop(None, None)
    chosen = {split: sorted(part) for split, part in _two(by_split).items()}
    first = chosen["train"][0]
    if first.endswith(".parquet") and "image" in Parquet([files.path / first]).kinds.values():
        return _of_parquet(files, chosen, reading, _aside(by_split))
    pictures = [name for name in files.files if name.lower().endswith(PICTURES)]
    splits = {}
    for split, part in chosen.items():
        rows = [tables.read(files, name, pictures, reading.image_column, reading.label_column) for name in part]
        splits[split] = Split(*([value for row in column for value in row] for column in zip(*rows, strict=True)),
                              files.read)
    return Found(splits, None, f"table {first} in {files.path}{_aside(by_split)}", _stamps(files, splits))


def _of_parquet(files, chosen, reading, aside):
    splits, names, start = {}, None, 0
    for split, part in chosen.items():
        table = Parquet([files.path / name for name in part])
        image = table.images(reading.image_column)
        label = reading.label_column or table.find(
            ("label", f"{reading.labels}_label"), ["number", "text"], "--label_column")
        names = names or table.names(label)
        splits[split] = Split(range(start, start + table.rows), table.column(label), _reader(table, image, start))
        start += table.rows
    stamps = [f"{name} {files.files[name]}" for part in chosen.values() for name in part] + [image, label]
    return Found(splits, names, f"Parquet {chosen['train'][0]} in {files.path}{aside}", stamps)


def _reader(table, column, start):
    def read(keys):
        for row, opened in table.read(column, {key - start for key in keys}):
            yield row + start, opened
    return read
