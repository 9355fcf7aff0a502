import hashlib
import json
import os
import struct

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf

from cifar_fast.errors import UserError
from cifar_fast.runs.directory import checkpoint
from cifar_fast.runs.directory.checkpoint import CheckpointError

WEIGHTS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3)}


def names(folder):
    return sorted(os.listdir(folder))


def handmade(path, header, data=b""):
    """A file whose checksum fits, whatever is in it."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = checkpoint.MAGIC + struct.pack("<Q", len(header)) + header + data
    path.write_bytes(body + hashlib.sha256(body).digest())
    return path


def test_arrays_come_back_bit_for_bit(tmp_path):
    nan_with_payload = np.array([0x7FC00123, 0xFF800001, 0x80000000], np.uint32).view(np.float32)
    arrays = {
        "special floats": nan_with_payload, "int64": np.array([[-2**63], [2**63 - 1]]),
        "uint8": np.arange(5, dtype=np.uint8), "bool": np.array([True, False]), "scalar": np.float32(0.1),
        "int scalar": np.asarray(7, np.int64), "empty": np.zeros((0, 3), np.float32),
        "bfloat16": np.array([0.1, -np.inf], ml_dtypes.bfloat16), "name with / and é": np.float64(1 / 3),
        "strided": np.arange(12, dtype=np.int32).reshape(3, 4).T[::2],
        "big-endian": np.array([1.5, 2], ">f4")}
    meta = {"epoch": 3, "best": 0.1 + 0.2, "nested": {"a": [None, True]}}
    checkpoint.save(tmp_path, 1, arrays, meta)
    path, loaded, loaded_meta, damaged = checkpoint.latest(tmp_path)
    assert loaded_meta == meta and damaged == [] and list(loaded) == list(arrays)
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype.newbyteorder("<") and loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()
        assert loaded[name].flags.writeable and loaded[name].flags.aligned


def test_a_dtype_that_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="strange.*object"):
        checkpoint.save(tmp_path, 1, {"strange": np.array([None])}, {})
    assert names(tmp_path) == []


def test_the_last_ones_and_the_best_are_kept(tmp_path):
    checkpoint.save_best(tmp_path, WEIGHTS, {"epoch": 1})
    for step in (5, 9, 10, 100):
        checkpoint.save(tmp_path, step, WEIGHTS, {"step": step}, keep=2)
    assert names(tmp_path) == ["best.ckpt", "step-0000000010.ckpt", "step-0000000100.ckpt"]
    assert checkpoint.load_last(tmp_path)[1] == {"step": 100}
    assert checkpoint.load_best(tmp_path)[1] == {"epoch": 1}


def test_a_copy_by_another_name_is_neither_read_nor_deleted(tmp_path):
    for step in (5, 9):
        checkpoint.save(tmp_path, step, WEIGHTS, {"step": step})
    (tmp_path / "step-good.ckpt").write_bytes((tmp_path / "step-0000000005.ckpt").read_bytes())
    assert checkpoint.latest(tmp_path)[2] == {"step": 9}
    checkpoint.save(tmp_path, 10, WEIGHTS, {"step": 10})
    assert names(tmp_path) == ["step-0000000009.ckpt", "step-0000000010.ckpt", "step-good.ckpt"]


def test_nothing_there(tmp_path):
    assert checkpoint.latest(tmp_path) is None
    for load in (checkpoint.load_last, checkpoint.load_best):
        with pytest.raises(CheckpointError, match="train first|train with the same"):
            load(tmp_path)


def test_every_truncation_and_every_flipped_bit_is_noticed(tmp_path):
    checkpoint.save(tmp_path, 1, WEIGHTS, {"epoch": 1})
    path = tmp_path / "step-0000000001.ckpt"
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match="step-0000000001.ckpt: damaged"):
            checkpoint.load(path)
    for bit in range(8 * len(whole)):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match="step-0000000001.ckpt: damaged"):
            checkpoint.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoint.load(path)


def test_a_damaged_one_is_named_and_the_one_before_taken(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, WEIGHTS, {"step": step})
    (tmp_path / "step-0000000002.ckpt").write_bytes(b"")
    path, _, meta, damaged = checkpoint.latest(tmp_path)
    assert path.name == "step-0000000001.ckpt" and meta == {"step": 1}
    assert len(damaged) == 1 and "step-0000000002.ckpt" in damaged[0]


def test_all_damaged_is_an_error_that_names_them(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, WEIGHTS, {})
        (tmp_path / f"step-{step:010d}.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="step-0000000002.ckpt.*step-0000000001.ckpt"):
        checkpoint.latest(tmp_path)


def test_going_on_from_an_earlier_step_outlives_the_damaged_later_ones(tmp_path):
    for step in (100, 200, 300):
        checkpoint.save(tmp_path, step, WEIGHTS, {}, keep=3)
    for step in (200, 300):
        (tmp_path / f"step-{step:010d}.ckpt").write_bytes(b"x")
    checkpoint.save(tmp_path, 150, WEIGHTS, {}, keep=2)
    assert names(tmp_path) == ["step-0000000100.ckpt", "step-0000000150.ckpt"]


def test_a_failed_write_loses_nothing(tmp_path, monkeypatch):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, WEIGHTS, {"step": step})

    def refuse(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(checkpoint.UserError, match="No space left"):
        checkpoint.save(tmp_path, 3, WEIGHTS, {"step": 3})
    assert names(tmp_path) == ["step-0000000001.ckpt", "step-0000000002.ckpt"]
    assert checkpoint.load_last(tmp_path)[1] == {"step": 2}


@pytest.mark.parametrize("header", [
    b"[" * 100_000, b"\xff", b"[]", {}, {"arrays": [3], "meta": {}}, {"arrays": [{"name": "a"}], "meta": {}},
    *({"arrays": [{"name": "a", "dtype": "float32", "shape": [1], "offset": 0} | change], "meta": {}}
      for change in (
          {"dtype": "object"}, {"dtype": "float64"}, {"dtype": ["float32"]}, {"shape": [2**62, 8]},
          {"shape": [-1]}, {"shape": [0]}, {"shape": [0, 2**70]}, {"shape": 1}, {"shape": ["1"]},
          {"offset": 4}, {"offset": -4}, {"name": []}))])
def test_a_file_made_by_hand_is_refused_with_its_name(tmp_path, header):
    with pytest.raises(CheckpointError, match="evil.ckpt"):
        checkpoint.load(handmade(tmp_path / "evil.ckpt", header, bytes(4)))


def test_a_file_that_cannot_be_read(tmp_path):
    (tmp_path / "step-0000000001.ckpt").mkdir()
    with pytest.raises(CheckpointError, match="step-0000000001.ckpt: can't be read"):
        checkpoint.load(tmp_path / "step-0000000001.ckpt")


def test_variables_are_restored_in_order_and_other_shapes_are_refused():
    variables = [tf.Variable([1.0, 2.0], name="kernel"), tf.Variable(3.0, name="bias")]
    arrays = checkpoint.named("model", variables)
    assert list(arrays) == ["model-000", "model-001"]
    others = [tf.Variable([0.0, 0.0]), tf.Variable(0.0)]
    checkpoint.restore("model", others, arrays)
    assert others[0].numpy().tolist() == [1, 2] and others[1].numpy() == 3
    with pytest.raises(UserError, match=r"nothing of shape \(3,\) for wide.*another network"):
        checkpoint.restore("model", [tf.Variable([0.0] * 3, name="wide")], arrays)
    with pytest.raises(UserError, match="nothing of shape"):
        checkpoint.restore("optimizer", variables, arrays)
