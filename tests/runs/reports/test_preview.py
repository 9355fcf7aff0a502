import numpy as np

from cifar_fast.runs.reports import preview, report
from tests.support import tiny


def drawn(monkeypatch, **flags):
    """(before, after) as the sheet gets them: [N, 32, 32, 3] and [N, views, 32, 32, 3]."""
    found = []
    monkeypatch.setattr(report, "augmentation_sheet", lambda *given: found.extend(given))
    preview.draw_augmentation(tiny.config(**flags), tiny.data(), "sheet.png", images=5, views=3)
    assert found[2] == "sheet.png" and found[1].shape == (5, 3, 32, 32, 3)
    return found[0], found[1]


def test_without_augmentation_every_view_is_the_image(monkeypatch):
    before, after = drawn(monkeypatch, horizontal_flip=False)
    assert np.array_equal(before, tiny.data().train_images[:5])
    np.testing.assert_allclose(after, np.repeat(before[:, None], 3, 1), atol=1e-2)


def test_each_view_is_another_epochs(monkeypatch):
    before, after = drawn(monkeypatch, **tiny.ORIGINAL)
    assert not np.allclose(after[:, 0], before) and not np.allclose(after[:, 0], after[:, 1])


def test_smaller_crops_stand_in_a_black_frame(monkeypatch):
    before, after = drawn(monkeypatch, horizontal_flip=False, crop_size=24)
    assert not after[:, :, :4].any() and not after[:, :, :, -4:].any() and after[:, :, 4:-4, 4:-4].any()


def test_the_sheet_is_written(tmp_path):
    preview.draw_augmentation(tiny.config(), tiny.data(), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
