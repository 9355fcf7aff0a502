"""Labelled images in all their forms: the same pixels, labels, names and weights; and what is refused."""
import os

import numpy as np
import pytest

from cifar_fast.data import sources
from cifar_fast.data.cifar.published import CLASS_NAMES
from cifar_fast.data.labelled import cache, images
from cifar_fast.data.labelled.images import Reading, numbered
from cifar_fast.errors import UserError
from cifar_fast.machine import devices
from cifar_fast.training import trainer
from tests.support import pictures, tiny

FORMS = ("archive", "folders", "zip", "tar", "table", "parquet", "npz")
NAMES = CLASS_NAMES["cifar10"].split()


def cifar(count):
    """Training and test images of CIFAR-10, real ones where there are any, in the order of the classes."""
    path = os.environ.get("CIFAR_DATA_DIR")
    if path:
        data = sources.load("cifar10", path)
        splits = {"train": (data.train_images[:count], data.train_labels[:count]),
                  "test": (data.test_images[:count // 4], data.test_labels[:count // 4])}
    else:
        splits = {split: pictures.drawn(part, (32, 32, 3), 10, part)
                  for split, part in (("train", count), ("test", count // 4))}
    ordered = {}
    for split, (pixels, labels) in splits.items():
        order = np.argsort(labels, kind="stable")
        ordered[split] = pixels[order], labels[order]
    return ordered


def written(form, splits, root, names=NAMES):
    """The splits in a form; returns the path."""
    if form == "archive":
        return pictures.published(root / "cifar-10-batches-py", splits)
    if form == "parquet":
        return pictures.parquet(root, splits, names)
    if form == "npz":
        (x_train, y_train), (x_test, y_test) = splits["train"], splits["test"]
        np.savez_compressed(root.with_suffix(".npz"), x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
        return root.with_suffix(".npz")
    folder = pictures.folders(root, splits, names)
    return {"folders": lambda: folder, "zip": lambda: pictures.zipped(folder), "tar": lambda: pictures.tarred(folder),
            "table": lambda: pictures.tables(folder, names)}[form]()


@pytest.fixture(scope="module")
def splits():
    return cifar(240)


def reading(tmp_path, **options):
    return Reading(cache=str(tmp_path / "cache"), **options)


@pytest.mark.parametrize("form", FORMS)
def test_cifar_is_the_same_in_every_form(form, splits, tmp_path):
    path = written(form, splits, tmp_path / "it")
    columns = {"image_column": "file"} if form == "table" else {}
    for again in range(2):
        data = sources.load("cifar10", path, reading=reading(tmp_path, **columns))
        for name, found in (("train", (data.train_images, data.train_labels)),
                            ("test", (data.test_images, data.test_labels))):
            for one, other, kind in zip(found, splits[name], (np.uint8, np.int32), strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == kind
        assert data.class_names == tuple(NAMES)
        assert form in ("archive", "npz") or ("from the cache" in data.origin) == bool(again)


def test_weights_are_those_of_the_archive_from_memory_and_from_a_memory_map(splits, tmp_path, monkeypatch):
    digests = {}
    for form, held in (("archive", True), ("zip", False)):
        monkeypatch.setattr(cache, "fits", lambda _, held=held: held)
        config = tiny.config(dataset="cifar10", epochs=1, input="auto", train_examples=None, test_examples=None,
                             data_dir=str(written(form, splits, tmp_path / form)), cache_dir=str(tmp_path / "cache"))
        monkeypatch.setattr("cifar_fast.training.pipeline.RESIDENT_BYTES", 2 << 30 if held else 0)
        data = trainer.load_data(config)
        assert isinstance(data.train_images, np.memmap) != held
        ours = trainer.Trainer(config, devices.resolve("float32", "off"), data)
        assert ours.resident == held
        ours.train(ours.batches(0), 0, 0, ours.plan[0].steps, np.zeros(3, np.float32))
        digests[form] = trainer.weights_sha256(ours.model), ours.evaluate().accuracy
    assert len(set(digests.values())) == 1


def test_one_tree_of_class_folders_is_split_by_share(tmp_path):
    root = pictures.folders(tmp_path / "it", {"": pictures.drawn(60)}, ["a", "b", "c"])
    options = dict(reading=reading(tmp_path))
    with pytest.raises(UserError, match="no test images; hold some .* --validation_share"):
        sources.load("images", root, **options)
    data = sources.load("images", root, validation_share=0.2, **options)
    assert len(data.train_images) == 48 and len(data.test_images) == 12 and data.class_names == ("a", "b", "c")


@pytest.mark.parametrize("beside, expected", [
    ((), "train"), (("test",), "test"), (("val",), "val"), (("validation", "test"), "test"), (("Testing",), "Testing")])
def test_what_stands_beside_the_training_images(beside, expected, tmp_path):
    splits = {split: pictures.drawn(6 + i, seed=i) for i, split in enumerate(("train", *beside))}
    root = pictures.folders(tmp_path / "deep" / "it", splits, ["a", "b", "c"])
    data = images.load(root.parent, reading(tmp_path))  # a folder above
    assert len(data.test_images) == (len(splits[expected][0]) if beside else 0)
    assert ("left aside" in data.origin) == (len(beside) > 1)


def test_a_test_folder_without_labels_is_passed_over(tmp_path):
    root = pictures.folders(tmp_path / "it", {"train": pictures.drawn(6), "val": pictures.drawn(3)}, ["a", "b", "c"])
    (root / "test").mkdir()
    (root / "test" / "1.png").write_bytes(pictures.encoded(pictures.drawn(1)[0][0]))
    assert len(images.load(root, reading(tmp_path)).test_images) == 3


@pytest.mark.parametrize("names", [["b", "a", "C"], ["10", "9", "2"], ["été", "x y", "ß"]])
def test_classes_are_numbered_in_the_order_of_their_names(names, tmp_path):
    pixels, labels = pictures.drawn(9)
    root = pictures.folders(tmp_path / "it", {"train": (pixels, labels), "test": (pixels, labels)}, names)
    data = images.load(root, reading(tmp_path))
    order = sorted(names, key=int if names[0] == "10" else str)
    assert data.class_names == tuple(order)
    np.testing.assert_array_equal(data.train_labels, [0, 0, 0, 1, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(data.train_images, np.concatenate([pixels[labels == names.index(n)] for n in order]))


@pytest.mark.parametrize("labels, names, expected, found", [
    ([["b", "a", "b"]], None, [[1, 0, 1]], ["a", "b"]), ([["2", "10"], ["10"]], None, [[0, 1], [1]], ["2", "10"]),
    ([[7, 3]], None, [[1, 0]], ["3", "7"]), ([[1, 0]], ["x", "y"], [[1, 0]], ["x", "y"]),
    ([["y", "1", "x"]], ["x", "y"], [[1, 1, 0]], ["x", "y"]),
    ([["\x1b[31m", "b"]], None, [[0, 1]], ["\\x1b[31m", "b"])])
def test_labels_become_numbers(labels, names, expected, found):
    numbers, texts = numbered(labels, names, "it")
    assert [part.tolist() for part in numbers] == expected and texts == found


@pytest.mark.parametrize("labels, names, part", [
    ([["a", "a"]], None, "1 classes"), ([["a", "b"], ["c"]], None, "label c, which is none of the 2"),
    ([[2]], ["a", "b"], "label 2"), ([[-1]], ["a", "b"], "label -1"), ([["a\n", "a\\n"]], None, "called alike"),
    ([list(map(str, range(100_001)))], None, "100001 classes")])
def test_labels_that_are_no_classes_are_refused(labels, names, part):
    with pytest.raises(UserError) as caught:
        numbered(labels, names, "it")
    assert part in str(caught.value) and str(caught.value).isprintable()


def test_known_classes_keep_their_numbers_whatever_the_file_calls_them(tmp_path):
    pixels, labels = pictures.drawn(9)
    root = pictures.parquet(tmp_path / "it", {"train": (pixels, labels), "test": (pixels, labels)}, ["c", "b", "a"])
    data = images.load(root, reading(tmp_path), ["a", "b", "c", "d"])
    np.testing.assert_array_equal(data.train_labels, 2 - labels)
    assert data.class_names == ("a", "b", "c", "d")


def test_coarse_labels_of_cifar_100_in_every_form(tmp_path):
    pixels, labels = pictures.drawn(40, (32, 32, 3), 20)
    sets = {"train": (pixels, labels), "test": (pixels, labels)}
    names = CLASS_NAMES["cifar100_coarse"].split()
    places = [pictures.coarse(tmp_path / form / f"cifar-100-{form}", pixels, labels, form)
              for form in ("python", "binary")]
    places.append(pictures.parquet(tmp_path / "parquet", sets, names, label="coarse_label"))
    for place in places:
        data = sources.load("cifar100", place, reading=reading(tmp_path, labels="coarse"))
        np.testing.assert_array_equal(data.train_labels, labels)
        np.testing.assert_array_equal(data.test_images, pixels)
        assert data.class_names == tuple(names)
