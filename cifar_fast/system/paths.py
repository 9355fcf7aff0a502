"""Paths as people write them: "~" is a home, and an address of another machine's files is none."""
import os
import re
from pathlib import Path

from cifar_fast.errors import UserError

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # gs://bucket, and gs:/bucket, which pathlib makes of it; dbfs:/data


def local(path, flag=None):
    """A path of this machine's file system, str, "~" and "~name" expanded.

    Args:
      path: str or os.PathLike. flag: what the path was given as, for messages.
    Raises:
      UserError: an address, or a home of nobody that the system knows.
    """
    text = os.fspath(path)
    where, plain = f"{flag}={text}" if flag else text, os.path.expanduser(text)
    if ADDRESS.match(plain):
        raise UserError(f"{where}: is an address, and only this machine's file system is read and written; mount it, "
                        f"or copy the files (a folder of that name is ./{text})")
    if plain.startswith("~"):
        raise UserError(f"{where}: no home is known for it; write the path in full (a file of that name is ./{text})")
    if str(Path(plain)) != plain and (ADDRESS.match(str(Path(plain))) or str(Path(plain)).startswith("~")):
        return os.path.abspath(plain)  # ./~x, of which a later Path would make ~x
    return plain
