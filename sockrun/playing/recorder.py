"""What happened in a running scenario, with its time: kept for a failure's report, and shown as it happens.

Must not live here: how an entry is put into words (`reporters/transcript.py`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from sockrun.commands import Address, Command, Connect, Ended, Event, Match, Send, SendPieces
from sockrun.network.interface import Channel
from sockrun.network.loop import Loop
from sockrun.playing.frame import LONG, Entry
from sockrun.program import Heading, Place
from sockrun.results import Connection, Rounds, Trace

if TYPE_CHECKING:
    from sockrun.masking import Mask

Watcher: TypeAlias = Callable[[str, Trace], None]

REMEMBERED = 10_000  # entries; the older ones go, so that a long scenario's memory stays flat
KEPT = LONG // 2  # bytes of a message that are kept, at its start and at its end


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

    def keep(self, entry: Entry, /) -> object:
        """The same, of an entry whose bytes are no more than `LONG` or are the program's own."""
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
        self._turned_away: dict[str, Event] = {}  # as the watcher has been told
        self._entries: deque[Entry] = deque(maxlen=REMEMBERED)
        # What else there is to do with an entry is done when somebody reads the trace.
        self.keep = self._entries.append if watcher is None else self._show
        self._connections: deque[Connection] = deque(maxlen=REMEMBERED)

    @property
    def seconds(self) -> float:
        """How long the scenario has been running."""
        return self._loop.now() - self._started

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        """Keep what a role did or was told; of a large message its start and its end."""
        if isinstance(event, Match) and len(event.data) > LONG:
            event = Match(self._clipped(event.data))
        self.keep((self._loop.moment, name, place, self._short(command), event, rounds))

    def _show(self, entry: Entry) -> None:
        assert self._watcher is not None
        self._entries.append(entry)
        self._watcher(self._scenario, self._told(entry, self._turned_away))

    def _told(self, entry: Entry, turned_away: dict[str, Event]) -> Trace:
        """An entry for people. What is handed to a connection that is none goes nowhere; the step is told only
        when it waits. `turned_away`: roles whose connection is none, and why; entries come in order."""
        moment, name, place, command, event, rounds = entry
        if isinstance(command, Connect):
            turned_away.pop(name, None)
            if isinstance(event, Ended) and event.refusal:
                turned_away[name] = event
        elif event is None and isinstance(command, Send | SendPieces):
            event = turned_away.get(name)
        return Trace(moment - self._started, name, place, self._short(command), event, rounds)

    def _short(self, command: Command | str) -> Command | str:
        if isinstance(command, Send) and len(command.data) > LONG:
            return Send(self._clipped(command.data), command.to)
        return command

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
        turned_away: dict[str, Event] = {}
        return [self._told(entry, turned_away) for entry in self._entries]

    def _clipped(self, data: bytes) -> bytes:
        """A secret in which it is cut would not be known any more, so it is hidden before."""
        return data[:KEPT] + data[-KEPT:] if self._mask is None else self._mask.clipped(data, KEPT)
