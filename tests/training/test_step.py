"""The step under every switch: the same examples, the same numbers, nothing outside the compiled program."""
import re

import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.training.batch import Batch
from tests.support import tiny


def run(ours, calls):
    """Trains the first epoch in calls of the given lengths."""
    batches, totals, start = ours.batches(0), np.zeros(3, np.float32), 0
    for steps in calls:
        totals = ours.train(batches, 0, start, steps, totals)
        start += steps
    return totals, tiny.weights(ours)


def test_steps_a_call_change_nothing():
    trainers = [tiny.make_trainer(dropout=0.2) for _ in range(2)]
    (totals, weights), (again, same) = (run(t, calls) for t, calls in zip(trainers, ([1, 2, 2], [5]), strict=True))
    assert [t.engine.run.experimental_get_tracing_count() for t in trainers] == [1, 1]
    np.testing.assert_array_equal(totals, again)
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


def test_streamed_batches_train_to_the_same_bits():
    (totals, weights), (again, same) = (run(tiny.make_trainer(input=kind, **tiny.ORIGINAL), [5])
                                        for kind in ("resident", "stream"))
    np.testing.assert_array_equal(totals, again)
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))


def test_resident_and_streamed_images_are_the_same_bits():
    ours = tiny.make_trainer(**tiny.ORIGINAL)
    indices = next(ours.batches(0))
    batch = ours.engine.prepare.gathered(*ours.engine.data, indices, tf.constant(0))
    labels = ours.data.train_labels[indices]
    streamed = ours.engine.prepare(ours.data.train_images[indices], labels, indices, tf.constant(0))
    np.testing.assert_array_equal(batch.images, streamed.images)
    np.testing.assert_array_equal(batch.labels, labels)


def test_xla_gives_the_same_losses():
    # At a small rate: training is chaotic, and a rounding of 1e-7 grows threefold a step at ten times this rate.
    # Adam would amplify it at once, since it divides gradients that are mere rounding by their size.
    changes = dict(dropout=0.1, epochs=4, optimizer="sgd", learning_rate=3e-4)
    plain, compiled = (tiny.losses(tiny.make_trainer(xla=xla, **changes), 8) for xla in ("off", "on"))
    np.testing.assert_allclose(compiled, plain, atol=1e-4)


def program(precision):
    """The whole update's text in XLA's terms; getting it fails if an operation has none."""
    ours = tiny.make_trainer(xla="on", precision=precision, dropout=0.1)
    images = tf.zeros([16, 32, 32, 3])
    arguments = Batch(images, tf.zeros([16], tf.int32)), None, tf.constant(0), tf.constant(1e-3)
    return ours.engine.update.experimental_get_compiler_ir(*arguments)(stage="hlo")


@pytest.mark.parametrize("precision, name", [("float32", "f32"), ("bfloat16", "bf16"), ("float16", "f16")])
def test_the_whole_step_compiles_and_convolves_in_its_precision(precision, name):
    text = program(precision)
    kinds = re.findall(r"= (\w+)\[[^\n]* convolution\(", text)
    assert len(kinds) >= 3 * 9 - 1  # forward and both gradients, but none by the images
    assert set(kinds) == {name}
    # The islands: batch statistics, the dense layer's product, softmax and Adam's update.
    for island in ("dot", "rsqrt", "exponential", "log", "sqrt"):
        found = set(re.findall(rf"= (\w+)\[[^\n]* {island}\(", text))
        assert found <= {"f32"}, f"{island} in {found}"
    assert re.search(r"= f32\[[^\n]* dot\(", text)


def test_an_overflow_skips_the_update_and_halves_the_scale():
    ours = tiny.make_trainer(precision="float16")
    engine = ours.engine
    engine.optimizer.dynamic_scale.assign(2.0**15)
    before = [v.numpy() for v in ours.model.trainable_variables]
    images = tf.zeros([16, 32, 32, 3]).numpy()
    images[3] = 7e4  # beyond float16's 65504, so the first convolution is infinite
    engine.update(Batch(tf.constant(images), tf.zeros([16], tf.int32)), None, tf.constant(0), tf.constant(1e-3))
    assert float(engine.optimizer.dynamic_scale) == 2.0**14
    for old, variable in zip(before, ours.model.trainable_variables, strict=True):
        np.testing.assert_array_equal(old, variable)
    engine.update(Batch(tf.zeros([16, 32, 32, 3]), tf.zeros([16], tf.int32)), None, tf.constant(1), tf.constant(1e-3))
    assert not np.array_equal(before[-1], ours.model.trainable_variables[-1])
    assert all(np.isfinite(v.numpy()).all() for v in ours.model.trainable_variables)


