"""The published files of a data set in a folder or an archive, each read whole, in memory: nothing is unpacked to disk.

There is a limit on each file and on all together, so that no archive can grow past it.
"""
import hashlib
import tarfile
from pathlib import Path

from cifar_fast.data import packing
from cifar_fast.data.cifar.published import ARCHIVE_MD5, FILE_MD5, FORMS, SOURCE
from cifar_fast.data.packing import ALL_BYTES, Stream
from cifar_fast.errors import UserError, short

FILE_BYTES = 300 << 20  # CIFAR-100's train file has 154 MB, the most there is; in protocol 2 up to twice that
MEMBERS = 10_000


class Files:
    """The named files of a data set in a folder, a tar archive or a .zip, each read whole."""

    def __init__(self, path, dataset):
        self.path, self.sums, self.left = Path(path), {}, ALL_BYTES
        self.foreign = []  # the first files that are none of the data set's
        self.packed = not self.path.is_dir()
        self.members = self._archive(dataset) if self.packed else {}

    def __contains__(self, name):
        return name in self.members if self.packed else (self.path / name).is_file()

    def read(self, name):
        """The bytes of a file. Raises UserError: missing, unreadable or too large."""
        data = self.members.pop(name, None) if self.packed else self._of_folder(name)
        if data is None:
            raise UserError(f"{self.path}: has no {name}; get the whole archive from {SOURCE}")
        self.sums[name] = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return data

    def published(self):
        """Which of the authors' MD5 sums those of what was read are: a phrase."""
        if self.packed and self.path.stat().st_size <= ALL_BYTES:
            with self.path.open("rb") as file:
                if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() in ARCHIVE_MD5:
                    return "the published checksum"
        if self.sums and all(FILE_MD5.get(name) == md5 for name, md5 in self.sums.items()):
            return "the published checksums"
        if not self.packed and not all(name in FILE_MD5 for name in self.sums):
            return "checksums of its files are not published"
        return "checksums not the published ones"

    def _of_folder(self, name):
        path = self.path / name
        try:
            if not path.is_file():
                return None
            limit = min(FILE_BYTES, self.left)
            with path.open("rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise UserError(f"{path}: can't be read ({error.strerror})") from None
        if len(data) > limit:
            raise UserError(f"{path}: with it there are more bytes than any CIFAR file or set of files has; "
                            f"get it anew from {SOURCE}")
        self.left -= len(data)
        return data

    def _archive(self, dataset):
        """The data set's files in an archive, by name without their folder. Raises OSError: it can't be read."""
        forms = [FORMS[dataset, form] for form in ("python", "binary")]
        wanted = {name for form in forms for name in (*form.train, form.test, form.names)}
        kind = packing.kind(self.path)
        try:
            if kind == ".zip":
                with packing.opened_zip(self.path) as archive:
                    return self._zipped(archive, wanted)
            with self.path.open("rb") as file:
                return self._members(Stream(file, ALL_BYTES), wanted)
        except UserError:
            raise
        except Exception as error:  # of damaged files zipfile and tarfile may raise what they like
            if packing.is_of_system(error):
                raise
            raise UserError(f"{self.path}: not a whole {kind} ({short(str(error))}); get it anew from {SOURCE}"
                            ) from None

    def _zipped(self, archive, wanted):
        members = {}
        for member in archive.infolist():
            name, size = member.filename.rsplit("/", 1)[-1], member.file_size
            if name in wanted:
                self._check(name, members, size, size <= self.left)
                members[name] = bytes(packing.unzipped(archive, member))
                self.left -= size
            else:
                self._pass(member.filename)
        return members

    def _pass(self, name):
        if len(self.foreign) < 3:
            self.foreign.append(short(name))

    def _check(self, name, members, size, good):
        if not good or name in members or size > FILE_BYTES:
            raise UserError(f"{self.path}: its {name} is no plain file, there twice, or larger than any CIFAR file; "
                            f"get the archive anew from {SOURCE}")

    def _members(self, stream, wanted):
        members = {}
        for _ in range(MEMBERS):
            block = stream.read(tarfile.BLOCKSIZE)
            if not block.strip(b"\0"):
                stream.skip(ALL_BYTES)  # to the end: only there is the checksum of the packed data
                return members
            member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            name, size = member.name.rsplit("/", 1)[-1], 0 if member.type in EMPTY else member.size
            if size < 0:
                raise ValueError("a member of negative size")
            if name not in wanted or member.type in NOTES:
                self._pass(member.name)
                stream.skip(size)
            else:
                self._check(name, members, size, member.type in (tarfile.REGTYPE, tarfile.AREGTYPE))
                members[name] = stream.read(size)
                if len(members[name]) != size:
                    raise EOFError(f"it ends within {name}")
            stream.skip(-size % tarfile.BLOCKSIZE)
        raise ValueError(f"it has more than {MEMBERS} members")


# A member of the first kinds has no data, whatever size it declares. The second are notes about the next member,
# such as its long name, under names of their own.
EMPTY = (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE)
NOTES = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
         tarfile.GNUTYPE_LONGLINK)
