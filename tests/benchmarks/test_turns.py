"""How long a contestant's turns are."""
from types import SimpleNamespace

import pytest

from benchmarks.support.turns import paced


@pytest.mark.parametrize("seconds_a_step, expected", [(0.1, [3, 10, 10]), (1.0, [3, 3, 3])])
def test_turns_grow_until_they_take_the_seconds_and_never_shrink(seconds_a_step, expected):
    asked = []
    turn = paced(SimpleNamespace(turn=lambda steps: (asked.append(steps), steps * seconds_a_step)), 3, seconds=1.0)
    for _ in range(3):
        turn()
    assert asked == expected
