"""People's own images, from a folder to predictions, whose accuracy is the evaluation's."""
import csv
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from cifar_fast.config import Config
from cifar_fast.runs import predict, saved, train

ENDINGS = ("png", "jpg", "bmp", "gif", "webp", "tif")


def config(tmp_path, **changes):
    defaults = dict(dataset="images", data_dir=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"),
                    workdir=str(tmp_path / "run"), units=3, filters=4, batch_size=16, epochs=2, precision="float32")
    return Config(**defaults | changes)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    for picture in ("preview.draw_augmentation", "report.curves", "report.confusion"):
        monkeypatch.setattr(f"cifar_fast.runs.reports.{picture}", lambda *_: None)


def accuracy(path):
    """Of predictions for files in class folders."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return np.mean([row["class"] == row["file"].split("/")[0] for row in rows]), len(rows)


def test_digits_of_eight_by_eight_grey_pixels(tmp_path):
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    for number, (image, label) in enumerate(zip(digits.images[:200], digits.target[:200], strict=True)):
        folder = tmp_path / "images" / ("train" if number < 150 else "test") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 255 / 16).astype(np.uint8)).save(folder / f"{number}.png")
    run = config(tmp_path)
    assert train.run(run).code == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["class_names"] == [str(k) for k in range(10)]
    predict.predict(run, tmp_path / "images/test", tmp_path / "p.csv", "last")
    assert accuracy(tmp_path / "p.csv") == (pytest.approx(summary["test_accuracy"]), 50)
    assert saved.evaluate(run, "last")["accuracy"] == summary["test_accuracy"]


def test_uneven_classes_of_mixed_sizes_and_formats(tmp_path, capsys):
    rng, count = np.random.default_rng(0), 0
    for label in range(37):
        folder = tmp_path / "images" / f"kind {label:02} é"
        folder.mkdir(parents=True)
        for number in range(2 + label % 7):
            height, width = rng.integers(9, 40, 2)
            image = Image.fromarray(np.full([height, width, 3], 6 * label + rng.integers(0, 6), np.uint8))
            image.save(folder / f"{number}.{ENDINGS[(label + number) % len(ENDINGS)]}")
            count += 1
    run = config(tmp_path, image_size="12x10", validation_share=0.3, class_weights="balanced")
    assert train.run(run).code == 0
    (tmp_path / "images").rename(tmp_path / "other")  # now other data: all images count
    predict.predict(run, tmp_path / "other", tmp_path / "p.csv")
    (tmp_path / "other" / "kind 00 é" / "0.png").rename(tmp_path / "other" / "kind 00 é" / "first.png")
    capsys.readouterr()
    evaluated = saved.evaluate(dataclasses.replace(run, data_dir=str(tmp_path / "other")))
    assert accuracy(tmp_path / "p.csv") == (pytest.approx(evaluated["accuracy"]), count)
    assert evaluated["examples"] == count and "other data than the run's" in capsys.readouterr().err
