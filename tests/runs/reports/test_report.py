"""That the pictures are whole, of the size meant, and show what they were given. How they look is for eyes."""
import os
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from cifar_fast.errors import UserError
from cifar_fast.runs.reports import report


def metrics(epochs, eval_every=1):
    lines = []
    for epoch in range(1, epochs + 1):
        lines.append({"epoch": epoch, "step": 10 * epoch, "loss": 2 / epoch, "accuracy": 1 - 0.9 / epoch, "top5": 0.99,
                      "learning_rate": 1e-3 * 0.99**epoch, "seconds": 12.0, "images_per_second": 1234.5})
        if epoch % eval_every == 0 or epoch == epochs:
            lines[-1] |= {"test_loss": 2.5 / epoch, "test_accuracy": 1 - 0.95 / epoch, "test_top5": 0.98}
    return lines


def has(picture, colour):
    """Whether a picture (float [H, W, 4]) has a pixel of this colour, "#rrggbb"."""
    rgb = np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)]) / 255
    return bool((np.abs(picture[..., :3] - rgb) < 1 / 255).all(-1).any())


def test_the_loss_axis_follows_the_curves_and_not_an_outlier():
    lines = metrics(8)
    assert report._highest_loss(lines) is None
    lines[0]["test_loss"] = 30.4
    assert 2 < report._highest_loss(lines) < 2.5


@pytest.mark.parametrize("epochs, every", [(1, 1), (8, 3), (100, 1)])
def test_curves_of_short_and_long_runs(tmp_path, epochs, every):
    report.curves(metrics(epochs, every), tmp_path / "curves.png")
    picture = imread(tmp_path / "curves.png")
    assert min(picture.shape[:2]) > 500
    assert all(has(picture, colour) for colour in (report.TRAIN, report.TEST, report.NEUTRAL))
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]


def test_curves_without_an_evaluation_draw_only_training(tmp_path):
    lines = [{k: v for k, v in line.items() if not k.startswith("test_")} for line in metrics(3)]
    report.curves(lines, tmp_path / "curves.png")
    picture = imread(tmp_path / "curves.png")
    assert has(picture, report.TRAIN) and not has(picture, report.TEST)


@pytest.mark.parametrize("ends", [[0.99, 0.98, 0.97, 0.96], [0.01, 0.02, 0.0, 0.03], [0.5, 0.5], [0.4], []])
def test_labels_stay_apart_and_inside(ends):
    axis = Figure().subplots()
    report._label_ends(axis, [(value, str(i), "black") for i, value in enumerate(ends)])
    heights = sorted(text.get_position()[1] for text in axis.texts)
    assert len(heights) == len(ends) and all(-1e-9 <= h <= 1 for h in heights)
    assert all(b - a >= report.LABEL_GAP - 1e-9 for a, b in zip(heights, heights[1:], strict=False))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_sheet_shows_the_pixels_themselves(tmp_path, channels):
    before = np.full((2, 8, 8, channels), 60, np.uint8)
    after = np.stack([np.full((2, 8, 8, channels), v, np.float32) for v in (-5, 119.6, 300)], 1)
    report.augmentation_sheet(before, after, tmp_path / "sheet.png")
    picture = imread(tmp_path / "sheet.png")
    assert all(has(picture, colour) for colour in ("#3c3c3c", "#000000", "#787878", "#ffffff"))


@pytest.mark.parametrize("shape", [(4000, 4, 1), (4, 4000, 3), (1000, 1000, 3)])
def test_the_sheet_of_large_images_stays_small(shape, tmp_path):
    before = np.zeros((12, *shape), np.uint8)
    report.augmentation_sheet(before, np.stack([before] * 7, 1), tmp_path / "sheet.png")
    assert imread(tmp_path / "sheet.png")[..., 0].size < 5e6


def test_the_sheet_refuses_shapes_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match="expected"):
        report.augmentation_sheet(np.zeros((2, 8, 8, 3)), np.zeros((3, 2, 8, 8, 3)), tmp_path / "sheet.png")


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_confusion(tmp_path, classes):
    report.confusion(np.eye(classes, dtype=int) * 5, [f"class_{i}" for i in range(classes)], tmp_path / "c.png")
    picture = imread(tmp_path / "c.png")
    assert min(picture.shape[:2]) > 500 and picture.std() > 0


