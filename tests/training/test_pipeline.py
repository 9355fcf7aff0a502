"""Both pipelines deliver the same examples in the order they are given."""
import numpy as np
import pytest

from cifar_fast.training import pipeline, plan


def test_starting_in_the_middle_is_the_rest_of_the_epoch():
    order = plan.permutation(3, 1, 100)
    whole = list(pipeline.index_batches(order, 8).as_numpy_iterator())
    rest = list(pipeline.index_batches(order, 8, start=5).as_numpy_iterator())
    np.testing.assert_array_equal(np.concatenate(whole), order[:96])
    np.testing.assert_array_equal(whole[5:], rest)


def test_image_batches_are_the_same_examples():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(50, dtype=np.int32)
    order = plan.permutation(1, 2, 50), 16
    for indices, (same, batch, named) in zip(pipeline.index_batches(*order).as_numpy_iterator(),
                                             pipeline.image_batches(images, labels, *order).as_numpy_iterator(),
                                             strict=True):
        np.testing.assert_array_equal(indices, same)
        np.testing.assert_array_equal(batch, images[indices])
        np.testing.assert_array_equal(named, indices)
    for indices, part, named in pipeline.image_batches(images, labels, *order, share=slice(8, 16)).as_numpy_iterator():
        np.testing.assert_array_equal(part, images[indices[8:]])
        np.testing.assert_array_equal(named, indices[8:])


@pytest.mark.parametrize("asked, gigabytes, resident", [
    ("auto", 1, True), ("auto", 3, False), ("resident", 3, True), ("stream", 1, False)])
def test_auto_keeps_on_the_device_what_fits(asked, gigabytes, resident):
    images = np.broadcast_to(np.uint8(0), (gigabytes << 20, 32, 32, 1))
    assert pipeline.is_resident(asked, images) == resident