def test_the_loss_of_mixed_smoothed_and_weighted_labels():
    ours = tiny.make_trainer(dropout=0.0, l2=1e-3, label_smoothing=0.2)
    labels, others = np.arange(16, dtype=np.int32) % 10, np.arange(3, 19, dtype=np.int32) % 10
    shares, weights = np.linspace(0, 1, 16, dtype=np.float32), np.linspace(0, 3, 16, dtype=np.float32)
    images = tf.random.stateless_normal([16, 32, 32, 3], [0, 1])
    batch = Batch(images, *map(tf.constant, (labels, others, shares)))
    loss, losses, logits = ours.engine.loss(batch, tf.constant(0), tf.constant(weights))
    mixed = shares[:, None] * np.eye(10)[labels] + (1 - shares[:, None]) * np.eye(10)[others]
    expected = -((0.8 * mixed + 0.02) * tf.nn.log_softmax(logits).numpy()).sum(1)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    penalty = 1e-3 * sum(float((k.numpy() ** 2).sum()) for k in ours.model.kernels())
    np.testing.assert_allclose(loss, (weights * expected).mean() + penalty, rtol=1e-4)


def test_each_step_drops_anew():
    engine = tiny.make_trainer(dropout=0.5).engine
    batch = Batch(tf.random.stateless_normal([16, 32, 32, 3], [0, 1]), tf.range(16) % 10)
    one, again, other = (float(engine.loss(batch, tf.constant(step))[0]) for step in (3, 3, 4))
    assert one == again != other


def test_each_step_has_its_rate():
    ours = tiny.make_trainer(schedule="linear", optimizer="sgd")  # two epochs of five steps
    rates = np.concatenate([ours.rates(0), ours.rates(1)])
    np.testing.assert_allclose(rates, 1e-3 * (1 - np.arange(10) / 10), rtol=1e-5)
    ours.train(ours.batches(1), 1, 0, 3, np.zeros(3, np.float32))
    assert float(ours.engine.rate.numpy()) == rates[7]


def test_adam_step_equals_kerass_own():
    """One step by the engine against the same step written with Keras alone."""
    ours = tiny.make_trainer(dropout=0.0, l2=1e-3)
    model, engine = ours.model, ours.engine
    weights = [v.numpy() for v in model.trainable_variables]
    images, labels = tf.random.stateless_normal([16, 32, 32, 3], [0, 1]), tf.range(16) % 10
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(
            labels, model(images, training=True), from_logits=True))
        loss += tf.add_n([tf.keras.regularizers.L2(1e-3)(k.value) for k in model.kernels()])
    gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
    optimizer = tf.keras.optimizers.Adam(1e-3)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    expected = [v.numpy() for v in model.trainable_variables]
    for variable, old in zip(model.trainable_variables, weights, strict=True):
        variable.assign(old)
    totals, _ = engine.update(Batch(images, labels), None, tf.constant(0), tf.constant(1e-3))
    np.testing.assert_allclose(totals[0] / 16, loss, rtol=1e-5)
    for variable, value in zip(model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable, value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("on, name", [(0, "step"), (2, "_step")])
def test_steps_are_counted_through_the_epochs(on, name, monkeypatch):
    ours = tiny.make_trainer(on=on)
    monkeypatch.setattr(ours.engine, name, lambda drawn, epoch, step, rate, size: (
        tf.cast(tf.stack([step, 0, 0]), tf.float32)))
    assert ours.train(ours.batches(1), 1, 2, 2, np.zeros(3, np.float32))[0] == 7 + 8


def test_totals_count_top_1_and_top_5():
    engine = tiny.make_trainer(dropout=0.0).engine
    images, labels = tf.random.stateless_normal([16, 32, 32, 3], [0, 1]), tf.range(16) % 10
    logits = engine.loss(Batch(images, labels), tf.constant(0))[2].numpy()
    place = (np.argsort(-logits, 1) == labels.numpy()[:, None]).argmax(1)
    totals = engine.gradients(Batch(images, labels), None, tf.constant(0))[1]
    np.testing.assert_array_equal(totals[1:], [(place < 1).sum(), (place < 5).sum()])


def test_losses_are_noted_at_their_examples_and_sample_weights_count(monkeypatch):
    engine = tiny.make_trainer(prune=0.4, l2=0.0).engine
    engine.after_update(tf.constant([7, 3]), tf.constant([1.0, 2.0]), tf.constant(0))
    assert engine.losses.numpy()[[7, 3]].tolist() == [1, 2]
    batch = Batch(tf.random.stateless_normal([16, 32, 32, 3], [0, 1]), tf.range(16) % 10)
    assert all(np.abs(g).max() == 0 for g in engine.gradients(batch, tf.zeros([16]), tf.constant(0))[0])
    engine.sample_weights.assign(np.arange(80))
    monkeypatch.setattr(engine.prepare, "gathered", lambda *_: batch)
    np.testing.assert_array_equal(engine.prepared(tf.constant([7, 3]), 0, None)[2], [7, 3])
