"""What any reader's data must be, and by what they are told apart."""
import dataclasses

import numpy as np
import pytest

from cifar_fast.data import dataset
from cifar_fast.data.rows import Rows
from cifar_fast.errors import UserError
from tests.support import tiny


@pytest.mark.parametrize("content, named", [
    ((np.full((4, 8, 8, 3), 256, np.uint16), [0] * 4), "images are uint16 from 256 to 256"),
    ((np.zeros((4, 48), np.uint8), [0] * 4), "(4, 48)"), ((np.zeros((4, 2, 2, 3), np.uint8), [0] * 4), "4×4"),
    ((np.zeros((4, 8, 8, 3), np.uint8), [0, 1, 1, 9]), "training set: has the label 9; expected 0 to 1"),
    ((np.zeros((4, 8, 8, 3), np.uint8), [0, 1]), "4 images and 2 labels"),
    ((np.zeros((0, 8, 8, 3), np.uint8), []), "at least one")])
def test_what_any_reader_gives_is_checked(content, named):
    """As a TFDS folder may: it holds what its owner put there."""
    arrays = content[0], np.array(content[1], np.int64)
    with pytest.raises(UserError) as caught:
        dataset.checked((*arrays, *arrays), ["a", "b"], "mine")
    assert named in str(caught.value)


def test_images_of_two_sizes_are_refused():
    labels = np.zeros(4, int)
    with pytest.raises(UserError, match="must have one shape"):
        dataset.checked((np.zeros((4, 8, 8, 3), np.uint8), labels, np.zeros((4, 8, 9, 3), np.uint8), labels), ["a"],
                        "mine")


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_every_byte_counts_in_the_digest(part, monkeypatch):
    monkeypatch.setattr(dataset, "CHUNK", 5 * 3072)
    one = tiny.data()
    for place in (0, 1, 7, 39):
        other = tiny.data()
        getattr(other, part)[place] ^= 1
        assert one.digest() != other.digest()
    other = tiny.data()
    getattr(other, part)[:] = getattr(other, part)[::-1].copy()
    assert one.digest() != other.digest()


def test_the_digest_is_of_the_content_wherever_it_lies(tmp_path, monkeypatch):
    one = tiny.data()
    mapped = np.memmap(tmp_path / "images", np.uint8, "w+", shape=one.train_images.shape)
    mapped[:] = one.train_images[::-1]
    reversed_rows = Rows(mapped, np.arange(len(mapped))[::-1])
    for images in (one.train_images.copy(), one.train_images.copy("F"), mapped[::-1], reversed_rows):
        monkeypatch.setattr(dataset, "CHUNK", 7 * 3072)  # however it is taken
        assert dataclasses.replace(one, train_images=images).digest() == one.digest()


def test_digests_are_the_same_in_every_version():
    """Those that run directories hold; the second is that of version 0.1."""
    images = (np.arange(1200 * 4 * 5 * 3) % 251).astype(np.uint8).reshape(1200, 4, 5, 3)
    labels = (np.arange(1200) % 7).astype(np.int32)
    data = dataset.Dataset(images, labels, images[:40], labels[:40], tuple("abcdefg"), "mine")
    assert data.digest() == "21d4d97596273e2ea54a667f66715d7f2c1e9bc8b178a14d02d5644f63a8f842"
    assert data.sampled_digest() == "bfa6f248f4767a48aa61b94a32f944266d6e355e15547c84c3afe483525d2139"
