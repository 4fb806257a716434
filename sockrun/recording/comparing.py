"""Recordings of the same conversation, one beside the other: what differs is not said again as it was said.

Pure. Must not live here: what differs within bytes (`differences.py`), and how it is written (`steps.py`).

The one theory: what differs is made up by who says it first, and whoever hears it takes what fits. Where the other side
says just the same afterwards, in every recording, it has it from there: it says what it has heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sockrun.recording.addresses import known, readdressed
from sockrun.recording.conversation import OTHER, Connection, Conversation, Said, Side
from sockrun.recording.differences import Span, Unlike, even, spans
from sockrun.recording.parts import Echo, Part, Varying, joined
from sockrun.recording.scalars import is_text
from sockrun.recording.steps import Message, segments
from sockrun.recording.turns import Turn, acts
from sockrun.recording.writing import Line
from sockrun.records import dataclass


def compared(conversations: Sequence[Conversation]) -> list[Line]:
    """The first conversation's connections, to be written; the others tell what differs. Raises: Unlike."""
    first = conversations[0]
    if len({(one.protocol, one.datagram) for one in conversations}) > 1:
        raise Unlike("they are not over the same protocol")
    if not even([one.connections for one in conversations]):
        raise Unlike("there are not as many connections in each")
    versions = zip(*([_said(one, each, first) for each in one.connections] for one in conversations), strict=True)
    return [_line(first, connection, each) for connection, each in zip(first.connections, versions, strict=True)]


Sayings = Mapping[Side, Sequence[bytes]]  # what each has said: the bytes of a stream, or each datagram


def _said(conversation: Conversation, connection: Connection, first: Conversation) -> Sayings:
    """With the addresses that the server had in the first conversation."""
    found: dict[Side, Sequence[bytes]] = {}
    for side in OTHER:
        if conversation.datagram:
            said = [one.data for one in connection.events if isinstance(one, Said) and one.side == side]
        else:
            said = [connection.whole(side)]
        found[side] = [readdressed(data, conversation.servers, first.servers) for data in said]
    return found


def _line(first: Conversation, connection: Connection, versions: Sequence[Sayings]) -> Line:
    found = acts(connection, first.datagram)
    differing = {side: _differing(side, [one[side] for one in versions]) for side in OTHER}
    turns = [_turn(number, act, differing[act.side]) for number, act in enumerate(found) if isinstance(act, Turn)]
    named = _Names(first.datagram)
    for turn in turns:
        named.hear(turn)
    return Line(connection, found, {turn.number: _message(turn, named, first) for turn in turns})


def _differing(side: Side, versions: Sequence[Sequence[bytes]]) -> list[Span]:
    """Where what a side says differs, counted through all that it says."""
    if not even(versions):
        raise Unlike(f"the {side} does not send as many datagrams in each")
    found: list[Span] = []
    at = 0
    for each in zip(*versions, strict=True):
        try:
            found += (span._replace(start=at + span.start, end=at + span.end) for span in spans(each))
        except Unlike as unlike:
            raise Unlike(f"of what the {side} says, {unlike}") from None
        at += len(each[0])
    return found


# --- a turn ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Turn:
    """`spans` are where it differs, counted from its own beginning."""

    number: int
    side: Side
    data: bytes
    spans: Sequence[Span]


def _turn(number: int, act: Turn, differing: Sequence[Span]) -> _Turn:
    return _Turn(number, act.side, act.data, list(_within(act, differing)))


def _within(act: Turn, differing: Sequence[Span]) -> Iterator[Span]:
    end = act.at + len(act.data)
    for span in differing:
        before, behind = max(0, act.at - span.start), max(0, span.end - end)
        if before + behind >= span.end - span.start:
            continue  # it is in another turn
        if (before or behind) and span.pattern:
            raise Unlike(f"the {act.side} makes a pause within a value")
        cut = tuple(version[before : len(version) - behind] for version in span.versions)
        start = span.start + before - act.at
        yield span._replace(start=start, end=start + len(cut[0]), versions=cut)


class _Names:
    """What is said again by the other side, and under which name that one keeps it."""

    def __init__(self, datagram: bool) -> None:
        self._datagram = datagram
        self._origins: dict[tuple[Side, tuple[bytes, ...]], tuple[_Turn, Span]] = {}
        self._kept: dict[tuple[int, int], str] = {}  # by the number of a turn and where it stands in it
        self._datagrams: dict[int, str] = {}  # by the number of a turn
        self._echoes: dict[tuple[int, int], str] = {}

    def hear(self, turn: _Turn) -> None:
        for span in turn.spans:
            origin = self._origins.get((OTHER[turn.side], span.versions))
            if origin is None:
                self._origins.setdefault((turn.side, span.versions), (turn, span))
            else:
                self._echoes[turn.number, span.start] = self._keep(*origin)

    def _keep(self, turn: _Turn, span: Span) -> str:
        """The expression for what who hears that turn keeps of it."""
        if self._datagram and not is_text(turn.data):
            name = self._datagrams.setdefault(turn.number, f"datagram_{len(self._datagrams) + 1}")
            return f"{name}[{span.start}:{span.end}]"
        return self._kept.setdefault((turn.number, span.start), f"value_{len(self._kept) + 1}")

    def part(self, turn: _Turn, span: Span, pattern: str) -> Part:
        data = span.versions[0]
        place = turn.number, span.start
        if place in self._echoes:
            return Echo(data, self._echoes[place])
        return Varying(data, pattern, f"{span.note}, another one each time", self._kept.get(place))

    def datagram(self, turn: _Turn) -> str | None:
        return self._datagrams.get(turn.number)


def _message(turn: _Turn, names: _Names, first: Conversation) -> Message:
    parts: list[Part] = []
    at = 0
    for span in turn.spans:
        parts += known(turn.data[at : span.start], first.servers)
        parts.append(names.part(turn, span, _pattern(turn, span, first.datagram)))
        at = span.end
    parts += known(turn.data[at:], first.servers)
    _check(parts, turn, first.datagram)
    return Message(parts, names.datagram(turn))


def _pattern(turn: _Turn, span: Span, datagram: bool) -> str:
    """One that ends by itself, where nothing follows on a stream."""
    if datagram or not span.pattern or span.end < len(turn.data):
        return span.pattern
    if not span.even:
        raise Unlike(f"what the {turn.side} says ends in {span.note} of different length, so that nobody knows its end")
    return f"[^\\r\\n]{{{len(span.versions[0])}}}"


def _check(parts: Sequence[Part], turn: _Turn, datagram: bool) -> None:
    """Hold that what differs within bytes that are no text is as long in each. Raises: Unlike."""
    longer = {span.versions[0] for span in turn.spans if not span.even}
    for segment in segments(parts, datagram):
        if not is_text(joined(segment)) and any(isinstance(one, Varying) and one.data in longer for one in segment):
            raise Unlike(f"of what the {turn.side} says, bytes that are no text are not as many in each")
