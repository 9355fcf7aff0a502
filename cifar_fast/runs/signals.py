"""Signals during a run, a person's, a scheduler's, a closed terminal's: noted first, so that it can save and leave."""
import contextlib
import os
import signal
import socket
import sys
import threading

from cifar_fast.system.portable import LEAVE, WARNINGS
from cifar_fast.system.streams import say

PATIENCE = 5.0  # seconds that native code may hold the process once it was told a second time to leave


class Signals:
    """While it lasts, the first signal is only noted in `caught`; a second SIGINT or SIGTERM acts as usual.

    In another thread than the main one, the only one that Python lets take signals, nothing is noted; nor are signals
    that a program in C has taken, which Python couldn't give back, nor warnings that are ignored, as by `nohup`.
    """

    def __init__(self):
        self.caught, self.before = None, {}
        self._told, self._over = False, threading.Event()

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            now = {s: signal.getsignal(s) for s in (*LEAVE, *WARNINGS)}
            taken = [s for s in now if now[s] is not None and not (s in WARNINGS and now[s] is signal.SIG_IGN)]
            self.before = {s: signal.signal(s, self._catch) for s in taken}
            self._reader, self._writer = socket.socketpair()  # on Windows no pipe serves
            self._writer.setblocking(False)
            self._woken = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=self._end_if_held, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for number, handler in self.before.items():
            signal.signal(number, handler)
        if self.before:
            signal.set_wakeup_fd(self._woken)
            self._writer.close()

    def _catch(self, number, frame):
        if number in LEAVE and self._told:
            self._act(number, frame)
            return
        self._told |= number in LEAVE
        if self.caught is None:
            self.caught = number
            # A closed terminal takes no line, and Ctrl-C ends a reader of our output, too, such as tee; what is noted
            # must not be lost with it.
            try:
                say(f"\n{signal.Signals(number).name}: saving after this call; once more to leave at once")
            except OSError:
                _abandon_output()
            except RuntimeError:
                pass  # it came within another line

    def _act(self, number, frame):
        if callable(self.before[number]):
            self.before[number](number, frame)
        else:  # only now, not at the first: Python loses a signal that waits while its handler is taken away
            signal.signal(number, self.before[number])
            signal.raise_signal(number)

    def _end_if_held(self):
        """A thread: Python hears of a signal at once, but acts on it in the main thread alone, which waits for native
        code. Where a second one would end the process, it ends."""
        told = 0
        while number := self._reader.recv(1):
            told += self.before.get(number[0]) in (signal.SIG_DFL, signal.default_int_handler) and number[0] in LEAVE
            if told > 1 and not self._over.wait(PATIENCE):
                os._exit(128 + number[0])
        self._reader.close()


def _abandon_output():
    with contextlib.suppress(OSError, AttributeError):  # of an object that is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
