"""What is told of a scenario that has secrets: copies of its trace and its result in which they are hidden.

Lives here: where in a result bytes and texts are, and which of them belong together. Must not live here: how a
secret may look (`masking.py`).

The one theory: what a role sends, and what it takes, are streams that were cut anywhere, so the entries of a
trace are masked as one stream each, and cut again. What a role has not taken stands at the end of its stream:
the bytes of a mismatch or an end are looked at behind all that it took before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

from sockrun.commands import (
    Address,
    Await,
    Barrier,
    Command,
    Connect,
    Ended,
    Event,
    Failed,
    Match,
    Matcher,
    Mismatch,
    Receive,
    Send,
    Tell,
    TimedOut,
)
from sockrun.masking import DIFFERS, Mask
from sockrun.program import Place
from sockrun.records import replace
from sockrun.results import Failure, Result, Trace, Waiting

LIVE = 4096  # bytes of a stream that are remembered while it is watched
Streams: TypeAlias = dict[str, list[bytes]]
T = TypeVar("T")


def masked(result: Result, mask: Mask) -> Result:
    """A copy that may be shown."""
    taken = _taken(result.trace)
    return replace(
        result,
        id=mask.text(result.id),
        name=mask.text(result.name),
        tags=tuple(map(mask.text, result.tags)),
        reason=_reason(result, mask),
        failure=None if result.failure is None else _failure(result.failure, taken, mask),
        waiting=tuple(_waiting(who, mask) for who in result.waiting),
        unread=tuple((role, _unread(role, data, result.failure, taken, mask)) for role, data in result.unread),
        output=tuple((name, mask.data(data)) for name, data in result.output),
        trace=_trace(result, mask),
        detail=mask.text(result.detail),
    )


class Watching:
    """Masks entries as they come. What will follow is not known: a secret's first few bytes may be shown."""

    def __init__(self, watcher: Callable[[str, Trace], None], mask: Mask) -> None:
        self._watcher = watcher
        self._mask = mask
        self._sent: Streams = defaultdict(list)
        self._taken: Streams = defaultdict(list)

    def __call__(self, scenario: str, entry: Trace) -> None:
        sent, taken = _sent(entry), _match(entry)
        hidden_sent = _behind(self._sent[entry.role], sent, self._mask)
        hidden_taken = _behind(self._taken[entry.role], taken, self._mask)
        shown = _entry(entry, hidden_sent, hidden_taken, self._taken[entry.role], self._mask)
        self._watcher(self._mask.text(scenario), shown)
        for stream, data in ((self._sent[entry.role], sent), (self._taken[entry.role], taken)):
            stream[:] = [(b"".join(stream) + data)[-LIVE:]]


# --- streams -----------------------------------------------------------------------------------


def _sent(entry: Trace) -> bytes:
    return entry.command.data if isinstance(entry.command, Send) else b""


def _match(entry: Trace) -> bytes:
    return entry.event.data if isinstance(entry.event, Match) else b""


def _left(event: Event) -> bytes:
    """What an event shows of the bytes that nobody has taken."""
    if isinstance(event, Mismatch):
        return event.received
    return event.unread if isinstance(event, Ended | TimedOut) else b""


def _taken(trace: Sequence[Trace]) -> Streams:
    taken: Streams = defaultdict(list)
    for entry in trace:
        taken[entry.role].append(_match(entry))
    return taken


def _behind(before: Sequence[bytes], data: bytes, mask: Mask) -> bytes:
    """The bytes, masked with those before them in mind."""
    return mask.pieces([b"".join(before)[-LIVE:], data])[1] if data else data


# --- traces ------------------------------------------------------------------------------------


def _trace(result: Result, mask: Mask) -> Sequence[Trace]:
    """Every entry, the streams of each role masked as a whole, with what is left at their ends."""
    left = dict(result.unread)
    if result.failure is not None and result.failure.received:
        left.setdefault(result.failure.role, result.failure.received)
    sent = _streams(result.trace, _sent, {}, mask)
    taken = _streams(result.trace, _match, left, mask)
    before: Streams = defaultdict(list)
    entries = []
    for entry, hidden_sent, hidden_taken in zip(result.trace, sent, taken, strict=True):
        entries.append(_entry(entry, hidden_sent, hidden_taken, before[entry.role], mask))
        before[entry.role].append(_match(entry))
    return entries


def _streams(trace: Sequence[Trace], part: Callable[[Trace], bytes], left: dict[str, bytes], mask: Mask) -> list[bytes]:
    """That part of each entry, masked in the stream of its role."""
    hidden = [b""] * len(trace)
    for role in {entry.role for entry in trace}:
        places = [k for k, entry in enumerate(trace) if entry.role == role]
        pieces = mask.pieces([*(part(trace[k]) for k in places), left.get(role, b"")])
        for k, piece in zip(places, pieces, strict=False):
            hidden[k] = piece
    return hidden


