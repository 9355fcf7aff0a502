"""Every form in which CIFAR may lie at --data_dir."""
import errno
import hashlib
import io
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cifar_fast.data import packing, sources
from cifar_fast.data.cifar import archive
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import FORMS, content, packed, write_folder, zipped
from tests.support.refusal import refused


def check(data, pixels, labels):
    np.testing.assert_array_equal(data.train_images, np.concatenate(pixels[:-1]))
    np.testing.assert_array_equal(data.train_labels, np.concatenate(labels[:-1]))
    np.testing.assert_array_equal(data.test_images, pixels[-1])
    np.testing.assert_array_equal(data.test_labels, labels[-1])
    assert data.train_images.dtype == np.uint8 and data.train_labels.dtype == np.int32


@pytest.mark.parametrize("dataset, form", FORMS)
@pytest.mark.parametrize("place", ["folder", "parent", "archive"])
def test_published_forms(dataset, form, place, tmp_path):
    files, pixels, labels = content(dataset, form)
    folder = write_folder(tmp_path / FORMS[dataset, form], files)
    path = {"folder": folder, "parent": tmp_path, "archive": tmp_path / "cifar.tar.gz"}[place]
    if place == "archive":
        path.write_bytes(packed(files))
    data = sources.load(dataset, str(path))
    check(data, pixels, labels)
    assert f"published {form} form" in data.origin and "checksums" in data.origin and "not" in data.origin
    assert data.class_names[:2] == (("airplane", "automobile") if dataset == "cifar10" else ("apple", "aquarium_fish"))
    assert len(set(data.class_names)) == (10 if dataset == "cifar10" else 100)


def test_published_checksums_are_recognised(tmp_path, monkeypatch):
    """With sums of our own in place of the authors', whose files no test can carry."""
    def md5(data):
        return hashlib.md5(data).hexdigest()

    files, *_ = content("cifar10", "python")
    folder = write_folder(tmp_path / "cifar-10-batches-py", files)
    monkeypatch.setattr(archive, "FILE_MD5", {name: md5(data) for name, data in files.items()})
    assert ", the published checksums, " in sources.load("cifar10", folder).origin
    # Each file's by its name: two that changed places are not the published ones.
    write_folder(folder, {"data_batch_1": files["data_batch_2"], "data_batch_2": files["data_batch_1"]})
    assert "checksums not the published ones" in sources.load("cifar10", folder).origin
    (tmp_path / "it.tar.gz").write_bytes(packed(content("cifar10", "binary")[0]))
    assert "checksums not the published ones" in sources.load("cifar10", tmp_path / "it.tar.gz").origin
    monkeypatch.setattr(archive, "ARCHIVE_MD5", {md5((tmp_path / "it.tar.gz").read_bytes())})
    assert ", the published checksum, " in sources.load("cifar10", tmp_path / "it.tar.gz").origin


@pytest.mark.parametrize("names", [("x_train", "y_train", "x_test", "y_test"),
                                   ("train_images", "train_labels", "test_images", "test_labels")])
def test_npz(names, tmp_path):
    _, pixels, labels = content("cifar10", "python")
    arrays = np.concatenate(pixels[:-1]), np.concatenate(labels[:-1])[:, None], pixels[-1], labels[-1]
    np.savez_compressed(tmp_path / "mine.npz", **dict(zip(names, arrays, strict=True)))
    check(sources.load("cifar10", str(tmp_path / "mine.npz")), pixels, labels)


PACKED = {"it.tar.bz2": packed(content("cifar10", "python")[0], mode="w:bz2"),
          "it.txz": packed(content("cifar10", "python")[0], mode="w:xz"),
          "it.tar": packed(content("cifar10", "python")[0], mode="w"),
          "it.zip": zipped(content("cifar10", "python")[0]),
          "it.ZIP": zipped(content("cifar10", "binary")[0], "cifar-10-batches-bin", zipfile.ZIP_STORED),
          "it.tar.gz": packed(content("cifar10", "binary")[0], mode="w:bz2"),  # the content counts, whatever the name
          "it": packed(content("cifar10", "python")[0])}


@pytest.mark.parametrize("name", PACKED)
def test_packings(name, tmp_path):
    (tmp_path / name).write_bytes(PACKED[name])
    check(sources.load("cifar10", tmp_path / name), *content("cifar10", "python")[1:])


@pytest.mark.parametrize("name", ["mine.NPZ", "mine.zip", "mine"])
def test_an_npz_of_another_name(name, tmp_path):
    _, pixels, labels = content("cifar10", "python")
    with open(tmp_path / name, "wb") as file:
        np.savez(file, x_train=np.concatenate(pixels[:-1]), y_train=np.concatenate(labels[:-1]), x_test=pixels[-1],
                 y_test=labels[-1])
    check(sources.load("cifar10", tmp_path / name), pixels, labels)


