"""Parquet files, by pyarrow: a column at a time, or the images that lie in them, as the Hugging Face hub has them."""
import contextlib
import functools
import io
import json

from cifar_fast.errors import UserError, short

ROWS = 2_000_000  # of a data set at most
AT_A_TIME = 32  # rows whose images are in memory
TEXT = 1000  # letters of a path or a label
IMAGE_BYTES = 64 << 20


def _pyarrow():
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise UserError("Parquet files are read by pyarrow, which is not installed: pip install 'cifar_fast[parquet]'"
                        ) from None
    except ImportError as error:  # as of a NumPy older than it takes
        raise UserError(f"Parquet files are read by pyarrow, which can't be imported ({short(str(error))}); install "
                        "versions that fit each other") from None
    return pyarrow


class Parquet:
    """The Parquet files of one split, read as one table, in the order of their names.

    Attributes:
      kinds: {column: "image", "text", "number" or "other"}, the first file's. rows: how many in all.
    """

    def __init__(self, paths):
        self.paths, self.rows = paths, 0
        for path in paths:
            with _guarded(path):
                with _open(path) as file:
                    self.rows += file.metadata.num_rows
                    schema = file.schema_arrow
            kinds = {short(field.name): _kind(field.type) for field in schema}
            if path == paths[0]:
                self.kinds, self.metadata = kinds, (schema.metadata or {}).get(b"huggingface", b"")
            if others := [name for name, kind in self.kinds.items() if kinds.get(name) != kind]:
                raise UserError(f"{path}: its column {others[0]} is not there or of another kind than in "
                                f"{paths[0].name}; the files of a split must have the same columns")
        if not 0 < self.rows <= ROWS:
            raise UserError(f"{paths[0]}: {self.rows} rows; expected 1 to {ROWS}")

    def names(self, column):
        """The names of a label column's classes, as the hub's `ClassLabel` keeps them; None where there are none."""
        try:
            feature = json.loads(self.metadata[:1 << 22])["info"]["features"][column]
            names = feature["names"] if feature["_type"] == "ClassLabel" else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return names if isinstance(names, list) and names and all(isinstance(n, str) for n in names) else None

    def find(self, known, kinds, flag):
        """The column of the known names, or the only one of the first of the kinds that has one. Raises UserError: it
        can't be told; `flag` is the one to give."""
        for name in known:
            if self.kinds.get(name) in kinds:
                return name
        for kind in kinds:
            names = [name for name, k in self.kinds.items() if k == kind]
            if len(names) == 1:
                return names[0]
        raise UserError(f"{self.paths[0]}: which column is meant can't be told; give {flag}=, one of "
                        + ", ".join(self.kinds))

    def images(self, asked=None):
        """The column that holds the images: the one that is asked for, or found by looking. Raises UserError."""
        column = asked or self.find(("image", "img"), ["image"], "--image_column")
        if self.kinds.get(column) != "image":
            raise UserError(f"--image_column={column}: {self.paths[0]} has no such column of images; it has "
                            + ", ".join(self.kinds))
        return column

    def column(self, name):
        """All values of a column of texts or whole numbers: a list of str or int.

        Raises:
          UserError: no such column, another kind, an empty value, another number of them than of rows, or a text of
            more than `TEXT` letters.
        """
        if self.kinds.get(name) not in ("text", "number"):
            raise UserError(f"{self.paths[0]}: has no column {short(name)} of texts or whole numbers; its columns are "
                            + ", ".join(self.kinds))
        values = []
        for path in self.paths:
            with _guarded(path), _open(path, read_dictionary=[name] if self.kinds[name] == "text" else None) as file:
                for batch in file.iter_batches(columns=[name], batch_size=1 << 16, use_threads=False):
                    values += _values(path, name, batch.column(0))
        if len(values) != self.rows:
            raise self._damaged(name, len(values))
        return values

    def read(self, column, rows):
        """The images of some rows, in their order: pairs of a row's name, see `row_name`, and a function that opens it.

        Args:
          column: the name of a column of kind "image". rows: a set or range of row numbers.
        """
        first, last = 0, max(rows)
        for path in self.paths:
            with _guarded(path), _open(path) as file:
                kind = file.schema_arrow.field(column).type
                columns = [column if _is_bytes(kind) else f"{column}.bytes"]
                for batch in file.iter_batches(columns=columns, batch_size=AT_A_TIME, use_threads=False):
                    values = batch.column(0)
                    values = values if _is_bytes(kind) else values.field("bytes")
                    values.validate(full=True)
                    for number, value in enumerate(values, first):
                        if number in rows:
                            yield number, functools.partial(_opened, value.as_py())
                    first += len(batch)
                    if first > last:
                        return
        raise self._damaged(column, first)

    def _damaged(self, column, count):
        return UserError(f"{self.paths[0]}: its column {short(column)} has {count} values where {self.rows} rows are "
                         "declared; get it anew")


def _kind(kind):
    types = _pyarrow().types
    if _is_bytes(kind) or types.is_struct(kind) and any(f.name == "bytes" and _is_bytes(f.type) for f in kind):
        return "image"
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return "number" if types.is_integer(kind) else "other"


def _is_bytes(kind):
    types = _pyarrow().types
    return types.is_binary(kind) or types.is_large_binary(kind)


def _open(path, **options):
    import pyarrow.parquet
    return pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, thrift_string_size_limit=64 << 20,
                                       thrift_container_size_limit=1 << 20, **options)


@contextlib.contextmanager
def _guarded(path):
    """Whatever pyarrow raises becomes a UserError that names the file."""
    pyarrow = _pyarrow()
    try:
        yield
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, MemoryError, OverflowError) as error:
        raise UserError(f"{path}: not a whole Parquet file, or one that pyarrow can't read ({short(str(error))}); "
                        "get it anew") from None


def _values(path, name, array):
    """The values of a part of a column, checked."""
    array.validate(full=True)
    if array.null_count:
        raise UserError(f"{path}: its column {short(name)} has empty values; leave those rows out")
    if array.type.__class__.__name__ == "DictionaryType":  # each text is there once, however many rows have it
        texts = [value[:TEXT + 1] for value in array.dictionary.to_pylist()]
        if any(len(text) > TEXT for text in texts):
            raise UserError(f"{path}: its column {short(name)} has a text of more than {TEXT} letters")
        return [texts[i] for i in array.indices.to_pylist()]
    return array.to_pylist()


def _opened(data):
    if not data or len(data) > IMAGE_BYTES:
        raise ValueError(f"has no image, or one of more than {IMAGE_BYTES} bytes")
    return io.BytesIO(data)
