"""Keras's ImageDataGenerator and ours side by side: configurations drawn at random, and what must be equal."""
import warnings

import numpy as np
import pytest
from keras.src.legacy.preprocessing.image import ImageDataGenerator as KerasGenerator

from cifar_fast.generator import ImageDataGenerator, kernel

needs_kernel = pytest.mark.skipif(kernel.LIBRARY is None, reason="the C code was not compiled, and XLA is not exact")
TOLERANCE = 2e-3  # on a scale of 0 to 255


def pair(**arguments):
    """Keras's generator and ours, with Keras's draws; their warnings are not of interest here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KerasGenerator(**arguments), ImageDataGenerator(**arguments, draws="keras")


def halved(image):
    """A preprocessing function of one image."""
    return image * 0.5 + np.float32(3)


def noisy(image):
    """One that draws from NumPy's generator itself."""
    return image + np.random.normal(0, 5, image.shape)


def random_arguments(random):
    """Arguments of ImageDataGenerator, each left alone in half of the sets."""
    def some(*choices):
        return choices[random.integers(len(choices))]

    shifts = (0.3, 2.0, 1.5, 3, 2, [0.1, -0.2, 0.3], [-1, 0, 2], (1, 2), [0.5, 1.5])
    arguments = {
        "featurewise_center": True, "samplewise_center": True, "featurewise_std_normalization": True,
        "samplewise_std_normalization": True, "rotation_range": some(10, 45.5, 180), "width_shift_range": some(*shifts),
        "height_shift_range": some(*shifts), "brightness_range": some((0.5, 1.5), [0.0, 2.0]),
        "shear_range": some(5, 30.0), "zoom_range": some(0.3, (0.5, 1.7), [1.2, 1.2]),
        "channel_shift_range": some(20, 90.5), "horizontal_flip": True, "vertical_flip": True,
        "rescale": some(1 / 255, 2), "preprocessing_function": some(halved, noisy), "cval": some(0, 30.5)}
    chosen = {name: value for name, value in arguments.items() if random.random() < 0.5}
    chosen |= {"fill_mode": some("nearest", "constant", "reflect", "wrap", "mirror"),
               "interpolation_order": some(0, 1, 1, 1, 3), "validation_split": 0.4,
               "data_format": some("channels_last", "channels_last", "channels_first"),
               "dtype": some("float32", "float32", None, "float64")}
    if chosen["data_format"] == "channels_first":
        chosen.pop("brightness_range", None)  # Keras itself mixes up the axes then
    return chosen


def same(theirs, ours, scale=1.0):
    """Batches equal: images to the tolerance, times the scale of values; all else exactly; and the same types."""
    assert type(theirs) is type(ours)
    if isinstance(theirs, (tuple, list)):
        assert len(theirs) == len(ours)
        same(theirs[0], ours[0], scale)
        for label, other in zip(theirs[1:], ours[1:], strict=True):
            is_image = np.ndim(label) == 4  # where the images are their own labels
            same(label, other, scale) if is_image else exactly(label, other)
        return
    assert theirs.dtype == ours.dtype and theirs.shape == ours.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=TOLERANCE * scale)


def exactly(theirs, ours):
    if isinstance(theirs, list):
        assert len(theirs) == len(ours)
        for label, other in zip(theirs, ours, strict=True):
            exactly(label, other)
    else:
        assert theirs.dtype == ours.dtype
        np.testing.assert_array_equal(theirs, ours)
