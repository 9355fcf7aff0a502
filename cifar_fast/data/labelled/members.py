"""The files of a folder, a .zip or a .tar by their names, read where they lie: nothing is unpacked to disk.

A name is looked up among those that were listed, so whatever a table or an archive says, nothing outside is opened.
"""
import functools
import io
import os
import re
import tarfile
import zipfile
from pathlib import Path

from cifar_fast.data import packing
from cifar_fast.data.cifar.archive import EMPTY, NOTES
from cifar_fast.errors import UserError, short

MEMBERS = 2_000_000  # files at most; ImageNet has 1.3 million
FILE_BYTES = 64 << 20  # of one image or table
CONTENTS = 64 << 20  # bytes of a .zip's table of contents, some 500,000 names
NOTE = 1 << 16  # bytes of a .tar's note that are looked at
UNFOLDED = 50  # times its own size that a packed archive may unfold to; at least packing.ALL_BYTES
IGNORED = ("__MACOSX", "Thumbs.db")  # beside everything whose name begins with a dot


def members(path):
    """What lies at a `Path`: a `Folder`, a `Zip` or a `Tar`. Raises UserError: it can't be read, or is none of them."""
    try:
        if path.is_dir():
            return Folder(path)
        return Zip(path) if packing.kind(path) == ".zip" else Tar(path)
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror or short(str(error))})") from None


def names_in(path):
    """The names of an archive's files, as they stand there, one after another. Raises as `members` does."""
    if packing.kind(path) == ".zip":
        yield from (info.filename for info in _contents(path))
    else:
        yield from (name for name, *_ in _walk(path))


class Members:
    """path; files: {name: (size in bytes, a stamp that changes with the content)}. Names are relative, with "/" between
    their parts."""

    def __init__(self, path):
        self.path, self.files = path, {}

    def add(self, name, size, stamp):
        """Lists a file and returns True, unless its name is one of those that systems leave behind."""
        parts = name.split("/")
        if any(part.startswith(".") and part != ".." or part in IGNORED for part in parts):
            return False
        if not all(parts) or ".." in parts or name in self.files:
            raise UserError(f"{self.path}: its {short(name)} leads out of it or is there twice; pack it anew")
        if len(self.files) >= MEMBERS:
            raise UserError(f"{self.path}: has more than {MEMBERS} files")
        self.files[name] = size, stamp
        return True

    def read(self, names):
        """Pairs of each of the listed names and a function that opens it for bytes, maybe in another thread; in the
        order that costs the least. The function may raise OSError, or ValueError where an archive is damaged."""
        raise NotImplementedError

    def bytes(self, name):
        """All of one listed file. Raises UserError."""
        try:
            ((_, opened),) = self.read([name])
            with opened() as file:
                return file.read(FILE_BYTES)
        except (OSError, ValueError) as error:
            raise UserError(f"{self.path}: its {short(name)} can't be read ({short(str(error))})") from None


class Folder(Members):
    """All below a folder. Links within it are followed to files; one that leads out of it is refused."""

    def __init__(self, path):
        super().__init__(path)
        self.root = _root(path)
        folders = [("", path)]
        while folders:
            prefix, folder = folders.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    self._entry(f"{prefix}{entry.name}", entry, folders)
        self.files = dict(sorted(self.files.items()))

    def _entry(self, name, entry, folders):
        if entry.name.startswith("."):
            return
        if entry.is_symlink():
            place = Path(os.path.realpath(entry.path))
            if not place.is_relative_to(self.root) or place.is_dir():
                raise UserError(f"{self.path}: {short(name)} is a link out of it, or to a folder, and is not followed; "
                                "put the files themselves there")
        if entry.is_dir():
            folders.append((f"{name}/", entry.path))
        elif entry.is_file():
            status = entry.stat()
            self.add(name, status.st_size, status.st_mtime_ns)

    def read(self, names):
        return ((name, functools.partial(opened, f"{self.path}/{name}", self.files[name][0])) for name in names)


def opened(path, size):
    """A file of a size, read by one call: a decoder looks into it many times, and may ask for more than there is."""
    if size > FILE_BYTES:
        return open(path, "rb")
    with open(path, "rb", buffering=0) as file:
        return _named(file.read(size), path)


