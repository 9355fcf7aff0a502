"""Whole-pixel augmentation: against NumPy's own padding and flipping."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment import crops

SEED, IDS = (3, -4), np.arange(200, dtype=np.int32)


def pictures(height=7, width=5, channels=2):
    return np.random.default_rng(0).integers(1, 256, (200, height, width, channels), dtype=np.uint8)


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


@pytest.mark.parametrize("mode", ["reflect", "zero"])
def test_a_crop_is_one_of_the_padded_images_windows_and_all_come_up(mode):
    images, padding = pictures(), 2
    moved = crops.pad_crop(tf.constant(images), SEED, IDS, padding, mode).numpy()
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode={"zero": "constant"}.get(mode, mode))
    windows = np.stack([padded[:, r:r + 7, c:c + 5] for r in range(5) for c in range(5)])
    which = (windows == moved).all((2, 3, 4))
    assert (which.sum(0) >= 1).all() and moved.dtype == np.uint8
    assert which.any(1).all()


def test_a_smaller_crop_is_a_window_of_its_size():
    images = pictures()
    cropped = crops.pad_crop(tf.constant(images), SEED, IDS, 1, "reflect", 4).numpy()
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    windows = np.stack([padded[:, r:r + 4, c:c + 4] for r in range(6) for c in range(4)])
    which = (windows == cropped).all((2, 3, 4))
    assert which.any(0).all() and which.any(1).all()
    with pytest.raises(ValueError, match="size=6: must be from 1 to 5"):
        crops.pad_crop(tf.constant(images), SEED, IDS, 1, "reflect", 6)


def test_reflected_crops_need_less_than_the_size_and_zero_ones_may_leave_nothing():
    with pytest.raises(ValueError, match="padding=5: must be from 0 to 4"):
        crops.pad_crop(tf.constant(pictures()), SEED, IDS, 5)
    moved = crops.pad_crop(tf.constant(pictures()), SEED, IDS, 7, "zero").numpy()
    assert (moved.reshape(200, -1) == 0).all(1).any()
    with pytest.raises(ValueError, match="mode='wrap'"):
        crops.pad_crop(tf.constant(pictures()), SEED, IDS, 1, "wrap")


def test_alternating_flip_shows_both_sides_every_two_epochs():
    images = pictures()
    views = [crops.alternating_flip(tf.constant(images), SEED, IDS, epoch).numpy() for epoch in range(4)]
    flipped = [(view == images[:, :, ::-1]).all((1, 2, 3)) for view in views]
    assert 70 < flipped[0].sum() < 130
    np.testing.assert_array_equal(flipped[1], ~flipped[0])
    np.testing.assert_array_equal(views[2], views[0])
    np.testing.assert_array_equal(views[3], views[1])
    for view, flip in zip(views, flipped, strict=True):
        np.testing.assert_array_equal(view[~flip], images[~flip])


def test_cutout_hides_one_square_within_the_image():
    images = pictures()
    hidden = (crops.cutout(tf.constant(images), SEED, IDS, 3).numpy() == 0).all(3)
    assert (hidden.sum((1, 2)) == 9).all()
    assert (hidden.any(1).sum(1) == 3).all() and (hidden.any(2).sum(1) == 3).all()
    assert hidden.any(0).all()
    np.testing.assert_array_equal(crops.cutout(tf.constant(images), SEED, IDS, 0).numpy(), images)
    with pytest.raises(ValueError, match="size=6: must be from 0 to 5"):
        crops.cutout(tf.constant(images), SEED, IDS, 6)


@pytest.mark.parametrize("function", [
    lambda x, s, i: crops.pad_crop(x, s, i, 2),
    lambda x, s, i: crops.pad_crop(x, s, i, 2, "zero"),
    lambda x, s, i: crops.alternating_flip(x, s, i, 1),
    lambda x, s, i: crops.cutout(x, s, i, 3),
])
def test_same_bits_compiled_in_any_order_and_batch(function):
    images, seed = pictures(), tf.constant(SEED)
    eager = function(tf.constant(images), seed, IDS).numpy()
    some = np.array([150, 3, 77])
    np.testing.assert_array_equal(compiled(function)(tf.constant(images[some]), seed, IDS[some]), eager[some])
    other = function(tf.constant(images), tf.constant([3, 5]), IDS).numpy()
    assert (other != eager).any()


def test_cutout_does_not_follow_the_crop():
    ids = np.arange(2000, dtype=np.int32)
    rows = np.broadcast_to(np.arange(1, 9)[:, None, None], (2000, 8, 8, 1)).astype(np.float32)
    shift = crops.pad_crop(rows, SEED, ids, 3)[:, 4, 4, 0]
    place = (crops.cutout(tf.ones_like(rows), SEED, ids, 3).numpy()[..., 0] == 0).any(2).argmax(1)
    assert abs(np.corrcoef(shift, place)[0, 1]) < 0.1
