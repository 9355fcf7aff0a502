"""Parquet files with the images in them, whole, damaged and strange; and without pyarrow."""
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from cifar_fast.data.labelled import images, parquet
from cifar_fast.data.labelled.images import Reading
from cifar_fast.errors import UserError
from tests.support import pictures

NAMES = ["a", "b", "c"]


def write(path, metadata=None, **columns):
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)
    return path


def files(pixels):
    return [pictures.encoded(image) for image in pixels]


def load(path, tmp_path, **options):
    return images.load(path, Reading(cache=str(tmp_path / "cache"), **options))


@pytest.mark.parametrize("place", ["", "plain_text", "data"])
def test_shards_as_the_hub_has_them(place, tmp_path):
    splits = {"train": pictures.drawn(40), "test": pictures.drawn(10, seed=1)}
    root = pictures.parquet(tmp_path / "it" / place, splits, NAMES, shards=3)
    write(root / "extra-00000-of-00001.parquet", img=files(splits["test"][0]), label=[0] * 10)
    data = load(tmp_path / "it", tmp_path)
    np.testing.assert_array_equal(data.train_images, splits["train"][0])
    np.testing.assert_array_equal(data.test_labels, splits["test"][1])
    assert data.class_names == ("a", "b", "c")


def test_folders_called_after_the_splits(tmp_path):
    pixels, labels = pictures.drawn(12)
    for split in ("train", "test"):
        (tmp_path / "it" / split).mkdir(parents=True)
        for shard in range(2):
            rows = slice(6 * shard, 6 * shard + 6)
            write(tmp_path / "it" / split / f"000{shard}.parquet", image=files(pixels[rows]),
                  label=list(map(int, labels[rows])))
    data = load(tmp_path / "it", tmp_path)
    np.testing.assert_array_equal(data.train_images, pixels)
    np.testing.assert_array_equal(data.test_labels, labels)


@pytest.mark.parametrize("columns", [
    {"picture": [b"x"], "label": [1]}, {"image": [3], "label": [1]}, {"image": [{"path": "x"}], "label": [1]},
    {"image": [b"x"], "label": ["b"]}, {"image": [b"x"]}])
def test_shards_of_other_columns_are_refused(columns, tmp_path):
    (tmp_path / "it").mkdir()
    write(tmp_path / "it" / "train-0.parquet", image=files(pictures.drawn(2)[0]), label=[0, 1])
    write(tmp_path / "it" / "train-1.parquet", **columns)
    with pytest.raises(UserError, match="train-1.parquet: its column (image|label) is not there or of another"):
        load(tmp_path / "it", tmp_path)


@pytest.mark.parametrize("reader", [lambda table: table.column("label"), lambda table: list(table.read("image", {5}))])
def test_another_number_of_values_than_is_declared_is_refused(reader, tmp_path):
    table = parquet.Parquet([write(tmp_path / "it.parquet", image=files(pictures.drawn(2)[0]), label=[0, 1])])
    table.rows = 6  # as a damaged footer may say
    with pytest.raises(UserError, match="its column .* has 2 values where 6 rows are declared"):
        reader(table)


def test_bytes_and_texts_and_columns_of_any_name(tmp_path):
    pixels, labels = pictures.drawn(6)
    path = write(tmp_path / "it.parquet", picture=files(pixels), kind=[NAMES[label] for label in labels],
                 other=[1.5] * 6)
    for options in ({}, {"image_column": "picture", "label_column": "kind"}):
        data = load(path, tmp_path, **options)
        np.testing.assert_array_equal(data.train_images, pixels)
        np.testing.assert_array_equal(data.train_labels, labels)
        assert data.class_names == ("a", "b", "c")


def test_fine_and_coarse_labels(tmp_path):
    pixels, labels = pictures.drawn(6)
    path = write(tmp_path / "it.parquet", img=files(pixels), fine_label=list(map(int, labels)),
                 coarse_label=list(map(int, 5 - labels)))
    np.testing.assert_array_equal(load(path, tmp_path).train_labels, labels)
    np.testing.assert_array_equal(load(path, tmp_path, labels="coarse").train_labels, 2 - labels)


