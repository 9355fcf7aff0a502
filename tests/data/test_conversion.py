"""Images and labels in the forms that people have them in: taken, or refused with the line that converts them."""
import numpy as np
import pytest

from cifar_fast.data import conversion
from cifar_fast.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 8, 9, 3), dtype=np.uint8)
PIXELS[0, 0, 0] = 255
LABELS = np.array([3, 0, 4, 1, 2, 4])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4", np.longdouble])
@pytest.mark.parametrize("scale", [1, 255])
def test_floats_that_stand_for_grey_levels(dtype, scale):
    stored = (PIXELS / (255 / scale)).astype(dtype)
    dark = (np.zeros((2, 8, 9, 3)) + scale / 255).astype(dtype)  # alone it could mean either scale
    for array, expected in zip(conversion.images([stored, dark], "mine"), (PIXELS, np.ones_like(PIXELS[:2])),
                               strict=True):
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, ">i4"])
def test_integers_in_reach(dtype):
    pixels = np.minimum(PIXELS, 127) if dtype == np.int8 else PIXELS
    np.testing.assert_array_equal(conversion.images([pixels.astype(dtype)], "mine")[0], pixels)


def test_other_orders_of_the_axes():
    np.testing.assert_array_equal(conversion.images([PIXELS.transpose(0, 3, 1, 2)], "mine")[0], PIXELS)
    np.testing.assert_array_equal(conversion.images([PIXELS[..., 0]], "mine")[0], PIXELS[..., :1])


@pytest.mark.parametrize("images, line", [
    (PIXELS / 256, "float64 from 0 to 0.996094; expected uint8 from 0 to 255; "
                   'x = (x * 255).round().astype("uint8")'),
    (PIXELS / 127.5 - 1, 'x = ((x + 1) * 127.5).round().astype("uint8")'),
    (PIXELS * 0.9, 'x = (x).round().astype("uint8")'),
    (PIXELS.astype(np.uint16) * 257, 'x = (x / 257).round().astype("uint8")'),
    ((PIXELS - 120.0) / 64, "undo the standardization"),
    (PIXELS.astype(np.int32) - 300, "x = ((x - low) * 255.0 / (high - low))"),
    (np.where(PIXELS > 9, PIXELS, np.nan), "NaN"), (np.where(PIXELS > 9, PIXELS, np.inf), "infinity"),
    (np.zeros((6, 3072), np.uint8), "x.reshape(-1, 3, 32, 32)"), (PIXELS > 9, "bool"), (PIXELS[:0], "at least one"),
    (PIXELS[0, 0], "expected uint8 [N, H, W, C]"), (np.uint8(3), "expected uint8 [N, H, W, C]"),
    (PIXELS.astype(complex), "complex128")])
def test_images_that_are_none_are_refused_with_what_to_do(images, line):
    with np.errstate(all="raise"), pytest.raises(UserError) as caught:
        conversion.images([images], "mine")
    assert line in str(caught.value) and str(caught.value).startswith("mine: ")


@pytest.mark.parametrize("labels", [
    LABELS, LABELS[:, None], LABELS.astype(np.float32), LABELS.astype(">i2"), np.eye(5)[LABELS],
    np.eye(5, dtype=bool)[LABELS], np.eye(5, dtype=np.uint8)[LABELS]])
def test_labels_that_can_mean_one_thing_only(labels):
    found = conversion.labels(labels, 5, "mine")
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, LABELS)


@pytest.mark.parametrize("labels, part", [
    (LABELS + 0.5, "float64 and not whole numbers"), (np.where(LABELS > 0, LABELS, np.nan), "not whole numbers"),
    (np.eye(5)[LABELS] * 0.9 + 0.02, "y = y.argmax(1)"), (np.ones((6, 5)), "y = y.argmax(1)"),
    (np.eye(7)[LABELS], "or one-hot [N, 5]"), (LABELS + 1, "has the label 5; expected 0 to 4: y = y - 1"),
    (LABELS - 1, "has the label -1; expected 0 to 4"), (LABELS * 2.0, "has the label 6"),
    (np.array(["cat"] * 6), "<U3"), (np.array(3), "int64 ()"), (LABELS > 2, "bool"),
    (np.zeros((6, 2, 2), int), "(6, 2, 2)")])
def test_labels_that_are_none_are_refused_with_what_to_do(labels, part):
    with np.errstate(all="raise"), pytest.raises(UserError) as caught:
        conversion.labels(labels, 5, "mine")
    assert part in str(caught.value) and str(caught.value).startswith("mine: ")
