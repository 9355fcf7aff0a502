import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from cifar_fast.runs.signals import LEAVE, WARNINGS, Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_is_noted_and_the_second_acts_as_before(number):
    class Left(Exception):
        pass

    def leave(*_):
        raise Left

    before = signal.signal(number, leave)
    try:
        with Signals() as signals:
            assert signals.caught is None
            signal.raise_signal(number)
            assert signals.caught == number
            with pytest.raises(Left):
                signal.raise_signal(number)
        assert signal.getsignal(number) is leave
    finally:
        signal.signal(number, before)


def test_a_signal_is_noted_though_nobody_reads(monkeypatch):
    def broken(*_, **__):
        raise BrokenPipeError

    monkeypatch.setattr("cifar_fast.runs.signals.say", broken)
    with Signals() as signals:
        signal.raise_signal(signal.SIGTERM)
    assert signals.caught == signal.SIGTERM


def test_ignored_signals_stay_ignored_afterwards():
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert signals.caught == signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_another_thread_leaves_them_alone():
    def enter():
        with Signals() as signals:
            seen.append((signals.caught, *map(signal.getsignal, (signal.SIGINT, signal.SIGTERM))))

    before, seen = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)], []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [(None, *before)]


def test_a_handler_of_c_code_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: None)
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("it could not be given back"))
    with Signals() as signals:
        assert not signals.before


@pytest.mark.parametrize("number", WARNINGS)
def test_warnings_are_noted_however_often_they_come_and_the_next_request_too(number):
    with Signals() as signals:
        for each in (number, number, signal.SIGTERM):
            signal.raise_signal(each)
        assert signals.caught == number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_warning_that_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signal.raise_signal(signal.SIGHUP)
            assert signals.caught is None
    finally:
        signal.signal(signal.SIGHUP, before)


HELD = """
import ctypes, signal
from cifar_fast.runs import signals
signals.PATIENCE = 0.2
with signals.Signals():
    print("held", flush=True)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals.LEAVE)  # no call of this thread's is interrupted
    ctypes.CDLL(None).sleep(60)
"""


@pytest.mark.parametrize("number", LEAVE)
def test_the_second_ends_a_process_that_native_code_holds(number):
    held = subprocess.Popen([sys.executable, "-c", HELD], stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "held\n"
    held.send_signal(number)
    time.sleep(0.3)
    assert held.poll() is None  # the first waits for what is done to be saved
    held.send_signal(number)
    assert held.wait(30) == 128 + number


def test_a_terminal_that_is_gone_takes_no_line_and_stops_nothing(monkeypatch, tmp_path):
    """The line that says so fails, and all that follow must not."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        with Signals() as signals:
            signal.raise_signal(signal.SIGHUP)
            print("the next", flush=True)
        monkeypatch.undo()
    assert signals.caught == signal.SIGHUP
