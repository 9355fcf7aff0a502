"""The table of a study, from the summaries of its runs."""
import csv
import json

from cifar_fast.study import table


def outcome(accuracy, tta=None):
    return {"test_accuracy": accuracy, "test_top5": 0.99, "test_loss": 0.25, "tta_accuracy": tta, "pflop": 0.5,
            "clock_seconds": 1000.0}


OUTCOMES = {"base": {0: outcome(0.93, 0.94), 1: outcome(0.932, 0.942), 2: outcome(0.934, 0.944)},
            "blur=true": {0: outcome(0.94), 1: outcome(0.943), 2: outcome(0.943)}, "filters=8": {}}


def test_a_row_a_variant_with_runs():
    base, blur = table.rows(OUTCOMES, "base", 0.9342)
    assert base.seeds == (0, 1, 2) and base.difference is None and round(base.tta_accuracy.mean, 9) == 0.942
    assert blur.tta_accuracy is None and round(blur.difference.mean, 6) == 0.01 and blur.difference.shown
    assert base.above_target > 0.5 > blur.above_target and blur.seeds_needed > 2


def test_texts():
    rows = table.rows(OUTCOMES, "base", 0.9342)
    head, base, blur = table.as_text(rows, 0.9342).splitlines()
    assert base.split()[:4] == ["base", "3", "93.20", "0.20"] and "+1.00*" in blur and "p(≤ 93.42%)" in head
    markdown = table.as_markdown(rows)
    assert markdown.splitlines()[1].startswith("| --- | ---: |") and "+1.00\\*" in markdown
    parsed = list(csv.reader(table.as_csv(rows).splitlines()))
    assert parsed[2][0] == "blur=true" and len({len(line) for line in parsed}) == 1
    value = json.loads(table.as_json(rows, baseline="base"))
    assert value["baseline"] == "base" and value["rows"][1]["difference"]["n"] == 3


def test_one_seed_claims_nothing():
    rows = table.rows({"a": {0: outcome(0.5)}, "b": {0: outcome(0.6)}, "c": {1: outcome(0.7)}}, "a", 0.4)
    assert [row.above_target for row in rows] == [None] * 3
    assert not rows[1].difference.shown and rows[1].seeds_needed is None and rows[2].difference is None
    assert "*" not in table.as_text(rows)
