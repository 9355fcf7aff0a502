"""Flagfiles as people's editors and shells write them: UTF-8, with or without a byte-order mark, or UTF-16 with one."""
import codecs
import os

from cifar_fast.errors import UserError
from cifar_fast.system import files, paths

UTF_16 = codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE
COMMENTS = "#", "//"


def read(path, outer=()):
    """The arguments that stand in a flagfile, one a line, in order: a list of str.

    Empty lines and comments (# or //) don't count, and a line --flagfile=PATH stands for that file's lines.

    Args:
      path: str, "~" and "~user" expanded. outer: the files that this one is read for.
    Raises:
      UserError: no plain file there, one in another encoding, or one that is within itself.
    """
    place = paths.local(path, "--flagfile")
    if not os.path.isfile(place):  # nothing there, a folder, or a device that never ends
        raise UserError(f"--flagfile={path}: not a file; expected one with a --flag=value a line")
    place = os.path.realpath(place)
    if place in outer:
        raise UserError(f"--flagfile={path}: stands within itself; take that line out")
    found = []
    for line in map(str.strip, _text(path, place).splitlines()):
        name, _, value = line.lstrip("-").partition("=")
        if line.startswith("-") and name == "flagfile":
            found += read(value.strip(), (*outer, place))
        elif line and not line.startswith(COMMENTS):
            found.append(line)
    return found


def _text(path, place):
    try:
        data = files.read_plain(place)
        return data.decode("utf-16" if data.startswith(UTF_16) else "utf-8-sig")
    except OSError as error:
        raise UserError(f"--flagfile={path}: can't be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"--flagfile={path}: not text in UTF-8 ({error.reason}, byte {error.start}); save it as "
                        "UTF-8") from None
