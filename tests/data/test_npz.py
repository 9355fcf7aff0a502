"""Damaged and hostile .npz files: one line that names the file, never anything else."""
import io
import time
import zipfile

import numpy as np
import pytest

from cifar_fast.data import npz
from tests.support.refusal import refused


def npy_header(shape, dtype="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize("change", [
    {"x_train": npy_header((10**9, 32, 32, 3))}, {"x_train": npy_header((2**40, 2**40, 32, 3))},
    {"x_train": npy_header((4, 32, 32, 3), "|O")}, {"x_train": b"\x93NUMPY\x09\x00"}, {"x_train": b""},
    {"y_train": npy_header((3,)) + b"123"}, {"y_test": npy_header((4,)) + bytes([10] * 4)}, {"x_test": None},
    {"x_train": npy_header((4, 32, 32)) + bytes(4096)}, {"x_test": npy_header((4, 16, 16, 3)) + bytes(3072)},
    {"x_train": npy_header((4, 0, 32, 3))}, {"x_train": npy_header((4, 3, 32, 3)) + bytes(4 * 3 * 32 * 3)}])
def test_npz_files_are_checked(change, tmp_path):
    images, labels = npy_header((4, 32, 32, 3)) + bytes(4 * 3072), npy_header((4,)) + bytes(4)
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels} | change
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in arrays.items():
            if data is not None:
                file.writestr(f"{name}.npy", data)
    refused(path, "mine.npz")


def test_npz_files_that_would_take_long_or_much_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.npz"
    for compression in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(path, "w", compression) as file:
            for name in ("x_train", "y_train", "x_test", "y_test"):
                file.writestr(f"{name}.npy", b"")
        refused(path, "packed in another way")
    with zipfile.ZipFile(path, "w") as file:
        for i in range(30_000):
            file.writestr(f"{i}.npy", b"")
    began = time.process_time()
    refused(path, "table of contents")
    assert time.process_time() - began < 1
    monkeypatch.setattr(npz, "ALL_BYTES", 1000)
    np.savez(path, x_train=np.zeros(300), y_train=np.zeros(1), x_test=np.zeros(300), y_test=np.zeros(1))
    refused(path, "MiB are read")


def test_fortran_order_is_read(tmp_path):
    images, labels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8), np.arange(6)
    np.savez(tmp_path / "a.npz", x_train=np.asfortranarray(images), y_train=labels, x_test=images, y_test=labels)
    np.testing.assert_array_equal(npz.read(tmp_path / "a.npz")[0], images)
