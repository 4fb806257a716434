"""Bytes of which some do not matter: `hex` with `??`, `?`, `{12}` and `*` in it.

Lives here: hexadecimal text with wildcards. Without one it is a literal like every other payload.

A run of bytes with holes is a `Shape`: two whole numbers, the bytes wanted and the mask of the bits that
matter, so that one XOR compares all of it and the highest bit set is the first difference. A `*` stands
between two shapes: on a stream it ends at the first occurrence of the shape behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.hexdump import size_text
from sockrun.matching.expectation import (
    KEPT,
    Buffer,
    Expectation,
    Request,
    byte_differs,
    expectation,
    mismatch,
    not_empty,
    wrong_size,
)
from sockrun.matching.literals import Literal, literal
from sockrun.records import dataclass
from sockrun.values import ExpressionError
from sockrun.wire.contents import MESSAGE_LIMIT
from sockrun.wire.deferred import as_text, combine, text

_WILD = re.compile(r"[?*{]")  # an expression is written with a brace too, and may give a wildcard
_COUNT = re.compile(r"\{([0-9]{1,9})\}")
# Compiled where it is first used, and kept by `re`.
_TOKEN = r"(?s)(?P<byte>[0-9A-Fa-f?]{2})|\{(?P<count>[0-9]{1,9})\}|(?P<any>\*)|(?P<wrong>.)"


@dataclass(frozen=True)
class Shape:
    """`size` bytes; `mask` has the bits that matter, `wanted` what they are."""

    wanted: int
    mask: int
    size: int

    def difference(self, data: Buffer, at: int = 0) -> int | None:
        """The first byte of `data`, counted from `at`, that differs; bytes that are missing differ not."""
        part = data[at : at + self.size]
        missing = 8 * (self.size - len(part))
        bits = (int.from_bytes(part, "big") ^ self.wanted >> missing) & self.mask >> missing
        return len(part) - (bits.bit_length() + 7) // 8 if bits else None

    def shown(self, at: int) -> str:
        """A byte of it as in the file: '08', '?8'."""
        shift = 8 * (self.size - 1 - at)
        digits, mask = f"{self.wanted >> shift & 0xFF:02x}", f"{self.mask >> shift & 0xFF:02x}"
        return "".join("?" if bits == "0" else digit for digit, bits in zip(digits, mask, strict=True))

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        """What finds it among other bytes."""
        pairs = zip(self.wanted.to_bytes(self.size, "big"), self.mask.to_bytes(self.size, "big"), strict=True)
        return re.compile(b"".join(_byte_pattern(wanted, mask) for wanted, mask in pairs), re.DOTALL)


def _byte_pattern(wanted: int, mask: int) -> bytes:
    if mask == 0:
        return b"."
    if mask == 0xFF:
        return re.escape(bytes([wanted]))
    fitting = (byte for byte in range(256) if byte & mask == wanted)
    return b"[" + b"".join(b"\\x%02x" % byte for byte in fitting) + b"]"


class Masked:
    """One shape: as many bytes as it has."""

    def __init__(self, shape: Shape, summary: str) -> None:
        self.shape = shape
        self.summary = summary

    def reader(self) -> Masked:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        offset = self.shape.difference(buffer)
        if offset is not None:
            return _differs(self.shape, offset, buffer, offset)
        if len(buffer) < self.shape.size:
            return None
        data = bytes(buffer[: self.shape.size])
        del buffer[: self.shape.size]
        return Match(data)

    def judge(self, message: bytes) -> Match | Mismatch:
        offset = self.shape.difference(message)
        if len(message) != self.shape.size:
            reason = wrong_size(len(message), f"{self.shape.size:,}")
            return mismatch(reason, message, min(len(message), self.shape.size) if offset is None else offset)
        return Match(message) if offset is None else _differs(self.shape, offset, message, offset)


class Starred:
    """Shapes with any number of bytes between each two; the first and the last may be empty."""

    def __init__(self, shapes: Sequence[Shape], summary: str, limit: int = MESSAGE_LIMIT) -> None:
        self.shapes = shapes
        self.summary = summary
        self.limit = limit  # bytes of a stream that are looked through

    def reader(self) -> Reader:
        return _StarredReader(self)

    def judge(self, message: bytes) -> Match | Mismatch:
        first, *middle, last = self.shapes
        offset = first.difference(message)
        if offset is not None:
            return _differs(first, offset, message, offset)
        at = first.size
        for shape in middle:
            found = shape.pattern.search(message, at)
            if found is None:
                return self.missing(message, at)
            at = found.end()
        if len(message) - last.size < at:
            return mismatch(f"ends before all of {self.summary} is there", message, len(message))
        offset = last.difference(message, len(message) - last.size)
        if offset is not None:
            return _differs(last, offset, message, len(message) - last.size + offset)
        return Match(message)

    def missing(self, received: Buffer, at: int) -> Mismatch:
        return mismatch(f"has not all of {self.summary} in its {size_text(len(received))}", received, at)


class _StarredReader:
    """Remembers how many shapes were found, where the last one ends, and up to where the next is not."""

    def __init__(self, matcher: Starred) -> None:
        self._matcher = matcher
        self._found = 0
        self._searched = 0

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        shapes = self._matcher.shapes
        if self._found == 0:
            offset = shapes[0].difference(buffer)
            if offset is not None:
                return _differs(shapes[0], offset, buffer, offset)
            if len(buffer) < shapes[0].size:
                return None
            self._found, self._searched = 1, shapes[0].size
        return self._search(buffer)

    def _search(self, buffer: bytearray) -> Match | Mismatch | None:
        limit = self._matcher.limit
        for shape in self._matcher.shapes[self._found :]:
            found = shape.pattern.search(buffer, self._searched, limit)
            if found is None:
                if len(buffer) >= limit:
                    return self._matcher.missing(buffer[:limit], self._searched)
                self._searched = max(self._searched, len(buffer) - shape.size + 1)
                return None
            self._found += 1
            self._searched = found.end()
        data = bytes(buffer[: self._searched])
        del buffer[: self._searched]
        return Match(data)


def hexadecimal(request: Request) -> Expectation | None:
    inner = request.entry("hex")
    if not isinstance(inner.value, str) or not _WILD.search(inner.value):
        return literal(request)
    message = request.context.message
    wide = sum(map(int, _COUNT.findall(inner.value)))
    if wide <= KEPT and not request.context.room.take(4 * wide):
        problem = "the wildcards of this file are too large together"
        request.context.problems.error("too-large", problem, inner.span, hint="use 'length' for many bytes")
        return None
    digits = text(inner, request.context)
    limit = request.context.max_message
    matcher = combine(request.context, inner, lambda data: compile_hex(as_text(data), message, limit), digits)
    return expectation(f"hex {' '.join(inner.value.split())}", matcher)


def compile_hex(digits: str, message: bool = True, limit: int = MESSAGE_LIMIT) -> Matcher:
    """The matcher of hexadecimal text with wildcards, that takes `limit` bytes at most. Raises: ExpressionError."""
    shapes = [_shape(part) for part in _tokens(digits, min(limit, KEPT))]
    summary = f"hex {' '.join(digits.split())}"
    if len(shapes) == 1:
        return _one_shape(shapes[0], summary, message)
    if any(not shape.size for shape in shapes[1:-1]):
        raise ExpressionError("two '*' with nothing between them are one")
    if not message and not shapes[-1].size:
        raise ExpressionError("a '*' at the end has no end on an unframed stream: write what follows it")
    return Starred(shapes, summary, limit)


def _one_shape(shape: Shape, summary: str, message: bool) -> Matcher:
    if shape.mask != (1 << 8 * shape.size) - 1:
        return Masked(shape, summary)
    wanted = shape.wanted.to_bytes(shape.size, "big")
    return Literal(wanted if message else not_empty(wanted))


def _tokens(digits: str, most: int) -> list[list[str]]:
    """The bytes between the stars, `most` of them between two: 'de', '??', '?8'."""
    parts: list[list[str]] = [[]]
    for token in re.finditer(_TOKEN, re.sub(r"[\s:]+", "", digits)):
        if token["wrong"]:
            raise ExpressionError(_complaint(token["wrong"]))
        if token["any"]:
            parts.append([])
            continue
        count = int(token["count"] or 1)
        if len(parts[-1]) + count > most:
            raise ExpressionError(f"at most {size_text(most)} can stand here: use 'length' for more")
        parts[-1].extend([token["byte"] or "??"] * count)
    return parts


def _complaint(wrong: str) -> str:
    if wrong in "0123456789abcdefABCDEF?":
        return f"{wrong!r} is half a byte: every byte needs two digits, and '??' is any byte"
    return f"{wrong!r} is neither a hexadecimal digit nor one of the wildcards ??, ?, {{12}} and *"


def _shape(parts: Sequence[str]) -> Shape:
    digits = "".join(parts)
    wanted = int(digits.replace("?", "0") or "0", 16)
    mask = int(re.sub("[^?]", "f", digits).replace("?", "0") or "0", 16)
    return Shape(wanted, mask, len(parts))


def _differs(shape: Shape, offset: int, received: Buffer, at: int) -> Mismatch:
    return mismatch(byte_differs(at, received[at], shape.shown(offset)), received, at)
