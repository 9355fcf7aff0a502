"""Predictions: those of the evaluation, in the order of the files, in a file that is whole or none."""
import csv
import dataclasses
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from cifar_fast.cli import commands
from cifar_fast.errors import UserError
from cifar_fast.runs import predict, saved, train
from tests.support import tiny
from tests.support.command import PATIENCE, Command


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The configuration of a finished run, whose test statistics are its test images' own."""
    config = tiny.config(workdir=str(tmp_path_factory.mktemp("trained")), epochs=1, test_statistics="own")
    with pytest.MonkeyPatch.context() as patch:
        tiny.few_images(patch)
        train.run(config)
        yield config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The test images as PNG files in class folders, each named by its place."""
    data, path = tiny.data(), tmp_path_factory.mktemp("images")
    for number, (image, label) in enumerate(zip(data.test_images, data.test_labels, strict=True)):
        (path / data.class_names[label]).mkdir(exist_ok=True)
        Image.fromarray(image).save(path / data.class_names[label] / f"{number:02}.png")
    return path


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def places(found):
    return [int(row["file"][-6:-4]) for row in found]


def test_predictions_of_files_are_those_of_the_evaluation(trained, folder, tmp_path):
    data, evaluated = tiny.data(), saved.evaluate(trained)
    assert predict.predict(trained, folder, tmp_path / "p.csv") == (40, [])
    found = rows(tmp_path / "p.csv")
    assert [row["file"] for row in found] == sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png"))
    right = [row["class"] == row["file"].partition("/")[0] for row in found]
    assert sum(right) / 40 == pytest.approx(evaluated["accuracy"])
    first_five = [row["file"].partition("/")[0] in [row["class"], *(row[f"class_{i}"] for i in range(2, 6))]
                  for row in found]
    assert sum(first_five) / 40 == pytest.approx(evaluated["top5"])
    assert list(found[0]) == ["file", "class", "probability", *(
        f"{name}_{i}" for i in range(2, 6) for name in ("class", "probability"))]
    on_files = saved.evaluate(dataclasses.replace(
        trained, dataset="images", data_dir=str(folder), cache_dir=str(tmp_path / "cache")))
    assert {k: on_files[k] for k in ("examples", "accuracy", "top5")} == {
        k: evaluated[k] for k in ("examples", "accuracy", "top5")}
    assert on_files["loss"] == pytest.approx(evaluated["loss"], rel=1e-5)
    assert set(places(found)) == set(range(len(data.test_labels)))


def test_all_probabilities_and_every_kind_of_input(trained, folder, tmp_path):
    data = tiny.data()
    np.savez(tmp_path / "x.npz", x=data.test_images)
    np.savez(tmp_path / "floats.npz", images=data.test_images.transpose(0, 3, 1, 2) / np.float32(255))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted(folder.rglob("*.png"), key=lambda path: path.name):
            archive.write(path, path.name)
    found = {}
    for name in ("x.npz", "floats.npz", "x.zip"):
        assert predict.predict(trained, tmp_path / name, tmp_path / "p.csv", "last", probabilities=True)[0] == 40
        found[name] = rows(tmp_path / "p.csv")
    assert [row.pop("file") for row in found["x.npz"]] == [f"x[{i}]" for i in range(40)]
    assert [row.pop("file") for row in found["floats.npz"]] == [f"images[{i}]" for i in range(40)]
    assert [row.pop("file") for row in found["x.zip"]] == [f"{i:02}.png" for i in range(40)]
    assert found["x.npz"] == found["floats.npz"] == found["x.zip"]
    for row in found["x.npz"]:
        shares = {name: float(row[f"p({name})"]) for name in data.class_names}
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert max(shares, key=shares.get) == row["class"] and f"{max(shares.values()):.6g}" == row["probability"]
        named = [float(row["probability"]), *(float(row[f"probability_{i}"]) for i in range(2, 6))]
        assert named == sorted(shares.values(), reverse=True)[:5]


def test_views_are_averaged_as_the_evaluation_averages_them(trained, folder, tmp_path):
    """By default as the run has it; and the mean over an image and its mirror image is that image's, too."""
    for tta in ("mirror", "translate", "translate_quarter"):
        config = dataclasses.replace(trained, tta=tta)
        predict.predict(config, folder, tmp_path / "p.csv")
        right = [row["class"] == row["file"].partition("/")[0] for row in rows(tmp_path / "p.csv")]
        assert np.mean(right) == pytest.approx(saved.evaluate(config)["tta_accuracy"])
    images, shares = tiny.data().test_images, []
    for name, array in (("x", images), ("mirrored", images[:, :, ::-1])):
        np.savez(tmp_path / f"{name}.npz", x=array)
        for tta in ("none", "mirror"):
            predict.predict(dataclasses.replace(trained, tta=tta), tmp_path / f"{name}.npz", tmp_path / "p.csv",
                            probabilities=True)
            shares.append([[float(row[f"p({kind})"]) for kind in tiny.data().class_names]
                           for row in rows(tmp_path / "p.csv")])
    plain, both, plain_mirrored, both_mirrored = np.array(shares)
    np.testing.assert_allclose(both, both_mirrored, atol=1e-5)
    assert np.abs(plain - plain_mirrored).max() > 1e-3
    logits = np.log(plain) + np.log(plain_mirrored)
    mean = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    np.testing.assert_allclose(both, mean, atol=1e-5)


