"""Arrays in an .npz: damaged, of made-up headers, or of numbers that stand for no images and labels."""
import io
import struct
import zipfile

import numpy as np

from tests.fuzzing.mutation import mutated

DESCRIPTIONS = ["'|u1'", "'<i8'", "'|O'", "'<f8'", "'>i4'", "'<U9'", "'V100000'", "[('a', '<i4')]", "'<M8[s]'",
                "('|u1', (10**9,))", "()", "'" + "(" * 90 + "'", "(" * 200, "__import__('os')"]
COMPRESSIONS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


def _npz(arrays, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, data in arrays.items():  # a ZipInfo is dated 1980, so that the same input is made tomorrow
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), data, compression)
    return stream.getvalue()


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def _arrays():
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.zeros(2, np.int64)
    return {"x_train": _npy(images), "y_train": _npy(labels), "x_test": _npy(images), "y_test": _npy(labels)}


def of_npz(rng):
    return {"it.npz": mutated(_npz(_arrays()), rng)}


def of_npy(rng):
    """A whole .zip of damaged arrays: their headers changed, or made up with odd shapes and dtypes."""
    arrays = _arrays()
    name = str(rng.choice(list(arrays)))
    if rng.random() < 0.5:
        arrays[name] = mutated(arrays[name], rng, 0.5)
    else:
        shape = tuple(int(rng.choice([0, 1, 2, 3, 4, -1, 10**9, 2**62, 2**80])) for _ in range(rng.integers(0, 9)))
        header = (f"{{'descr': {rng.choice(DESCRIPTIONS)}, 'fortran_order': {rng.choice(['True', 'False', '3'])}, "
                  f"'shape': {shape}}}\n").encode()
        arrays[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(rng.integers(200))
    return {"it.npz": _npz(arrays, int(rng.choice(COMPRESSIONS)))}


SIZES = [(5, 5, 3), (32, 32, 3), (5, 9, 1), (8, 8, 4), (3, 5, 5)]
PIXELS = [lambda x: x, lambda x: x / 255, lambda x: (x / 255).astype(np.float16), lambda x: x.astype(np.longdouble),
          lambda x: x.astype(">f4"), lambda x: x * 0.7, lambda x: x * np.nan, lambda x: x * np.inf, lambda x: x > 9,
          lambda x: x.transpose(0, 3, 1, 2), lambda x: x[..., 0], lambda x: x.reshape(len(x), -1), lambda x: x[:0],
          lambda x: x.astype(np.int64) << 40, lambda x: x.astype(np.int8), lambda x: x.astype(str),
          lambda x: x.astype(np.complex64), lambda x: np.float16(65504) * np.ones(x.shape, np.float16)]
LABELS = [lambda y: y, lambda y: y.astype(np.float16), lambda y: np.eye(10)[y], lambda y: np.eye(10)[y] > 0,
          lambda y: y + 0.1, lambda y: np.eye(9)[y], lambda y: y[:, None], lambda y: y * np.nan,
          lambda y: y - (1 << 62), lambda y: y.astype(str), lambda y: y.astype(np.uint64) + np.uint64(1 << 63),
          lambda y: y > 0, lambda y: y[0], lambda y: y.astype("M8[s]"),
          lambda y: np.ones((len(y), 10)) * np.inf, lambda y: y.astype(np.longdouble) * 1e300]


def of_numbers(rng):
    """Images and labels in forms that people have, and in some that they don't."""
    arrays, size = {}, SIZES[rng.integers(len(SIZES))]
    stored = PIXELS[rng.integers(len(PIXELS))]
    with np.errstate(all="ignore"):
        for part, count in (("train", int(rng.integers(1, 5))), ("test", int(rng.integers(1, 5)))):
            images, labels = rng.integers(0, 256, (count, *size), np.uint8), rng.integers(0, 9, count)
            form = stored if rng.random() < 0.9 else PIXELS[rng.integers(len(PIXELS))]
            arrays[f"x_{part}"] = _npy(form(images))
            arrays[f"y_{part}"] = _npy(LABELS[0 if rng.random() < 0.5 else rng.integers(len(LABELS))](labels))
    return {str(rng.choice(["it.npz", "it.NPZ", "it.zip"])): _npz(arrays)}
