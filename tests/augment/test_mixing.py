"""Mixtures of images and labels."""
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from cifar_fast.augment import mixing

SEED, IDS = (1, 2), np.arange(400, dtype=np.int32)
IMAGES = np.random.default_rng(0).uniform(1, 2, (400, 6, 8, 3)).astype(np.float32)


def test_mixup_is_the_weighted_sum():
    mixed, partners, weight = (t.numpy() for t in mixing.mixup(tf.constant(IMAGES), SEED, IDS, 0.4))
    np.testing.assert_array_equal(partners, np.arange(400) + np.tile([1, -1], 200))
    share = weight[:, None, None, None]
    np.testing.assert_allclose(mixed, share * IMAGES + (1 - share) * IMAGES[partners], rtol=1e-6)
    assert weight.min() >= 0 and weight.max() <= 1 and len(np.unique(weight)) > 350


def test_shares_of_a_batch_are_mixed_as_the_whole_is():
    whole, shares = mixing.mixup(tf.constant(IMAGES), SEED, IDS)[0], [slice(0, 100), slice(100, 400)]
    for share in shares:
        np.testing.assert_array_equal(mixing.mixup(tf.constant(IMAGES[share]), SEED, IDS[share])[0], whole[share])
    np.testing.assert_array_equal(mixing.mixup(tf.constant(IMAGES[:3]), SEED, IDS[:3])[1], [1, 0, 2])


def test_cutmix_pastes_a_box_and_says_its_share():
    mixed, partners, weight = (t.numpy() for t in mixing.cutmix(tf.constant(IMAGES), SEED, IDS))
    pasted = (mixed == IMAGES[partners]).all(3)
    np.testing.assert_array_equal(mixed, np.where(pasted[..., None], IMAGES[partners], IMAGES))
    np.testing.assert_allclose(weight, 1 - pasted.mean((1, 2)), atol=1e-6)
    rows, columns = pasted.any(2).sum(1), pasted.any(1).sum(1)
    np.testing.assert_array_equal(pasted.sum((1, 2)), rows * columns)
    assert 0.5 < weight.mean() < 0.9 and weight.min() < 0.3 and weight.max() == 1


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.5, 1.0, 2.0, 30.0])
def test_weights_follow_the_beta_distribution(alpha):
    drawn = mixing.beta(SEED, np.arange(20000, dtype=np.int32), alpha).numpy()
    np.testing.assert_allclose([drawn.mean(), drawn.var()], [0.5, 0.25 / (2 * alpha + 1)], atol=0.01)
    places = (np.arange(1 << 14) + 0.5) / (1 << 14)
    np.testing.assert_allclose(mixing._quantiles(alpha), scipy.stats.beta(alpha, alpha).ppf(places), atol=2e-5)


def test_labels_are_mixed_as_the_images_are():
    labels = mixing.mixed_labels(tf.constant([0, 1, 1]), tf.constant([2, 0, 1]), tf.constant([0.25, 0.5, 0.9]), 3)
    np.testing.assert_allclose(labels, [[0.25, 0.75, 0], [0.5, 0.5, 0], [0, 1, 0]], atol=1e-7)


@pytest.mark.parametrize("mix", [mixing.mixup, mixing.cutmix])
def test_compiled_draws_the_same(mix):
    eager = mix(tf.constant(IMAGES), SEED, IDS, 0.7)
    fast = tf.function(mix, jit_compile=True, autograph=False)(tf.constant(IMAGES), SEED, IDS, 0.7)
    np.testing.assert_array_equal(eager[1], fast[1])
    np.testing.assert_array_equal(eager[2], fast[2])
    np.testing.assert_allclose(eager[0], fast[0], rtol=1e-6)
    np.testing.assert_array_equal(mixing.beta(SEED, IDS[5:9], 0.7), mixing.beta(SEED, IDS, 0.7)[5:9])


def test_what_is_wrong_is_named():
    for alpha in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="alpha="):
            mixing.cutmix(tf.constant(IMAGES), SEED, IDS, alpha)
    with pytest.raises(ValueError, match="uint8"):
        mixing.mixup(tf.zeros([2, 4, 4, 1], tf.uint8), SEED, IDS[:2])
    assert mixing.cutmix(tf.zeros([2, 4, 4, 1], tf.uint8), SEED, IDS[:2])[0].dtype == tf.uint8


def test_a_tiny_alpha_mixes_nothing():
    assert set(mixing.beta(SEED, IDS, 1e-17).numpy()) <= {0.0, 1.0}


def test_cutmix_boxes_have_the_side_of_their_share_and_a_place_of_their_own():
    ids = np.arange(2000, dtype=np.int32)
    images = np.broadcast_to((ids % 2)[:, None, None, None], (2000, 32, 32, 1)).astype(np.float32)
    pasted = (mixing.cutmix(tf.constant(images), SEED, ids, 0.4)[0].numpy() != images)[..., 0]
    side = np.floor(32 * np.sqrt(1 - mixing.beta(SEED, ids, 0.4).numpy()))
    rows, columns = pasted.any(2), pasted.any(1)
    inside = [span.any(1) & ~span[:, 0] & ~span[:, -1] for span in (rows, columns)]  # cut off by no border
    for span, whole, profile in ((rows, inside[0], pasted.mean((0, 2))), (columns, inside[1], pasted.mean((0, 1)))):
        np.testing.assert_array_equal(span[whole].sum(1), side[whole])
        assert abs(profile[:16].mean() - profile[16:].mean()) < 0.03
    both = inside[0] & inside[1]
    centres = [(span[both] * np.arange(32)).sum(1) / span[both].sum(1) for span in (rows, columns)]
    assert abs(np.corrcoef(*centres)[0, 1]) < 0.15
