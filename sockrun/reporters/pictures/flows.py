"""Which sends the bytes of a receive come from.

The one theory: a stream keeps its order and its bytes, so what was taken is found at the present place of what was
sent. A framed message is found by the cut that the reader itself uses. Where the place is lost all the same (a proxy
has changed bytes, a long payload is not kept) the first send counts that nobody has taken.
"""

from __future__ import annotations

from sockrun.commands import Receive
from sockrun.records import NamedTuple, dataclass, field
from sockrun.reporters.pictures.diagram import Row
from sockrun.values import ExpressionError

FRAME = 64  # bytes that a frame adds to a message, at most


class Covered(NamedTuple):
    """The sends that a receive has taken bytes of; `whole`: it took one of them, and nothing else."""

    rows: list[Row]
    whole: bool


class _Sent(NamedTuple):
    row: Row
    start: int
    stop: int
    known: bool


@dataclass(slots=True)
class Stream:
    """One direction of a conversation."""

    _data: bytearray = field(default_factory=bytearray)
    _sent: list[_Sent] = field(default_factory=list)
    _position: int = 0
    _next: int = 0  # the first of those sent that is not taken whole

    def sent(self, row: Row, data: bytes | None) -> None:
        """`data` is None where it is not known."""
        start = len(self._data)
        self._data += data or b""
        self._sent.append(_Sent(row, start, len(self._data), data is not None))

    def took(self, command: Receive, data: bytes) -> Covered:
        start = self._position
        end = self._end(command, data)
        if end is None:
            rows = [one.row for one in self._sent[self._next : self._next + 1]]
            self._position = self._sent[self._next].stop if rows else start
            self._next += len(rows)
            return Covered(rows, bool(rows))
        covered = []
        for one in self._sent[self._next :]:
            if one.start >= end and (one.known or one.start > end):
                break
            covered.append(one)
        self._position = end
        while self._next < len(self._sent) and self._sent[self._next].stop <= end:
            self._next += 1
        whole = len(covered) == 1 and covered[0].start >= start and covered[0].stop <= end
        return Covered([one.row for one in covered], whole)

    def _end(self, command: Receive, data: bytes) -> int | None:
        """Where the message ends, with its frame."""
        start = self._position
        make = getattr(command.matcher, "cut", None)
        if make is not None:
            ahead = self._data[start : start + len(data) + FRAME]
            try:
                frame = make().find(ahead, True)
            except ExpressionError:
                frame = None
            if frame is not None and ahead[frame.start : frame.stop] == data:
                return start + int(frame.end)
        if self._data.startswith(data, start):
            return start + len(data)
        found = self._data.find(data, start)
        return None if found < 0 else found + len(data)

    def at(self, offset: int) -> Row | None:
        """The send of the byte with that number, counted from the first that nobody has taken."""
        place = self._position + offset
        return next((one.row for one in self._sent[self._next :] if one.stop > place or not one.known), None)

    def left(self) -> list[Row]:
        """The sends that nobody has taken whole."""
        return [one.row for one in self._sent[self._next :]]


@dataclass(slots=True)
class Datagrams:
    """All datagrams of a run that somebody may still take."""

    _under_way: list[tuple[str | None, Row, bytes]] = field(default_factory=list)
    _taken: list[tuple[str | None, Row, bytes]] = field(default_factory=list)

    def sent(self, to: str | None, row: Row, data: bytes) -> None:
        self._under_way.append((to, row, data))

    def took(self, names: tuple[str, ...], data: bytes) -> Row | None:
        """The datagram that somebody of that name (or of the role of that name) took: the first that is alike, one that
        came twice, or the first that was on its way there."""
        for known, alike in ((self._under_way, True), (self._taken, True), (self._under_way, False)):
            for one in known:
                if one[0] in names and (one[2] == data or not alike):
                    if known is self._under_way:
                        known.remove(one)
                        self._taken.append(one)
                    return one[1]
        return None

    def left(self) -> list[Row]:
        return [row for _, row, _ in self._under_way]
