"""Brightness and contrast: what is added and multiplied, and that it is an image's own."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment.jitter import brightness_contrast

SEED, IDS = (3, -4), np.arange(2000, dtype=np.int32)
IMAGES = np.random.default_rng(0).normal(size=(2000, 2, 3, 3)).astype(np.float32)


def amounts(brightness, contrast):
    """What was added to each image, and its factor, from two of its pixels."""
    found = brightness_contrast(IMAGES, SEED, IDS, brightness, contrast).numpy()
    factor = (found[:, 0, 0, 0] - found[:, 1, 2, 2]) / (IMAGES[:, 0, 0, 0] - IMAGES[:, 1, 2, 2])
    shift = found[:, 0, 0, 0] / factor - IMAGES[:, 0, 0, 0]
    np.testing.assert_allclose(found, (IMAGES + shift[:, None, None, None]) * factor[:, None, None, None], atol=2e-2)
    return shift, factor - 1


def test_both_are_uniform_up_to_their_ranges_and_drawn_apart():
    shift, factor = amounts(0.3, 0.1)
    for found, far in ((np.median(np.abs(shift)), 0.15), (np.median(np.abs(factor)), 0.05)):
        assert abs(found / far - 1) < 0.1
    assert 0.29 < np.quantile(shift, 0.995) < 0.301 and -0.301 < np.quantile(shift, 0.005) < -0.29
    assert 0.097 < np.quantile(factor, 0.995) < 0.1003 and -0.1003 < np.quantile(factor, 0.005) < -0.097
    assert abs(np.corrcoef(shift, factor)[0, 1]) < 0.1


def test_one_of_them_alone():
    np.testing.assert_allclose(amounts(0.3, 0.0)[1], 0, atol=1e-3)
    found = brightness_contrast(tf.zeros_like(IMAGES), SEED, IDS, 0.0, 0.5).numpy()
    assert not found.any()
    np.testing.assert_array_equal(brightness_contrast(IMAGES, SEED, IDS, 0.0, 0.0), IMAGES)


def test_an_image_is_the_same_in_any_batch_compiled_or_not():
    all_of_them = brightness_contrast(IMAGES, SEED, IDS, 0.2, 0.2).numpy()
    some = [150, 3, 77]
    compiled = tf.function(brightness_contrast, jit_compile=True, autograph=False)
    np.testing.assert_allclose(compiled(IMAGES[some], SEED, IDS[some], 0.2, 0.2), all_of_them[some], atol=1e-6)
    assert (brightness_contrast(IMAGES, (3, 5), IDS, 0.2, 0.2).numpy() != all_of_them).all()


@pytest.mark.parametrize("brightness, contrast, message", [
    (-0.1, 0.1, "brightness=-0.1: must be at least 0"), (0.1, 1.5, "contrast=1.5: must be from 0 to 1")])
def test_wrong_amounts_are_refused_by_name(brightness, contrast, message):
    with pytest.raises(ValueError, match=message):
        brightness_contrast(IMAGES, SEED, IDS, brightness, contrast)
