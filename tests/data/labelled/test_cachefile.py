"""Writing a cache file row by row, in any order, and what is left of one that could not be ended."""
import contextlib
import errno
import os

import numpy as np
import pytest

from cifar_fast.data.labelled import cachefile

IMAGES = np.random.default_rng(0).integers(1, 256, (50, 5, 4, 3), np.uint8)


def writer(path, needed=0):
    return contextlib.closing(cachefile.Writer(path, needed))


@pytest.mark.parametrize("order", [range(50), range(49, -1, -1), np.random.default_rng(1).permutation(50)])
@pytest.mark.parametrize("fits", [True, False])
def test_rows_come_back_whatever_their_order(order, fits, tmp_path):
    path = tmp_path / "new" / "it.images"
    with writer(path) as file:
        for row in order:
            file.write(int(row), IMAGES[row])
        file.end(IMAGES.shape, [(3, "why")])
    found, damaged = cachefile.read(path, 50, lambda _: fits)
    np.testing.assert_array_equal(found, IMAGES)
    assert damaged == [(3, "why")] and isinstance(found, np.memmap) != fits
    assert cachefile.read(path, 49, lambda _: fits) is None and os.listdir(path.parent) == ["it.images"]


def test_rows_left_out_are_zeros_also_the_last(tmp_path):
    with writer(tmp_path / "it.images") as file:
        for row in (1, 3):
            file.write(row, IMAGES[row])
        file.end((6, 5, 4, 3), [])
    found, _ = cachefile.read(tmp_path / "it.images", 6, lambda _: True)
    np.testing.assert_array_equal(found[[1, 3]], IMAGES[[1, 3]])
    assert not found[[0, 2, 4, 5]].any()


@pytest.mark.parametrize("needed", [60, 0])
@pytest.mark.parametrize("stage", ["open", "write", "fsync", "replace"])
def test_a_problem_leaves_nothing_and_is_raised_where_the_file_is_needed(stage, needed, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    folder = tmp_path / "file" if stage == "open" else tmp_path / "cache"
    (tmp_path / "file").write_text("")
    if stage in ("fsync", "replace"):
        monkeypatch.setattr(os, stage, full)
    if stage == "write":
        monkeypatch.setattr(cachefile.portable, "write_at", full)
    expected = pytest.raises(OSError, match="File exists|No space left") if needed else contextlib.nullcontext()
    with expected, writer(folder / "it.images", needed) as file:
        file.write(0, IMAGES[0])
        file.end((1, 5, 4, 3), [])
        assert file.problem
    assert not folder.is_dir() or not os.listdir(folder)


def test_what_is_needed_is_taken_from_the_disk_at_once(tmp_path):
    with writer(tmp_path / "it.images", 120) as file:
        (aside,) = tmp_path.iterdir()
        assert aside.stat().st_size == 120
        file.write(1, IMAGES[1])
        file.end((2, 5, 4, 3), [])
    found, _ = cachefile.read(tmp_path / "it.images", 2, lambda _: True)
    np.testing.assert_array_equal(found[1], IMAGES[1])
    assert not found[0].any()


def test_what_is_not_ended_is_gone_and_what_was_there_stays(tmp_path):
    path = tmp_path / "it.images"
    path.write_bytes(b"before")
    with writer(path) as file:
        file.write(0, IMAGES[0])
    assert path.read_bytes() == b"before" and os.listdir(tmp_path) == ["it.images"]
