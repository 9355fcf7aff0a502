"""CIFAR's published files, in the Python and in the binary form, from a folder or a .tar.gz.

Everything is read in memory and checked before use; nothing is unpacked to disk. A reader gets a `Files`, which
hands out whole files by name with a limit on each and on all together, so that no archive can grow past it.
"""
import hashlib
import tarfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cifar_fast import unpickle
from cifar_fast.errors import UserError, short
from cifar_fast.unpickle import SOURCE

FILE_BYTES, ALL_BYTES = 200 << 20, 400 << 20  # CIFAR-100's train file has 154 MB, the most there is
CHUNK, MEMBERS = 1 << 18, 10_000
ARCHIVE_MD5 = {  # MD5 sums that the authors publish of the archives
    "c58f30108f718f92721af3b95e74349a", "eb9058c3a382ffc7106e4002c42a8d85", "c32a1d4ab5d03f1284b67883e8d87530",
    "03b5dce01913d631647c71ecec9e9cb8"}
FILE_MD5 = {  # and those of the files in the Python form
    "data_batch_1": "c99cafc152244af753f735de768cd75f", "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751", "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb", "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888", "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc", "meta": "7973b15100ade9c7d40fb424638fde48"}
CLASSES = {"cifar10": 10, "cifar100": 100}


class Form(NamedTuple):
    """The files of a published form, in `folder` of its archive; `names` has those of the classes."""

    folder: str
    train: list[str]
    test: str
    names: str


FORMS = {
    ("cifar10", "python"): Form("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch",
                                "batches.meta"),
    ("cifar10", "binary"): Form("cifar-10-batches-bin", [f"data_batch_{i}.bin" for i in range(1, 6)],
                                "test_batch.bin", "batches.meta.txt"),
    ("cifar100", "python"): Form("cifar-100-python", ["train"], "test", "meta"),
    ("cifar100", "binary"): Form("cifar-100-binary", ["train.bin"], "test.bin", "fine_label_names.txt"),
}


class Files:
    """The named files of a data set in a folder or a tar archive, each read whole."""

    def __init__(self, path, dataset):
        self.path, self.sums, self.left = Path(path), {}, ALL_BYTES
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
        if self.packed:
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
        """The data set's regular files in a .tar.gz or .tar, by name without their folder."""
        forms = [FORMS[dataset, form] for form in ("python", "binary")]
        wanted = {name for form in forms for name in (*form.train, form.test, form.names)}
        try:
            with self.path.open("rb") as file:
                return self._members(_Stream(file), wanted)
        except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError) as error:
            raise UserError(f"{self.path}: not a whole .tar.gz ({short(str(error))}); get it anew from {SOURCE}"
                            ) from None

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
                stream.skip(size)
            elif member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or name in members or size > FILE_BYTES:
                raise UserError(f"{self.path}: its {name} is no plain file, there twice, or larger than any CIFAR "
                                f"file; get the archive anew from {SOURCE}")
            else:
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


class _Stream:
    """What a .tar.gz, or a .tar, unfolds to, up to `ALL_BYTES` of it: a small archive can't become a huge one."""

    def __init__(self, file):
        self.chunks, self.rest, self.left = _unfolded(file), b"", ALL_BYTES

    def read(self, size):
        """The next bytes; fewer only at the end. Raises ValueError past `ALL_BYTES`."""
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
                raise ValueError(f"it unfolds to more than {ALL_BYTES >> 20} MiB")
            size -= len(part)
            yield part


def _unfolded(file):
    """Chunks of up to CHUNK bytes; of a gzip's every part the checksum is verified. Raises EOFError, zlib.error."""
    packed = file.read(CHUNK)
    if packed[:2] != b"\x1f\x8b":
        while packed:
            yield packed
            packed = file.read(CHUNK)
        return
    taken = len(packed)
    for _ in range(MEMBERS):
        inflate = zlib.decompressobj(wbits=31)
        while not inflate.eof:
            if not packed:
                packed = file.read(CHUNK)
                taken += len(packed)
                if not packed or taken > ALL_BYTES:
                    raise EOFError("it ends too early" if not packed else "it is larger than any CIFAR archive")
            data = inflate.decompress(packed, CHUNK)
            packed = inflate.unconsumed_tail
            if data:
                yield data
        packed = inflate.unused_data or file.read(CHUNK)
        if not packed.strip(b"\0"):  # the end, or what tapes are filled up with
            return
    raise ValueError(f"it is packed in more than {MEMBERS} parts")


