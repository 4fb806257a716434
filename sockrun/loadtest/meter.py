"""Who is told what happens in one iteration, and only measures; and who is told, and does nothing.

The one theory: a step lasts from the end of the one before to its own, and the first from the moment the iteration
was due. So all steps together are the iteration.
"""

from __future__ import annotations

from time import perf_counter

from sockrun.commands import Address, Command, Connect, Event, Match, Send
from sockrun.loadtest.figures import Figures
from sockrun.network.interface import Channel
from sockrun.network.streams import Stream
from sockrun.playing.frame import Entry
from sockrun.program import Place, Program, instructions_in
from sockrun.results import Connection, Failure, Rounds, Trace, step_text
from sockrun.source import Span

CONNECT = "connect"


def step_name(role: str, place: Place | None) -> str:
    """What a step is called: by its `note`, or by role and number; to connect is no step of the file."""
    if place is not None and place.note:
        return place.note
    return f"{role.partition('[')[0]} {CONNECT if place is None else place.number or place.label}"


def step_names(program: Program) -> list[str]:
    """Of all steps of its roles, and of connecting."""
    found = []
    for role in program.roles.values():
        found.append(step_name(role.name, None))
        if role.tls is not None:
            found.append(step_name(role.name, Place("", "tls", role.tls.span)))
        found += [step_name(role.name, step.place) for block in role.blocks for step in instructions_in(block)]
    return list(dict.fromkeys(found))


def error_name(failure: Failure | None, reason: str) -> str:
    """What went wrong, and where: the same words for all that are alike."""
    if failure is None:
        return reason
    role = failure.role.partition("[")[0]
    where = role if failure.place is None or not failure.place.number else f"{role}, {step_text(failure.place, ())}"
    return f"{where}: {failure.message}" if where else failure.message


class Silence:
    """Satisfies `recorder.Records`."""

    @property
    def seconds(self) -> float:
        return 0.0

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        """Nobody asks."""

    def keep(self, entry: Entry, /) -> None:
        self.record(*entry[1:])

    def connected(self, name: str, channel: Channel | None) -> None:
        """Nobody asks."""

    def linked(self, name: str, local: Address | None, peer: Address | None, listens: bool = False) -> None:
        """Nobody asks."""

    def connections(self) -> list[Connection]:
        return []

    def trace(self) -> list[Trace]:
        return []


class Meter(Silence):
    """One iteration, from the moment that it was due."""

    def __init__(self, due: float) -> None:
        self._due = due
        self._last: dict[str, float] = {}
        self._steps: list[tuple[str, Place | None, float]] = []
        self._streams: list[Stream] = []
        self._streaming: set[str] = set()  # who has a stream: those count for themselves
        self._sent = self._received = 0  # in datagrams

    @property
    def seconds(self) -> float:
        """How long it lasted, up to its last step."""
        return max(self._last.values(), default=self._due) - self._due

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        if place is None and command.__class__ is not Connect:
            return
        now = perf_counter()
        self._steps.append((name, place, now - self._last.get(name, self._due)))
        self._last[name] = now
        if name not in self._streaming:
            if event.__class__ is Match:
                self._received += len(event[0])
            elif command.__class__ is Send:
                self._sent += len(command.data)

    def connected(self, name: str, channel: Channel | None) -> None:
        if isinstance(channel, Stream):
            self._streams.append(channel)
            self._streaming.add(name)
        else:
            self._streaming.discard(name)

    def count(self, figures: Figures, failure: Failure | None) -> None:
        """What was measured; `failure` is of the step that did not come to its end."""
        for name, place, seconds in self._steps if failure is None else self._without(failure):
            figures.step(step_name(name, place)).add(seconds)
        figures.connections += len(self._streams)
        figures.sent += self._sent + sum(stream.sent for stream in self._streams)
        figures.received += self._received + sum(stream.received for stream in self._streams)

    def _without(self, failure: Failure) -> list[tuple[str, Place | None, float]]:
        """The steps that came to their end. The failed one is its role's last; a check is not told."""
        last = max((at for at, step in enumerate(self._steps) if step[0] == failure.role), default=None)
        if last is None or _span(self._steps[last][1]) != _span(failure.place):
            return self._steps
        return self._steps[:last] + self._steps[last + 1 :]


def _span(place: Place | None) -> Span | None:
    """What tells a step from others, whatever is masked in its words."""
    return None if place is None else place.span
