"""Bytes of which only a part is known: their beginning, their end, a piece of them, or nothing.

Lives here: `prefix`, `suffix`, `contains`, `any`. Must not live here: forms that look inside
(`structures.py`, `documents.py`, `patterns.py`).
"""

from __future__ import annotations

from functools import partial

from sockrun.commands import Match, Mismatch, Reader
from sockrun.hexdump import brief, first_difference, size_text
from sockrun.matching.expectation import (
    Expectation,
    MessageOnly,
    Request,
    around_bytes,
    expectation,
    mismatch,
    needs_message,
    shown,
)
from sockrun.matching.literals import Literal
from sockrun.wire.contents import MESSAGE_LIMIT
from sockrun.wire.deferred import now

# --- prefix and suffix -------------------------------------------------------------------------


class Prefix:
    """A message that starts with these bytes; on a stream, these bytes."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted = wanted
        self.summary = f"a start of {brief(wanted)}"

    def reader(self) -> Reader:
        return Literal(self.wanted)

    def judge(self, message: bytes) -> Match | Mismatch:
        if message.startswith(self.wanted):
            return Match(message)
        offset = first_difference(self.wanted, message[: len(self.wanted)])
        return Mismatch(f"does not start with {brief(self.wanted)}", shown(message, offset), self.wanted, offset)


class Suffix(MessageOnly):
    """A message that ends with these bytes."""

    def __init__(self, wanted: bytes) -> None:
        self.wanted = wanted
        self.summary = f"an end of {brief(wanted)}"

    def judge(self, message: bytes) -> Match | Mismatch:
        if message.endswith(self.wanted):
            return Match(message)
        return mismatch(f"does not end with {brief(self.wanted)}", message)


def prefix(request: Request) -> Expectation | None:
    return around_bytes(request.entry("prefix"), request.context, "a start of", Prefix)


def suffix(request: Request) -> Expectation | None:
    if needs_message("suffix", request):
        return None
    return around_bytes(request.entry("suffix"), request.context, "an end of", Suffix)


# --- contains ----------------------------------------------------------------------------------


class Contains:
    """A message that has these bytes in it; on a stream all up to and with their first occurrence."""

    def __init__(self, wanted: bytes, limit: int = MESSAGE_LIMIT) -> None:
        self.wanted = wanted
        self.limit = limit  # bytes of a stream that are looked through
        self.summary = f"something with {brief(wanted)}"

    def reader(self) -> Reader:
        return _ContainsReader(self.wanted, self.limit)

    def judge(self, message: bytes) -> Match | Mismatch:
        return Match(message) if self.wanted in message else _without(self.wanted, message)


class _ContainsReader:
    """Remembers up to where it is certain that the bytes do not begin."""

    def __init__(self, wanted: bytes, limit: int) -> None:
        self._wanted = wanted
        self._limit = limit
        self._searched = 0

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        at = buffer.find(self._wanted, self._searched, self._limit)
        if at >= 0:
            size = at + len(self._wanted)
            data = bytes(buffer[:size])
            del buffer[:size]
            return Match(data)
        if len(buffer) >= self._limit:
            return _without(self._wanted, buffer[: self._limit])
        self._searched = max(0, len(buffer) - len(self._wanted) + 1)
        return None


def _without(wanted: bytes, received: bytes | bytearray) -> Mismatch:
    return mismatch(f"has no {brief(wanted)} in its {size_text(len(received))}", received)


def contains(request: Request) -> Expectation | None:
    make = partial(Contains, limit=request.context.max_message)
    return around_bytes(request.entry("contains"), request.context, "something with", make)


# --- any ---------------------------------------------------------------------------------------


class Anything:
    """Any message; on a stream whatever there is, at least one byte."""

    summary = "anything"

    def reader(self) -> Anything:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        if not buffer:
            return None
        data = bytes(buffer)
        buffer.clear()
        return Match(data)

    def judge(self, message: bytes) -> Match | Mismatch:
        return Match(message)


def anything(request: Request) -> Expectation | None:
    if not request.context.message:
        message = "'any' takes what happens to have come, which differs from run to run on an unframed stream"
        hint = "say how much is wanted, with 'length' or 'contains', or give the role a 'framing'"
        request.context.problems.warning("any-on-a-stream", message, request.node.span, hint=hint)
    return expectation(Anything.summary, now(Anything()))
