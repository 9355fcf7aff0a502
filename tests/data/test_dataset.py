"""What any reader's data must be, and by what they are told apart."""
import numpy as np
import pytest

from cifar_fast.data import dataset
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


def test_other_labels_have_another_digest():
    one, other = tiny.data(), tiny.data()
    other.test_labels[5] = (other.test_labels[5] + 1) % 10
    assert one.digest() != other.digest()