def _entry(entry: Trace, sent: bytes, taken: bytes, before: Sequence[bytes], mask: Mask) -> Trace:
    return Trace(
        entry.seconds,
        entry.role,
        _place(entry.place, mask),
        _command(entry.command, sent, mask),
        _event(entry.event, taken, before, entry.place, mask),
        entry.rounds,
    )


def _event(event: Event, taken: bytes, before: Sequence[bytes], place: Place | None, mask: Mask) -> Event:
    match event:
        case Match():
            return Match(taken, {name: mask.value(value) for name, value in event.variables.items()})
        case Mismatch():
            return _mismatch(event, before, place, mask)
        case Ended():
            return Ended(event.kind, _behind(before, event.unread, mask))
        case TimedOut():
            return TimedOut(event.seconds, _behind(before, event.unread, mask))
        case Failed():
            return Failed(mask.text(event.reason), event.environment)
        case _:
            return event


def _mismatch(event: Mismatch, before: Sequence[bytes], place: Place | None, mask: Mask) -> Mismatch:
    """Where the difference lies inside a secret, or would be told with one, it is only said that there is one."""
    concerned = place is not None and mask.concerns(place.span)
    received, offset, inside = mask.difference(event.expected, event.received, event.offset, concerned)
    hidden = mask.text(event.reason)
    reason = DIFFERS if inside or hidden != event.reason else hidden
    expected = None if event.expected is None else mask.data(event.expected)
    return Mismatch(reason, _behind(before, received, mask), expected, offset)


# What else a command says to people.
_COMMANDS: dict[type, Callable[[Any, bytes, Mask], Command]] = {
    Send: lambda command, sent, mask: replace(command, data=sent, to=command.to and _address(command.to, mask)),
    Receive: lambda command, _, mask: replace(command, matcher=_Summary(command.matcher, mask)),
    Connect: lambda command, _, mask: replace(command, to=_address(command.to, mask)),
    Tell: lambda command, _, mask: _facts(command, mask),
    Await: lambda command, _, mask: _facts(command, mask),
    Barrier: lambda command, _, mask: replace(command, name=mask.text(command.name)),
}


def _command(command: Command | str, sent: bytes, mask: Mask) -> Command | str:
    if isinstance(command, str):
        return mask.text(command)
    change = _COMMANDS.get(type(command))
    return command if change is None else change(command, sent, mask)


def _address(address: Address, mask: Mask) -> Address:
    return address._replace(host=mask.text(address.host))


def _facts(command: Tell | Await, mask: Mask) -> Tell | Await:
    return replace(command, facts=tuple(fact._replace(name=mask.text(fact.name)) for fact in command.facts))


class _Summary:
    """A matcher whose words may be shown; satisfies `commands.Matcher`."""

    def __init__(self, matcher: Matcher, mask: Mask) -> None:
        self.summary = mask.text(matcher.summary)
        self.reader = matcher.reader
        self.judge = matcher.judge
        self.cut = getattr(matcher, "cut", None)


# --- results -----------------------------------------------------------------------------------


def _failure(failure: Failure, taken: Streams, mask: Mask) -> Failure:
    told = Mismatch(failure.message, failure.received or b"", failure.expected, failure.offset)
    if failure.kind in ("mismatch", "check"):
        told = _mismatch(told, taken[failure.role], failure.place, mask)
    else:
        told = Mismatch(mask.text(told.reason), _behind(taken[failure.role], told.received, mask))
    return replace(
        failure,
        place=_place(failure.place, mask),
        role_span=None if failure.role_span is None else mask.span(failure.role_span),
        message=told.reason,
        expected=told.expected,
        received=None if failure.received is None else told.received,
        offset=told.offset,
        values=tuple((mask.text(name), mask.value(value)) for name, value in failure.values),
    )


def _unread(role: str, data: bytes, failure: Failure | None, taken: Streams, mask: Mask) -> bytes:
    """Where the role's step differs inside a secret, that is what its unread bytes are: none is shown."""
    if failure is not None and failure.role == role and _failure(failure, taken, mask).message == DIFFERS:
        return b"*" * len(data)
    return _behind(taken[role], data, mask)


def _reason(result: Result, mask: Mask) -> str:
    """The failure's own words, where the reason is no other."""
    failure = result.failure
    if failure is not None and failure.message in result.reason:
        shown = _failure(failure, _taken(result.trace), mask).message
        return mask.text(result.reason.replace(failure.message, shown))
    return mask.text(result.reason)


def _waiting(who: Waiting, mask: Mask) -> Waiting:
    span = None if who.role_span is None else mask.span(who.role_span)
    return who._replace(doing=mask.text(who.doing), place=_place(who.place, mask), role_span=span)


def _place(place: Place | None, mask: Mask) -> Place | None:
    if place is None:
        return None
    note = None if place.note is None else mask.text(place.note)
    return Place(place.number, mask.text(place.label), mask.span(place.span), note)