def _root(path):
    """What links may lead to: the folder itself; of a Hugging Face cache the data set's, where its blobs lie."""
    path = Path(os.path.realpath(path))
    cache = next((p.parent for p in (path, *path.parents) if p.name == "snapshots"), None)
    return cache if cache and (cache / "blobs").is_dir() else path


class Zip(Members):
    """A .zip, its files packed by deflate or not at all."""

    def __init__(self, path):
        super().__init__(path)
        self.infos = {}
        for info in _contents(path):
            name = info.filename.removeprefix("./")
            if not name.endswith("/") and self.add(name, info.file_size, info.CRC):
                self.infos[name] = info

    def read(self, names):
        with packing.Cautious(self.path, CONTENTS) as file, zipfile.ZipFile(file) as archive:
            for name in sorted(names, key=lambda name: self.infos[name].header_offset):
                yield name, self._opener(archive, name)

    def _opener(self, archive, name):
        try:
            if self.infos[name].file_size > FILE_BYTES:
                raise ValueError(f"has {self.infos[name].file_size} bytes; at most {FILE_BYTES} are read")
            return functools.partial(_named, packing.unzipped(archive, self.infos[name]), name)
        except UserError:
            raise
        except Exception as error:  # of a damaged file zipfile may raise what it likes
            if packing.is_of_system(error):
                raise
            return functools.partial(_raise, ValueError(f"is damaged within the archive: {error}"))


def _contents(path):
    """The files of a .zip, a list of `zipfile.ZipInfo`."""
    try:
        with packing.Cautious(path, CONTENTS) as file, zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except Exception as error:
        if packing.is_of_system(error):
            raise
        raise UserError(f"{path}: not a whole .zip ({short(str(error))}); pack it anew") from None


def _raise(error):
    raise error


class Tar(Members):
    """A .tar, packed or not; it has no table of contents, so that each look goes through all of it."""

    def __init__(self, path):
        super().__init__(path)
        for name, info, _ in _walk(path):
            self.add(name, info.size, info.mtime)

    def read(self, names):
        names = set(names)
        for name, info, stream in _walk(self.path):
            if name in names:
                data = stream.read(info.size) if info.size <= FILE_BYTES else b""
                yield name, functools.partial(_named, data, name)


def _walk(path):
    """Of each plain file of a .tar its name, its header and the stream, which stands at its bytes: they may be read or
    not."""
    try:
        with path.open("rb") as file:
            limit = max(packing.ALL_BYTES, UNFOLDED * os.fstat(file.fileno()).st_size)
            yield from _files(packing.Stream(file, limit))
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        if packing.is_of_system(error):
            raise
        raise UserError(f"{path}: not a whole .tar ({short(str(error))}); pack it anew") from None


def _files(stream):
    longer = None  # the next file's name, where a note before it has one
    while (block := stream.read(tarfile.BLOCKSIZE)).strip(b"\0"):
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        size, before = 0 if info.type in EMPTY else info.size, stream.left
        if size < 0:
            raise ValueError("a member of negative size")
        if info.type in NOTES:
            longer = _name_in(info.type, stream.read(min(size, NOTE))) or longer
        else:
            if info.type in (tarfile.REGTYPE, tarfile.AREGTYPE):
                yield (longer or info.name).removeprefix("./"), info, stream
            longer = None
        whole = size + -size % tarfile.BLOCKSIZE
        stream.skip(whole - (before - stream.left))
        if before - stream.left != whole:
            raise EOFError(f"it ends within {info.name}")
    if not block:
        raise EOFError("it ends without its last block")
    stream.skip(stream.left)  # to the end: only there is the checksum of a packed one


def _name_in(kind, note):
    """The name that a note about the next file holds, or None."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return note.rstrip(b"\0").decode("utf-8", "surrogateescape")
    found = re.search(rb"(?:^|\n)\d+ path=([^\n]*)\n", note) if kind == tarfile.XHDTYPE else None
    return found and found[1].decode("utf-8", "surrogateescape")


def _named(data, name):
    file = io.BytesIO(data)
    file.name = name
    return file
