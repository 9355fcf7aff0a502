"""How long an epoch's steps take, and how long a program's first call compiles: only a usual step tells them apart."""


class Clock:
    """Counts the calls of the running program, one call after another.

    A program's first call is a single step, and all of it counts as compilation until a second call, or the epoch's
    end, says what a step takes: then so much of it moves to `seconds`. A process that ends in between leaves no
    compilation among the steps.

    Attributes:
      seconds, compile_seconds: of the current epoch.
      steps_per_second: of the last call, None until a second one was counted.
    """

    def __init__(self):
        self.seconds = self.compile_seconds = 0.0
        self.new_program()

    def new_program(self):
        self.steps_per_second = self._first = None

    def count(self, steps, seconds):
        """Adds a call that took so many steps and seconds."""
        if self._first is None:
            self._first = seconds
            self.compile_seconds += seconds
            return
        self.seconds += seconds
        if self.steps_per_second is None:
            self._move(seconds / steps)
        self.steps_per_second = steps / seconds

    def end_epoch(self, steps):
        """Of an epoch of so many steps: where no second call came, the steps of earlier processes say what is usual,
        and without any the first call's time is taken for the step's."""
        if self.steps_per_second is None:
            self._move(self.seconds / (steps - 1) if self.seconds else self._first)
            self._first = 0.0  # nothing is left of it to move

    def begin_epoch(self):
        self.seconds = self.compile_seconds = 0.0

    def _move(self, usual):
        usual = min(usual, self._first)
        self.seconds, self.compile_seconds = self.seconds + usual, self.compile_seconds - usual
