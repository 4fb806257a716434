"""What waits in a loop without playing anything: an owner for tasks that only sleep."""

from __future__ import annotations

from collections.abc import Generator

from sockrun.commands import Command, Event
from sockrun.masking import Mask
from sockrun.network.interface import Reply
from sockrun.network.loop import Loop, Task


class Waiting:
    """Satisfies `loop.Owner`."""

    polls = 0
    closed_world = False
    mask: Mask | None = None

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def wait(self, generator: Generator[Command, Event, None]) -> None:
        """Run it beside all else; it may yield nothing but `Sleep`."""
        self.loop.start(Task(self, "", ""), generator)

    def handle(self, task: Task, command: Command) -> Reply:
        raise AssertionError(f"{command} is nothing that one waits for")

    def finished(self, task: Task) -> None: ...

    def failed(self, task: Task | None, error: Exception) -> None:
        raise error

    def quiet(self) -> None: ...

    def voice(self, task: Task) -> str:
        return ""
