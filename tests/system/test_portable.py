"""Locks, memory and files where Linux's modules are not there: hidden, with a stand-in for Windows's locks."""
import errno
import fcntl
import os
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from cifar_fast.system import portable

HIDE = """
import asyncio, os, sys  # asyncio before all: from Python 3.12 on its part for Linux wants sysconf
for name in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "sched_setaffinity", "posix_fallocate", "pwrite", "sysconf", "O_NOFOLLOW", "getuid"):
    delattr(os, name)
real = open
def no_proc(file, *arguments, **named):
    if str(file).startswith(("/proc/", "/sys/")):
        raise FileNotFoundError(2, "hidden", file)
    return real(file, *arguments, **named)
import builtins, io
builtins.open = io.open = no_proc
"""
CORE = """
import pathlib, numpy as np
from cifar_fast import cli
from cifar_fast.system import portable
assert not portable.fcntl and not portable.resource and portable.memory() == 1 << 32
code = cli.main("cifar_fast train --dataset=synthetic --train_examples=64 --test_examples=16 --units=3 --filters=2 "
                "--batch_size=16 --epochs=1 --precision=float32 --workdir=run".split())
code = code or cli.main("cifar_fast evaluate --workdir=run".split()) or cli.main("cifar_fast devices".split())
code = code or cli.main("cifar_fast export --workdir=run --format=keras".split())
import cifar_fast
cifar_fast.RandomAffine(rotation_range=10)(np.zeros([2, 8, 8, 3], np.uint8), training=True)
sys.exit(code)
"""


def test_the_core_runs_where_the_modules_of_linux_are_hidden(tmp_path):
    """Importing, training, evaluating, exporting, and the Keras layer."""
    root = Path(portable.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", HIDE + CORE], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(root)})
    assert done.returncode == 0, done.stderr
    assert "lock.held: there are no locks here" in done.stdout
    summary = (tmp_path / "run" / "summary.json").read_text()
    assert '"peak_memory_mib": null' in summary and (tmp_path / "run" / "model.keras").exists()


@pytest.fixture
def windows(monkeypatch):
    """Windows's module of locks by Linux's: of a byte, refused as Windows refuses it."""
    def locking(descriptor, mode, count):
        if os.lseek(descriptor, 0, os.SEEK_CUR) < 1 << 20:
            raise AssertionError("what is locked there can't be read")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "held") from None

    monkeypatch.setattr(portable, "fcntl", None)
    monkeypatch.setattr(portable, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))


def test_windows_locks_keep_a_second_process_out(windows, tmp_path):
    with open(tmp_path / "lock", "w+b") as one, open(tmp_path / "lock", "r+b") as other:
        one.write(b"holder")
        one.flush()
        assert portable.lock(one) and one.tell() == 6
        with pytest.raises(BlockingIOError):
            portable.lock(other.fileno())
        assert other.read() == b"holder"
    with open(tmp_path / "lock", "r+b") as free:
        assert portable.lock(free)


def test_space_is_taken_where_there_is_no_call_for_it(monkeypatch, tmp_path):
    monkeypatch.delattr(os, "posix_fallocate")
    monkeypatch.setattr(portable, "FAR", 7)
    with open(tmp_path / "file", "w+b") as file:
        portable.allocate(file, 20)
        assert file.tell() == 0 and file.read() == bytes(20)


@pytest.mark.parametrize("system", ["linux", "windows"])
@pytest.mark.parametrize("most", [3, 1000])
def test_writing_at_a_place_writes_all_whoever_else_writes(system, most, monkeypatch, tmp_path):
    whole, pwrite = np.random.default_rng(0).integers(0, 256, (50, 4, 5), np.uint8), os.pwrite
    if system == "windows":
        monkeypatch.delattr(os, "pwrite")
    else:  # a system may write less than it is asked to
        monkeypatch.setattr(os, "pwrite", lambda handle, data, place: pwrite(handle, data[:most], place))
    with open(tmp_path / "file", "wb", buffering=0) as file, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: portable.write_at(file, 20 * row, whole[row]), reversed(range(50))))
    assert (tmp_path / "file").read_bytes() == whole.tobytes()


def test_memory_is_told():
    assert portable.memory() > 1 << 28 and 10 < portable.peak_memory_mib() < 1 << 20


def test_a_folder_that_windows_does_not_open_is_left(monkeypatch, tmp_path):
    def refused(*_):
        raise PermissionError(errno.EACCES, "a folder")

    monkeypatch.setattr(os, "open", refused)
    with pytest.raises(PermissionError):
        portable.sync_folder(tmp_path)
    monkeypatch.setattr(os, "name", "nt")
    portable.sync_folder(tmp_path)
