"""Data sets in NumPy's .npz form.

numpy.load is not used: it believes what a file declares, and may allocate that much, before anything is checked.
"""
import io
import math
import warnings
import zipfile

import numpy as np

from cifar_fast.data.packing import ALL_BYTES, CHUNK
from cifar_fast.errors import UserError, short


def read(path):
    """Reads an .npz with x_train, y_train, x_test, y_test, or train_images and so on.

    Returns:
      train images, train labels, test images, test labels: arrays of any numbers and shapes.
    Raises:
      UserError: naming the file, and what in it is missing, damaged or not what it should be.
    """
    try:
        with _Cautious(path) as file, zipfile.ZipFile(file) as archive:
            return _npys(path, archive)
    except UserError:
        raise
    except Exception as error:  # of a damaged file NumPy's and zipfile's parsers may raise what they like
        raise UserError(f"{path}: not a whole .npz ({short(str(error))}); write it with numpy.savez(path, x_train=…, "
                        "y_train=…, x_test=…, y_test=…)") from None


class _Cautious(io.FileIO):
    """A file that is never read far ahead: zipfile would take a table of contents of any length."""

    def read(self, size=-1):
        if size > 4 * CHUNK:
            raise ValueError("its table of contents is too long")
        return super().read(4 * CHUNK if size < 0 else size)


def _npys(path, archive):
    """The four arrays, their declared sizes checked before anything is allocated."""
    members = []
    for names in (("x_train", "train_images"), ("y_train", "train_labels"),
                  ("x_test", "test_images"), ("y_test", "test_labels")):
        name = next((f"{n}.npy" for n in names if f"{n}.npy" in archive.namelist()), None)
        if name is None:
            raise UserError(f"{path}: has no {names[0]}; expected x_train, y_train, x_test, y_test")
        members.append(archive.getinfo(name))
    if sum(member.file_size for member in members) > ALL_BYTES:
        raise UserError(f"{path}: declares {sum(member.file_size for member in members)} bytes; "
                        f"at most {ALL_BYTES >> 20} MiB are read")
    # numpy.savez uses these two; the others are slow, or take gigabytes when a file asks for them.
    if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
        raise UserError(f"{path}: is packed in another way than numpy.savez and savez_compressed do; use one of them")
    return [_npy(path, archive, member) for member in members]


def _npy(path, archive, member):
    data = bytearray(member.file_size)
    with archive.open(member) as file:
        at = 0
        while count := file.readinto(memoryview(data)[at:at + CHUNK]):
            at += count
    if at != len(data):
        raise EOFError(f"{member.filename} ends too early")
    stream = io.BytesIO(data[:1 << 16])  # a header has up to 10,000 bytes
    version = np.lib.format.read_magic(stream)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise ValueError(f"npy version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, about headers of Python 2
        shape, fortran, dtype = header(stream)
    if dtype.hasobject or dtype.kind not in "iuf":
        raise UserError(f"{path}: {member.filename} holds {short(str(dtype))}, expected numbers")
    start = stream.tell()
    if len(shape) > 8 or not all(0 <= n <= len(data) for n in shape):
        raise UserError(f"{path}: {member.filename} declares a shape that its {len(data)} bytes don't fill")
    if dtype.itemsize * math.prod(shape) != len(data) - start:
        raise UserError(f"{path}: {member.filename} declares {dtype.itemsize * math.prod(shape)} bytes and holds "
                        f"{len(data) - start}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape, order="F" if fortran else "C")
