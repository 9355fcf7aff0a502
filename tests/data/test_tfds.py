"""TFDS folders of any version, and what is said where there is none and no network."""
import shutil
import time

import numpy as np
import pytest

from cifar_fast.data import sources, tfds
from cifar_fast.data.labelled.cache import Form, formed
from cifar_fast.data.labelled.images import Reading
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import content, write_folder


def test_a_prepared_tfds_folder(tmp_path, monkeypatch):
    import tensorflow_datasets
    files, pixels, labels = content("cifar10", "binary", images=6)
    folder = write_folder(tmp_path / "raw" / "cifar-10-batches-bin", files)
    (folder / "batches.meta.txt").write_text("\n".join(f"class{i}" for i in range(10)))
    builder = tensorflow_datasets.builder("cifar10", data_dir=tmp_path / "tfds")
    downloads = tensorflow_datasets.download.DownloadConfig(manual_dir=tmp_path)
    manager = "download_and_extract"
    original = getattr(tensorflow_datasets.download.DownloadManager, manager)
    try:
        setattr(tensorflow_datasets.download.DownloadManager, manager, lambda self, url: str(tmp_path / "raw"))
        builder.download_and_prepare(download_config=downloads)
    finally:
        setattr(tensorflow_datasets.download.DownloadManager, manager, original)
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


def test_a_set_that_is_no_cifar_by_its_name(tmp_path):
    """Grey images of several sizes, of other splits and classes, as its builder has written them."""
    import tensorflow_datasets
    names, sizes = ["round", "square", "odd"], [(8, 8), (12, 9), (9, 20), (8, 8)]
    images = [np.random.default_rng(i).integers(0, 256, (*size, 1), np.uint8) for i, size in enumerate(3 * sizes)]
    features = tensorflow_datasets.features

    class Shapes(tensorflow_datasets.core.GeneratorBasedBuilder):
        VERSION = tensorflow_datasets.core.Version("1.2.0")

        def _info(self):
            kinds = {"image": features.Image(shape=(None, None, 1)), "label": features.ClassLabel(names=names)}
            return tensorflow_datasets.core.DatasetInfo(
                builder=self, features=features.FeaturesDict(kinds), supervised_keys=("image", "label"))

        def _split_generators(self, _):
            return {"learn": self._generate_examples(range(9)), "exam": self._generate_examples(range(9, 12))}

        def _generate_examples(self, numbers):
            yield from ((number, {"image": images[number], "label": number % 3}) for number in numbers)

    Shapes(data_dir=tmp_path).download_and_prepare()
    form = Form((8, 8), "crop")
    data = sources.load("tfds/shapes", tmp_path, splits=("learn", "exam"), reading=Reading(form=form))
    assert data.class_names == tuple(names) and "TFDS shapes/1.2.0" in data.origin
    for found, labels, numbers in ((data.train_images, data.train_labels, range(9)),
                                   (data.test_images, data.test_labels, range(9, 12))):
        assert {(image.tobytes(), int(label)) for image, label in zip(found, labels, strict=True)} == {
            (formed(images[number][None], form).tobytes(), number % 3) for number in numbers}
    with pytest.raises(UserError, match="--image_size: the images of shapes/1.2.0 have several sizes"):
        sources.load("tfds/shapes", tmp_path, splits=("learn", "exam"))
    with pytest.raises(UserError, match="TFDS can't read or get shapes"):
        sources.load("tfds/shapes", tmp_path, splits=("train", "test"), reading=Reading(form=form))


def test_without_data_and_network_the_error_says_what_to_get(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))  # where other programs may have left the data
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tfds, "HOST", "no-such-host.invalid")
    monkeypatch.setattr(tfds, "getproxies", dict)
    with pytest.raises(UserError, match="download cifar-100-python.tar.gz from https://"):
        sources.load("cifar100")


def test_a_network_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))  # where other programs may have left the data
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tfds, "PROBE_SECONDS", 0.3)
    monkeypatch.setattr(tfds, "getproxies", dict)
    monkeypatch.setattr(tfds.socket, "create_connection", lambda *_, **__: time.sleep(2) or tfds.socket.socket())
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
    monkeypatch.setattr(tfds, "getproxies", lambda: proxies)
    monkeypatch.setattr(tfds.socket, "create_connection",
                        lambda where, **_: asked.append(where) or tfds.socket.socket())
    if place:
        tfds._reachable("cifar10")
        assert asked == [place]
    else:
        with pytest.raises(UserError, match="https_proxy=http://proxy:abc: is no proxy's address"):
            tfds._reachable("cifar10")


def test_damaged_tfds_data_give_one_line(tmp_path):
    (tmp_path / "cifar10" / "3.0.2").mkdir(parents=True)
    (tmp_path / "cifar10" / "3.0.2" / "dataset_info.json").write_text("{")
    with pytest.raises(UserError, match="TFDS can't read") as caught:
        sources.load("cifar10", tmp_path)
    assert str(caught.value).isprintable()
