"""Every form that --data_dir may have, and what is left of it after the flags that cut it."""
import hashlib
import os
import shutil
import time

import numpy as np
import pytest

from cifar_fast.data import archive, sources
from cifar_fast.errors import UserError
from tests.support import tiny
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


def test_a_prepared_tfds_folder(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds
    files, pixels, labels = content("cifar10", "binary", images=6)
    folder = write_folder(tmp_path / "raw" / "cifar-10-batches-bin", files)
    (folder / "batches.meta.txt").write_text("\n".join(f"class{i}" for i in range(10)))
    builder = tfds.builder("cifar10", data_dir=tmp_path / "tfds")
    downloads = tfds.download.DownloadConfig(manual_dir=tmp_path)
    manager = "download_and_extract"
    original = getattr(tfds.download.DownloadManager, manager)
    try:
        setattr(tfds.download.DownloadManager, manager, lambda self, url: str(tmp_path / "raw"))
        builder.download_and_prepare(download_config=downloads)
    finally:
        setattr(tfds.download.DownloadManager, manager, original)
    for place in ("tfds", "tfds/cifar10", f"tfds/cifar10/{builder.version}"):
        monkeypatch.chdir(tmp_path / place)
        for path in (str(tmp_path / place), "."):
            data = sources.load("cifar10", path)
            assert f"TFDS cifar10/{builder.version}" in data.origin
    # Of another version: read as it is. TFDS, asked by the name, would download today's.
    before = tmp_path / "tfds" / "cifar10" / "3.0.1"
    shutil.copytree(tmp_path / "tfds" / "cifar10" / str(builder.version), before)
    info = before / "dataset_info.json"
    info.write_text(info.read_text().replace(f'"{builder.version}"', '"3.0.1"'))
    assert "TFDS cifar10/3.0.1" in sources.load("cifar10", str(before)).origin
    assert f"TFDS cifar10/{builder.version}" in sources.load("cifar10", str(before.parent)).origin
    assert len(data.train_images) == 30 and len(data.test_images) == 6
    # TFDS shuffles what it writes, so compare as sets.
    found, expected = ({(image.tobytes(), int(label)) for image, label in zip(*arrays, strict=True)} for arrays in (
        (data.train_images, data.train_labels), (np.concatenate(pixels[:-1]), np.concatenate(labels[:-1]))))
    assert found == expected


def test_validation_takes_the_last_training_images(tmp_path):
    files, pixels, labels = content("cifar10", "python", images=4)
    write_folder(tmp_path / "cifar-10-batches-py", files)
    data = sources.load("cifar10", str(tmp_path), validation_examples=5, train_examples=10, test_examples=3)
    images = np.concatenate(pixels[:-1])
    np.testing.assert_array_equal(data.train_images, images[:10])
    np.testing.assert_array_equal(data.test_images, images[15:18])
    np.testing.assert_array_equal(data.train_labels, np.concatenate(labels[:-1])[:10])
    np.testing.assert_array_equal(data.test_labels, np.concatenate(labels[:-1])[15:18])
    assert "held out" in data.origin


@pytest.mark.parametrize("options, named", [
    ({"validation_examples": 20}, "--validation_examples=20"), ({"train_examples": 21}, "--train_examples=21"),
    ({"test_examples": 5}, "--test_examples=5")])
def test_more_than_there_is_is_refused(options, named, tmp_path):
    write_folder(tmp_path / "cifar-10-batches-py", content("cifar10", "python")[0])
    with pytest.raises(UserError, match=named):
        sources.load("cifar10", str(tmp_path), **options)


def test_folders_of_nothing_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        sources.load("cifar10", str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds none of cifar-10-batches-py"):
        sources.load("cifar10", str(tmp_path))


def test_without_data_and_network_the_error_says_what_to_get(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sources, "HOST", "no-such-host.invalid")
    monkeypatch.setattr(sources, "getproxies", dict)
    with pytest.raises(UserError, match="download cifar-100-python.tar.gz from https://"):
        sources.load("cifar100")


def test_a_network_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(sources, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(sources, "getproxies", dict)
    monkeypatch.setattr(sources.socket, "create_connection", lambda *_, **__: time.sleep(2) or sources.socket.socket())
    began = time.monotonic()
    with pytest.raises(UserError, match="no answer within 0.3 s"):
        sources.load("cifar10")
    assert time.monotonic() - began < 1.5


@pytest.mark.parametrize("proxies, place", [
    ({}, ("www.cs.toronto.edu", 443)), ({"https": "http://proxy:3128"}, ("proxy", 3128)),
    ({"https": "proxy:3128"}, ("proxy", 3128)), ({"all": "http://proxy"}, ("proxy", 80)),
    ({"https": "http://proxy:abc"}, None)])
def test_proxies_in_all_their_forms_are_asked_in_the_hosts_place(proxies, place, monkeypatch):
    asked = []
    monkeypatch.setattr(sources, "getproxies", lambda: proxies)
    monkeypatch.setattr(sources.socket, "create_connection",
                        lambda where, **_: asked.append(where) or sources.socket.socket())
    if place:
        sources._reachable("cifar10")
        assert asked == [place]
    else:
        with pytest.raises(UserError, match="https_proxy=http://proxy:abc: is no proxy's address"):
            sources._reachable("cifar10")


def test_synthetic_sets_have_an_end():
    with pytest.raises(UserError, match="100000000 images were asked for"):
        sources.load("synthetic", train_examples=100_000_000)


def test_damaged_tfds_data_give_one_line(tmp_path):
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="TFDS can't read") as caught:
        sources.load("cifar10", tmp_path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content, named", [
    ((np.zeros((4, 8, 8, 3), np.uint16), [0] * 4), "train images are uint16"),
    ((np.zeros((4, 48), np.uint8), [0] * 4), "(4, 48)"), ((np.zeros((4, 2, 2, 3), np.uint8), [0] * 4), "4×4"),
    ((np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 2, 9]), "labels from 0 to 9"),
    ((np.zeros((0, 8, 8, 3), np.uint8), []), "at least one")])
def test_what_any_reader_gives_is_checked(content, named):
    """As a TFDS folder may: it holds what its owner put there."""
    arrays = content[0], np.array(content[1], np.int64)
    with pytest.raises(UserError) as caught:
        sources._dataset("cifar10", (*arrays, *arrays, ["a", "b"]), "mine")
    assert named in str(caught.value)


@pytest.mark.parametrize("name, options", [("mnist", {}), ("synthetic", {"train_examples": 0}),
                                           ("synthetic", {"validation_examples": -1})])
def test_wrong_arguments(name, options):
    with pytest.raises(ValueError, match="must be"):
        sources.load(name, **options)


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


def test_other_labels_have_another_digest():
    one, other = tiny.data(), tiny.data()
    other.test_labels[5] = (other.test_labels[5] + 1) % 10
    assert one.digest() != other.digest()
