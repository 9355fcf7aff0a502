"""A trainer without files: it learns, and its digest tells weights apart."""
import numpy as np
import tiny

from cifar_fast import trainer


def test_a_few_epochs_lower_the_loss():
    ours = tiny.make_trainer(filters=8, dropout=0.0, learning_rate=3e-3, train_examples=320, epochs=4)
    losses = []
    for epoch in range(4):
        totals = ours.train(ours.batches(epoch), epoch, 0, ours.plan[0].steps, np.zeros(3, np.float32))
        losses.append(totals[0] / (ours.plan[0].steps * 16))
    assert losses[-1] < losses[0] - 0.2


def test_the_digest_tells_weights_apart():
    one, same, other = tiny.make_trainer(), tiny.make_trainer(), tiny.make_trainer(seed=1)
    assert trainer.weights_sha256(one.model) == trainer.weights_sha256(same.model)
    assert trainer.weights_sha256(one.model) != trainer.weights_sha256(other.model)


def test_statistics_may_be_the_test_images_own():
    own, trained = tiny.make_trainer(test_statistics="own"), tiny.make_trainer()
    assert own.evaluate().loss != trained.evaluate().loss
