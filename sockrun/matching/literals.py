"""Exactly these bytes: what every payload form means as a matcher.

Lives here: the matcher that most steps of most scenarios use, so its reader is the hot path. Small bytes are
compared whole by a reader without state, which is the matcher itself. Bytes of any size (`times`, `random`,
`file`) are compared piece by piece: each piece is read like a small literal of its own, and forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.hexdump import brief, first_difference
from sockrun.matching.expectation import (
    Buffer,
    Expectation,
    Request,
    byte_differs,
    expectation,
    not_empty,
    shown,
    wrong_size,
)
from sockrun.values import ExpressionError, Payload, Scope
from sockrun.wire.deferred import combine, now
from sockrun.wire.payloads import compile_payload


class Literal:
    """These bytes, in memory. On a stream there must be at least one."""

    __slots__ = ("_match", "summary", "wanted")

    def __init__(self, wanted: bytes, summary: str | None = None) -> None:
        self.wanted = wanted
        self.summary = brief(wanted) if summary is None else summary
        self._match = Match(wanted)

    @property
    def size(self) -> int:
        return len(self.wanted)

    def reader(self) -> Literal:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        wanted = self.wanted
        if buffer == wanted:
            buffer.clear()
            return self._match
        if buffer.startswith(wanted):
            del buffer[: len(wanted)]
            return self._match
        if wanted.startswith(buffer):
            return None
        return _different(wanted, buffer)

    def judge(self, message: bytes) -> Match | Mismatch:
        wanted = self.wanted
        if message == wanted:
            return self._match
        if len(message) == len(wanted):
            return _different(wanted, message)
        offset = first_difference(wanted, message)
        reason = wrong_size(len(message), f"{len(wanted):,}")
        return Mismatch(reason, shown(message, offset), wanted, offset)


class Pieces:
    """Bytes of any size, produced in pieces of at most 64 KiB and compared as they come.

    On a stream `Match.data` is empty: nothing is kept of what was checked. A mismatch is about the piece in
    which it is; its reason counts from the first byte of all.
    """

    forgets = True  # on a stream

    def __init__(self, summary: str, pieces: Callable[[], Iterator[bytes]]) -> None:
        self.summary = summary
        self.pieces = pieces

    def reader(self) -> Reader:
        return _PiecesReader(self.pieces())

    def judge(self, message: bytes) -> Match | Mismatch:
        return Literal(b"".join(self.pieces()), self.summary).judge(message)


class _PiecesReader:
    """Takes each piece as soon as all of it is there."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._wanted = next(pieces)
        self._taken = 0

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        while buffer.startswith(self._wanted):
            self._taken += len(self._wanted)
            del buffer[: len(self._wanted)]
            try:
                self._wanted = next(self._pieces)
            except StopIteration:
                return Match(b"")
            except ExpressionError as error:  # a file that changed meanwhile
                return Mismatch(error.message, shown(buffer))
        return None if self._wanted.startswith(buffer) else _different(self._wanted, buffer, self._taken)


def literal(request: Request) -> Expectation | None:
    """Any payload form. `keep` has all its bytes in `Match.data`, unless it is known to be longer than a message."""
    payload = compile_payload(request.node, request.context)
    if payload is None:
        return None
    message = request.context.message
    if payload.constant is None:
        keep = request.keep and (payload.size or 0) <= request.context.max_message
        make = _in_memory if message or keep else _as_it_comes
        return Expectation(payload.summary, lambda scope: make(payload, scope, message))
    data = now(payload.constant)
    matcher = combine(request.context, request.node, lambda wanted: _literal(wanted, payload.summary, message), data)
    return expectation(payload.summary, matcher)


def _literal(wanted: bytes, summary: str, message: bool) -> Literal:
    return Literal(wanted if message else not_empty(wanted), summary)


def _in_memory(payload: Payload, scope: Scope, message: bool) -> Matcher:
    return _literal(payload.evaluate(scope), payload.summary, message)


def _as_it_comes(payload: Payload, scope: Scope, message: bool) -> Matcher:
    """Two pieces are looked at: what is one piece after all is compared, and kept, whole."""
    first = list(islice(payload.pieces(scope), 2))
    if len(first) < 2:
        return _literal(b"".join(first), payload.summary, message)
    return Pieces(payload.summary, lambda: payload.pieces(scope))


def _different(wanted: bytes, received: Buffer, before: int = 0) -> Mismatch:
    """They differ in a byte that both have; `before` bytes were taken already."""
    offset = first_difference(wanted, bytes(received[: len(wanted)]))
    assert offset is not None
    reason = byte_differs(before + offset, received[offset], f"{wanted[offset]:02x}")
    return Mismatch(reason, shown(received, offset), wanted, offset)
