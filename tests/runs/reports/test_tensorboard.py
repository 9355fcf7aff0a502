"""A run in TensorBoard, as TensorBoard's own reader finds it: killed and resumed, each point once."""
import collections
import importlib.util

import pytest

from cifar_fast.errors import UserError
from cifar_fast.runs import train
from cifar_fast.runs.loop import Run
from cifar_fast.runs.reports import tensorboard
from tests.support import tiny

needed = pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="of the extra [tensorboard]")


def read(folder):
    """{tag: steps} of the scalars, the tags of images and of others, whether there is a graph."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}, purge_orphaned_data=False).Reload()
    tags = found.Tags()
    return {tag: [p.step for p in found.Scalars(tag)] for tag in tags["scalars"]}, tags["images"], tags["graph"]


class Killed(BaseException):
    pass


@needed
def test_killed_and_resumed_each_point_is_there_once(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    monkeypatch.setattr("cifar_fast.runs.reports.report.confusion",
                        lambda matrix, names, path: path.write_bytes(b"a picture"))
    config = tiny.config(workdir=str(tmp_path), epochs=3, tensorboard=True, steps_per_call=1, checkpoint_every=0.0)
    calls, save = collections.Counter(), Run.save

    def killed(self):
        calls["save"] += 1
        if calls["save"] in (8, 11):  # with points of steps, and of an epoch, that no checkpoint has
            raise Killed
        save(self)

    monkeypatch.setattr(Run, "save", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            train.run(config)
    torn = next((tmp_path / "tensorboard").glob("*tfevents*"))
    torn.write_bytes(torn.read_bytes() + b"half a record")
    train.run(config)
    scalars, images, graph = read(tmp_path / "tensorboard")
    assert scalars["call/loss"] == scalars["call/images_per_second"] == list(range(1, 16))
    assert scalars["train/loss"] == scalars["test/accuracy"] == [1, 2, 3] and graph
    assert images == ["confusion matrix"]
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1


@needed
def test_hyperparameters_are_those_of_the_run(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    train.run(tiny.config(workdir=str(tmp_path), epochs=1, tensorboard=True, learning_rate=0.0123))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert info.hparams["learning_rate"].string_value == "0.0123"


def test_a_profile_begins_and_ends_where_it_was_asked_for(tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    train.run(tiny.config(workdir=str(tmp_path), epochs=1, profile_steps="2:4"))
    assert list((tmp_path / "tensorboard").rglob("*.xplane.pb"))


def test_a_call_ends_where_a_trace_begins_or_ends():
    profile = tensorboard.Profile("x", "100:120")
    assert [profile.limit(*each) for each in ((0, 500), (90, 5), (95, 9), (100, 50), (120, 50))] == [100, 5, 5, 20, 50]


def test_without_tensorboard_it_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    tiny.few_images(monkeypatch)
    with pytest.raises(UserError, match=r"--tensorboard: TensorBoard is not installed; pip install 'cifar_fast\["):
        train.run(tiny.config(workdir=str(tmp_path / "run"), tensorboard=True))
    assert not (tmp_path / "run").exists()
