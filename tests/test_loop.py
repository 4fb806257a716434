"""The loop's clock: it stands still while nobody could play, and never goes back for anybody."""

from __future__ import annotations

import weakref
from collections.abc import Generator

from hypothesis import given
from hypothesis import strategies as st

from sockrun.commands import Command, Event, Sleep
from sockrun.masking import Mask
from sockrun.network.interface import PENDING, Reply
from sockrun.network.loop import STALL, Loop, Task

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


class Scenario:
    """An owner whose tasks only sleep."""

    polls = 1
    closed_world = False
    mask: Mask | None = None

    def handle(self, task: Task, command: Command) -> Reply:
        return PENDING

    def finished(self, task: Task) -> None: ...
    def failed(self, task: Task | None, error: Exception) -> None: ...
    def quiet(self) -> None: ...

    def voice(self, task: Task) -> str:
        return ""


def sleeping(seconds: float) -> Generator[Command, Event, None]:
    yield Sleep(seconds)


def test_who_has_ended_is_not_kept_until_its_deadline() -> None:
    """Ten thousand scenarios that end long before their timeout: few of them are in memory at any time."""
    machine = Machine()
    loop = Loop(machine.poll, lambda: machine.seconds)
    alive: weakref.WeakSet[Scenario] = weakref.WeakSet()
    most = 0
    for _ in range(10_000):
        scenario = Scenario()
        alive.add(scenario)
        task = Task(scenario, "clock", "clock")
        loop.arm(task, 30.0, lambda _: None)
        loop.stop(task)
        del task, scenario
        most = max(most, len(alive))
    assert most < 300


def machine_and_loop() -> tuple[Machine, Loop]:
    """A loop that is told when the machine has waited."""
    machine = Machine()

    def poll(timeout: float | None) -> None:
        machine.poll(timeout)
        loop.woke(timeout)

    loop = Loop(poll, lambda: machine.seconds)
    return machine, loop


def test_a_deadline_stands_when_many_others_are_stopped() -> None:
    machine, loop = machine_and_loop()
    expired: list[str] = []
    tasks = [Task(Scenario(), "role", str(number)) for number in range(1_000)]
    for number, task in enumerate(tasks):
        loop.arm(task, 1.0 + number % 7, lambda task: expired.append(task.name))
    for number, task in enumerate(tasks):
        if number % 100:
            loop.stop(task)
    while len(expired) < 10 and machine.seconds < 60:
        loop.turn()
    assert sorted(expired, key=int) == [str(number) for number in range(0, 1_000, 100)]


def test_a_deadline_stands_when_another_that_passes_stops_many() -> None:
    """An expiry may end a scenario, and with it hundreds of timers: those that are put off meanwhile are kept."""
    machine, loop = machine_and_loop()
    expired: list[str] = []
    others = [Task(Scenario(), "role", str(number)) for number in range(300)]
    first, last = (Task(Scenario(), "role", name) for name in ("first", "last"))

    def end(task: Task) -> None:
        for other in others:
            loop.stop(other)

    for other in others:
        loop.arm(other, 30.0, end)
    loop.arm(first, 1.0, end)
    loop.arm(last, 1.0, lambda task: expired.append(task.name))
    loop.arm(last, 2.0, lambda task: expired.append(task.name))
    while not expired and machine.seconds < 5:
        loop.turn()
    assert expired == ["last"]
