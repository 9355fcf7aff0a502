"""What keeps two runs out of one folder: the kernel's lock on the file `lock`, or, where there are none, the
file `lock.held`, which only one process can create.

A process that died holds nothing: the kernel frees its lock, and `lock.held` is taken over, at once where its process
is known to be gone, else when nobody has renewed it for half a minute.
"""
import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path

from cifar_fast.errors import UserError, short
from cifar_fast.system import files, portable
from cifar_fast.system.streams import say

BEAT, STALE = 5.0, 30.0  # seconds between two renewals, and without any until another process may take over
AFTER_TAKING_OVER = 1.0  # seconds until it is clear who of several has


class Held(UserError):
    """Another process trains there."""


class Lock:
    """A run's lock on a folder, from `take` to `free`."""

    def __init__(self, folder):
        self.folder, self._done = Path(folder), threading.Event()
        self._file, self._held = self.folder / "lock", self.folder / "lock.held"
        self._handle = self._renewed = self._thread = None

    def take(self):
        """Raises Held, naming the process; UserError if the lock can't be written; OSError if it can't be opened."""
        self._record = _record()
        # A link there might lead to any file, which would be overwritten.
        self._handle = os.open(self._file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            if self._lock():
                self._check_abandoned()  # another machine may see this file system without locks
                with files.writing(self._held):
                    self._held.unlink(missing_ok=True)
            else:
                self._create()
            with files.writing(self._file):
                os.ftruncate(self._handle, 0)
                os.write(self._handle, json.dumps(self._record).encode())
        except BaseException:
            self.free()
            raise

    def free(self):
        if self._renewed is not None:
            self._done.set()
            if self._thread:
                self._thread.join()
            with contextlib.suppress(OSError):
                if self._is_ours():
                    self._held.unlink()
            os.close(self._renewed)
        os.close(self._handle)  # the file stays: deleting it would let two processes lock two files of one name

    def _lock(self):
        """Whether the kernel locked the file; False where it can't."""
        try:
            return portable.lock(self._handle)
        except BlockingIOError:
            raise self._refusal(os.read(self._handle, 1000)) from None
        except OSError as error:
            raise UserError(f"--workdir={self.folder}: can't be locked ({error.strerror}); "
                            "name a folder on another file system") from error

    def _refusal(self, data):
        return Held(f"--workdir={self.folder}: {_holder(data)} is training there; "
                    "wait for it, stop it, or name another folder")

    def _create(self):
        with files.writing(self._held):
            for attempt in range(2):
                try:
                    self._renewed = os.open(self._held, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
                    break
                except FileExistsError:
                    if attempt:  # another was as quick to take over
                        raise self._refusal(_read(self._held) or b"") from None
                    self._check_abandoned()
                    self._held.unlink(missing_ok=True)
            os.write(self._renewed, self._beat(0))
        if attempt:
            time.sleep(AFTER_TAKING_OVER)  # one that judged at the same time may have deleted ours for the dead one's
            if not self._is_ours():
                raise self._refusal(_read(self._held) or b"")
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        say(f"{self._held}: there are no locks here; the file, which this run renews, keeps other runs out, but "
            f"one from another machine may take over if this one is halted for {STALE:.0f} s")

    def _check_abandoned(self):
        """Raises Held unless the process of `lock.held`, if there is such a file, is gone."""
        before = _read(self._held)
        if before is None:
            return
        with contextlib.suppress(ValueError, KeyError, TypeError):  # half written, or by someone else
            record = json.loads(before.partition(b"\n")[0])
            if record["numbered_by"] == _numbered_by() and record["numbered_by"]:
                if _birth(record["pid"]) == record["birth"]:
                    raise self._refusal(before)
                return
        say(f"{self._held}: {_holder(before)} may be training there; watching for {STALE:.0f} s whether it renews it")
        deadline = time.monotonic() + STALE
        while time.monotonic() < deadline:
            time.sleep(BEAT / 5)
            now = _read(self._held)
            if now is None:
                return
            if now != before:
                raise self._refusal(now)

    def _renew(self):
        number = 0
        while not self._done.wait(BEAT):
            number += 1
            with contextlib.suppress(OSError):  # a full disk: it is for the run to say so
                os.lseek(self._renewed, 0, os.SEEK_SET)
                os.write(self._renewed, self._beat(number))
                os.fsync(self._renewed)

    def _beat(self, number):
        return json.dumps(self._record | {"renewed": f"{number:012}"}).encode() + b"\n"

    def _is_ours(self):
        try:
            return os.path.samestat(os.stat(self._held), os.fstat(self._renewed))
        except FileNotFoundError:
            return False


def _record():
    """Who this process is, for people, and for another to find out whether it still runs."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "numbered_by": _numbered_by(), "birth": _birth(os.getpid())}


def _numbered_by():
    """Which kernel, since its start, numbers this process, and in which container; "" where that isn't known."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _birth(pid):
    """When a process started, in the kernel's ticks, by which it differs from a later one of its number; None if it is
    dead."""
    try:
        state, *fields = Path(f"/proc/{int(pid)}/stat").read_text().rpartition(")")[2].split()
        return None if state in "ZX" else int(fields[18])
    except (OSError, ValueError):
        return None


def _read(path):
    """A file's bytes, as other machines have written them; None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _holder(data):
    try:
        record = json.loads(data)
        return "process {} on {} (since {})".format(*(short(str(record[key])) for key in ("pid", "host", "started")))
    except (ValueError, KeyError, TypeError):  # only just taken, or someone else wrote there
        return "another process"
