"""What a trial may change of exported programs, and what it is told where it may not."""
import pytest

from benchmarks import trials
from cifar_fast.errors import UserError

EXPORTED = {"flags": ["--batch_size=10", "--epochs=2", "--image_sizes=20x1,32x1", "--prune=0.2", "--prune_easy=0.5",
                      "--average=ema"],
            "train": [200, 32, 32, 3], "steps": 4, "programs": {"train_20": [], "train_32": [], "evaluate": []}}


def test_a_trial_changes_the_schedule():
    flags = ["--epochs=5", "--image_sizes=20x3,32x2", "--prune_first=1", "--learning_rate=0.2"]
    config, epochs = trials.planned(flags, EXPORTED)
    assert [(e.size, e.steps) for e in epochs] == [(20, 20), (20, 16), (20, 16), (32, 16), (32, 20)]
    assert (config.learning_rate, config.batch_size, config.average) == (0.2, 10, "ema")


def test_without_flags_it_is_the_export():
    config, epochs = trials.planned([], EXPORTED)
    assert config.prune == 0.2
    assert [e.size for e in epochs] == [20, 32]


@pytest.mark.parametrize("flags, exported, named", [
    ("--no_such_flag=1", {}, "no_such_flag"),
    ("--label_smoothing=0.3", {}, "the programs hold another --label_smoothing"),
    ("--image_sizes=20x1,28x1", {}, "needs train_20, train_28, but the export has evaluate, train_20, train_32"),
    ("--image_sizes=20x3", {}, "--image_sizes=20x3"),
    ("--epochs=4 --image_sizes=20x4 --prune_first=1 --prune=0.35", {}, "13, 20 steps, but a call .* has 4"),
    ("--prune=0.2", {"flags": EXPORTED["flags"][:3]}, "keep no losses"),
    ("--image_sizes=20x3 --epochs=3", {"flags": [*EXPORTED["flags"], "--average=lookahead"]}, "lookahead is for 40")])
def test_what_the_programs_cannot_train_is_one_line(flags, exported, named):
    with pytest.raises(UserError, match=named):
        trials.planned(flags.split(), EXPORTED | exported)


def test_a_file_has_a_trial_a_line(tmp_path):
    path = tmp_path / "trials.txt"
    path.write_text("--learning_rate=0.1 --seed=1\n\n  --seed=2\n")
    assert trials.read(path, EXPORTED) == [["--learning_rate=0.1", "--seed=1"], ["--seed=2"]]
    path.write_text("--seed=1\n--units=3\n")
    with pytest.raises(UserError, match="--trials: --units=3: the programs hold another --units"):
        trials.read(path, EXPORTED)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "trials.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="--trials=.*trials.txt: .*; expected a text file"):
        trials.read(path, EXPORTED)
