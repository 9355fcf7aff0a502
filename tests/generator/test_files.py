"""`flow_from_directory` and `flow_from_dataframe` against Keras's, batch by batch; what both refuse."""
import os

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cifar_fast.generator import ImageDataGenerator
from tests.support import generator_peers as peers

ATTRIBUTES = ("n", "samples", "batch_size", "seed", "shuffle", "dtype", "data_format", "image_shape", "target_size",
              "color_mode", "class_mode", "class_indices", "filenames", "filepaths", "directory", "subset", "split",
              "interpolation", "keep_aspect_ratio", "num_classes")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three classes of images of several kinds, sizes and formats, one in a folder of its own; and what is no image."""
    path, random = tmp_path_factory.mktemp("classes"), np.random.default_rng(0)
    for name in ("ant", "bee", "cat"):
        (path / name / "more").mkdir(parents=True)
        (path / name / "notes.txt").write_text("no image")
        kinds = (("png", 3), ("jpg", 3), ("PNG", 1), ("png", 4), ("bmp", 3), ("tif", 3))
        for i, (suffix, channels) in enumerate(kinds):
            pixels = random.integers(0, 256, (*random.integers(5, 15, 2), channels), dtype=np.uint8)
            place = path / name / ("more" if i == 4 else ".") / f"{i}.{suffix}"
            Image.fromarray(pixels.squeeze()).save(place)
    deep = random.integers(0, 1 << 16, (8, 9), dtype=np.uint16)
    Image.fromarray(deep).save(path / "bee" / "deep.png")
    return path


def table(folder, random):
    names = sorted(os.path.relpath(os.path.join(root, file), folder)
                   for root, _, files in os.walk(folder) for file in files)
    count = len(names)
    labels = [name.split("/")[0] for name in names]
    return pd.DataFrame({
        "filename": names, "class": labels, "two": [label if label == "ant" else "other" for label in labels],
        "several": [[label, "all"] if i % 2 else label for i, label in enumerate(labels)],
        "size": random.random(count), "count": random.integers(0, 9, count), "weight": random.random(count)})


def options_for_files(random):
    def some(*choices):
        return choices[random.integers(len(choices))]

    chosen = dict(target_size=(int(random.integers(5, 10)), int(random.integers(5, 10))),
                  color_mode=some("rgb", "rgb", "rgba", "grayscale"), batch_size=int(random.integers(1, 9)),
                  shuffle=some(True, False), interpolation=some("nearest", "bilinear", "bicubic", "lanczos", "box"))
    if random.random() < 0.7:
        chosen["seed"] = int(random.integers(100))
    if random.random() < 0.5:
        chosen["subset"] = some("training", "validation")
    return chosen


def compare(theirs, ours, seed):
    for name in ATTRIBUTES:
        assert getattr(theirs, name, None) == getattr(ours, name, None) or name == "num_classes"
    for name in ("classes", "labels", "sample_weight"):
        np.testing.assert_equal(getattr(ours, name, None), getattr(theirs, name, None))
    batches = []
    for flow in (theirs, ours):
        np.random.seed(seed)
        batches.append([next(flow) for _ in range(3 * len(flow))])
    for a, b in zip(*batches, strict=True):
        peers.same(a, b)


@peers.needs_kernel
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(60))
def test_a_directory_gives_keras_batches(folder, seed):
    random = np.random.default_rng([1, seed])
    pair = peers.pair(**peers.random_arguments(random))
    modes = ("categorical", "sparse", "binary", "input", None)
    options = options_for_files(random) | {"class_mode": modes[random.integers(5)],
                                           "keep_aspect_ratio": bool(random.integers(2))}
    if options["class_mode"] == "binary" or random.random() < 0.3:
        options["classes"] = ["cat", "ant"]
    compare(*(generator.flow_from_directory(str(folder), **options) for generator in pair), seed)


@peers.needs_kernel
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(60))
def test_a_table_gives_keras_batches(folder, seed):
    random = np.random.default_rng([2, seed])
    pair = peers.pair(**peers.random_arguments(random))
    rows = table(folder, random)
    mode = ("categorical", "sparse", "binary", "input", "raw", "multi_output", None)[random.integers(7)]
    columns = {"categorical": ["class", "several"], "binary": ["two"], "raw": ["size", ["size", "count"]],
               "multi_output": [["size", "class"]]}
    choices = columns.get(mode, ["class"])
    options = options_for_files(random) | {"class_mode": mode, "y_col": choices[random.integers(len(choices))]}
    if mode in ("categorical", "sparse") and random.random() < 0.4:
        options["classes"] = ["cat", "ant"]
    if random.random() < 0.4:
        options["weight_col"] = "weight"
    compare(*(generator.flow_from_dataframe(rows, str(folder), **options) for generator in pair), seed)


def one_class(path, count=3):
    (path / "a").mkdir()
    for i in range(count):
        Image.fromarray(np.full((4, 4, 3), i, np.uint8)).save(path / "a" / f"{i}.png")
    return path


def test_directories_that_cannot_be_are_refused_by_name(tmp_path):
    generator = ImageDataGenerator(validation_split=0.2)
    with pytest.raises(FileNotFoundError, match="gone") as error:
        generator.flow_from_directory(tmp_path / "gone")
    assert isinstance(error.value, ValueError)
    with pytest.raises(ValueError, match=f"{tmp_path}: no images in its 0 folders"):
        generator.flow_from_directory(tmp_path)
    one_class(tmp_path)
    with pytest.raises(ValueError, match="no images for subset='validation'"):
        generator.flow_from_directory(tmp_path, subset="validation")
    with pytest.raises(ValueError, match="classes: .* has no folder 'b'; it has 'a'"):
        generator.flow_from_directory(tmp_path, classes=["a", "b"])
    for name in ("b", "c"):
        (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match="class_mode='binary': .* has 3 classes"):
        generator.flow_from_directory(tmp_path, class_mode="binary")


def test_a_damaged_image_is_named_when_its_batch_is_made(tmp_path):
    one_class(tmp_path)
    (tmp_path / "a" / "1.png").write_bytes(b"no image")
    for share in (0, 0.4):
        flow = ImageDataGenerator().flow_from_directory(tmp_path, shuffle=False, batch_size=1, memory_share=share)
        next(flow)
        with pytest.raises(ValueError, match="1.png: can't be read as an image"):
            next(flow)


@pytest.mark.parametrize("options, error, part", [
    ({"y_col": "kind"}, ValueError, "no column 'kind'; it has 'filename', 'class'"),
    ({"x_col": "name"}, ValueError, "no column 'name'"), ({"weight_col": "w"}, ValueError, "no column 'w'"),
    ({"weight_col": "class"}, TypeError, "weight_col='class'"), ({"class_mode": "multi_output"}, TypeError, "y_col"),
    ({"class_mode": "sparse", "y_col": "size"}, TypeError, "y_col='size': holds 0.5"),
    ({"y_col": "gaps"}, TypeError, "y_col='gaps': holds None"), ({"x_col": "size"}, TypeError, "x_col='size'"),
    ({"class_mode": "binary"}, ValueError, "needs 2 classes, and there are 1"),
    ({"class_mode": "one-hot"}, ValueError, "class_mode='one-hot'"), ({"subset": "test"}, ValueError, "subset='test'"),
    ({"color_mode": "bgr"}, ValueError, "color_mode='bgr'"), ({"target_size": (0, 4)}, ValueError, "target_size"),
    ({"interpolation": "cubic"}, ValueError, "interpolation='cubic'"), ({"batch_size": 0}, ValueError, "batch_size=0"),
    ({"memory_share": 2}, ValueError, "memory_share=2"), ({"directory": "/gone"}, ValueError, "none of its 3 rows")])
@pytest.mark.filterwarnings("ignore:filename")
def test_tables_that_cannot_be_are_refused_by_name(tmp_path, options, error, part):
    one_class(tmp_path)
    rows = pd.DataFrame({"filename": [f"a/{i}.png" for i in range(3)], "class": "x", "size": 0.5})
    rows["gaps"] = pd.Series(["x", None, "x"], dtype=object)
    with pytest.raises(error, match=part):
        ImageDataGenerator().flow_from_dataframe(rows, **{"directory": str(tmp_path)} | options)


def test_what_keras_warns_of_is_warned_of(tmp_path):
    one_class(tmp_path)
    rows = pd.DataFrame({"filename": ["a/0.png", "a/9.png"], "class": "x"})
    generator = ImageDataGenerator()
    with pytest.warns(UserWarning, match="filename: 1 rows name no image file, the first 'a/9.png'"):
        assert generator.flow_from_dataframe(rows, str(tmp_path)).filenames == ["a/0.png"]
    for option in ({"has_ext": True}, {"sort": False}, {"drop_duplicates": True}, {"class_mode": "other"}):
        with pytest.warns(DeprecationWarning), pytest.warns(UserWarning):
            generator.flow_from_dataframe(rows, str(tmp_path), **option)
    with pytest.warns(UserWarning, match="classes: of no use"):
        generator.flow_from_dataframe(rows[:1], str(tmp_path), class_mode=None, classes=["x"])
    with pytest.warns(UserWarning, match="subsets does nothing"):
        generator.flow_from_dataframe(rows[:1], str(tmp_path), subsets="training")


def test_what_was_found_and_whether_it_is_kept_is_said_once(tmp_path, capsys):
    one_class(tmp_path)
    for share, word in ((0.4, "kept in memory"), (0, "read anew each epoch")):
        flow = ImageDataGenerator().flow_from_directory(tmp_path, memory_share=share)
        for _ in range(3):
            next(flow)
        said = capsys.readouterr().out
        assert said.startswith("Found 3 images belonging to 1 classes.\n") and said.count(word) == 1
