"""Two runs kept apart, also by file systems that have no locks; the kernel's own lock is tried in `test_workdir`."""
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from cifar_fast.errors import UserError
from cifar_fast.runs.directory import lock
from cifar_fast.runs.directory.lock import Held, Lock

HOLD = """
import errno, fcntl, sys, time
from cifar_fast.runs.directory.lock import Lock
def flock(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = flock
Lock(sys.argv[1]).take()
print("taken", flush=True)
time.sleep(60)
"""


def fail_with(code, monkeypatch):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.fixture
def no_locks(monkeypatch):
    fail_with(errno.ENOSYS, monkeypatch)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.05)
    monkeypatch.setattr(lock, "STALE", 0.5)
    monkeypatch.setattr(lock, "AFTER_TAKING_OVER", 0.1)


def refused(folder):
    with pytest.raises(Held, match="is training there") as error:
        Lock(folder).take()
    return str(error.value)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_second_run_is_refused_and_it_is_said_what_is_weaker(code, tmp_path, monkeypatch, capsys):
    fail_with(code, monkeypatch)
    first = Lock(tmp_path)
    first.take()
    assert "lock.held: there are no locks here" in capsys.readouterr().out
    assert f"process {os.getpid()} on " in refused(tmp_path)
    first.free()
    assert not (tmp_path / "lock.held").exists()
    second = Lock(tmp_path)
    second.take()
    second.free()


def test_a_killed_ones_file_is_taken_over_at_once(tmp_path, monkeypatch):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    try:
        while holder.stdout.readline() != "taken\n":
            pass
        assert f"process {holder.pid} on " in refused(tmp_path)  # here by the kernel's lock: both ways count
    finally:
        holder.send_signal(signal.SIGKILL)
        while lock._birth(holder.pid) is not None:  # not waited for yet: it is dead all the same
            pass
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: pytest.fail("it should not wait"))
    taken = Lock(tmp_path)
    taken.take()
    assert not (tmp_path / "lock.held").exists()
    taken.free()
    holder.communicate()


def of_another_machine(path):
    record = lock._record() | {"numbered_by": "another kernel", "host": "node7", "pid": 12}
    path.write_text(json.dumps(record) + "\n")


def test_another_machines_file_is_taken_over_when_nobody_renews_it(tmp_path, no_locks, quick, capsys):
    of_another_machine(tmp_path / "lock.held")
    taken = Lock(tmp_path)
    taken.take()
    assert "process 12 on node7" in capsys.readouterr().out
    assert json.loads((tmp_path / "lock.held").read_text())["pid"] == os.getpid()
    taken.free()


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}"])
def test_so_is_one_that_says_nothing(content, tmp_path, no_locks, quick):
    (tmp_path / "lock.held").write_text(content)
    taken = Lock(tmp_path)
    taken.take()
    taken.free()


def test_but_not_while_it_is_renewed(tmp_path, no_locks, quick, monkeypatch):
    first = Lock(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(lock, "_numbered_by", lambda: "another kernel")
        first.take()
    assert "is training there" in refused(tmp_path)
    first.free()


def test_of_two_that_take_over_at_once_one_is_refused(tmp_path, no_locks, quick, monkeypatch):
    """The other deletes this one's file in the belief that it is the dead one's."""
    of_another_machine(tmp_path / "lock.held")

    def other(seconds):
        if seconds == lock.AFTER_TAKING_OVER:
            (tmp_path / "lock.held").unlink()
            of_another_machine(tmp_path / "lock.held")

    monkeypatch.setattr(lock.time, "sleep", other)
    assert "process 12 on node7" in refused(tmp_path)
    assert (tmp_path / "lock.held").exists()


def test_a_lock_that_fails_for_another_reason_is_not_taken_for_a_missing_one(tmp_path, monkeypatch):
    fail_with(errno.EIO, monkeypatch)
    with pytest.raises(UserError, match="can't be locked .Input/output error"):
        Lock(tmp_path).take()
    assert not (tmp_path / "lock.held").exists()
