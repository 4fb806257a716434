"""`length`: bytes of which only the number is known, and perhaps the SHA-256.

Lives here: the one form by which gigabytes are checked. Few bytes are waited for and kept; many are counted
and hashed as they come, and forgotten, so that memory stays flat.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.compiling.context import Context
from sockrun.hexdump import size_text
from sockrun.matching.expectation import (
    KEPT,
    Buffer,
    Expectation,
    Request,
    expectation,
    mismatch,
    needs_message,
    wrong_size,
)
from sockrun.records import NamedTuple, dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError
from sockrun.wire.contents import MESSAGE_LIMIT
from sockrun.wire.deferred import Deferred, as_text, combine, now, text, whole_number


class Limits(NamedTuple):
    """Both in bytes; `most` is None for 'any more'."""

    least: int
    most: int | None

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least:,}"
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"


@dataclass(frozen=True)
class Length:
    """So many bytes, with that SHA-256 (FIPS 180-4) where one is given.

    On a stream `limits` are one number. Over 64 KiB (`keep`: `most_kept` bytes) nothing is kept, and
    `Match.data` is empty.
    """

    limits: Limits
    digest: str | None = None
    keep: bool = False
    most_kept: int = MESSAGE_LIMIT

    @property
    def summary(self) -> str:
        least, most = self.limits
        return size_text(least) if least == most else f"{self.limits} bytes"

    @property
    def size(self) -> int:
        return self.limits.least

    @property
    def forgets(self) -> bool:
        """Whether what is taken from a stream is not kept."""
        return self.limits.least > (self.most_kept if self.keep else min(KEPT, self.most_kept))

    def reader(self) -> Reader:
        return _LengthReader(self.limits.least, self.digest) if self.forgets else self

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        size = self.limits.least
        if len(buffer) < size:
            return None
        verdict = self._digested(bytes(buffer[:size]))
        if isinstance(verdict, Match):
            del buffer[:size]
        return verdict

    def judge(self, message: bytes) -> Match | Mismatch:
        least, most = self.limits
        size = len(message)
        if size >= least and (most is None or size <= most):
            return self._digested(message)
        reason = wrong_size(size, str(self.limits))
        return mismatch(reason, message, size if size < least else most)

    def _digested(self, data: bytes) -> Match | Mismatch:
        if self.digest is None:
            return Match(data)
        found = _sha256()
        found.update(data)
        return _compared(self.digest, found.hexdigest(), Match(data), data)


class _LengthReader:
    """Takes what comes, up to `size` bytes, and keeps none of it."""

    def __init__(self, size: int, digest: str | None) -> None:
        self._left = size
        self._digest = digest
        self._hash = None if digest is None else _sha256()

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        if buffer:  # else all was skimmed
            del buffer[: self._count(buffer)]
        return None if self._left else self._verdict()

    def skim(self, data: bytes) -> bytes:
        size = self._count(data)
        return data[size:] if size < len(data) else b""

    def _count(self, data: Buffer) -> int:
        """How many of these bytes it takes."""
        size = len(data)
        if size > self._left:
            size = self._left
            data = data[:size]
        self._left -= size
        if self._hash is not None:
            self._hash.update(data)
        return size

    def _verdict(self) -> Match | Mismatch:
        if self._hash is None or self._digest is None:
            return Match(b"")
        return _compared(self._digest, self._hash.hexdigest(), Match(b""), b"")


def _sha256() -> Any:
    import hashlib  # start-up

    return hashlib.sha256()


def _compared(wanted: str, found: str, match: Match, received: bytes) -> Match | Mismatch:
    return match if found == wanted else mismatch(f"has the SHA-256 {found}, not {wanted}", received)


def length(request: Request) -> Expectation | None:
    context, inner, digest = request.context, request.entry("length"), request.node.get("sha256")
    if isinstance(inner.value, dict) and needs_message("length: {min, max}", request):
        return None
    least, most = _limits(inner, context)
    hexadecimal = now(None) if digest is None else combine(context, digest, _digest, text(digest, context))
    make = partial(_length, request.keep, context.max_message)
    matcher = combine(context, inner, make, least, most, hexadecimal)
    known = matcher.value.summary if matcher is not None and matcher.value is not None else None
    return expectation(known or f"{inner.value} bytes", matcher)


def _limits(node: Node, context: Context) -> tuple[Deferred[int] | None, Deferred[int | None] | None]:
    if not isinstance(node.value, dict):
        exact = whole_number(node, context, lowest=0)
        return exact, exact
    least, most = node.get("min"), node.get("max")
    return (
        now(0) if least is None else whole_number(least, context, lowest=0),
        now(None) if most is None else whole_number(most, context, lowest=0),
    )


def _length(keep: bool, most_kept: int, least: int, most: int | None, digest: str | None) -> Matcher:
    if most is not None and most < least:
        raise ExpressionError(f"no length is at least {least} and at most {most}")
    return Length(Limits(least, most), digest, keep, most_kept)


def _digest(written: bytes) -> str:
    digits = as_text(written).lower()
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise ExpressionError(f"{digits!r} is no SHA-256: it has 64 hexadecimal digits")
    return digits
