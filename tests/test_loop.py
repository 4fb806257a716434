"""The loop's clock: it stands still while nobody could play, and never goes back for anybody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sockrun.network.loop import STALL, Loop

PAUSES = st.lists(st.floats(0, 10 * STALL), max_size=6)


class Machine:
    """A clock that only moves when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def pause(self, seconds: float) -> None:
        self.seconds += seconds

    def poll(self, timeout: float | None) -> None:
        self.seconds += timeout or 0.0


@given(before=PAUSES, after=PAUSES)
def test_what_begins_between_two_turns_never_lasts_less_than_nothing(before: list[float], after: list[float]) -> None:
    """Reading files takes time in which a scenario may begin: only what was lost before it is taken off before it."""
    machine = Machine()
    loop = Loop(machine.poll, lambda: machine.seconds)
    for pause in before:
        machine.pause(pause)
    began = loop.now()
    for pause in after:
        machine.pause(pause)
        loop.turn()
        assert loop.now() >= began - 1e-9


@given(PAUSES)
def test_a_turn_that_takes_long_counts_for_little(pauses: list[float]) -> None:
    """However long the process was held up, no deadline comes nearer by more than a turn's share."""
    machine = Machine()
    loop = Loop(machine.poll, lambda: machine.seconds)
    for pause in pauses:
        machine.pause(pause)
    loop.turn()
    assert loop.now() <= STALL + 1e-9
