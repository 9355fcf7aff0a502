import signal
import threading

import pytest

from cifar_fast.runs.signals import Signals


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
