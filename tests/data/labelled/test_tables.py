"""Tables of paths and labels: columns found or named, paths as people write them, and what is refused."""
import numpy as np
import pytest

from cifar_fast.data.labelled import images, tables
from cifar_fast.data.labelled.images import Reading
from cifar_fast.data.labelled.members import Folder
from cifar_fast.errors import UserError
from tests.support import pictures


@pytest.fixture
def root(tmp_path):
    """Six images, in folders that say nothing of their labels."""
    for i, image in enumerate(pictures.drawn(6)[0]):
        path = tmp_path / "it" / ("left" if i % 2 else "right") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pictures.encoded(image))
    return tmp_path / "it"


PATHS = [f"{'left' if i % 2 else 'right'}/{i}.png" for i in range(6)]


def load(root, text, name="labels.csv", **options):
    (root / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    options |= {} if options else {"label_column": "label"}
    return images.load(root / name, Reading(cache=str(root.parent / "cache"), **options))


def table(rows, head="file,label", comma=","):
    return "\n".join([head, *rows]).replace(",", comma)


@pytest.mark.parametrize("write", [
    lambda path: path, lambda path: f"./{path}", lambda path: path.replace("/", "\\"), lambda path: path[-5:],
    lambda path: path[-5:-4], lambda path: f"x/../{path}"])
def test_paths_as_people_write_them(write, root):
    data = load(root, table(f"{write(path)},{i % 3}" for i, path in enumerate(PATHS)))
    np.testing.assert_array_equal(data.train_images, pictures.drawn(6)[0])
    np.testing.assert_array_equal(data.train_labels, [0, 1, 2, 0, 1, 2])
    assert not len(data.test_images) and data.class_names == ("0", "1", "2")


def test_absolute_paths_within_the_folder(root):
    data = load(root, table(f"{root}/{path},{i % 2}" for i, path in enumerate(PATHS)))
    assert len(data.train_images) == 6


def test_rows_give_the_order_and_may_be_few(root):
    data = load(root, table([f"{PATHS[4]},b", f"{PATHS[0]},a"]))
    np.testing.assert_array_equal(data.train_images, pictures.drawn(6)[0][[4, 0]])
    assert data.train_labels.tolist() == [1, 0]


@pytest.mark.parametrize("text, options", [
    (table([f"{PATHS[0]},a", f"{PATHS[1]},b"]), {"image_column": "file"}),
    (table([f"{PATHS[0]};a", f"{PATHS[1]};b"], "file;label", ";").replace(";", "\t"), {"name": "x.tsv"}),
    (table([f"{PATHS[0]},a", f"{PATHS[1]},b"], comma=";"), {}),
    (table([f'"{PATHS[0]}","a"', f"{PATHS[1]},b"]).encode("utf-8-sig"), {}),
    (table([f"1,{PATHS[0]},a,x", f"2,{PATHS[1]},b,y"], "id,path,Class,note"), {"image_column": "path"}),
    (table([f"a,b,{PATHS[0]}", f"b,a,{PATHS[1]}"], "one,two,file"), {"label_column": "one"}),
    (table([f"{PATHS[0]},a", "", f"{PATHS[1]},b", ""]).replace("\n", "\r\n"), {})])
def test_columns_are_found_or_named(text, options, root):
    data = load(root, text, **options)
    assert data.class_names == ("a", "b") and len(data.train_images) == 2


def test_parquet_tables_of_paths(root):
    import pyarrow
    import pyarrow.parquet
    pyarrow.parquet.write_table(pyarrow.table({"image": PATHS, "label": [3, 1, 3, 1, 3, 20]}), root / "train.parquet")
    pyarrow.parquet.write_table(pyarrow.table({"image": PATHS[:2], "label": [3, 1]}), root / "test.parquet")
    data = images.load(root, Reading(cache=str(root.parent / "cache"), image_column="image"))
    assert data.train_labels.tolist() == [1, 0, 1, 0, 1, 2] and data.class_names == ("1", "3", "20")
    assert data.test_labels.tolist() == [1, 0]


@pytest.mark.parametrize("text, named", [
    ("", "2 to 100 columns"), ("file\nx", "2 to 100 columns"), (table([]), "has no row"),
    (table([f"{PATHS[0]},a,b"]), "row 1 has 3 values"), (table([f"{PATHS[0]},{'a' * 1001}"]), "row 1 has 2 values"),
    (table(["gone.png,a", "gone2.png,b"]), "which column names images can't be told"),
    (table([f"{PATHS[0]},a", "gone.png,b"]), "row 2: gone.png names no image"),
    (table([f"{PATHS[0]},a", "../../etc/passwd,b"]), "row 2: ../../etc/passwd names no image"),
    (table([f"{PATHS[0]},a", "/etc/passwd,b"]), "row 2: /etc/passwd names no image"),
    (table([f"{PATHS[0]},a", f"{PATHS[0]},b"]), "names right/0.png twice"),
    (table([f"{PATHS[0]},a"], "file,file"), "2 to 100 columns"), (b"\xff\xfe\0", "no table in UTF-8"),
    (table([f'"{PATHS[0]},a']), "no table in UTF-8"), (table([f"{PATHS[0]},a,b"], "file,x,y"), "--label_column"),
    (table([f"{PATHS[0]},a"], "\x1b[2J,label"), "1 classes")])
def test_tables_that_are_none_are_refused_in_one_line(text, named, root):
    (root / "labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        images.load(root / "labels.csv", Reading(cache=str(root.parent / "cache")))
    assert named in str(caught.value) and str(caught.value).isprintable() and len(str(caught.value)) < 600


def test_columns_that_are_not_there_are_named(root):
    for flag in ("image_column", "label_column"):
        with pytest.raises(UserError, match=f"--{flag}=x: .* it has file, label"):
            load(root, table([f"{PATHS[0]},a"]), **{flag: "x"})


def test_a_name_that_several_have_means_none(root):
    (root / "left" / "0.png").write_bytes((root / "right" / "0.png").read_bytes())
    places = tables._Places("", root, [*PATHS, "left/0.png"])
    assert places.find("0.png") is None and places.find("left/0.png") == "left/0.png"
    assert places.find("1") == "left/1.png"
    assert Folder(root).files.keys() == {*PATHS, "left/0.png"}
