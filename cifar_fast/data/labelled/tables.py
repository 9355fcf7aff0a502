"""A table that names an image in each row, and maybe its label: CSV or Parquet."""
import csv
import io
import posixpath

from cifar_fast.data.labelled.members import FILE_BYTES
from cifar_fast.data.labelled.parquet import ROWS, TEXT, Parquet
from cifar_fast.errors import UserError, short

ENDINGS = (".csv", ".tsv", ".parquet")
COLUMNS = 100
LABELS = ("label", "class", "class_name", "category", "target")  # where there are more columns than two


def read(members, name, images, image_column=None, label_column=None):
    """Reads a table of images and labels.

    Args:
      members: a `Members`. name: the table's among them. images: the names of the images among them.
      image_column, label_column: None finds out by looking: the column that names images; the other one, or of several
        the one that is called as labels are.
    Returns:
      names of images (a list of str) and labels (a list of str, or of int where the table has whole numbers).
    Raises:
      UserError: the table can't be read; a column is not there or can't be told; a row names no image.
    """
    where = f"{members.path}: {short(name)}"
    table = _columns(members, name, where, 2)
    image_column, found = _images(members, name, where, table, images, image_column)
    others = [c for c in table if c != image_column]
    label_column = label_column or _only(
        where, "--label_column", others if len(others) == 1 else [c for c in others if c.lower() in LABELS], table,
        "holds labels")
    _check(where, "--label_column", label_column, table)
    return found, table[label_column]


def unlabelled(members, name, images, image_column=None):
    """The same without labels, of which the table may have none. Returns names of images, and the texts of the table
    that stand for them."""
    where = f"{members.path}: {short(name)}"
    table = _columns(members, name, where, 1)
    image_column, found = _images(members, name, where, table, images, image_column)
    return found, list(map(str, table[image_column]))


def _images(members, name, where, table, images, image_column):
    """The column that names images, and the names that it means, a list."""
    places = _Places(posixpath.dirname(name), members.path, images)
    if first := next((c for c in table if posixpath.splitext(c)[1] and places.find(c)), None):
        raise UserError(f"{where}: its first row names {first}, and should name the columns")
    if not image_column:
        naming = [c for c in table if places.find(str(table[c][0]))]  # as a number may that is a label
        image_column = _only(where, "--image_column", [c for c in naming if c.lower() not in LABELS] or naming, table,
                             "names images")
    _check(where, "--image_column", image_column, table)
    found = []
    for number, value in enumerate(table[image_column], 1):
        found.append(places.find(str(value)))
        if not found[-1]:
            raise UserError(f"{where}, row {number}: {short(str(value))} names no image within {members.path}, or "
                            "several; expected a path as it stands there")
    if len(set(found)) < len(found):
        again = next(image for image in found if found.count(image) > 1)
        raise UserError(f"{where}: names {short(again)} twice; leave one of them out")
    return image_column, found


def _check(where, flag, column, table):
    if column not in table:
        raise UserError(f"{flag}={column}: {where} has no such column; it has {', '.join(table)}")


class _Places:
    """Finds the images that a table's paths mean, among those that there are: nothing else is ever opened."""

    def __init__(self, folder, root, images):
        self.folder, self.root, self.images = folder, f"{root}/", set(images)
        self.by_end = {}  # by a file's name, with its ending and without; None where several have it
        for image in images:
            name = posixpath.basename(image)
            for end in (name, posixpath.splitext(name)[0]):
                self.by_end[end] = image if self.by_end.get(end, image) == image else None

    def find(self, path):
        """The image's name; None if there is none, or several may be meant."""
        path = posixpath.normpath(path.replace("\\", "/").removeprefix(self.root)) if path else ""
        for place in (posixpath.normpath(posixpath.join(self.folder, path)), path):
            if place in self.images:
                return place
        return None if path.startswith(("/", "..")) else self.by_end.get(posixpath.basename(path))


def _only(where, flag, columns, table, what):
    if len(columns) == 1:
        return columns[0]
    raise UserError(f"{where}: which column {what} can't be told; give {flag}=, one of {', '.join(table)}")


def _columns(members, name, where, least):
    """{column: list of its values, at least one}. least: how many columns there must be."""
    if name.lower().endswith(".parquet"):
        table = Parquet([members.path / name])
        return {c: table.column(c) for c, kind in table.kinds.items() if kind in ("text", "number")}
    data = members.bytes(name)
    try:
        text = data.decode("utf-8-sig")
        comma = max(",;\t", key=text.partition("\n")[0].count)
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=comma, strict=True)
        head = [short(column.strip()) for column in next(rows, [])]
        columns = {column: [] for column in head}
        if len(columns) < least or len(columns) < len(head) or len(columns) > COLUMNS:
            raise ValueError(f"its first row must name {least} to {COLUMNS} columns")
        for number, row in enumerate(rows, 1):
            if not row:
                continue
            if len(row) != len(head) or number > ROWS or max(map(len, row)) > TEXT:
                raise ValueError(f"row {number} has {len(row)} values, the first {len(head)}; at most {ROWS} rows of "
                                 f"values of up to {TEXT} letters are read")
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value.strip())
    except (ValueError, csv.Error) as error:  # UnicodeDecodeError is a ValueError
        raise UserError(f"{where}: no table in UTF-8 with commas between its values ({short(str(error))})") from None
    if len(data) >= FILE_BYTES or not columns[head[0]]:
        raise UserError(f"{where}: has no row, or more than {FILE_BYTES} bytes")
    return columns
