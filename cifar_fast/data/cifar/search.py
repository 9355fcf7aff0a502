"""Where CIFAR lies in a folder, or up to two folders below: unpacked, prepared by TFDS, or an archive of its name."""
import itertools
import os
import re
from pathlib import Path
from typing import NamedTuple

from cifar_fast.data import tfds
from cifar_fast.data.cifar.published import FORMS
from cifar_fast.errors import UserError

LEVELS, ENTRIES, FOLDERS = 3, 1000, 300  # folders deep, entries of a folder and folders in all that are looked at
ARCHIVE = re.compile(r"\.(tar|tgz|tar\.gz|tbz2?|tar\.bz2|txz|tar\.xz|zip|npz)$", re.IGNORECASE)
TITLE = {"cifar10": re.compile(r"cifar[-_ ]?10(?!0)", re.IGNORECASE),
         "cifar100": re.compile(r"cifar[-_ ]?100", re.IGNORECASE)}
TITLE["cifar100_coarse"] = TITLE["cifar100"]


class Found(NamedTuple):
    """form: "python" or "binary" of an unpacked folder, "tfds" of a prepared version's, or "archive" of a file."""

    form: str
    path: Path


def search(name, path):
    """The data set's place in the folder at a `Path`, a `Found`; None if there is none.

    The nearest counts, the published names first, the Python form before the binary one, an unpacked folder before an
    archive.

    Raises:
      UserError: several that are equal by that. OSError: the folder can't be read.
    """
    # Where it should be; listing might not come to it.
    published = [Found(form, place) for form in ("python", "binary")
                 for place in (path, path / FORMS[name, form].folder) if (place / FORMS[name, form].train[0]).is_file()]
    if published:
        return published[0]
    levels = list(_levels(path))
    for folders in levels:
        for form in ("python", "binary"):
            if places := [Found(form, folder) for folder, _ in folders if _holds(name, form, folder)]:
                return _only(name, path, places)
    if prepared := tfds.prepared_in(name, path):
        return Found("tfds", prepared)
    for folders in levels:
        if prepared := [Found("tfds", place) for folder, _ in folders if folder.name == name.removesuffix("_coarse")
                        if (place := tfds.prepared_in(name, folder))]:
            return _only(name, path, prepared)
    for folders in levels:
        archives = [folder / file for folder, files in folders for file in files
                    if ARCHIVE.search(file) and TITLE[name].search(file) and "matlab" not in file.lower()]
        first = [file for file in archives if "binary" not in file.name.lower()] or archives
        if first:
            return _only(name, path, [Found("archive", file) for file in first])
    return None


def others(path):
    """Archives and .npz files of any name directly in a folder, at most a few, by name."""
    return sorted(file for folder, files in next(_levels(path)) for file in files if ARCHIVE.search(file))[:5]


def _holds(name, form, folder):
    return all((folder / file).is_file() for file in (FORMS[name, form].train[0], FORMS[name, form].test))


def _only(name, path, places):
    if len(places) > 1:
        raise UserError(f"--data_dir={path}: holds {name} more than once: " + ", ".join(
            str(place.path) for place in places[:4]) + "; give one of them")
    return places[0]


def _levels(path):
    """The folder itself, those in it, those in these; of each the names of its files. What is hidden is passed over,
    and below the first what can't be read."""
    folders, count = [path], 0
    for level in range(LEVELS):
        found, below = [], []
        for folder in folders[:FOLDERS - count]:
            try:
                with os.scandir(folder) as entries:
                    names = sorted(entry.name for entry in itertools.islice(entries, ENTRIES)
                                   if not entry.name.startswith(".") and entry.name.isprintable())
            except OSError:
                if level == 0:
                    raise
                continue
            inner = [name for name in names if os.path.isdir(folder / name)]
            found.append((folder, [name for name in names if name not in inner]))
            below += [folder / name for name in inner]
        yield found
        folders, count = below, count + len(folders)
