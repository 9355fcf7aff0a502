"""JAX's client trains as the trainer does, from what was exported."""
import numpy as np
import pytest

from benchmarks import export, replay
from cifar_fast.errors import UserError
from tests.support import tiny


@pytest.fixture
def exported(tmp_path):
    """A folder exported from a trainer with two image sides, pruning and an average, the trainer, its images as an
    .npz."""
    pytest.importorskip("jax", reason="a replay needs jax, which is not installed")
    ours = tiny.make_trainer(optimizer="sgd", learning_rate=1e-3, prune=0.2, prune_easy=0.5, prune_first=1,
                             prune_last=0, image_sizes="8x1,12x1", average="ema", average_every=2, average_decay=0.5,
                             tta="mirror", **tiny.ORIGINAL)
    export.export(ours, "float32", tmp_path / "exported")
    data = tmp_path / "data.npz"
    np.savez(data, x_train=ours.data.train_images, y_train=ours.data.train_labels, x_test=ours.data.test_images,
             y_test=ours.data.test_labels)
    return tmp_path / "exported", ours, data


def test_a_replay_is_the_training(exported):
    folder, ours, data = exported
    theirs = replay.Replay(folder, data)
    rows = list(theirs.train())
    for epoch, row in zip(range(2), rows, strict=True):
        steps = ours.plan[epoch].steps
        totals = ours.train(ours.batches(epoch), epoch, 0, steps, np.zeros(3, np.float32)) / (16 * steps)
        np.testing.assert_allclose([row["loss"], row["accuracy"], row["top5"]], totals, atol=2e-3)
    for ours_now, theirs_now in zip(tiny.weights(ours), theirs.variables, strict=True):
        np.testing.assert_allclose(ours_now, theirs_now, rtol=1e-2, atol=1e-3)
    with ours.engine.average.swapped():
        expected = ours.evaluate(tta=True)
    found = theirs.evaluate()
    np.testing.assert_allclose(found["test_loss"], expected.loss, rtol=1e-3)
    assert found["test_top5"] == pytest.approx(expected.top5, abs=0.03)
    assert found["tta_top5"] == pytest.approx(expected.tta_top5, abs=0.03)


def test_a_trial_begins_anew(exported):
    folder, ours, data = exported
    theirs = replay.Replay(folder, data)
    theirs.begin("--learning_rate=0.002", "--image_sizes=8x2,12x1", "--epochs=3", "--prune=0", "--seed=1")
    assert len(list(theirs.train())) == 3
    theirs.begin("--seed=1")
    first, end = theirs.exported["variables"]["model"]
    for a, b in zip(theirs.start[first:end], theirs.variables[first:end], strict=True):
        np.testing.assert_array_equal(np.sort(a, None), np.sort(b, None))
        assert a.ndim == 1 or not np.array_equal(a, b)  # another seed, other weights
    theirs.begin()
    assert tiny.same(theirs.variables, theirs.start)
    assert theirs.plan == ours.plan and theirs.config.learning_rate == ours.config.learning_rate


def test_images_of_other_shapes_are_one_line(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x_train=np.zeros([8, 32, 32, 3], np.uint8), y_train=np.zeros(8), x_test=np.zeros([8, 32, 32, 3]),
             y_test=np.zeros(8))
    for shape in ([8, 32, 32, 3], [9, 32, 32, 3]):  # the test images' dtype, the training images' number
        with pytest.raises(UserError, match="data.npz: x_t.* the programs are for uint8"):
            replay._images(path, {"train": shape, "test": [8, 32, 32, 3], "classes": 10})


@pytest.mark.parametrize("arguments, named", [
    (["--check", "--data=x.npz"], "--check"), (["--check", "--trials=x.txt"], "--check"),
    ([], "has no replay.json; expected a folder")])
def test_what_cannot_be_replayed_is_one_line(tmp_path, arguments, named):
    with pytest.raises(UserError, match=named):
        replay.main([str(tmp_path), *arguments])


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 cut"])
def test_unreadable_images_are_one_line(tmp_path, content):
    path = tmp_path / "data.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="data.npz: can't read x_train and y_train"):
        replay._images(path, {"train": [8, 32, 32, 3], "test": [8, 32, 32, 3], "classes": 10})
