"""Every example counted once, whatever the batch."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.network import resnet
from cifar_fast.training import objective
from cifar_fast.training.batch import Statistics
from cifar_fast.training.evaluate import KINDS, Evaluator, averaged, passes
from tests.support import tiny


@pytest.mark.parametrize("batch_size", [7, 16, 40, 500])
def test_padding_is_not_counted(batch_size):
    data = tiny.data()
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    statistics = Statistics.of(data.train_images, "channel")
    result = Evaluator(model, data.test_images, data.test_labels, statistics, l2=0.1, batch_size=batch_size)()
    logits = model(statistics(data.test_images)).numpy()
    order = np.argsort(-logits, 1, kind="stable")
    hits = order == data.test_labels[:, None]
    assert result.accuracy == hits[:, 0].mean()
    assert result.top5 == pytest.approx(hits[:, :5].any(1).mean())
    np.testing.assert_array_equal(result.predictions, order[:, 0])
    loss = objective.cross_entropy(tf.constant(logits), tf.constant(data.test_labels)).numpy().mean()
    penalty = 0.1 * sum(float((k.numpy() ** 2).sum()) for k in model.kernels())
    assert result.loss == pytest.approx(loss + penalty, rel=1e-4)


def views_of(images, tta):
    """(share, images) of each view, by NumPy alone."""
    flip = lambda view: view[:, :, ::-1]  # noqa: E731
    if tta == "mirror":
        return [(1 / 2, images), (1 / 2, flip(images))]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), "reflect")
    moved = [padded[:, :-2, :-2], padded[:, 2:, 2:]]
    return ([(1 / 4, view) for view in (images, flip(images))]
            + [(1 / 8, view) for one in moved for view in (one, flip(one))])


@pytest.mark.parametrize("tta", ["mirror", "translate"])
@pytest.mark.parametrize("batch_size", [16, 40])
def test_augmented_accuracy_is_that_of_the_views_mean_logits(tta, batch_size):
    data = tiny.data()
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    statistics = Statistics.of(data.train_images, "channel")
    evaluator = Evaluator(model, data.test_images, data.test_labels, statistics, batch_size=batch_size, tta=tta)
    views = views_of(statistics(data.test_images).numpy(), tta)
    assert sum(share for share, _ in views) == 1
    mean = sum(share * model(tf.constant(view.copy())).numpy() for share, view in views)
    hits = np.argsort(-mean, 1, kind="stable") == data.test_labels[:, None]
    result, plain = evaluator(tta=True), evaluator()
    assert result.tta_accuracy == pytest.approx(hits[:, 0].mean())
    assert result.tta_top5 == pytest.approx(hits[:, :5].any(1).mean())
    assert (plain.tta_accuracy, plain.tta_top5) == (None, None)
    assert (result.loss, result.accuracy, result.top5) == (plain.loss, plain.accuracy, plain.top5)
    np.testing.assert_array_equal(result.predictions, plain.predictions)
    images = statistics(data.test_images)
    logits = averaged(model, images, model(images), tta)
    np.testing.assert_allclose(logits, mean, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tta", ["mirror", "translate"])
def test_the_least_certain_quarter_alone_has_the_views(tta):
    data = tiny.data()
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    statistics = Statistics.of(data.train_images, "channel")
    whole, quarter = (Evaluator(model, data.test_images, data.test_labels, statistics, batch_size=20, tta=kind)
                      for kind in (tta, f"{tta}_quarter"))
    ranks, expected = ([r.numpy() for r in evaluator.run(True)][-3:] for evaluator in (quarter, whole))
    confidences, plain, found = ranks
    least = np.concatenate([np.argsort(confidences[i:i + 20])[:5] + i for i in (0, 20)])
    assert (expected[2] != plain)[least].any() and (expected[2] != plain)[np.setdiff1d(range(40), least)].any()
    plain[least] = expected[2][least]
    np.testing.assert_array_equal(found, plain)
    assert quarter(tta=True).tta_accuracy == (plain < 1).mean()


def test_passes_of_each_kind():
    assert [passes(kind) for kind in KINDS] == [1, 2, 6, 1.25, 2.25]


def test_without_views_there_is_nothing_to_average():
    data = tiny.data()
    model = resnet.build(10, (32, 32, 3), units=3, filters=4)
    evaluator = Evaluator(model, data.test_images, data.test_labels, Statistics.of(data.train_images, "channel"))
    assert evaluator(tta=True).tta_accuracy is None
    with pytest.raises(ValueError, match="tta='flip': must be one of none, mirror, translate, mirror_quarter"):
        Evaluator(model, data.test_images, data.test_labels, None, tta="flip")