def test_a_class_may_be_named_like_a_broken_formula(tmp_path):
    report.confusion(np.eye(2, dtype=int), ["${$", "$x$"], tmp_path / "c.png")
    assert imread(tmp_path / "c.png").std() > 0


def test_confusion_of_no_images_and_of_wrong_shapes(tmp_path):
    report.confusion(np.zeros((3, 3), int), "abc", tmp_path / "c.png")
    with pytest.raises(ValueError, match="expected"):
        report.confusion(np.zeros((3, 2), int), "abc", tmp_path / "c.png")


def test_a_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(UserError, match="can't write"):
        report.curves(metrics(2), tmp_path / "missing" / "curves.png")


# What ends or spoils a drawing: LaTeX, which is not there, and everything white.
SETTINGS = {"text.usetex": "True", "lines.linestyle": "none", "lines.marker": "x", "savefig.facecolor": "none",
            "savefig.dpi": "30", "axes.facecolor": "black", "font.family": "fantasy"}


def test_pictures_depend_on_nothing_that_the_user_has_set(tmp_path):
    report.curves(metrics(3), tmp_path / "plain.png")
    with matplotlib.rc_context(SETTINGS):
        before = dict(matplotlib.rcParams)
        report.curves(metrics(3), tmp_path / "set.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "set.png").read_bytes() == (tmp_path / "plain.png").read_bytes()


def test_a_process_may_have_any_settings_and_nowhere_to_write_but_the_pictures_folder(tmp_path):
    """A notebook's shell hands on a backend that need not be there."""
    (tmp_path / "matplotlibrc").write_text("\n".join(f"{name}: {value}" for name, value in SETTINGS.items()))
    code = ("import os, tempfile; tempfile._candidate_tempdir_list = lambda: ['/proc']; import numpy as np\n"
            "from cifar_fast.runs.reports import report; report.confusion(np.eye(2, dtype=int), 'ab', 'c.png')\n"
            "print(*(os.environ[name] for name in ('MPLBACKEND', 'MPLCONFIGDIR')))")
    variables = {"MPLBACKEND": "no_such_backend", "MPLCONFIGDIR": "/proc/nothing", "PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | variables, capture_output=True,
                          text=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "no_such_backend /proc/nothing\n")
    assert sorted(os.listdir(tmp_path)) == ["c.png", "matplotlibrc"]
    report.confusion(np.eye(2, dtype=int), "ab", tmp_path / "here.png")
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "here.png").read_bytes()


def test_a_script_keeps_the_backend_that_its_environment_names(tmp_path):
    code = ("from cifar_fast.runs.reports import report; import numpy as np, sys\n"
            "assert 'matplotlib' not in sys.modules\n"
            f"report.confusion(np.eye(2, dtype=int), 'ab', '{tmp_path}/c.png')\n"
            "import matplotlib; print(matplotlib.rcParams['backend'])")
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | {"MPLBACKEND": "svg"}, capture_output=True,
                          text=True)
    assert done.stdout == "svg\n", done.stderr


def test_what_cannot_be_drawn_is_said_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(report.DrawingError, match="can't draw .*curves.png: ZeroDivisionError, division"):
        report.curves(metrics(2), tmp_path / "curves.png")
    assert not list(tmp_path.iterdir())


def test_the_table_of_a_short_run_has_every_epoch():
    lines = report.format_table(metrics(3, eval_every=2)).splitlines()
    assert [line.split()[0] for line in lines[-3:]] == ["1", "2", "3"]
    assert "2.0000  10.00%  99.00%" in lines[-3] and "2.5" not in lines[-3]
    assert "1.2500  52.50%  98.00%" in lines[-2] and "1,234" in lines[-2]
    assert len(set(map(len, lines))) == 1


def test_the_table_of_a_long_run_is_short_and_has_the_ends():
    epochs = [line.split()[0] for line in report.format_table(metrics(500)).splitlines()[2:]]
    assert len(epochs) == report.TABLE_ROWS and epochs[0] == "1" and epochs[-1] == "500"
