"""What happened in a running scenario, with its time: kept for a failure's report, and shown as it happens.

Must not live here: how an entry is put into words (`reporters/transcript.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

from sockrun.commands import Address, Command, Connect, Ended, Event, Match, Send, SendPieces
from sockrun.masking import Mask
from sockrun.network.interface import Channel
from sockrun.network.loop import Loop
from sockrun.program import Heading, Place
from sockrun.results import Connection, Rounds, Trace

Watcher: TypeAlias = Callable[[str, Trace], None]
# `Trace` costs three times as much to make.
Entry: TypeAlias = tuple[float, str, Place | None, Command | str, Event, Rounds]

REMEMBERED = 10_000  # entries; the older ones go, so that a long scenario's memory stays flat
KEPT = 4096  # bytes of a message that are kept, at its start and at its end
LONG = 2 * KEPT


class Tap(Protocol):
    """Who hears all that passes through a scenario's proxies, and all that its programs write, whole and at once."""

    def accepted(self, proxy: str, connection: int) -> None:
        """Somebody has connected, or an address has sent its first datagram. Connections count from 0."""
        ...

    def passed(self, proxy: str, connection: int, heading: Heading, what: bytes | Literal["fin", "reset"]) -> None:
        """Bytes that came, a datagram, or the end of that direction."""
        ...

    def refused(self, proxy: str, connection: int) -> None:
        """Nobody listens where the proxy leads to."""
        ...

    def wrote(self, process: str, stream: Literal["stdout", "stderr"], data: bytes) -> None: ...


def _masking(watcher: Watcher, mask: Mask) -> Watcher:
    from sockrun.playing.discretion import Watching  # start-up

    return Watching(watcher, mask)


class Records(Protocol):
    """Who is told what happens in a scenario: `Recorder`, or whoever only counts."""

    @property
    def seconds(self) -> float:
        """How long the scenario has been running."""
        ...

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        """What a role did or was told."""
        ...

    def connected(self, name: str, channel: Channel | None) -> None:
        """Which connection somebody has."""
        ...

    def linked(self, name: str, local: Address | None, peer: Address | None, listens: bool = False) -> None:
        """The same, of addresses."""
        ...

    def connections(self) -> list[Connection]: ...
    def trace(self) -> list[Trace]: ...


class Recorder:
    """One scenario's trace, from the moment it is made. `watcher` sees every entry at once, secrets hidden."""

    def __init__(self, loop: Loop, scenario: str, watcher: Watcher | None, mask: Mask | None = None) -> None:
        self._loop = loop
        self._scenario = scenario
        self._watcher = watcher if watcher is None or mask is None else _masking(watcher, mask)
        self._mask = mask
        self._started = loop.now()
        self._turned_away: dict[str, Event] = {}  # roles whose connection is none, and why
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED)
        self._connections: deque[Connection] = deque(maxlen=REMEMBERED)

    @property
    def seconds(self) -> float:
        """How long the scenario has been running."""
        return self._loop.now() - self._started

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        """Keep what a role did or was told; of a large message its start and its end."""
        if command.__class__ is Connect or self._turned_away:
            event = self._unheard(name, command, event)
        if event is None:
            if command.__class__ is Send and len(command.data) > LONG:
                command = Send(self._clipped(command.data), command.to)
        elif event.__class__ is Match and len(event[0]) > LONG:  # by place: a named tuple's names are slow
            event = Match(self._clipped(event[0]))
        self._entries.append((self._loop.moment - self._started, name, place, command, event, rounds))
        if self._watcher is not None:
            self._watcher(self._scenario, Trace(*self._entries[-1]))

    def _unheard(self, name: str, command: Command | str, event: Event) -> Event:
        """What is handed to a connection that is none goes nowhere; the step is told only when it waits."""
        if isinstance(command, Connect):
            self._turned_away.pop(name, None)
            if isinstance(event, Ended) and event.refusal:
                self._turned_away[name] = event
        elif event is None and isinstance(command, Send | SendPieces):
            return self._turned_away.get(name)
        return event

    def connected(self, name: str, channel: Channel | None) -> None:
        """Keep who has which connection: what passes between two roles is told by each of them alone."""
        if channel is not None:
            self.linked(name, channel.local, channel.peer)

    def linked(self, name: str, local: Address | None, peer: Address | None, listens: bool = False) -> None:
        """The same, of addresses."""
        self._connections.append(Connection(name, local, peer, listens))

    def connections(self) -> list[Connection]:
        return list(self._connections)

    def trace(self) -> list[Trace]:
        return [Trace(*entry) for entry in self._entries]

    def _clipped(self, data: bytes) -> bytes:
        """A secret in which it is cut would not be known any more, so it is hidden before."""
        return data[:KEPT] + data[-KEPT:] if self._mask is None else self._mask.clipped(data, KEPT)