def test_many_rows_of_one_text_are_read_as_a_dictionary(tmp_path):
    path = write(tmp_path / "it.parquet", img=files(pictures.drawn(4)[0]), label=["a" * 900, "b"] * 2)
    assert load(path, tmp_path).train_labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("columns, named", [
    (dict(label=["x", "y"]), "--image_column"), (dict(img=[b"", b""], label=["x", "y"]), "row 0: has no image"),
    (dict(img=[None, b"12"], label=["x", "y"]), "2 of 2 images can't be decoded (row 0: has no image"),
    (dict(img=[b"1", b"2"], label=["x", None]), "column label has empty values"),
    (dict(img=[b"1", b"2"], label=["x", "y" * 1001]), "a text of more than 1000 letters"),
    (dict(img=[b"1", b"2"], label=[1.5, 2]), "--label_column"),
    (dict(img=[b"1", b"2"], a=[1, 2], b=[1, 2]), "--label_column"),
    (dict(a=[b"1"], b=[b"1"], label=[1]), "--image_column"), (dict(img=[], label=[]), "0 rows")])
def test_strange_files_are_refused(columns, named, tmp_path):
    with pytest.raises(UserError) as caught:
        load(write(tmp_path / "it.parquet", **columns), tmp_path)
    assert named in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("metadata", [
    b"", b"{", b"[]", b'{"info": 3}', b"[" * 100_000,
    b'{"info": {"features": {"label": {"_type": "ClassLabel", "names": [1, 2]}}}}'])
def test_names_that_are_none_are_not_taken(metadata, tmp_path):
    path = write(tmp_path / "it.parquet", {b"huggingface": metadata}, img=files(pictures.drawn(3)[0]), label=[4, 5, 6])
    assert load(path, tmp_path).class_names == ("4", "5", "6")


def test_damaged_files_are_refused(tmp_path):
    whole = write(tmp_path / "it.parquet", img=files(pictures.drawn(9)[0]), label=[1, 2, 3] * 3).read_bytes()
    for data in (b"", b"PAR1", whole[:-20], whole[:100] + whole[200:], b"PAR1" + bytes(300) + b"PAR1"):
        (tmp_path / "it.parquet").write_bytes(data)
        with pytest.raises(UserError, match="it.parquet"):
            load(tmp_path / "it.parquet", tmp_path)


def test_more_rows_than_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROWS", 5)
    with pytest.raises(UserError, match="6 rows; expected 1 to 5"):
        load(write(tmp_path / "it.parquet", img=files(pictures.drawn(6)[0]), label=[1, 2] * 3), tmp_path)


def test_several_data_sets_in_one_folder_are_not_mixed(tmp_path):
    for name in ("one", "two"):
        pictures.parquet(tmp_path / "it" / name, {"train": pictures.drawn(6)}, NAMES)
    with pytest.raises(UserError, match=r"tables in several folders \(one, two\)"):
        load(tmp_path / "it", tmp_path)


def test_without_pyarrow_the_line_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "it.parquet", img=files(pictures.drawn(3)[0]), label=[1, 2, 3])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match=r"pip install 'cifar_fast\[parquet\]'"):
        load(path, tmp_path)


def test_a_pyarrow_that_cannot_be_imported_is_said(tmp_path, monkeypatch):
    """As one that wants another NumPy."""
    path = write(tmp_path / "it.parquet", img=files(pictures.drawn(3)[0]), label=[1, 2, 3])
    (tmp_path / "broken" / "pyarrow").mkdir(parents=True)
    (tmp_path / "broken" / "pyarrow" / "__init__.py").write_text("raise ImportError('pyarrow requires NumPy 2.0')")
    monkeypatch.syspath_prepend(tmp_path / "broken")
    for name in [name for name in sys.modules if name.partition(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=r"can't be imported \(pyarrow requires NumPy 2\.0\)"):
        load(path, tmp_path)