def test_the_command_takes_a_table_and_views(trained, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(commands.environment, "start", lambda: None)
    names = sorted((str(p.relative_to(folder)) for p in folder.rglob("*.png")), reverse=True)
    (folder / "list.csv").write_text("\n".join(["id,path", *(f"{i},{name}" for i, name in enumerate(names))]))
    line = ["cifar_fast", "predict", f"--workdir={trained.workdir}", f"--images={folder / 'list.csv'}",
            f"--out={tmp_path / 'p.csv'}"]
    assert commands.main([*line, "--tta=mirror", "--image_column=path"]) == 0
    assert [row["file"] for row in rows(tmp_path / "p.csv")] == names
    assert commands.main([*line, "--image_column=where"]) == 1
    assert "--image_column=where" in capsys.readouterr().err


def test_an_image_of_another_size_and_kind_is_brought_to_the_networks(trained, tmp_path):
    Image.fromarray(tiny.data().test_images[0][..., 0]).resize((70, 50)).save(tmp_path / "a photo.jpg")
    assert predict.predict(trained, tmp_path / "a photo.jpg", tmp_path / "p.csv")[0] == 1
    assert [row["file"] for row in rows(tmp_path / "p.csv")] == ["a photo.jpg"]


def test_damaged_images_are_named_or_left_out_and_no_file_is_begun(trained, folder, tmp_path):
    good = sorted(folder.rglob("*.png"))
    for path in good[:3]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / good[1].name).write_bytes(good[1].read_bytes()[:60])
    out = tmp_path / "out" / "p.csv"
    out.parent.mkdir()
    with pytest.raises(UserError, match=f"^--images=.*: {good[1].name} can't be decoded .*--skip_damaged$") as error:
        predict.predict(trained, tmp_path, out)
    assert str(error.value).isprintable() and not list(out.parent.iterdir())
    count, damaged = predict.predict(trained, tmp_path, out, skip_damaged=True)
    assert count == len(rows(out)) == 2 and [line.partition(" ")[0] for line in damaged] == [good[1].name]


@pytest.mark.parametrize("kind", ["nothing", "text", "labels", "short", "flat", "folder"])
def test_what_holds_no_images_gets_one_line(kind, trained, tmp_path):
    path, out = tmp_path / "x.npz", tmp_path / "p.csv"
    if kind == "nothing":
        path = tmp_path
    elif kind == "text":
        path.write_text("no archive")
    elif kind == "folder":
        np.savez(path, x=tiny.data().test_images[:1])
        out = tmp_path
    else:
        np.savez(path, **{"labels": {"y": np.zeros(3)}, "short": {"x": np.zeros([0, 8, 8, 3], np.uint8)},
                          "flat": {"x": np.zeros([3, 3072])}}[kind])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError) as error:
        predict.predict(trained, path, out)
    assert str(error.value).isprintable() and str(path if kind != "folder" else out) in str(error.value)
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_not_finite_is_no_prediction(trained, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "_results", lambda *_: [(["a"], np.full([1, 10], np.nan), np.full([1, 10], 0.1))])
    with pytest.raises(UserError, match="not finite in float32"):
        predict.predict(trained, folder, tmp_path / "p.csv")
    assert not list(tmp_path.iterdir())


def test_a_killed_prediction_leaves_no_file_and_the_next_one_a_whole(trained, tmp_path):
    images = np.tile(tiny.data().test_images, [200, 1, 1, 1])
    np.savez(tmp_path / "x.npz", x=images)
    out = tmp_path / "out" / "p.csv"
    out.parent.mkdir()
    command = ("predict", f"--workdir={trained.workdir}", f"--images={tmp_path / 'x.npz'}", f"--out={out}")
    child, deadline = Command(*command), time.time() + PATIENCE
    while child.alive() and time.time() < deadline and not any(p.stat().st_size for p in out.parent.iterdir()):
        time.sleep(0.001)
    child.signal()
    child.wait()
    assert not out.exists() and len(list(out.parent.iterdir())) == 1, "the kill came too late to mean anything"
    assert predict.predict(trained, tmp_path / "x.npz", out)[0] == 8000
    assert list(out.parent.iterdir()) == [out] and len(rows(out)) == 8000
