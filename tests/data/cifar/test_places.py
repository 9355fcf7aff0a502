"""Every form in which CIFAR may lie at --data_dir."""
import hashlib
import os

import numpy as np
import pytest

from cifar_fast.data import sources
from cifar_fast.data.cifar import archive
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import FORMS, content, packed, write_folder


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


def test_folders_of_nothing_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        sources.load("cifar10", str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds none of cifar-10-batches-py"):
        sources.load("cifar10", str(tmp_path))


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
