"""Which files a directory's classes hold, and which rows of a table count: as Keras lists and filters them."""
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

FORMATS = ("png", "jpg", "jpeg", "bmp", "ppm", "tif", "tiff")
WITH_CLASSES = ("binary", "categorical", "sparse")


class NoImages(ValueError, FileNotFoundError):
    """A directory that is not there, can't be read or holds no images; Keras raises the second where it isn't there."""


class WrongColumn(ValueError, TypeError):
    """A column of other values than needed; Keras raises the second."""


def class_names(directory, classes):
    """The names of a directory's classes: those given, or its folders in order. Raises NoImages."""
    try:
        found = sorted(name for name in os.listdir(directory) if os.path.isdir(os.path.join(directory, name)))
    except OSError as error:
        raise NoImages(f"{directory}: can't be read ({error.strerror}); expected a folder of a folder for each "
                       "class") from None
    if missing := [name for name in classes or () if not os.path.isdir(os.path.join(directory, name))]:
        raise NoImages(f"classes: {directory} has no folder {', '.join(map(repr, missing))}; it has "
                       f"{', '.join(map(repr, found)) or 'none'}")
    return list(classes or found)


def files_of(directory, names, split, follow_links):
    """The files of each class, [class][file], as paths relative to the directory, in Keras's order.

    split: the shares (start, end) of each class that are taken, or None for all.
    """
    def one(name):
        folder = os.path.join(directory, name)
        found = []
        for root, _, files in sorted(os.walk(folder, followlinks=follow_links), key=lambda entry: entry[0]):
            for path in (os.path.join(root, file) for file in sorted(files)):
                if path.lower().endswith(".tiff"):
                    warnings.warn(f"{path}: a .tiff file of several bands will be distorted", stacklevel=2)
                if path.lower().endswith(FORMATS):
                    found.append(os.path.join(os.path.basename(folder), os.path.relpath(path, folder)))
        return found if split is None else found[int(split[0] * len(found)):int(split[1] * len(found))]

    with ThreadPoolExecutor() as pool:  # for file systems that take their time
        return list(pool.map(one, names))


class Rows:
    """The rows of a table that count, after Keras's checks and filters.

    Attributes: `names`, the files'; `labels`, one a row or None; `classes`, their names in order, or None; `kept`, the
    numbers of the rows, int [N].
    Raises:
      ValueError: a column that is missing. WrongColumn (also a TypeError): values of another type than needed.
    """

    def __init__(self, table, directory, x_col, y_col, weight_col, classes, class_mode, validate):
        self._check(table, x_col, y_col, weight_col, classes, class_mode)
        self.names, self.labels, self.classes = list(table[x_col]), None, None
        self.kept = np.arange(len(self.names))
        if validate:
            good = [name.lower().endswith(FORMATS) and os.path.isfile(os.path.join(directory, name))
                    for name in self.names]
            if wrong := good.count(False):
                first = self.names[good.index(False)]
                warnings.warn(f"{x_col}: {wrong} rows name no image file, the first {first!r}; they are left out",
                              stacklevel=5)
            self._keep(good)
        if class_mode in WITH_CLASSES:
            labels = list(table[y_col])
            self.labels = [labels[row] for row in self.kept]
            if classes:
                self.classes = list(dict.fromkeys(classes))
                self.labels = [_within(label, set(self.classes)) for label in self.labels]
                self._keep([label is not None for label in self.labels])
            else:
                self.classes = sorted({name for label in self.labels for name in _names(label)})

    def part(self, split):
        """Keeps the shares (start, end) of the rows."""
        count = len(self.kept)
        chosen = np.arange(count)
        self._keep((chosen >= int(split[0] * count)) & (chosen < int(split[1] * count)))

    def _keep(self, good):
        places = np.flatnonzero(good)
        self.names, self.kept = [self.names[i] for i in places], self.kept[places]
        self.labels = self.labels and [self.labels[i] for i in places]

    @staticmethod
    def _check(table, x_col, y_col, weight_col, classes, class_mode):
        if class_mode == "multi_output" and not isinstance(y_col, list):
            raise WrongColumn(f"y_col={y_col!r}: must be a list of columns where class_mode is 'multi_output'")
        wanted = [x_col, *([weight_col] if weight_col else [])]
        if class_mode in (*WITH_CLASSES, "multi_output", "raw"):
            wanted += y_col if isinstance(y_col, list) else [y_col]
        columns = list(table.columns)
        if missing := [name for name in wanted if name not in columns]:
            raise ValueError(f"dataframe: has no column {missing[0]!r}; it has {', '.join(map(repr, columns))}")
        if not all(isinstance(name, str) for name in table[x_col]):
            raise WrongColumn(f"x_col={x_col!r}: all values of the column must be strings, the files' names")
        types = (str, list, tuple) if class_mode == "categorical" else str
        if class_mode in WITH_CLASSES and (wrong := [v for v in table[y_col] if not isinstance(v, types)]):
            raise WrongColumn(f"y_col={y_col!r}: holds {wrong[0]!r}; labels must be strings"
                              f"{', lists or tuples' if class_mode == 'categorical' else ''} where class_mode is "
                              f"{class_mode!r}")
        if class_mode == "binary" and (found := len(set(classes or table[y_col]))) != 2:
            raise ValueError(f"class_mode='binary': needs 2 classes, and there are {found}")
        if classes and class_mode not in WITH_CLASSES:
            warnings.warn(f"classes: of no use where class_mode is {class_mode!r}", stacklevel=6)
        if weight_col and not issubclass(table[weight_col].dtype.type, np.number):
            raise WrongColumn(f"weight_col={weight_col!r}: the column must hold numbers")


def _names(label):
    return [label] if isinstance(label, str) else label


def _within(label, classes):
    """A label without what is no class; None where nothing is left."""
    if isinstance(label, str):
        return label if label in classes else None
    return [name for name in label if name in classes] or None
