"""What a packed file unfolds to, as bytes with an end, and what a file is by its first bytes."""
import bz2
import contextlib
import errno
import io
import lzma
import tarfile
import zipfile
import zlib

from cifar_fast.errors import UserError, short

ALL_BYTES = 400 << 20  # of a data set; CIFAR's take 184 MB
CHUNK, PARTS = 1 << 18, 10_000
CONTENTS = 1 << 20  # bytes of a .zip's table of contents, some 10,000 names
WINDOW = 100 << 20  # bytes that unfolding an .xz may take; xz -9 asks for 65 MB
PACKED = {b"\x1f\x8b": ".tar.gz", b"BZh": ".tar.bz2", b"\xfd7zXZ\0": ".tar.xz", b"PK\3\4": ".zip", b"PK\5\6": ".zip"}
FOREIGN = {b"\x28\xb5\x2f\xfd": "a Zstandard archive, unpack it", b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive, unpack it",
           b"Rar!": "a RAR archive, unpack it", b"\x1f\x9d": "an archive of Unix's compress, unpack it",
           b"\x89HDF": "an HDF5 file", b"MATLAB": "a MATLAB file", b"\x80": "a pickle, maybe one file of a set",
           b"PAR1": "a Parquet file", b"\x93NUMPY": "a single array, an .npy", b"\x89PNG": "a picture",
           b"\xff\xd8\xff": "a picture", b"<": "a web page or other XML, not the file that was meant",
           b"version https://git-lfs": "a pointer of Git LFS, not the file itself"}


def kind(path):
    """".tar.gz", ".tar.bz2", ".tar.xz", ".tar" or ".zip", which an .npz is, too; by the content, whatever the name.

    Raises:
      UserError: it is something else; the message says what, where it can be told. OSError: it can't be read.
    """
    with open(path, "rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    for magic, name in PACKED.items():
        if head.startswith(magic):
            return name
    with contextlib.suppress(tarfile.TarError, ValueError):
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        return ".tar"
    what = next((text for magic, text in FOREIGN.items() if head.lstrip().startswith(magic)), None)
    what = what or ("none of these" if head else "empty")
    raise UserError(f"{path}: expected a .tar.gz, .tar.bz2, .tar.xz, .tar, .zip or .npz, and this is {what}")


def is_of_system(error):
    """Whether an exception is the system's, such as "Permission denied", and not about what a file holds."""
    return isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)  # a damaged .zip seeks below 0


@contextlib.contextmanager
def opened_zip(path):
    """A `zipfile.ZipFile`. Raises ValueError if its table of contents is too long; of damaged files zipfile may raise
    what it likes."""
    with Cautious(path, CONTENTS) as file:
        try:
            archive = zipfile.ZipFile(file)
        except zipfile.BadZipFile:
            raise file.failure or ValueError("it has no table of contents") from None
        with archive:
            yield archive


class Cautious(io.FileIO):
    """A file that is never read far ahead: zipfile would take a table of contents of any length."""

    failure = None  # the system's, which zipfile would take for damage

    def __init__(self, path, most):
        """most: bytes of the longest table of contents."""
        super().__init__(path)
        self.most = most

    def read(self, size=-1):
        if size > self.most:
            raise ValueError("its table of contents is too long")
        try:
            return super().read(self.most if size < 0 else size)
        except OSError as error:
            self.failure = error
            raise


def unzipped(archive, member):
    """The bytes of a member of a `ZipFile`, whose size the caller has checked. Raises UserError for a locked one and
    for packings that are slow, or take gigabytes when a file asks for them; EOFError and what zipfile raises."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise UserError(f"{archive.filename}: its {short(member.filename)} is packed in another way than by deflate, "
                        "or locked by a password; unpack it, or pack it anew")
    data = bytearray(member.file_size)
    with archive.open(member) as file:
        at = 0
        while count := file.readinto(memoryview(data)[at:at + CHUNK]):
            at += count
    if at != len(data):
        raise EOFError(f"its {short(member.filename)} ends too early")
    return data


class Stream:
    """What a .tar.gz, .tar.bz2 or .tar.xz, or a .tar, unfolds to, up to `limit` bytes: a small archive can't become a
    huge one."""

    def __init__(self, file, limit):
        self.chunks, self.rest, self.left, self.limit = _unfolded(file, limit), b"", limit, limit

    def read(self, size):
        """The next bytes; fewer only at the end. Raises ValueError past the limit, or where the archive is damaged;
        EOFError."""
        return b"".join(self._take(size))

    def skip(self, size):
        for _ in self._take(size):
            pass

    def _take(self, size):
        while size > 0:
            self.rest = self.rest or next(self.chunks, b"")
            part, self.rest = self.rest[:size], self.rest[size:]
            if not part:
                return
            self.left -= len(part)
            if self.left < 0:
                raise ValueError(f"it unfolds to more than {self.limit >> 20} MiB")
            size -= len(part)
            yield part


def _unfolded(file, limit):
    """Chunks of up to CHUNK bytes; of every part of a packed file the checksum is verified."""
    packed = file.read(CHUNK)
    unfold = next((unfold for magic, unfold in _UNFOLD.items() if packed.startswith(magic)), None)
    if not unfold:
        while packed:
            yield packed
            packed = file.read(CHUNK)
        return
    taken = len(packed)
    for _ in range(PARTS):
        part = unfold()
        while not part.eof:
            if part.needs_input and not packed:
                packed = file.read(CHUNK)
                taken += len(packed)
                if not packed or taken > limit:
                    raise EOFError("it ends too early" if not packed else "it is too large")
            try:
                data = part.decompress(packed, CHUNK)
            except (zlib.error, OSError, lzma.LZMAError) as error:
                raise ValueError(str(error)) from None
            packed = b""
            if data:
                yield data
        packed = part.unused_data or file.read(CHUNK)
        if not packed.strip(b"\0"):  # the end, or what tapes are filled up with
            return
    raise ValueError(f"it is packed in more than {PARTS} parts")


class _Gunzip:
    """zlib's decompressor with the interface of the others."""

    def __init__(self):
        self.inflate = zlib.decompressobj(wbits=31)

    def decompress(self, data, size):
        return self.inflate.decompress(self.inflate.unconsumed_tail + data, size)

    eof = property(lambda self: self.inflate.eof)
    needs_input = property(lambda self: not self.inflate.unconsumed_tail)
    unused_data = property(lambda self: self.inflate.unused_data)


_UNFOLD = {b"\x1f\x8b": _Gunzip, b"BZh": bz2.BZ2Decompressor,
           b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW)}
