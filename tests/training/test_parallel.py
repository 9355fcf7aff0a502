"""Several replicas train as one: the same examples, the same numbers but for rounding, the same bits on each."""
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.training import replicas
from tests.support import tiny


def train(ours, steps=5):
    return ours.train(ours.batches(0), 0, 0, steps, np.zeros(3, np.float32))


def state(engine):
    return [v.numpy() for group in engine.variables().values() for v in group]


# At a small rate, as in test_step: training is chaotic, and any rounding grows.
# Losses are noted, as for pruning, and no epoch prunes.
CALM = dict(epochs=4, dropout=0.0, sync_batch_norm=True, optimizer="sgd", learning_rate=3e-4, prune=0.4, prune_first=4)


@pytest.fixture(scope="module")
def calm():
    """Trainers on one device (0) and on so many replicas: tracing one takes seconds, so the tests share them."""
    return {count: tiny.make_trainer(on=count, **CALM) for count in (0, 1, 2)}


def test_losses_are_those_of_one_device(calm):
    alone = tiny.losses(calm[0], 10)
    for count in (1, 2):
        np.testing.assert_allclose(tiny.losses(calm[count], 10), alone, atol=1e-4)
        np.testing.assert_allclose(calm[count].engines[-1].losses, calm[0].engine.losses, atol=1e-3)


def test_going_on_with_other_replicas_changes_nothing_but_rounding(calm):
    for engine in calm[2].engines:
        for variable, value in zip((v for group in engine.variables().values() for v in group),
                                   state(calm[1].engines[0]), strict=True):
            variable.assign(value)
    totals = [t.train(t.batches(1), 1, 0, 5, np.zeros(3, np.float32)) for t in (calm[1], calm[2])]
    np.testing.assert_allclose(*totals, rtol=1e-5)


def test_compiled_replicas_give_the_same_losses():
    settings = CALM | dict(sync_batch_norm=False)
    plain, compiled = (tiny.losses(tiny.make_trainer(on=2, xla=xla, **settings), 4) for xla in ("off", "on"))
    np.testing.assert_allclose(compiled, plain, atol=1e-4)


@pytest.mark.parametrize("kind", ["stream", "resident"])
def test_replicas_augment_as_one_device_does(kind):
    one, many = (tiny.make_trainer(on=count, input=kind, cutmix=1.0, **tiny.ORIGINAL) for count in (0, 2))
    for epoch, start in ((0, 0), (1, 3)):  # the second as after going on from a checkpoint
        _, whole, _ = one.engine.prepared(next(one.batches(epoch, start)), tf.constant(epoch), None)
        batch = next(many.batches(epoch, start))
        shares = []
        for i, (device, engine) in enumerate(zip(many.replicas.devices, many.engines, strict=True)):
            with tf.device(device):
                shares.append(engine.prepared(many.engine._share(i, batch), tf.constant(epoch), None)[1])
        np.testing.assert_array_equal(np.concatenate([s.images for s in shares]), whole.images)
        np.testing.assert_array_equal(np.concatenate([s.labels for s in shares]), whole.labels)
        np.testing.assert_array_equal(np.concatenate([s.shares for s in shares]), whole.shares)


def test_replicas_hold_the_same_bits_after_steps():
    ours = tiny.make_trainer(on=2, dropout=0.2, optimizer="muon", prune=0.4, average="lookahead", average_every=2)
    train(ours)
    assert tiny.same(*(state(engine) for engine in ours.engines))
    assert (ours.engines[1].losses.numpy() < 100).all()  # of each example, wherever it was trained on


def test_a_sum_in_bfloat16_is_near_one_in_float32_and_the_same_everywhere():
    exact, rounded = (tiny.make_trainer(on=2, input="stream", precision="bfloat16", reduce_in=kind, dropout=0.0)
                      for kind in ("float32", "compute"))
    expected, found = tiny.losses(exact, 4), tiny.losses(rounded, 4)
    np.testing.assert_allclose(found, expected, rtol=0.02)
    assert not np.array_equal(found, expected)
    assert tiny.same(*(state(engine) for engine in rounded.engines))


def test_replicas_drop_by_draws_of_their_own():
    ours = tiny.make_trainer(on=2)
    assert ours.engines[0].seed == 0 != ours.engines[1].seed


def test_an_overflow_on_any_replica_skips_the_update_on_all():
    ours = tiny.make_trainer(on=2, precision="float16")
    for replica, engine in enumerate(ours.engines):  # the first in step 1, the second in step 2
        def overflown(batch, weights, step, gradients=engine.gradients, replica=replica):
            (first, *rest), totals, losses = gradients(batch, weights, step)
            return [tf.where(tf.equal(step, 1 + replica), np.inf, first), *rest], totals, losses

        engine.gradients = overflown
    batches, kept = ours.batches(0), []
    for step in range(4):
        ours.train(batches, 0, step, 1, np.zeros(3, np.float32))
        kept.append([v.numpy() for v in ours.model.trainable_variables])
        assert [float(e.optimizer.dynamic_scale) for e in ours.engines] == [2.0 ** (15 - min(step, 2))] * 2
        assert tiny.same(*(state(e) for e in ours.engines))
    assert tiny.same(kept[0], kept[1]) and tiny.same(kept[1], kept[2]) and not tiny.same(kept[2], kept[3])
    assert all(np.isfinite(v).all() for v in kept[3])


def test_evaluation_counts_every_example_once():
    one, many = (tiny.make_trainer(on=count, test_examples=37, tta="mirror") for count in (0, 4))
    result, expected = many.evaluate(tta=True), one.evaluate(tta=True)
    np.testing.assert_array_equal(result.predictions, expected.predictions)
    assert (result.accuracy, result.top5, result.tta_accuracy) == (
        expected.accuracy, expected.top5, expected.tta_accuracy)
    assert result.loss == pytest.approx(expected.loss, rel=1e-5)


def test_ten_teams_one_after_another():
    for number in range(10):
        count = 2 + number % 3
        team = replicas.mirrored([f"/CPU:{i}" for i in range(count)])

        @tf.function
        def run(team=team):
            return team.run(lambda place: replicas.summed(tf.fill([3], place + 1.0)))

        assert [v.numpy().tolist() for v in run()] == [[count * (count + 1) / 2] * 3] * count
