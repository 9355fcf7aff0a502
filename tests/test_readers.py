"""Damaged and hostile files of every form: one line that names the file, never anything else."""
import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from files_of_cifar import FORMS, archive, content, write_folder

from cifar_fast import readers, sources
from cifar_fast.errors import UserError


def refused(path, named, dataset="cifar10"):
    with pytest.raises(UserError) as caught:
        sources.load(dataset, str(path))
    message = str(caught.value)
    assert named in message and "\n" not in message and len(message) < 600


def change(batch, **entries):
    return pickle.dumps(pickle.loads(batch) | {k.encode(): v for k, v in entries.items()}, protocol=3)


@pytest.mark.parametrize("name, entries", [
    ("data_batch_3", {"labels": [10, 0, 0, 0]}), ("data_batch_1", {"labels": [-1, 0, 0, 0]}),
    ("test_batch", {"labels": [0, 0]}), ("data_batch_2", {"labels": "abcd"}), ("data_batch_2", {"labels": [0.5] * 4}),
    ("data_batch_5", {"data": np.zeros((4, 3071), np.uint8)}), ("data_batch_5", {"data": np.zeros((4, 3072))}),
    ("data_batch_4", {"data": b"bytes"}), ("data_batch_4", {"data": np.zeros((0, 3072), np.uint8), "labels": []})])
def test_python_batches_are_checked(name, entries, tmp_path):
    files, *_ = content("cifar10", "python")
    files[name] = change(files[name], **entries)
    refused(write_folder(tmp_path, files), name)


@pytest.mark.parametrize("dataset, form", FORMS)
def test_truncated_missing_and_empty_files(dataset, form, tmp_path):
    files, *_ = content(dataset, form)
    name = list(files)[0]
    for damage in (files[name][:-100], b""):
        refused(write_folder(tmp_path / "damaged", files | {name: damage}), name, dataset)
    other = list(files)[-1]
    refused(write_folder(tmp_path / "missing", {k: v for k, v in files.items() if k != other}), other, dataset)


def test_binary_labels_out_of_range(tmp_path):
    files, *_ = content("cifar10", "binary")
    data = bytearray(files["data_batch_2.bin"])
    data[0] = 200
    refused(write_folder(tmp_path, files | {"data_batch_2.bin": bytes(data)}), "label 200")


def tar_with(*members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data) if data else None)
    return stream.getvalue()


def member(name, size=0, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_an_archive_are_refused(kind, tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(tar_with((member("c/data_batch_1", kind=kind, link="/etc/passwd"), None)))
    refused(path, "cifar.tar.gz")


def test_nothing_is_unpacked(tmp_path):
    files, pixels, _ = content("cifar10", "python")
    members = [(member(f"../../{name}", len(data)), data) for name, data in files.items()]
    members.append((member("/tmp/../evil", 4), b"evil"))
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "cifar.tar.gz").write_bytes(tar_with(*members))
    sources.load("cifar10", str(folder / "cifar.tar.gz"))
    assert [p.name for p in tmp_path.rglob("*")] == ["data", "cifar.tar.gz"]


@pytest.mark.parametrize("name", ["data_batch_1", "something_else"])
def test_an_archive_that_unfolds_without_end_is_cut_off(name, tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "ALL_BYTES", 10 << 20)
    monkeypatch.setattr(readers, "FILE_BYTES", 8 << 20)
    path = tmp_path / "bomb.tar.gz"
    header = member(f"c/{name}", 1 << 30).tobuf()
    path.write_bytes(gzip.compress(header + bytes(64 << 20)))
    refused(path, "bomb.tar.gz")


@pytest.mark.parametrize("cut", [10, 200, 2000, -200])
def test_truncated_archives(cut, tmp_path):
    path = tmp_path / "cifar.tar.gz"
    path.write_bytes(archive(content("cifar10", "python")[0])[:cut])
    refused(path, "cifar.tar.gz")


def npy_header(shape, dtype="|u1"):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


@pytest.mark.parametrize("change", [
    {"x_train": npy_header((10**9, 32, 32, 3))}, {"x_train": npy_header((2**40, 2**40, 32, 3))},
    {"x_train": npy_header((4, 32, 32, 3), "|O")}, {"x_train": b"\x93NUMPY\x09\x00"}, {"x_train": b""},
    {"y_train": npy_header((3,)) + b"123"}, {"y_test": npy_header((4,)) + bytes([10] * 4)}, {"x_test": None},
    {"x_train": npy_header((4, 32, 32)) + bytes(4096)}, {"x_test": npy_header((4, 16, 16, 3)) + bytes(3072)}])
def test_npz_files_are_checked(change, tmp_path):
    images, labels = npy_header((4, 32, 32, 3)) + bytes(4 * 3072), npy_header((4,)) + bytes(4)
    arrays = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels} | change
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as file:
        for name, data in arrays.items():
            if data is not None:
                file.writestr(f"{name}.npy", data)
    refused(path, "mine.npz")


@pytest.mark.parametrize("form", ["pickle", "binary", "tar", "npz"])
def test_mutated_files_are_read_or_refused(form, tmp_path):
    """A few hundred random mutations of each form; anything but a data set or a UserError fails."""
    rng = np.random.default_rng(0)
    files, *_ = content("cifar10", "python" if form in ("pickle", "tar") else "binary", images=1)
    if form == "npz":
        stream = io.BytesIO()
        np.savez(stream, x_train=np.zeros((2, 4, 4, 3), np.uint8), y_train=np.zeros(2, int),
                 x_test=np.zeros((2, 4, 4, 3), np.uint8), y_test=np.zeros(2, int))
        name, whole = "mine.npz", stream.getvalue()
    elif form == "tar":
        name, whole = "cifar.tar.gz", archive(files, mode="w")
    else:
        name = list(files)[0]
        whole = files[name]
        write_folder(tmp_path, files)
    outcomes = set()
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 8)):  # headers are where the meaning is
            place = int(rng.integers(0, min(len(data), 400) if rng.random() < 0.8 else len(data)))
            kind = rng.integers(4)
            if kind == 0:
                data[place] = rng.integers(256)
            elif kind == 1:
                del data[place:place + int(rng.integers(1, 50))]
            elif kind == 2:
                data[place:place] = rng.bytes(int(rng.integers(1, 20)))
            else:
                data[place] ^= 1 << int(rng.integers(8))
            if len(data) < 2:
                break
        (tmp_path / name).write_bytes(bytes(data))
        try:
            sources.load("cifar10", str(tmp_path / name if form in ("tar", "npz") else tmp_path))
            outcomes.add("read")
        except UserError as error:
            assert "\n" not in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes
