"""Labelled images in an .npz: labels of every kind, gray images, names, and what is refused."""
import numpy as np
import pytest

from cifar_fast.data import sources
from cifar_fast.data.labelled import arrays
from cifar_fast.errors import UserError
from tests.support import pictures

IMAGES, LABELS = pictures.drawn(9)


def save(tmp_path, **changes):
    entries = dict(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:4], y_test=LABELS[[0, 3, 6, 8]]) | changes
    np.savez(tmp_path / "it.npz", **{name: value for name, value in entries.items() if value is not None})
    return tmp_path / "it.npz"


@pytest.mark.parametrize("change, names", [
    (lambda y: y, "012"), (lambda y: y + 1, "123"), (lambda y: y[:, None], "012"),
    (lambda y: y.astype(np.float32), "012"),
    (lambda y: np.array(["a", "b", "c"])[y], "abc"), (lambda y: np.array([b"a", b"b", b"c"])[y], "abc"),
    (lambda y: np.eye(3)[y], "012"), (lambda y: y.astype(np.uint8), "012"), (lambda y: y * 7 - 2, ("-2", "5", "12"))])
def test_labels_of_every_kind(change, names, tmp_path):
    data = sources.load("images", save(tmp_path, y_train=change(LABELS), y_test=change(LABELS[[0, 3, 6, 8]])))
    np.testing.assert_array_equal(data.train_images, IMAGES)
    np.testing.assert_array_equal(data.train_labels, LABELS)
    np.testing.assert_array_equal(data.test_labels, LABELS[[0, 3, 6, 8]])
    assert data.class_names == tuple(names)


@pytest.mark.parametrize("names", [["x", "y", "z", "never"], [b"x", b"y", b"z"]])
def test_names_of_classes(names, tmp_path):
    data = arrays.load(save(tmp_path, class_names=np.array(names)))
    assert data.class_names == ("x", "y", "z", "never")[:len(names)]


def test_gray_images_and_no_test_set(tmp_path):
    path = save(tmp_path, x_train=IMAGES[..., 0], x_test=None, y_test=None)
    data = arrays.load(path)
    np.testing.assert_array_equal(data.train_images, IMAGES[..., :1])
    assert data.test_images.shape == (0, 8, 9, 1) and len(data.test_labels) == 0
    with pytest.raises(UserError, match="no test images"):
        sources.load("images", path)
    assert len(sources.load("images", path, validation_share=0.4).test_images) == 4


@pytest.mark.parametrize("changes, named", [
    (dict(y_train=None), "has no y_train; expected x_train, y_train"), (dict(x_test=None), "both be there"),
    (dict(class_names=np.array([1, 2, 3])), "class_names be texts"), (dict(class_names=np.array(["x"])), "1 classes"),
    (dict(class_names=np.array(["x", "y"])), "label 2"), (dict(y_train=LABELS * 0), "1 classes"),
    (dict(y_train=LABELS + 0.5), "whole numbers"), (dict(y_test=LABELS[:4] + 9), "label 9"),
    (dict(y_train=np.array([None] * 9)), "holds object"), (dict(x_train=np.array(["a"] * 9)), "expected numbers"),
    (dict(y_train=np.float32([np.nan] * 9)), "labels are float32"),
    (dict(y_train=LABELS[::2]), "9 images and 5 labels"),
    (dict(y_train=np.zeros((9, 2, 2))), "labels are float64")])
def test_what_is_refused(changes, named, tmp_path):
    with pytest.raises(UserError) as caught:
        arrays.load(save(tmp_path, **changes))
    assert named in str(caught.value) and str(caught.value).isprintable()
