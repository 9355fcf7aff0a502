"""Writing files so that a reader sees the old content or the new, never half of it, whatever stops it."""
import contextlib
import csv
import errno
import glob
import io
import json
import os
import secrets
import shutil
from pathlib import Path

from cifar_fast.errors import UserError
from cifar_fast.system import paths, portable

TEMPORARY = ".tmp-"  # how the names of files being written begin; a killed run leaves at most one


def write_atomic(path, data):
    """Replaces the file at `path` by `data` (bytes), see `replacing`. Raises UserError."""
    with replacing(path) as file:
        file.write(data)


@contextlib.contextmanager
def replacing(path):
    """A file to write bytes to, which takes the place of the one at `path` when the block ends well: written aside,
    synced, renamed, and the folder synced, where the file system can.

    Raises:
      UserError: the system refused, with the path and the reason, or the path is no local one. The temporary file is
        gone, and what stood at `path` is untouched (or already replaced, if only the folder could not be synced).
    """
    path = Path(paths.local(path))
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(4)}-{path.name}"
    try:
        with writing(path):
            if path.is_dir():  # said before the work, not after
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            with open(temporary, "xb") as file:
                yield file
                file.flush()
                portable.sync(file.fileno())
            os.replace(temporary, path)
            portable.sync_folder(path.parent)
    except BaseException:  # Ctrl-C too
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def append(path, data):
    """Adds `data` (bytes) to the end of a file, on disk when this returns. Stopped midway it can leave part.

    Raises:
      UserError: the system refused, with the path and the reason.
    """
    path = Path(path)
    with writing(path):
        with open(path, "ab") as file:
            file.write(data)
            file.flush()
            portable.sync(file.fileno())
        portable.sync_folder(path.parent)


def read_plain(path):
    """The bytes of a plain file. Raises OSError, also for what is none: a pipe would be waited for without end."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return path.read_bytes()


def write_json(path, value):
    """Writes a value as indented JSON, atomically. Raises UserError as `write_atomic` does."""
    write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def csv_lines(rows):
    """Rows of plain values as the bytes of CSV lines, in UTF-8; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(errors="backslashreplace")


def remove_leftovers(folder, name=None):
    """Deletes what killed writes left in a folder, files or folders, those of one file if its name is given. Raises
    UserError if the system refuses."""
    for path in Path(folder).glob(f"{TEMPORARY}*" if name is None else f"{TEMPORARY}????????-{glob.escape(name)}"):
        with writing(path):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path):
    """Turns the system's refusal to write to `path`, inside the block, into a UserError of one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"can't write {path}: {reason}; make room there or make it writable, then run "
                        "the same command again") from error