def read_form(dataset, form, files):
    """Reads a published form.

    Args:
      dataset: "cifar10" or "cifar100". form: "python" or "binary". files: a `Files`.
    Returns:
      train images uint8 [N, 32, 32, 3], train labels int32 [N], test images, test labels, class names or None.
    Raises:
      UserError: naming the file that is missing, damaged or not what it should be.
    """
    known = FORMS[dataset, form]
    read = _python_batch if form == "python" else _binary_batch
    parts = [read(dataset, files, name) for name in known.train]
    images, labels = (np.concatenate(p) for p in zip(*parts, strict=True))
    names = _class_names(dataset, form, files, known.names) if known.names in files else None
    return images, labels, *read(dataset, files, known.test), names


def _python_batch(dataset, files, name):
    where = f"{files.path}/{name}"
    batch = unpickle.loads(files.read(name), where)
    key = "labels" if dataset == "cifar10" else "fine_labels"
    data, labels = (unpickle.array(_entry(batch, k)) for k in ("data", key))
    if data is None or labels is None:
        raise UserError(f"{where}: holds no data and {key}; is it a {dataset} file? Get it anew from {SOURCE}")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise UserError(f"{where}: its data are not uint8 [N, 3072]; get it anew from {SOURCE}")
    # An array stays one until its length is checked: a list takes 40 times the memory.
    if not (labels.ndim == 1 and labels.dtype.kind in "iu" if isinstance(labels, np.ndarray) else
            isinstance(labels, list) and all(isinstance(v, int) for v in labels)):
        raise UserError(f"{where}: its labels are not a list of integers; get it anew from {SOURCE}")
    return _checked(dataset, where, data, labels)


def _entry(batch, key):
    """A dict's entry, whether Python 2 or 3 wrote its key; None if it has none or is no dict."""
    return batch.get(key.encode(), batch.get(key)) if isinstance(batch, dict) else None


def _binary_batch(dataset, files, name):
    where, data = f"{files.path}/{name}", files.read(name)
    head = 1 if dataset == "cifar10" else 2
    if not data or len(data) % (head + 3072):
        raise UserError(f"{where}: {len(data)} bytes are no whole number of {head + 3072}-byte records; "
                        f"get it anew from {SOURCE}")
    records = np.frombuffer(data, np.uint8).reshape(-1, head + 3072)
    return _checked(dataset, where, records[:, head:], records[:, head - 1])


def _checked(dataset, where, data, labels):
    classes = CLASSES[dataset]
    if len(data) != len(labels) or not len(labels):
        raise UserError(f"{where}: {len(data)} images and {len(labels)} labels; get it anew from {SOURCE}")
    if min(labels) < 0 or max(labels) >= classes:
        bad = short(str(next(v for v in labels if not 0 <= v < classes)))
        raise UserError(f"{where}: has the label {bad}; {dataset}'s are 0 to {classes - 1}; get it anew from {SOURCE}")
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.asarray(labels, np.int32)


def _class_names(dataset, form, files, meta):
    where, data = f"{files.path}/{meta}", files.read(meta)
    if form == "binary":
        names = data.split()
    else:
        key = "label_names" if dataset == "cifar10" else "fine_label_names"
        names = _entry(unpickle.loads(data, where), key)
    count = CLASSES[dataset]
    if not isinstance(names, list) or len(names) != count or not all(isinstance(n, bytes | str) for n in names):
        raise UserError(f"{where}: holds no list of {count} class names; get it anew from {SOURCE}")
    # Cut first: 100 names may be one of 200 MB.
    return [short(n[:80].decode("latin1") if isinstance(n, bytes) else n) for n in names]