@pytest.mark.parametrize("data, said", [
    (b"MATLAB 5.0 MAT-file, Platform: GLNX86" + bytes(500), "a MATLAB file"), (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\n<!DOCTYPE html><html>", "a web page"), (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    (b"PAR1" + bytes(600), "a Parquet file"), (b"7z\xbc\xaf\x27\x1c", "7-Zip"), (b"\x28\xb5\x2f\xfdxx", "Zstandard"),
    (b"\x93NUMPY\1\0", "an .npy"), (b"\x80\x04]q\0.", "a pickle"), (b"", "empty"), (b"hello", "none of these"),
    (bytes(10_240), "none of these")])
@pytest.mark.parametrize("name", ["it.tar.gz", "it.mat"])
def test_what_is_no_archive_is_told(data, said, name, tmp_path):
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, "expected a .tar.gz, .tar.bz2, .tar.xz, .tar, .zip or .npz, and this is ")
    refused(tmp_path / name, said)


def test_archives_of_other_data_say_what_is_in_them(tmp_path):
    (tmp_path / "cifar-10.zip").write_bytes(zipped({"train.7z": b"x", "trainLabels.csv": b"y"}, "."))  # Kaggle's
    refused(tmp_path / "cifar-10.zip", "without cifar10's files in the Python or binary form, with ./train.7z")
    (tmp_path / "cifar-10-matlab.tar.gz").write_bytes(packed({"data_batch_1.mat": b"x"}, "cifar-10-batches-mat"))
    refused(tmp_path / "cifar-10-matlab.tar.gz", "with cifar-10-batches-mat/data_batch_1.mat")
    (tmp_path / "locked.zip").write_bytes(zipped(content("cifar10", "python")[0]).replace(b"PK\1\2\x14\3\x14\0\0\0",
                                                                                        b"PK\1\2\x14\3\x14\0\1\0"))
    refused(tmp_path / "locked.zip", "locked by a password; unpack it")


def test_one_file_of_the_set_names_its_folder(tmp_path):
    write_folder(tmp_path, content("cifar10", "python")[0])
    refused(tmp_path / "data_batch_2", f"is one file of the set; give its folder, --data_dir={tmp_path}")


def test_folders_of_nothing_are_refused(tmp_path):
    refused(tmp_path / "none", "does not exist")
    refused(tmp_path, "holds none of cifar-10-batches-py")
    (tmp_path / "mnist.npz").write_bytes(b"")
    refused(tmp_path, f"given by its own path, as --data_dir={tmp_path / 'mnist.npz'}")
    write_folder(tmp_path / "data" / "cifar-10-batches-py", content("cifar10", "python")[0])
    refused(tmp_path / "cifar-10-batches-py",
            f"does not exist, but cifar10 is at {tmp_path / 'data' / 'cifar-10-batches-py'}; give")
    refused(tmp_path / "data", "holds cifar10, not cifar100; give --dataset=cifar10", "cifar100")


@pytest.fixture
def nobody():
    """A folder of a user who may be denied something, which root never is."""
    folder = Path(tempfile.mkdtemp(prefix="cifar_fast-test-"))
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        subprocess.run(["chmod", "-R", "u+rwx", folder], check=True)
        shutil.rmtree(folder)


@pytest.mark.parametrize("name, data", [
    ("it.npz", b""), ("it.tar.gz", b""), ("it.zip", b""), ("cifar-10-batches-py/data_batch_1", b""),
    ("cifar-10-batches-py", None), ("", None), ("cifar-10-python.tar.gz", b"")])
def test_denied_permission_is_said_as_such(name, data, nobody):
    place = nobody / name
    if data is None:
        place.mkdir(exist_ok=True)
    else:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(data)
    place.chmod(0)
    given = place if name.startswith("it") else nobody
    with pytest.raises(UserError, match="can't be read .Permission denied") as caught:
        sources.load("cifar10", given)
    assert "anew" not in str(caught.value) and "savez" not in str(caught.value) and str(place) in str(caught.value)


@pytest.mark.parametrize("name", ["it.npz", "it.tar.bz2", "it.tar.gz", "it.zip"])
def test_a_disk_that_fails_is_no_damaged_file(name, tmp_path, monkeypatch):
    """The system's own word about reading, as a lost network folder gives it."""
    class Failing(io.FileIO):
        def readinto(self, *_):
            raise OSError(errno.EIO, "gone")

        def read(self, size=-1):
            raise OSError(errno.EIO, "gone")

    class Cautious(packing.Cautious, Failing):
        pass

    (tmp_path / name).write_bytes(PACKED.get(name) or packed(content("cifar10", "python")[0]))
    monkeypatch.setattr(packing, "Cautious", Cautious)
    monkeypatch.setattr(archive.Path, "open", lambda self, mode: Failing(self))
    refused(tmp_path / name, "can't be read (gone)")


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_real_data(dataset):
    path = os.environ.get("CIFAR_DATA_DIR")
    if not path:
        pytest.skip("CIFAR_DATA_DIR is unset: no real data to read")
    data = sources.load(dataset, path)
    assert data.train_images.shape == (50_000, 32, 32, 3) and data.test_images.shape == (10_000, 32, 32, 3)
    classes = len(data.class_names)
    assert set(np.bincount(data.train_labels)) == {50_000 // classes}
    mean = {"cifar10": (0.4914, 0.4822, 0.4465), "cifar100": (0.5071, 0.4865, 0.4409)}[dataset]
    np.testing.assert_allclose(data.train_images.mean((0, 1, 2)) / 255, mean, atol=1e-4)
