"""A trainer without files: it learns, and its digest tells weights apart."""
import dataclasses

import numpy as np
import pytest

from cifar_fast.network import layers, resnet
from cifar_fast.network.blur import blurred
from cifar_fast.training import plan, pruning, trainer
from tests.support import tiny


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
    for ours, images in ((own, own.data.test_images), (trained, own.data.train_images)):
        np.testing.assert_allclose(ours.evaluate.statistics.mean, images.mean((0, 1, 2)), rtol=1e-6)
    assert tiny.make_trainer(standardize="scalar").evaluate.statistics.mean.shape == (1,)


def test_every_flag_of_the_network_reaches_it():
    model = tiny.make_trainer(activation="elu", stochastic_depth=0.3, blur=True, final_activation=True,
                              norm_momentum=0.7, dropout=0.2).model
    assert model.activate is layers.elu and resnet.ACTIVATIONS["silu"] is layers.silu
    assert model.final_activation and model.norm.momentum == 0.7 and model.units[1]["blur"] is blurred
    assert model.units[-1]["depth"].dropped == round(0.3 * 2**16)
    assert model.units[0]["dropout"].dropped == round(0.2 * 2**16)


def test_an_epoch_leaves_out_what_its_weights_say_which_the_losses_decide():
    ours = tiny.make_trainer(prune=0.4, prune_first=1, prune_last=0)
    ours.train(ours.batches(0), 0, 0, 5, np.zeros(3, np.float32))
    weights = pruning.weights(ours.engine.losses.numpy(), 0.4, 0.7, 0, 1)
    order = plan.permutation(0, 1, 80)
    seen = np.concatenate([batch.numpy() for batch in ours.batches(1)])
    np.testing.assert_array_equal(seen, order[weights[order] > 0])
    np.testing.assert_array_equal(ours.engine.sample_weights.numpy(), weights)


def test_images_that_were_never_trained_on_are_not_easy():
    ours = tiny.make_trainer(batch_size=30, prune=0.4, prune_easy=0.5, prune_first=1, prune_last=0)
    seen, unseen = np.split(plan.permutation(0, 0, 80), [60])  # two batches, and what is left
    ours.engine.after_update(seen, np.linspace(0, 5, 60, dtype=np.float32), 0)
    ours.batches(1)
    weights = ours.engine.sample_weights.numpy()
    assert (weights[unseen] == 1).all() and (weights == 0).sum() == 32


def test_the_seed_reaches_data_order_pixels_dropout_and_pruning():
    one, other = (tiny.make_trainer(seed=seed, prune=0.4, prune_first=1, prune_last=0) for seed in (0, 1))
    assert not np.array_equal(next(one.batches(0)), next(other.batches(0)))
    moved = [ours.engine.prepare.augment(one.data.train_images[:4], np.arange(4), 0) for ours in (one, other)]
    assert np.abs(moved[0] - moved[1]).max() > 1
    assert one.engine.seed != other.engine.seed
    for ours in (one, other):
        ours.engine.losses.assign(np.arange(80))
        ours.batches(1)
    assert (one.engine.sample_weights.numpy() != other.engine.sample_weights.numpy()).any()
    assert trainer.load_data(tiny.config(seed=0)).digest() != trainer.load_data(tiny.config(seed=1)).digest()


def test_flags_reach_the_average_the_statistics_the_evaluator_and_the_whitening():
    ours = tiny.make_trainer(average="lookahead", average_every=3, average_decay=0.7, standardize="scalar", l2=0.5)
    average = ours.engine.average
    assert (average._kind, average._every, average._steps) == ("lookahead", 3, 10)
    assert float(average.inputs[0]) == np.float32(0.7**3)
    assert ours.engine.prepare.statistics.mean.shape == (1,) and ours.evaluate.l2 == 0.5
    assert np.abs(tiny.make_trainer(whitening=True).model.whitening.kernel).max() > 0


@pytest.mark.parametrize("on, common, changes", [
    (0, dict(optimizer="muon", average="lookahead", average_every=2, whitening=True, dropout=0.3, weight_decay=0.1,
             label_smoothing=0.2, alternating_flip=True, horizontal_flip=False, cutmix=0.5),
     dict(seed=3, learning_rate=0.02, schedule="one_cycle", momentum=0.5, muon_momentum=0.9, dense_rate=2.0,
          vector_rate=3.0, weight_decay=0.2, vector_decay=0.0, average_decay=0.5, label_smoothing=0.1)),
    (0, dict(optimizer="sgd", prune=0.3, weight_decay=0.01, vector_decay=0.02, rotation_range=20.0),
     dict(seed=1, momentum=0.3, weight_decay=0.05, vector_decay=0.01)),
    (2, dict(precision="float16", average="ema", dropout=0.2), dict(seed=5, average_decay=0.8, learning_rate=0.01))])
def test_a_restarted_trainer_trains_as_a_new_one(on, common, changes):
    changed, new = (tiny.make_trainer(on, **common), tiny.make_trainer(on, **common | changes))
    assert trainer.shares_programs(changed.config, new.config)
    tiny.losses(changed, 4)
    traced = changed.engine.run.experimental_get_tracing_count()
    changed.restart(new.config)
    np.testing.assert_array_equal(tiny.losses(changed, 7), tiny.losses(new, 7))
    assert tiny.same(tiny.weights(changed), tiny.weights(new))
    assert changed.engine.run.experimental_get_tracing_count() == traced


def test_runs_of_other_programs_do_not_share_them():
    one = tiny.config(label_smoothing=0.1)
    for changes in (dict(filters=8), dict(label_smoothing=0.0), dict(epochs=3), dict(weight_decay=0.1), dict(l2=0.5)):
        assert not trainer.shares_programs(one, dataclasses.replace(one, **changes))
    assert trainer.shares_programs(one, dataclasses.replace(one, label_smoothing=0.3, seed=9, workdir="elsewhere"))
