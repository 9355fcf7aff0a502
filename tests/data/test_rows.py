"""Rows of a memory map behave as the array that they would be, and copy only what is asked for."""
import numpy as np
import pytest

from cifar_fast.data.rows import Rows, chosen, contiguous


@pytest.fixture
def mapped(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (20, 4, 5, 3), dtype=np.uint8)
    array.tofile(tmp_path / "it")
    return np.memmap(tmp_path / "it", np.uint8, "r", shape=array.shape)


def test_rows_are_those_of_the_array(mapped):
    rows = np.array([3, 17, 3, 0])
    found, expected = chosen(mapped, rows), np.asarray(mapped)[rows]
    assert isinstance(found, Rows) and len(found) == 4 and found.shape == expected.shape
    assert found.nbytes == expected.nbytes and found.dtype == expected.dtype and found.ndim == 4
    for place in (slice(None), slice(1, 3), 2, np.array([2, 0])):
        np.testing.assert_array_equal(found[place], expected[place])
    np.testing.assert_array_equal(np.concatenate([found, found[:1]]), np.concatenate([expected, expected[:1]]))
    again = chosen(found, np.array([1, 2]))
    assert isinstance(again, Rows)
    np.testing.assert_array_equal(again, expected[[1, 2]])
    np.testing.assert_array_equal(chosen(found, slice(2)), expected[:2])


def test_only_what_is_not_in_memory_stays_where_it_lies(mapped):
    assert isinstance(chosen(np.asarray(mapped), np.array([1])), np.ndarray)
    assert isinstance(chosen(mapped, slice(3)), np.memmap)
    assert contiguous(mapped) is mapped and contiguous(found := chosen(mapped, np.array([1]))) is found
    assert contiguous(np.asarray(mapped)[..., ::-1]).flags.c_contiguous
