"""Whole runs on images that are no CIFAR: scikit-learn's digits, and 37 uneven classes in files of mixed formats."""
import csv
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from tests.support.command import run
from tests.support.pictures import encoded
from tests.support.whole_runs import plain

TINY = ["--dataset=images", "--units=3", "--filters=8", "--batch_size=16", "--dropout=0", "--norm_momentum=0.9",
        "--learning_rate=0.01", "--schedule=one_cycle", "--precision=float32"]
ENDINGS = {"png": "png", "jpg": "jpeg", "JPEG": "jpeg", "bmp": "bmp", "gif": "gif", "webp": "webp", "tif": "tiff"}


@pytest.fixture
def folder_of_37(tmp_path):
    """37 classes of 4 to 16 images of all formats, sizes and channels, told apart by their colours."""
    rng = np.random.default_rng(0)
    for kind in range(37):
        folder = tmp_path / "images" / f"kind {kind:02} é"
        folder.mkdir(parents=True)
        for number in range(4 + kind % 13):
            height, width = rng.integers(10, 40, 2)
            colour = np.array([kind % 4, kind // 4 % 4, kind // 16]) * 80
            pixels = np.clip(colour + rng.integers(-9, 10, (height, width, 3)), 0, 255).astype(np.uint8)
            ending, form = list(ENDINGS.items())[(kind + number) % len(ENDINGS)]
            if (kind + number) % 11 == 0:
                pixels = np.asarray(Image.fromarray(pixels).convert("RGBA" if form in ("png", "webp") else "RGB"))
            (folder / f"{number}.{ending}").write_bytes(encoded(pixels, form))
    return tmp_path / "images"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def evaluation(*arguments):
    return json.loads(run("evaluate", *arguments).output.splitlines()[-1])


def test_digits_are_learned_and_evaluated(tmp_path):
    digits = load_digits()
    order = np.random.default_rng(0).permutation(len(digits.images))[:700]
    images, labels = (digits.images[order] * 15.9).astype(np.uint8), digits.target[order]
    np.savez(tmp_path / "digits.npz", x_train=images[:500], y_train=labels[:500], x_test=images[500:],
             y_test=labels[500:], class_names=np.array([f"digit {i}" for i in range(10)]))
    place = f"--workdir={tmp_path / 'run'}"
    run("train", *TINY, place, f"--data_dir={tmp_path / 'digits.npz'}", "--epochs=4", target=plain)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["test_accuracy"] > 0.5 and summary["class_names"] == [f"digit {i}" for i in range(10)]
    evaluated = evaluation(place)
    assert evaluated["examples"] == 200
    assert evaluated["accuracy"] == max(line["test_accuracy"] for line in lines(tmp_path / "run" / "metrics.jsonl"))


def test_37_uneven_classes_in_files_of_all_formats(folder_of_37, tmp_path):
    place, cache = f"--workdir={tmp_path / 'run'}", f"--cache_dir={tmp_path / 'cache'}"
    options = ["--image_size=12x16", "--validation_share=0.25", "--class_weights=balanced", "--epochs=3"]
    output = run("train", *TINY, place, cache, f"--data_dir={folder_of_37}", *options, "--horizontal_flip",
                 "--crop_padding=1").output
    assert "37 classes" in output and "12×16 pixels in 3 channels" in output and "decoded in" in output
    first, *_, last = lines(tmp_path / "run" / "metrics.jsonl")
    assert last["loss"] < first["loss"] and last["top5"] > 0.3
    evaluated = evaluation(place)
    assert evaluated["accuracy"] == max(line["test_accuracy"] for line in lines(tmp_path / "run" / "metrics.jsonl"))
    assert "from the cache" in evaluated["data"]
    other = folder_of_37.rename(tmp_path / "other")
    (other / "kind 00 é" / "0.png").rename(other / "kind 00 é" / "first.png")  # now other data: all images count
    run("predict", place, f"--images={other}", f"--out={tmp_path / 'p.csv'}")
    with open(tmp_path / "p.csv", newline="", encoding="utf-8") as file:
        right = [row["class"] == row["file"].split("/")[0] for row in csv.DictReader(file)]
    evaluated = evaluation(place, f"--data_dir={other}")
    assert evaluated["examples"] == len(right) and evaluated["accuracy"] == pytest.approx(np.mean(right))
