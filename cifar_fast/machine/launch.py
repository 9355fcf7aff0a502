"""Several workers on this machine: `cifar_fast launch --workers=2 -- train …`, to try on one what runs on many.

Each worker is a process of its own with its share of the cores, told by TF_CONFIG who the others are. Graphics cards
are hidden from them: for several in one machine, `--strategy=mirrored` is the way.
"""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

from cifar_fast.system import portable, processor
from cifar_fast.system.streams import put, warn

PATIENCE = 90.0  # seconds that workers have to leave by themselves once one of them has failed


def launch(workers, arguments):
    """Runs `cifar_fast ARGUMENTS` in so many workers at once. Returns 0 if all ended well, else the code of the first
    that failed.

    The chief's output is shown as it is, the others' with their number before it; the signals that stop a run go
    on to all.
    """
    addresses = [f"127.0.0.1:{port}" for port in free_ports(workers)]
    children = [_start(i, addresses, arguments) for i in range(workers)]
    readers = [threading.Thread(target=_copy, args=(stream, target, f"[worker {i}] " if i else ""))
               for i, child in enumerate(children)
               for stream, target in ((child.stdout, sys.stdout), (child.stderr, sys.stderr))]
    before = {number: signal.signal(number, lambda caught, _: _tell(children, caught))
              for number in (*portable.LEAVE, *portable.WARNINGS) if signal.getsignal(number) is not signal.SIG_IGN}
    try:
        for reader in readers:
            reader.start()
        code = _wait(children)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _tell(children, signal.SIGKILL)
    for reader in readers:
        reader.join()
    return code


def _start(index, addresses, arguments):
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
    own = share_of_cores(index, len(addresses))
    return subprocess.Popen(
        [sys.executable, "-m", "cifar_fast", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        errors="backslashreplace",
        env=os.environ | {"TF_CONFIG": json.dumps(config), "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,  # the terminal's Ctrl-C comes through us, once
        preexec_fn=(lambda: os.sched_setaffinity(0, own)) if own else None)


def share_of_cores(index, workers):
    """The cores of one of so many workers: a set of their numbers, at least one, shared where they are too few; None
    where the system holds no process to some of them."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    share = max(1, processor.usable_cores() // workers)
    return {cores[(index * share + i) % len(cores)] for i in range(share)}


def _wait(children):
    """Until all have ended; those that hang on after another failed are killed. The first failure's exit code, or 0."""
    code, deadline = 0, None
    while any(child.poll() is None for child in children):
        for index, child in enumerate(children):
            if not code and child.poll():
                code, deadline = _code(child), time.monotonic() + PATIENCE
                if child.returncode < 0:
                    name = signal.Signals(-child.returncode).name
                    warn(f"cifar_fast: worker {index} was ended by {name}")
        if deadline and time.monotonic() > deadline:
            _tell(children, signal.SIGKILL)
        time.sleep(0.1)
    return code or max(map(_code, children))


def _code(child):
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _tell(children, number):
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


def _copy(stream, target, mark):
    for line in stream:
        with contextlib.suppress(OSError):  # who reads us may have left: the workers must not wait for it
            put(mark + line.rstrip("\n"), target)


def free_ports(count):
    """Ports of this machine that nobody listens on: a list of so many different ones."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports
