"""Which images train and which are evaluated."""
import numpy as np
import pytest

from cifar_fast.data import sources
from cifar_fast.errors import UserError
from tests.support.files_of_cifar import content, write_folder


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
