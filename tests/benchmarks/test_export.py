"""The exported programs: that they are the trainer's arithmetic, and take what a replay has."""
import json

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import export
from cifar_fast.errors import UserError
from tests.support import tiny

PRUNED = dict(prune=0.2, prune_easy=0.5, prune_first=1, prune_last=0, image_sizes="8x1,12x1")


@pytest.mark.parametrize("limit, epochs, steps", [
    (100, [1562], 71), (100, [200, 160], 40), (100, [97], 97), (5, [7], 1)])
def test_every_epoch_is_a_multiple_of_the_steps_a_call(limit, epochs, steps):
    assert export.steps_a_call(limit, epochs) == steps


def test_the_program_trains_as_the_trainer_does():
    ours, theirs = (tiny.make_trainer(optimizer="sgd", **PRUNED) for _ in range(2))
    indices = np.stack([b.numpy() for b in ours.batches(0)])
    first = ours.train(ours.batches(0), 0, 0, len(indices), np.zeros(3, np.float32))
    program = export.training(theirs, len(indices), 8)
    tf.config.run_functions_eagerly(True)  # or most of this test would be XLA compiling for the CPU
    try:
        again = program(tf.constant(indices), tf.constant(0), tf.constant(0), tf.constant(theirs.rates(0)))
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(again, first, rtol=1e-4)
    for a, b in zip(tiny.weights(ours), tiny.weights(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_an_export_says_what_its_programs_take(tmp_path):
    ours = tiny.make_trainer(tta="mirror", data_dir="/somewhere", **PRUNED)
    export.export(ours, "float32", tmp_path)
    about = json.loads((tmp_path / "replay.json").read_text())
    assert about["steps"] == 1  # the second epoch has 4 steps, the first 5
    assert not any("somewhere" in line for line in about["flags"])
    with np.load(tmp_path / "variables.npz") as file:
        variables = [file[str(i)] for i in range(len(file.files))]
    assert tiny.same(variables, [*tiny.weights(ours), *(v.numpy() for v in ours.engine.inputs())])
    assert set(about["programs"]) == {"train_8", "train_12", "evaluate"}
    for name, takes in about["programs"].items():
        assert (tmp_path / f"{name}.mlir").stat().st_size > 10_000
        assert {"images", "labels"} < set(takes)
        assert set(range(*about["variables"]["model"])) <= set(takes)
    assert about["programs"]["train_8"][:4] == ["indices", "epoch", "first", "rates"]
    assert set(range(*about["variables"]["optimizer"])) <= set(about["programs"]["train_8"])
    losses, weights = range(*about["variables"]["pruning"])
    assert np.all(variables[losses] > 1e29)  # none yet
    np.testing.assert_array_equal(variables[weights], 1)


@pytest.mark.parametrize("arguments, named", [
    (["--dataset=synthetic"], "--out: missing"),
    (["--dataset=synthetic", "--train_examples=64", "--test_examples=64", "--input=stream", "--out=x"],
     "--input=resident"),
    (["--dataset=synthetic", "--train_examples=64", "--test_examples=64", "--out=/dev/null/x"], "/dev/null/x")])
def test_what_cannot_be_exported_is_one_line(arguments, named):
    with pytest.raises(UserError, match=named):
        export.main(arguments)
