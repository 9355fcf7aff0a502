"""What --init_from begins with: another run's weights or a file's, and which networks it refuses."""
import keras
import numpy as np
import pytest

from cifar_fast.errors import UserError
from cifar_fast.network import plain
from cifar_fast.runs import saved, train
from cifar_fast.runs.initial import Initial
from tests.support import tiny


@pytest.fixture(scope="module")
def donor(tmp_path_factory):
    """The folder of a finished run, with its network in `model.keras`, too."""
    folder = tmp_path_factory.mktemp("donor")
    config = tiny.config(workdir=str(folder), epochs=1, whitening=True, norm_momentum=0.5)
    with pytest.MonkeyPatch.context() as patch:
        tiny.few_images(patch)
        train.run(config)
        saved.export(config, format="keras")
    return folder


CLASSES = tiny.data().class_names


def given(source, names=CLASSES, **changes):
    ours = tiny.make_trainer(**dict(whitening=True, average="ema") | changes)
    Initial(str(source), names).give(ours)
    return ours


def equal(layer, other):
    return all(np.array_equal(a, b) for a, b in zip(layer.get_weights(), other.get_weights(), strict=True))


def test_a_run_and_its_export_give_the_same(donor, capsys):
    expected = plain.weighted(tiny.make_trainer(whitening=True).model)
    run, file = given(donor), given(donor / "model.keras")
    for name, layer in plain.weighted(run.model).items():
        assert equal(layer, plain.weighted(file.model)[name])
        assert name == "whitening" or not equal(layer, expected[name]), name
    np.testing.assert_array_equal(run.engine.average.variables[0],
                                  np.concatenate([w.ravel() for w in run.model.get_weights()]))
    assert capsys.readouterr().out.splitlines() == [
        f"begun with the weights of {source}" for source in (donor, donor / "model.keras")]


def test_for_other_classes_the_last_layer_stays(donor, capsys):
    new = tiny.make_trainer(whitening=True).model
    model = keras.saving.load_model(donor / "model.keras")
    tuned = keras.Model(model.inputs, keras.layers.Dense(3, name="mine")(model.layers[-2].output))
    tuned.save(donor / "tuned.keras")
    for source, names in ((donor, [f"of {i}" for i in range(10)]), (donor / "tuned.keras", CLASSES)):
        ours = given(source, names).model
        assert equal(ours.dense, new.dense) and not equal(ours.stem, new.stem)
        assert "all but the last layer" in capsys.readouterr().out


@pytest.mark.parametrize("changes, named", [
    (dict(filters=8), r"has no layer stem with weights of \(7, 7, 3, 8\), \(8,\)"),
    (dict(units=6), "has a layer unit2_widen, which"),
    (dict(whitening=False), "has a layer whitening, which this network has not; give --units")])
def test_another_network_is_refused(donor, changes, named):
    with pytest.raises(UserError, match=f"--init_from=.*{named}"):
        given(donor / "model.keras", **changes)


@pytest.mark.parametrize("content", [None, b"no model"])
def test_what_is_no_network_is_one_line(tmp_path, content):
    path = tmp_path / "x.keras"
    if content:
        path.write_bytes(content)
    for source in (path, tmp_path):
        with pytest.raises(UserError) as caught:
            Initial(str(source), ())
        assert "\n" not in str(caught.value) and str(source) in str(caught.value)


def test_a_run_begins_with_them_once(donor, tmp_path, monkeypatch):
    tiny.few_images(monkeypatch)
    config = tiny.config(workdir=str(tmp_path), init_from=str(donor), whitening=True, learning_rate=0.0, epochs=1)
    first = train.run(config).summary
    assert f"--init_from={donor}" in (tmp_path / "config.flags").read_text()
    donor = donor.rename(donor.with_name("elsewhere"))  # needed no more
    assert train.run(config).summary["weights_sha256"] == first["weights_sha256"]
