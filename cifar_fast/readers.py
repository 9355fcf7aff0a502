"""CIFAR's published files: the Python form, the binary form and .npz, from a folder or a .tar.gz.

Everything is read in memory and checked before use; nothing is unpacked to disk. A reader gets a `Files`, which
hands out whole files by name with a limit on each and on all together, so that no archive can grow past it.
"""
import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from cifar_fast import unpickle
from cifar_fast.errors import UserError

FILE_BYTES, ALL_BYTES = 200 << 20, 400 << 20  # CIFAR-100's train file has 154 MB, the most there is
SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html"
PUBLISHED = {  # MD5 sums that the authors publish of the archives, and of the files in them
    "c58f30108f718f92721af3b95e74349a", "eb9058c3a382ffc7106e4002c42a8d85", "c32a1d4ab5d03f1284b67883e8d87530",
    "03b5dce01913d631647c71ecec9e9cb8", "c99cafc152244af753f735de768cd75f", "d4bba439e000b95fd0a9bffe97cbabec",
    "54ebc095f3ab1f0389bbae665268c751", "634d18415352ddfa80567beed471001a", "482c414d41f54cd18b22e5b47cb7c3cb",
    "40351d587109b95175f43aff81a1287e", "16019d7e3df5f24257cddd939b257f8d", "f0ef6b0ae62326f3e7ffdfab6717acfc"}
FORMS = {  # dataset, form → folder, training files, test file, file of the class names
    ("cifar10", "python"): ("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)], "test_batch",
                            "batches.meta"),
    ("cifar10", "binary"): ("cifar-10-batches-bin", [f"data_batch_{i}.bin" for i in range(1, 6)], "test_batch.bin",
                            "batches.meta.txt"),
    ("cifar100", "python"): ("cifar-100-python", ["train"], "test", "meta"),
    ("cifar100", "binary"): ("cifar-100-binary", ["train.bin"], "test.bin", "fine_label_names.txt"),
}


class Files:
    """Named files of a folder or of a tar archive, each read whole. `md5` keeps the sums of what was read."""

    def __init__(self, path):
        self.path, self.md5 = Path(path), []
        self.members = None if self.path.is_dir() else self._archive()

    def __contains__(self, name):
        return name in self.members if self.members is not None else (self.path / name).is_file()

    def read(self, name):
        """The bytes of a file. Raises UserError: missing, unreadable or too large."""
        if self.members is not None:
            data = self.members.get(name)
        else:
            data = self._of_folder(name)
        if data is None:
            raise UserError(f"{self.path}: has no {name}; get the whole archive from {SOURCE}")
        self.md5.append(hashlib.md5(data, usedforsecurity=False).hexdigest())
        return data

    def published(self):
        """Whether all that was read (or the archive itself) has checksums that the authors publish."""
        return all(md5 in PUBLISHED for md5 in self.md5)

    def _of_folder(self, name):
        path = self.path / name
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > FILE_BYTES:
                raise UserError(f"{path}: {path.stat().st_size} bytes, more than any CIFAR file has; "
                                f"get it anew from {SOURCE}")
            return path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: can't be read ({error.strerror})") from None

    def _archive(self):
        """The wanted regular files of a .tar.gz, by name without their folder."""
        wanted = {name for _, train, test, meta in FORMS.values() for name in (*train, test, meta)}
        members = {}
        try:
            packed = self.path.open("rb")
            packed = gzip.GzipFile(fileobj=packed) if packed.peek(2)[:2] == b"\x1f\x8b" else packed
            with packed, tarfile.open(fileobj=_Bounded(packed), mode="r|") as archive:
                for member in archive:
                    name = member.name.rsplit("/", 1)[-1]
                    if name not in wanted:
                        continue
                    if not member.isfile() or name in members:
                        raise UserError(f"{self.path}: its {name} is no plain file, or there twice; "
                                        f"get the archive anew from {SOURCE}")
                    if member.size > FILE_BYTES:
                        raise UserError(f"{self.path}: its {name} declares {member.size} bytes, more than any CIFAR "
                                        f"file has; get the archive anew from {SOURCE}")
                    data = archive.extractfile(member).read()
                    if len(data) != member.size:
                        raise UserError(f"{self.path}: truncated in {name}; get it anew from {SOURCE}")
                    members[name] = data
        except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError, RecursionError) as error:
            raise UserError(f"{self.path}: not a whole .tar.gz ({str(error)[:80]}); "
                            f"get it anew from {SOURCE}") from None
        return members


class _Bounded:
    """A stream that ends with an error after `ALL_BYTES`, so that a small archive can't unfold into a huge one."""

    def __init__(self, stream):
        self.stream, self.left = stream, ALL_BYTES

    def read(self, size=-1):
        if size > self.left:
            raise ValueError(f"it unfolds to more than {ALL_BYTES >> 20} MiB")
        data = self.stream.read(size)
        self.left -= len(data)
        return data


def read_form(dataset, form, files):
    """Reads a published form.

    Args:
      dataset: "cifar10" or "cifar100". form: "python" or "binary". files: a `Files`.
    Returns:
      train images uint8 [N, 32, 32, 3], train labels int32 [N], test images, test labels, class names or None.
    Raises:
      UserError: naming the file that is missing, damaged or not what it should be.
    """
    _, train, test, meta = FORMS[dataset, form]
    read = _python_batch if form == "python" else _binary_batch
    parts = [read(dataset, files, name) for name in train]
    images, labels = (np.concatenate(p) for p in zip(*parts, strict=True))
    names = _class_names(dataset, form, files, meta) if meta in files else None
    return images, labels, *read(dataset, files, test), names


