"""Statistics against NumPy, that a prepared example depends on its index and the epoch alone, and the stages' order."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.augment import Affine, crops, mixing
from cifar_fast.augment.jitter import brightness_contrast
from cifar_fast.augment.resize import resized
from cifar_fast.training import batch
from cifar_fast.training.batch import CROPS, FLIP, JITTER, MIXING, Preparation, Statistics
from tests.support import tiny


@pytest.mark.parametrize("kind, axes", [("scalar", None), ("channel", (0, 1, 2))])
def test_statistics_are_exact(kind, axes):
    images = tiny.data().train_images
    statistics = Statistics.of(images, kind)
    np.testing.assert_allclose(statistics.mean, np.reshape(images.mean(axes), -1), rtol=1e-6)
    np.testing.assert_allclose(statistics.deviation, np.reshape(images.std(axes), -1), rtol=1e-6)
    standardized = statistics(images).numpy()
    np.testing.assert_allclose(standardized.mean(axes), 0, atol=1e-5)
    np.testing.assert_allclose(standardized.std(axes), 1, atol=1e-4)


def test_a_constant_channel_neither_divides_by_zero_nor_makes_fills_huge():
    opaque = np.concatenate([tiny.data().train_images, np.full((80, 32, 32, 1), 255, np.uint8)], 3)
    statistics = Statistics.of(opaque, "channel")
    assert (statistics(opaque)[..., 3].numpy() == 0).all()
    np.testing.assert_allclose(statistics(np.zeros((1, 4, 4, 4)))[..., 3], -1)


RECIPES = {
    "the original's": tiny.ORIGINAL,
    "the fast ones'": dict(horizontal_flip=False, crop_padding=2, alternating_flip=True, cutout=8, brightness=0.2,
                              contrast=0.3),
    "smaller crops": tiny.ORIGINAL | dict(crop_padding=2, crop_size=24, crop_fill="zero"),
}


def prepared(config, order, epoch, size=None):
    data = tiny.data()
    prepare = Preparation(config, Statistics.of(data.train_images, "channel"))
    order = np.array(order, np.int32)
    return prepare(data.train_images[order], data.train_labels[order], order, tf.constant(epoch), size)


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES)
def test_an_example_looks_the_same_in_any_batch(changes):
    config = tiny.config(**changes)
    one = prepared(config, [5, 9, 2, 7], 3).images.numpy()
    np.testing.assert_array_equal(one, prepared(config, [7, 2, 9, 5], 3).images[::-1])
    np.testing.assert_array_equal(one[:2], prepared(config, [5, 9], 3).images)
    assert not np.array_equal(one, prepared(config, [5, 9, 2, 7], 4).images)
    assert one.shape[1] == (config.crop_size or 32)


def test_every_flag_reaches_its_stage_and_the_stages_come_in_order():
    data, order = tiny.data(), np.array([5, 9, 2, 7], np.int32)
    images, standardize = data.train_images[order], Statistics.of(data.train_images, "channel")
    moves = dict(rotation_range=7.0, width_shift_range=0.1, height_shift_range=0.3, shear_range=5.0, zoom_range=0.2,
                 horizontal_flip=False, vertical_flip=True, fill_mode="reflect")
    moved = tf.function(Affine(**moves), jit_compile=True)(images, tf.constant([0, 3]), order)
    np.testing.assert_allclose(prepared(tiny.config(**moves), order, 3).images, standardize(moved), atol=1e-3)
    config = tiny.config(**RECIPES["the fast ones'"] | dict(crop_fill="zero", mixup=0.5))
    x = crops.pad_crop(tf.constant(images), (0, 3 + CROPS), order, 2, "zero")
    x = standardize(crops.alternating_flip(x, (0, FLIP), order, 3))
    x = brightness_contrast(x, (0, 3 + JITTER), order, 0.2, 0.3)
    x = mixing.mixup(crops.cutout(x, (0, 3 + CROPS), order, 8), (0, 3 + MIXING), order, 0.5)[0]
    np.testing.assert_allclose(prepared(config, order, 3, 20).images, resized(x, 20), atol=1e-4)


def test_the_next_epoch_mirrors_the_others():
    config = tiny.config(horizontal_flip=False, alternating_flip=True)
    one, two = (prepared(config, range(8), epoch).images.numpy() for epoch in (0, 1))
    np.testing.assert_array_equal(one, two[:, :, ::-1])


def test_nothing_asked_for_leaves_the_pixels():
    data, order = tiny.data(), [3, 4]
    plain = prepared(tiny.config(horizontal_flip=False), order, 0).images
    np.testing.assert_allclose(plain, Statistics.of(data.train_images, "channel")(data.train_images[order]), atol=1e-5)


def test_images_are_resized_after_all_else():
    full, small = (prepared(tiny.config(), [1, 2], 0, size).images for size in (None, 20))
    np.testing.assert_allclose(small, tf.image.resize(full, [20, 20], antialias=True), atol=1e-4)


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_says_whose_label_counts_how_much(kind):
    order = [1, 2, 3, 4]
    plain, mixed = prepared(tiny.config(), order, 0), prepared(tiny.config(**{kind: 1.0}), order, 0)
    assert plain.others is None and plain.shares is None
    np.testing.assert_array_equal(mixed.others, np.array(plain.labels)[[1, 0, 3, 2]])
    if kind == "mixup":
        share = mixed.shares.numpy()[:, None, None, None]
        expected = share * plain.images + (1 - share) * plain.images.numpy()[[1, 0, 3, 2]]
        np.testing.assert_allclose(mixed.images, expected, atol=1e-5)


def test_statistics_are_counted_over_all_parts(monkeypatch):
    monkeypatch.setattr(batch, "COUNTED", 30)
    images = tiny.data().train_images
    np.testing.assert_allclose(Statistics.of(images, "channel").mean, images.mean((0, 1, 2)), rtol=1e-6)
