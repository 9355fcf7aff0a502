"""Images without labels that a table names or a Parquet file holds; the rest is in `test_predict`."""
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from cifar_fast.data import unlabelled
from cifar_fast.errors import UserError
from tests.support import pictures

FORM = unlabelled.Form((8, 9, 3))
IMAGES = pictures.drawn(6)[0]
PATHS = [f"{'left' if i % 2 else 'right'}/{i}.png" for i in range(6)]


@pytest.fixture
def root(tmp_path):
    for path, image in zip(PATHS, IMAGES, strict=True):
        (tmp_path / "it" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "it" / path).write_bytes(pictures.encoded(image))
    return tmp_path / "it"


def table(path, /, **columns):
    """A table of columns, CSV or Parquet as the path's ending says."""
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=2)
    else:
        rows = [columns, *zip(*columns.values(), strict=True)]
        path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    return path


def read(path, image_column=None, size=4, form=FORM):
    """All names and images of a path."""
    source = unlabelled.find(path, form, image_column)
    batches = list(source.batches(size))
    names = [name for part, _ in batches for name in part]
    assert source.count == len(names) + len(source.damaged) and all(len(part) <= size for part, _ in batches)
    return names, np.concatenate([images for _, images in batches])


@pytest.mark.parametrize("name, columns", [
    ("x.csv", {"path": PATHS[::-1]}), ("x.CSV", {"id": range(10, 16), "path": PATHS[::-1], "note": "abcdef"}),
    ("x.csv", {"id": [5, 4, 3, 2, 1, 0], "label": [0] * 6}), ("x.parquet", {"path": PATHS[::-1], "x": [0.5] * 6})])
def test_a_tables_images_come_in_its_order_and_by_its_names(name, columns, root):
    names, images = read(table(root / name, **columns))
    assert names == [str(value) for value in columns.get("path", columns.get("id"))]
    np.testing.assert_array_equal(images, IMAGES[::-1])


def test_a_column_that_is_asked_for(root):
    path = table(root / "x.csv", one=PATHS[:2], two=PATHS[4:])
    with pytest.raises(UserError, match="which column names images .* --image_column=, one of one, two"):
        unlabelled.find(path, FORM)
    for place in (path, root):
        names, images = read(place, "two")
        assert names == PATHS[4:]
        np.testing.assert_array_equal(images, IMAGES[4:])
    assert len(read(root)[0]) == 6  # a folder with images is these, unless a table's column is asked for


@pytest.mark.parametrize("pack", [pictures.zipped, pictures.tarred])
def test_a_table_in_an_archive_chooses_of_its_images(pack, root):
    table(root / "x.csv", file=PATHS[:3][::-1])
    assert len(read(pack(root))[0]) == 6
    names, images = read(pack(root), "file")
    assert sorted(names) == sorted(PATHS[:3])
    np.testing.assert_array_equal(images, IMAGES[[PATHS.index(name) for name in names]])


@pytest.mark.parametrize("kind", ["struct", "bytes"])
def test_parquet_with_the_images_in_it(kind, root):
    encoded = [pictures.encoded(image) for image in IMAGES]
    values = [{"bytes": data, "path": None} for data in encoded] if kind == "struct" else encoded
    folder = root.parent / "parquet"
    folder.mkdir()
    table(folder / "a.parquet", image=values[:4], label=[0] * 4)
    table(folder / "b.parquet", image=values[4:], label=[0] * 2)
    names, images = read(folder)
    assert names == [f"a.parquet[{i}]" for i in range(4)] + ["b.parquet[0]", "b.parquet[1]"]
    np.testing.assert_array_equal(images, IMAGES)
    names, images = read(folder / "b.parquet", "image")
    assert names == ["b.parquet[0]", "b.parquet[1]"]
    np.testing.assert_array_equal(images, IMAGES[4:])


def test_damaged_images_of_a_table_are_named_or_left_out(root):
    (root / PATHS[1]).write_bytes(b"none")
    path = table(root / "x.csv", path=[PATHS[1], PATHS[0]])
    with pytest.raises(UserError, match=f"{PATHS[1]} can't be decoded"):
        read(path)
    assert read(path, form=FORM._replace(skip_damaged=True))[0] == [PATHS[0]]


def wrong(kind, root):
    """A wrong input of a kind, the column that is asked for, and what is said of it."""
    return {
        "no path": lambda: (table(root / "x.csv", path=["left/1.png", "../../etc/passwd"]), None, "row 2: .* no image"),
        "twice": lambda: (table(root / "x.csv", path=PATHS[:1] * 2), None, "names right/0.png twice"),
        "no head": lambda: (table(root / "x.csv", **{PATHS[0]: PATHS[1:]}), None, "its first row names right/0.png"),
        "no row": lambda: (table(root / "x.csv", path=[]), None, "has no row"),
        "no column": lambda: (table(root / "x.csv", path=PATHS), "file", "--image_column=file: .* it has path"),
        "no table": lambda: (root / PATHS[0], "file", "--image_column=file: .*0.png is no table and holds none"),
        "no table there": lambda: (root, "file", "--image_column=file: .* holds none"),
        "no column of images": lambda: (
            table(root / "x.parquet", image=[b"x"], label=[0]), "label", "--image_column=label: .* it has image"),
        "no Parquet": lambda: (_written(root / "x.parquet", b"PAR1"), None, "not a whole Parquet file"),
        "other columns": lambda: (
            _folder(root.parent / "two", {"a": {"image": [b"x"]}, "b": {"picture": [1]}}), None, "b.parquet: "),
        "Parquet in an archive": lambda: (
            pictures.zipped(_folder(root.parent / "two", {"a": {"image": [b"x"]}})), None, "unpack it"),
    }[kind]()


def _written(path, data):
    path.write_bytes(data)
    return path


def _folder(root, files):
    root.mkdir()
    for name, columns in files.items():
        table(root / f"{name}.parquet", **columns)
    return root


@pytest.mark.parametrize("kind", ["no path", "twice", "no head", "no row", "no column", "no table", "no table there",
                                  "no column of images", "no Parquet", "other columns", "Parquet in an archive"])
def test_what_is_wrong_gets_one_line(kind, root):
    path, column, said = wrong(kind, root)
    with pytest.raises(UserError, match=said) as error:
        read(path, column)
    assert str(error.value).isprintable() and len(str(error.value)) < 600
