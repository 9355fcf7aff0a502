"""Damaged and hostile files of the published forms: one line that names the file, never anything else."""
import pickle
import tracemalloc

import numpy as np
import pytest

from cifar_fast.data import sources
from tests.support.files_of_cifar import FORMS, content, write_folder
from tests.support.refusal import refused


def peak(call):
    """The bytes that a call has allocated at its most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def change(batch, **entries):
    return pickle.dumps(pickle.loads(batch) | {k.encode(): v for k, v in entries.items()}, protocol=3)


@pytest.mark.parametrize("name, entries", [
    ("data_batch_3", {"labels": [10, 0, 0, 0]}), ("data_batch_1", {"labels": [-1, 0, 0, 0]}),
    ("test_batch", {"labels": [0, 0]}), ("data_batch_2", {"labels": "abcd"}), ("data_batch_2", {"labels": [0.5] * 4}),
    ("data_batch_5", {"data": np.zeros((4, 3071), np.uint8)}), ("data_batch_5", {"data": np.full((4, 3072), 0.3)}),
    ("data_batch_1", {"labels": [float("nan")] * 4}), ("data_batch_1", {"labels": [10**400] * 4}),
    ("data_batch_4", {"data": b"bytes"}), ("data_batch_4", {"data": np.zeros((0, 3072), np.uint8), "labels": []})])
def test_python_batches_are_checked(name, entries, tmp_path):
    files, *_ = content("cifar10", "python")
    files[name] = change(files[name], **entries)
    refused(write_folder(tmp_path, files), name)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("spelling", ["bytes", "text"])
def test_batches_that_python_3_has_repacked(protocol, spelling, tmp_path):
    """Each as a script may hold it after loading: images in another shape or scale, labels in another form."""
    files, pixels, labels = content("cifar10", "python")
    images = [lambda x: x, lambda x: x.reshape(-1, 3, 32, 32), lambda x: x.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
              lambda x: np.asfortranarray(x), lambda x: (x / 255).astype(np.float32), lambda x: x.astype(float)]
    forms = [lambda y: [np.int64(v) for v in y], np.array, tuple, lambda y: [float(v) for v in y],
             lambda y: np.eye(10)[y], lambda y: np.array(y)[:, None]]
    for (name, data), image, form in zip(files.items(), images, forms, strict=True):
        batch = pickle.loads(data)
        batch = {"data": image(batch[b"data"]), "labels": form(batch[b"labels"]), "filenames": [np.str_("a.png")] * 4}
        batch = {k.encode() if spelling == "bytes" else k: v for k, v in batch.items()}
        files[name] = pickle.dumps(batch, protocol=protocol)
    data = sources.load("cifar10", write_folder(tmp_path, files))
    np.testing.assert_array_equal(data.train_images, np.concatenate(pixels[:-1]))
    np.testing.assert_array_equal(data.train_labels, np.concatenate(labels[:-1]))
    np.testing.assert_array_equal(data.test_images, pixels[-1])
    np.testing.assert_array_equal(data.test_labels, labels[-1])


def test_labels_and_keys_of_odd_kinds(tmp_path):
    """Each of these once ended in a traceback."""
    files, *_ = content("cifar10", "python")
    for labels in (np.array(1), np.zeros((4, 2), int), 3, None, {}):
        refused(write_folder(tmp_path, files | {"data_batch_1": change(files["data_batch_1"], labels=labels)}),
                "data_batch_1")
    many = np.zeros(50_000_000, np.uint16)  # 100 MB, as a list 400 MB more
    write_folder(tmp_path, files | {"data_batch_1": change(files["data_batch_1"], labels=many)})
    assert peak(lambda: refused(tmp_path, "4 images and 50000000 labels")) < 400e6
    for batch in ({"\ud800": 1}, {("a", 1): 2}, [], 7, None):
        refused(write_folder(tmp_path, files | {"data_batch_1": pickle.dumps(batch, protocol=3)}), "data_batch_1")
    write_folder(tmp_path, files)
    for names in (5, [1] * 10, ["a"] * 9, "abcdefghij", None):
        write_folder(tmp_path, {"batches.meta": pickle.dumps({"label_names": names}, protocol=3)})
        refused(tmp_path, "batches.meta")


def test_no_more_names_are_split_than_there_are_classes(tmp_path):
    files, *_ = content("cifar10", "binary")
    write_folder(tmp_path, files | {"batches.meta.txt": b"ab " * 40_000_000})  # 120 MB; the names would be 2 GB
    assert peak(lambda: refused(tmp_path, "batches.meta.txt")) < 400e6


def test_class_names_are_made_fit_for_a_line(tmp_path):
    files, *_ = content("cifar10", "python")
    names = [b"\x1b[31m\n", "\ud800", *"abcdefgh"]
    write_folder(tmp_path, files | {"batches.meta": pickle.dumps({b"label_names": names}, protocol=3)})
    assert all(name.isprintable() for name in sources.load("cifar10", tmp_path).class_names)


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
