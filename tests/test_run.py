"""How a run counts its time; whole runs are `test_train`'s."""
from types import SimpleNamespace

from cifar_fast.run import Run


def counted(*calls):
    """A run's state after calls of (steps, seconds)."""
    run = SimpleNamespace(seconds=0.0, compile_seconds=0.0, first_step_seconds=None, first_call=None,
                          steps_per_second=None, started=0.0)
    for steps, seconds in calls:
        Run.count_time(run, steps, seconds)
    return run


def test_what_the_first_call_took_beyond_a_usual_step_is_compilation():
    run = counted((1, 5.0), (1, 0.5), (4, 2.0))
    assert (run.seconds, run.compile_seconds, run.steps_per_second) == (3.0, 4.5, 2.0)


def test_a_first_call_that_is_no_slower_compiled_nothing():
    run = counted((1, 0.25), (2, 1.0))
    assert (run.seconds, run.compile_seconds, run.steps_per_second) == (1.25, 0.0, 2.0)