def read_npz(path):
    """An .npz with x_train, y_train, x_test, y_test (or train_images, …): the same as `read_form`, names None."""
    arrays = []
    try:
        with zipfile.ZipFile(path) as archive:
            for names in (("x_train", "train_images"), ("y_train", "train_labels"),
                          ("x_test", "test_images"), ("y_test", "test_labels")):
                arrays.append(_npy(path, archive, [n for n in names if f"{n}.npy" in archive.namelist()] or names))
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, ValueError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{path}: not a whole .npz ({str(error)[:80]}); write it with numpy.savez(path, x_train=…, "
                        "y_train=…, x_test=…, y_test=…)") from None
    result = []
    for kind, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        if images.dtype != np.uint8 or images.ndim != 4 or not 1 <= images.shape[3] <= 4:
            raise UserError(f"{path}: {kind} images are {images.dtype} {images.shape}; expected uint8 [N, H, W, C]")
        if labels.dtype.kind not in "iu" or labels.size != len(images):
            raise UserError(f"{path}: {kind} labels are {labels.dtype} {labels.shape}; expected integers "
                            f"[{len(images)}], one an image")
        result += [images, labels.reshape(-1)]
    return *result, None


def _npy(path, archive, names):
    """One array of an .npz, its declared size checked against its bytes before it is allocated."""
    info = archive.NameToInfo.get(f"{names[0]}.npy")
    if info is None:
        raise UserError(f"{path}: has no {names[0]}; expected x_train, y_train, x_test, y_test")
    if info.file_size > 2 * ALL_BYTES:
        raise UserError(f"{path}: {names[0]} declares {info.file_size} bytes, more than {2 * ALL_BYTES}")
    with archive.open(info) as file:
        data = file.read(info.file_size)
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"npy version {version}")
    shape, fortran, dtype = header(stream)
    if dtype.hasobject or dtype.kind not in "iuf":
        raise UserError(f"{path}: {names[0]} holds {dtype}, expected numbers")
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size != len(data) - stream.tell() or min(shape, default=0) < 0:
        raise UserError(f"{path}: {names[0]} declares {size} bytes and holds {len(data) - stream.tell()}")
    return np.frombuffer(data, dtype, offset=stream.tell()).reshape(shape, order="F" if fortran else "C")


def _python_batch(dataset, files, name):
    where = f"{files.path}/{name}"
    batch = unpickle.loads(files.read(name), where)
    key = b"labels" if dataset == "cifar10" else b"fine_labels"
    content = {k.encode() if isinstance(k, str) else k: v for k, v in batch.items()} if isinstance(batch, dict) else {}
    if b"data" not in content or key not in content:
        raise UserError(f"{where}: holds no b'data' and {key}; is it a {dataset} file? Get it anew from {SOURCE}")
    data, labels = unpickle.array(content[b"data"]), unpickle.array(content[key])
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3072:
        raise UserError(f"{where}: its data are not uint8 [N, 3072]; get it anew from {SOURCE}")
    if not isinstance(labels, list | np.ndarray) or not all(isinstance(v, int | np.integer) for v in labels):
        raise UserError(f"{where}: its labels are not a list of integers; get it anew from {SOURCE}")
    return _checked(dataset, where, data, labels)


def _binary_batch(dataset, files, name):
    where, data = f"{files.path}/{name}", files.read(name)
    head = 1 if dataset == "cifar10" else 2
    if not data or len(data) % (head + 3072):
        raise UserError(f"{where}: {len(data)} bytes are no whole number of {head + 3072}-byte records; "
                        f"get it anew from {SOURCE}")
    records = np.frombuffer(data, np.uint8).reshape(-1, head + 3072)
    return _checked(dataset, where, records[:, head:], records[:, head - 1])


def _checked(dataset, where, data, labels):
    classes = 10 if dataset == "cifar10" else 100
    if len(data) != len(labels) or not len(labels):
        raise UserError(f"{where}: {len(data)} images and {len(labels)} labels; get it anew from {SOURCE}")
    if min(labels) < 0 or max(labels) >= classes:
        bad = next(v for v in labels if not 0 <= v < classes)
        raise UserError(f"{where}: has the label {bad}; {dataset}'s are 0 to {classes - 1}; get it anew from {SOURCE}")
    images = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), np.asarray(labels, np.int32)


def _class_names(dataset, form, files, meta):
    where, data = f"{files.path}/{meta}", files.read(meta)
    if form == "binary":
        names = data.decode("ascii", "replace").split()
    else:
        content = unpickle.loads(data, where)
        content = content if isinstance(content, dict) else {}
        key = "label_names" if dataset == "cifar10" else "fine_label_names"
        names = content.get(key.encode(), content.get(key, ()))
        names = [n.decode("ascii", "replace") if isinstance(n, bytes) else str(n) for n in names]
    if len(names) != (10 if dataset == "cifar10" else 100):
        raise UserError(f"{where}: holds {len(names)} class names; get it anew from {SOURCE}")
    return names
