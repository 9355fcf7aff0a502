"""Writing files so that a reader sees the old content or the new, never half of it."""
import json
import os
import tempfile
from pathlib import Path

from cifar_fast.errors import UserError

TEMPORARY = ".tmp-"  # how names of files being written begin; a killed run leaves at most one


def write_atomic(path, data):
    """Writes bytes aside, syncs, renames, syncs the folder.

    Raises:
      UserError: the system refused; what stood at `path` before is untouched.
    """
    path = Path(path)
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise UserError(f"can't write {path}: {error.strerror or error}; make room or the folder writable, "
                        "then run the same command again") from error


def write_json(path, value):
    """Writes a value as indented JSON."""
    write_atomic(path, (json.dumps(value, indent=2) + "\n").encode())


def remove_leftovers(folder):
    """Deletes what a killed write left behind."""
    for path in Path(folder).glob(f"{TEMPORARY}*"):
        path.unlink(missing_ok=True)


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
