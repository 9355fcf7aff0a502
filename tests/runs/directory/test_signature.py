"""What a checkpoint keeps beside the weights: exact, and read with care."""
import json

import numpy as np
import pytest

from cifar_fast.errors import UserError
from cifar_fast.runs.directory.signature import Signature
from cifar_fast.training.batch import Statistics
from tests.support import tiny

CATS_AND_DOGS = Signature((8, 8, 3), ("cat", "dog"), Statistics(*np.ones((2, 3), np.float32)))


def test_it_comes_back_from_json_bit_for_bit():
    data = tiny.data()
    for kind in ("channel", "scalar"):
        one = Signature.of(data, Statistics.of(data.train_images, kind))
        two = Signature.of_meta(json.loads(json.dumps(one.meta())), "x.ckpt")
        assert (two.image_shape, two.class_names) == ((32, 32, 3), data.class_names)
        for name in ("mean", "deviation"):
            a, b = (getattr(each.statistics, name) for each in (one, two))
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("change", [
    {"image_shape": [8, 8]}, {"image_shape": [8, 8, 0]}, {"image_shape": [8, 8, 3.0]}, {"image_shape": [2**40, 8, 3]},
    {"image_shape": 8}, {"class_names": []}, {"class_names": [1, 2]}, {"class_names": None}, {"mean": [1.0]},
    {"mean": [1.0, 2.0]}, {"mean": ["a", "b", "c"]}, {"deviation": [1.0, 1.0, 0.0]}, {"mean": [1.0, 1.0, 1e60]},
    {"mean": [[1.0] * 3]}, {"deviation": {}}, {"mean": [10**400] * 3}])
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_no_run_has_written_is_refused_by_name(change):
    with pytest.raises(UserError, match="^x.ckpt: "):
        Signature.of_meta(CATS_AND_DOGS.meta() | change, "x.ckpt")
    with pytest.raises(UserError, match="^x.ckpt: "):
        Signature.of_meta(None, "x.ckpt")


def test_labels_go_by_the_names_of_their_classes():
    labels = np.array([0, 1, 1])
    assert CATS_AND_DOGS.labels(labels, ("cat", "dog"), "here").tolist() == [0, 1, 1]
    assert CATS_AND_DOGS.labels(labels, ("dog", "cat"), "here").tolist() == [1, 0, 0]
    assert CATS_AND_DOGS.labels(labels * 0, ("dog",), "here").tolist() == [1, 1, 1]
    with pytest.raises(UserError, match="^here: has the class 'cow', .*; its classes are cat, dog$"):
        CATS_AND_DOGS.labels(labels, ("cat", "cow"), "here")


def test_other_images_are_refused():
    CATS_AND_DOGS.check_shape((8, 8, 3), "here")
    with pytest.raises(UserError, match="^here: images of 8×8 pixels and 1 channel; the network takes .* 3 channels$"):
        CATS_AND_DOGS.check_shape((8, 8, 1), "here")
