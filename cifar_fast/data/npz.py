"""Data sets in NumPy's .npz form.

numpy.load is not used: it believes what a file declares, and may allocate that much, before anything is checked.
"""
import io
import math
import warnings

import numpy as np

from cifar_fast.data import packing
from cifar_fast.data.packing import ALL_BYTES
from cifar_fast.errors import UserError, short

TRAIN = (("x_train", "train_images"), ("y_train", "train_labels"))
TEST = (("x_test", "test_images"), ("y_test", "test_labels"))
NAMES = (("class_names",),)
UNLABELLED = ("x", "images", "x_test", "test_images", "arr_0")  # what an array of images without labels may be called
LABELLED_BYTES = 1 << 30  # of labelled images that are none of CIFAR


def read(path):
    """Reads an .npz with x_train, y_train, x_test, y_test, or train_images and so on.

    Returns:
      train images, train labels, test images, test labels: arrays of any numbers and shapes.
    Raises:
      UserError: naming the file, and what in it is missing, damaged or not what it should be. OSError: it can't be
        read.
    """
    return [array for _, array in _read(path, TRAIN + TEST)]


def read_images(path):
    """The first array of `UNLABELLED` in an .npz, as (name, array). Raises as `read` does."""
    return _read(path, (UNLABELLED,), most=LABELLED_BYTES)[0]


def labelled(path):
    """Reads an .npz with x_train and y_train, maybe x_test and y_test, and maybe class_names.

    Returns:
      the two or four arrays, of any shape and of numbers, the labels of texts, too; and the names, a list of str, or
      None.
    Raises:
      as `read` does.
    """
    *arrays, names = (array for _, array in _read(path, TRAIN, TEST + NAMES, LABELLED_BYTES, "US"))
    test = [array for array in arrays[2:] if array is not None]
    if len(test) == 1 or names is not None and (names.dtype.kind not in "US" or names.ndim != 1):
        raise UserError(f"{path}: x_test and y_test must both be there, or none, and class_names be texts [classes]")
    if names is not None:
        names = [str(n) for n in (np.char.decode(names, "utf-8", "replace") if names.dtype.kind == "S" else names)]
    return arrays[:2] + test, names


def _read(path, needed, extra=(), most=None, texts=""):
    try:
        with packing.opened_zip(path) as archive:
            return _npys(path, archive, needed, extra, most or ALL_BYTES, texts)
    except UserError:
        raise
    except Exception as error:  # of a damaged file NumPy's and zipfile's parsers may raise what they like
        if packing.is_of_system(error):
            raise
        raise UserError(f"{path}: not a whole .npz ({short(str(error))}); write it with numpy.savez(path, "
                        f"{', '.join(f'{names[0]}=…' for names in needed)})") from None


def is_one(path):
    """Whether a .zip holds arrays. Raises OSError: it can't be read."""
    try:
        with packing.opened_zip(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except Exception as error:
        if packing.is_of_system(error):
            raise
        return False  # a damaged one, of which more is said by who reads it


def _npys(path, archive, needed, extra, most, texts):
    """A pair of name and array for each of the needed ones, each known by several names, and of the extra ones, which
    may be None; the declared sizes are checked before anything is allocated. texts: kinds of dtype that are taken
    beside numbers, for all but images."""
    members = []
    for names in needed + extra:
        name = next((f"{n}.npy" for n in names if f"{n}.npy" in archive.namelist()), None)
        if name is None and names in needed:
            raise UserError(f"{path}: has no {names[0]}; expected {', '.join(n[0] for n in needed)}")
        members.append(name and archive.getinfo(name))
    size = sum(member.file_size for member in members if member)
    if size > most:
        raise UserError(f"{path}: declares {size} bytes; at most {most >> 20} MiB are read; images take the least as "
                        'uint8: x = (x * 255).round().astype("uint8") if they are in [0, 1]')
    found = []
    for names, member in zip(needed + extra, members, strict=True):
        kinds = "biuf" if names in (TRAIN[0], TEST[0], UNLABELLED) else f"biuf{texts}"
        array = _npy(path, archive, member, kinds) if member else None
        found.append((member and member.filename.removesuffix(".npy"), array))
    return found


def _npy(path, archive, member, kinds):
    data = packing.unzipped(archive, member)
    stream = io.BytesIO(data[:1 << 16])  # a header has up to 10,000 bytes
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"npy version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about headers of Python 2
        shape, fortran, dtype = header(stream)
    if dtype.hasobject or dtype.kind not in kinds:
        of_labels = member.filename.startswith("y_") or member.filename.endswith("labels.npy")
        remedy = "; number the classes: names, y = np.unique(y, return_inverse=True)" if of_labels else ""
        raise UserError(f"{path}: {member.filename} holds {short(str(dtype))}, expected numbers{remedy}")
    start = stream.tell()
    if len(shape) > 8 or not all(0 <= n <= len(data) for n in shape):
        raise UserError(f"{path}: {member.filename} declares a shape that its {len(data)} bytes don't fill")
    if dtype.itemsize * math.prod(shape) != len(data) - start:
        raise UserError(f"{path}: {member.filename} declares {dtype.itemsize * math.prod(shape)} bytes and holds "
                        f"{len(data) - start}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
