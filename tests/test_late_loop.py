"""A loop that is held up (a busy machine, a stopped process) fails nobody, and its clock never runs backwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from math import inf

import pytest

from sockrun.commands import Command
from sockrun.masking import Mask
from sockrun.network.interface import PENDING, Reply
from sockrun.network.loop import Loop, Task
from sockrun.results import Result
from tests.command_line import COMMAND, CommandLine
from tests.peers import client_of, failure, passes, play_outside

HELD_UP = 0.3  # seconds, more than any timeout below


def burns(connection: socket.socket) -> None:
    """An outside peer in this process that sends, and then holds the whole loop up."""
    connection.sendall(b"x")
    until = time.monotonic() + HELD_UP
    while time.monotonic() < until:
        pass


def holds_up_silently(connection: socket.socket) -> None:
    until = time.monotonic() + HELD_UP
    while time.monotonic() < until:
        pass


def test_what_came_while_the_loop_was_held_up_is_taken_though_its_deadline_has_passed() -> None:
    passes(play_outside(client_of('[{expect: "x", timeout: 100ms}]'), burns))


@pytest.mark.parametrize("read_size", [1, 65536])
def test_all_that_came_is_looked_at_before_a_deadline_fails_a_step(read_size: int) -> None:
    """However many receives that takes."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(b"x" * 300)

    text = client_of("[{pause: 10ms}, {expect: {length: 300}, timeout: 1us}]")
    passes(play_outside(text, behave, read_size=read_size))


def trace_of(result: Result) -> list[float]:
    return [entry.seconds for entry in result.trace]


@pytest.mark.parametrize("behave", [burns, holds_up_silently])
def test_times_never_run_backwards(behave: Callable[[socket.socket], None]) -> None:
    """Not those of the trace, nor the scenario's own; what was lost does not count."""
    result = play_outside(client_of('[{expect: "x", timeout: 50ms}, {expect: "y", timeout: 50ms}]'), behave)
    failure(result, "timeout")
    times = [*trace_of(result), result.seconds]
    assert all(before <= after for before, after in pairwise(times)), times
    assert 0 <= result.seconds < HELD_UP


# --- the clock by itself -----------------------------------------------------------------------


class World:
    """A clock, a poll and an owner that a test moves by hand."""

    closed_world = False
    mask: Mask | None = None
    polls = 0

    def __init__(self) -> None:
        self.clock = 100.0
        self.oversleeps = 0.0
        self.loop = Loop(self.poll, lambda: self.clock)
        self.moments: list[float] = []

    def poll(self, timeout: float | None) -> None:
        self.clock += (timeout or 0.0) + self.oversleeps + 1e-6  # a clock goes on, or rounding stops the loop
        self.loop.woke(timeout)

    def handle(self, task: Task, command: Command) -> Reply:
        return PENDING

    def voice(self, task: Task) -> str:
        return task.name

    def task(self, seconds: float) -> Task:
        task = Task(self, "role", "role")
        self.loop.arm(task, seconds, lambda task: self.moments.append(self.loop.now()))
        return task

    def finished(self, task: Task) -> None: ...
    def failed(self, task: Task | None, error: Exception) -> None: ...
    def quiet(self) -> None: ...


def test_time_that_was_lost_between_two_turns_is_taken_off() -> None:
    world = World()
    begun = world.loop.now()
    world.clock += 1000
    assert world.loop.now() - begun < 1
    world.task(5)
    while not world.moments:
        world.loop.turn()
    assert world.moments[0] - begun == pytest.approx(5, abs=0.2)


def test_a_deadline_is_judged_by_the_time_that_was_not_lost() -> None:
    """A wait that lasted a thousand seconds too long was a stopped process: the deadline is not yet there."""
    world = World()
    late, early = world.task(9), world.task(1)
    world.oversleeps = 1000.0
    world.loop.turn()
    assert early.deadline == inf
    assert late.deadline < inf


def test_the_clock_never_runs_backwards_whatever_holds_the_loop_up() -> None:
    world = World()
    moments = [world.loop.now()]
    for stall in (0.0, 3.0, 0.04, 0.06, 500.0, 0.0):
        world.oversleeps = stall
        world.task(0.5)
        moments.append(world.loop.now())
        world.loop.turn()
        world.clock += stall
        moments.append(world.loop.now())
    assert all(later >= earlier - 1e-9 for earlier, later in pairwise(moments)), moments  # but for rounding
    assert moments[-1] - moments[0] < 5


# --- a process that is stopped -----------------------------------------------------------------

PAUSES = """
roles:
  server: {protocol: tcp, side: server, steps: [{send: "ready"}, {pause: 100ms}, {send: "x"}]}
  client: {side: client, to: server, steps: [{expect: "ready"}, {expect: "x", timeout: 250ms}]}
"""


def test_a_process_that_was_stopped_longer_than_a_timeout_fails_nothing(sockrun: CommandLine) -> None:
    sockrun.write("pauses.yaml", PAUSES)
    with subprocess.Popen([*COMMAND, "run", "pauses.yaml", "-v"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any('< "ready"' in line for line in process.stdout)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * HELD_UP)
        process.send_signal(signal.SIGCONT)
        rest = process.stdout.read()
    assert process.returncode == 0, rest
