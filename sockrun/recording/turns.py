"""Who speaks when: the events of a connection as turns, and whether its text is lines.

Pure. The one theory: how bytes of a stream were cut on their way means nothing, so what one side says without hearing
the other is one turn; unless it made a long pause in between, which may be what the conversation is about (a server
that ticks, a client that is slow).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from sockrun.recording.conversation import Connection, Event, Left, Said, Side
from sockrun.records import dataclass, replace

PAUSE = 0.2  # seconds between two pieces of one side from which on they are two turns
LINES = re.compile(rb"(?:[^\n]*\n)*")
CRLF_LINES = re.compile(rb"(?:[^\r\n]*\r\n)*")
Framing: TypeAlias = Literal["line", "crlf"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a side says in one go; a datagram is a turn of its own.

    `at` counts the bytes that it has said before. `pause` is how long it was silent before, where only that keeps it
    apart from its last turn; `waited` how long its peer had nothing to read (both in seconds).
    """

    side: Side
    data: bytes
    at: int
    pause: float
    waited: float


@dataclass(frozen=True, slots=True)
class Parting:
    """A side has ended its direction. `last`: nothing more was said after it. `waited`: as in a turn."""

    side: Side
    kind: Literal["fin", "reset"]
    last: bool
    waited: float


Act: TypeAlias = Turn | Parting


def acts(connection: Connection, datagram: bool) -> list[Act]:
    """What happens on a connection, in order."""
    found: list[Act] = []
    sizes: dict[Side, int] = {"client": 0, "server": 0}
    moment = connection.opened
    for number, event in enumerate(connection.events):
        waited = max(0.0, event.moment - moment)
        moment = event.moment
        if isinstance(event, Left):
            found.append(Parting(event.side, event.kind, _silent(connection.events[number + 1 :]), waited))
            continue
        before = found[-1] if found else None
        follows = isinstance(before, Turn) and before.side == event.side
        if follows and waited < PAUSE and not datagram:
            assert isinstance(before, Turn)
            found[-1] = replace(before, data=before.data + event.data)
        else:
            pause = waited if follows and waited >= PAUSE else 0.0
            found.append(Turn(event.side, event.data, sizes[event.side], pause, waited))
        sizes[event.side] += len(event.data)
    return found


def _silent(events: Iterable[Event]) -> bool:
    return not any(isinstance(event, Said) for event in events)


def framing(connections: Sequence[Sequence[Act]]) -> Framing | None:
    """How all of it is lines, if it is; a turn is whole lines then."""
    said = [act.data for one in connections for act in one if isinstance(act, Turn)]
    if not any(said) or not all(map(_is_text, said)):
        return None
    if all(CRLF_LINES.fullmatch(data) for data in said):
        return "crlf"
    if all(LINES.fullmatch(data) and b"\r\n" not in data for data in said):
        return "line"
    return None


def _is_text(data: bytes) -> bool:
    from sockrun.recording.scalars import is_text

    return is_text(data)
