"""The table of classes against scikit-learn's rules worked by hand, and that its picture is whole."""
import csv

import numpy as np
import pytest
from matplotlib.image import imread

from cifar_fast.runs.reports import classes
from tests.support import tiny

LABELS = np.array([0, 0, 0, 0, 1, 1])
# The fourth image of the first class is taken for the second; both of the second, for the first and the third.
RESULT = tiny.evaluation([0, 0, 0, 1, 0, 2], ranks=[0, 0, 0, 4, 7, 3])


def test_shares_of_each_class():
    rows = classes.table(LABELS, RESULT, ("a", "b", "c", "d"))
    assert [row["examples"] for row in rows] == [4, 2, 0, 0]
    assert [row["precision"] for row in rows] == [0.75, 0, 0, None]
    assert [row["recall"] for row in rows] == [0.75, 0, None, None]
    assert [row["f1"] for row in rows] == [0.75, 0, 0, None]
    assert [row["top5"] for row in rows] == [1, 0.5, None, None]


def test_the_file_has_a_line_a_class_and_nothing_where_there_is_no_share(tmp_path):
    names = ("a, quoted", "ü", "c", "d")
    classes.write(classes.table(LABELS, RESULT, names), tmp_path / "per_class.csv")
    with open(tmp_path / "per_class.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == classes.COLUMNS and [row["class"] for row in rows] == list(names)
    assert rows[0]["recall"] == "0.75" and rows[3] == {"class": "d", "examples": "0"} | dict.fromkeys(
        ("precision", "recall", "f1", "top5"), "")


@pytest.mark.parametrize("count", [1, 10, 300])
def test_the_picture_shows_up_to_fifty_classes(count, tmp_path):
    labels = np.arange(2 * count) % count
    rows = classes.table(labels, tiny.evaluation(labels[::-1]), [f"${{class_{i}" for i in range(count)])
    classes.draw(rows, tmp_path / "classes.png")
    picture = imread(tmp_path / "classes.png")
    assert picture.std() > 0 and picture.shape[0] < 2500


def test_classes_that_nothing_is_known_of_are_left_out(tmp_path):
    rows = classes.table(LABELS[:0], tiny.evaluation([]), ("a", "b"))
    classes.draw(rows, tmp_path / "classes.png")
    assert imread(tmp_path / "classes.png").std() > 0
