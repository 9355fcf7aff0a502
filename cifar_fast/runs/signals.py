"""SIGINT and SIGTERM during a run: noted first, so that it can save and leave."""
import contextlib
import signal
import threading

from cifar_fast.streams import say


class Signals:
    """While it lasts, the first SIGINT or SIGTERM is only noted in `caught`; a second one acts as usual.

    In another thread than the main one, the only one that Python lets take signals, nothing is noted; nor are signals
    that a program in C has taken, which Python couldn't give back.
    """

    def __init__(self):
        self.caught = None

    def __enter__(self):
        main = threading.current_thread() is threading.main_thread()
        taken = [s for s in (signal.SIGINT, signal.SIGTERM) if main and signal.getsignal(s) is not None]
        self.before = {s: signal.signal(s, self._catch) for s in taken}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def _catch(self, number, frame):
        if self.caught is None:
            self.caught = number
            # Ctrl-C ends a reader of our output, too, such as tee; what is noted must not be lost with the line.
            with contextlib.suppress(OSError, RuntimeError):
                name = signal.Signals(number).name
                say(f"\n{name}: saving after this call; once more to leave at once")
        elif callable(self.before[number]):
            self.before[number](number, frame)
        else:  # only now, not at the first: Python loses a signal that waits while its handler is taken away
            signal.signal(number, self.before[number])
            signal.raise_signal(number)
