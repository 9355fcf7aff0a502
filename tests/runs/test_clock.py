"""Training time and compilation, told apart."""
import pytest

from cifar_fast.runs.clock import Clock


def counted(*calls):
    """A clock after calls of (steps, seconds)."""
    clock = Clock()
    for steps, seconds in calls:
        clock.count(steps, seconds)
    return clock


def test_what_the_first_call_took_beyond_a_usual_step_is_compilation():
    clock = counted((1, 5.0), (1, 0.5), (4, 2.0))
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == (3.0, 4.5, 2.0)


def test_a_first_call_that_is_no_slower_compiled_nothing():
    clock = counted((1, 0.25), (2, 1.0))
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == (1.25, 0.0, 2.0)


def test_another_program_compiles_anew():
    clock = counted((1, 5.0), (1, 0.5))
    clock.end_epoch(2)
    clock.begin_epoch()
    clock.new_program()
    clock.count(1, 7.0)
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == (0.0, 7.0, None)
    clock.count(2, 2.0)
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == (3.0, 6.0, 1.0)


def test_a_run_stopped_in_its_first_call_has_no_compilation_among_its_steps():
    stopped, goes_on = counted((1, 5.0)), Clock()
    goes_on.seconds, goes_on.compile_seconds = stopped.seconds, stopped.compile_seconds
    goes_on.count(1, 4.0)
    goes_on.count(8, 4.0)
    goes_on.end_epoch(10)
    assert (goes_on.seconds, goes_on.compile_seconds) == (4.5, 8.5)


def test_the_only_step_that_was_left_of_an_epoch_takes_as_long_as_those_before():
    clock = Clock()
    clock.seconds, clock.compile_seconds = 4.5, 3.0
    clock.count(1, 6.0)
    clock.end_epoch(10)
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == (5.0, 8.5, None)


def test_epochs_of_one_step_have_a_time_of_their_own():
    clock = counted((1, 5.0))
    clock.end_epoch(1)
    assert (clock.seconds, clock.compile_seconds) == (5.0, 0.0)
    clock.begin_epoch()
    clock.count(1, 0.5)
    clock.end_epoch(1)
    assert (clock.seconds, clock.compile_seconds, clock.steps_per_second) == pytest.approx((0.5, 0.0, 2.0))
