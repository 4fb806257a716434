"""What can be changed about a matcher: one table, from its class to its changes.

Lives here: matchers that differ in one byte or condition from another. Must not live here: which steps have matchers
(`expectations.py`).

The one theory: a change makes the matcher refuse what the original took, as far as that is possible. A matcher that
takes anything cannot refuse, so that it is changed in what it hands on.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any, TypeAlias

from sockrun.auditing import patterns
from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.matching.combined import AllOf, Not, OneOf
from sockrun.matching.documents import Document
from sockrun.matching.length import Length, Limits
from sockrun.matching.literals import Literal, Pieces
from sockrun.matching.patterns import Regex
from sockrun.matching.shapes import Anything, Contains, Prefix, Suffix
from sockrun.matching.structures import Structure
from sockrun.matching.wildcards import Masked, Shape, Starred
from sockrun.records import dataclass, replace
from sockrun.values import ExpressionError, Value
from sockrun.wire.frames import FramedMatcher
from sockrun.wire.packing import Json

Key: TypeAlias = tuple[str | int, ...]

ANY = -1  # the end of the key of a change of what takes anything; nothing else ends so
MOST = 256  # bytes of one expectation, or of what one step sends, that are tried; of more, some


@dataclass(frozen=True, slots=True)
class Spot:
    """The changed bytes: `size` of them from `at` in `data`; `words` says what `data` is."""

    at: int
    data: bytes
    words: str
    size: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """`matcher` in the place of another. A change whose `key` begins with that of another is a finer one.

    `words` say what can be done: 'the field id can be changed'; where it is bytes, `spot` says which.
    """

    key: Key
    words: str
    matcher: Matcher
    spot: Spot | None = None


def changes(matcher: Matcher) -> Iterator[Change]:
    """All changes of a matcher, coarse ones before finer ones."""
    return CHANGES[type(matcher)](matcher)


def changed(matcher: Matcher, key: Key) -> Matcher:
    """The matcher with that change; as it is, where it has no such one."""
    return next((change.matcher for change in changes(matcher) if change.key == key), matcher)


def sampled(size: int) -> Sequence[int]:
    """The offsets that are tried among so many bytes: all, or the first, the last, and some of the others."""
    if size <= MOST:
        return range(size)
    ends = MOST // 4
    between = Random(0).sample(range(ends, size - ends), MOST - 2 * ends)
    return [*range(ends), *sorted(between), *range(size - ends, size)]


def flipped(data: bytes, at: int, xor: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ xor]) + data[at + 1 :]


# --- matchers that only changes are made of ----------------------------------------------------


class Never:
    """Takes nothing at all."""

    summary = "what never comes"

    def reader(self) -> Reader:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Mismatch | None:
        return Mismatch("is never taken", bytes(buffer)) if buffer else None

    def judge(self, message: bytes) -> Mismatch:
        return Mismatch("is never taken", message)


class Falsified:
    """Takes what `matcher` takes, and hands on other bytes."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.summary = matcher.summary

    def reader(self) -> Reader:
        return _FalsifiedReader(self.matcher.reader())

    def judge(self, message: bytes) -> Match | Mismatch:
        return _falsified(self.matcher.judge(message))


@dataclass(frozen=True, slots=True)
class _FalsifiedReader:
    reader: Reader

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        verdict = self.reader.feed(buffer, end)
        return None if verdict is None else _falsified(verdict)


def _falsified(verdict: Match | Mismatch) -> Match | Mismatch:
    if isinstance(verdict, Mismatch):
        return verdict
    return verdict._replace(data=bytes(byte ^ 1 for byte in verdict.data) or b"\x01")


# --- bytes -------------------------------------------------------------------------------------


def _in_bytes(wanted: bytes, make: Callable[[bytes], Matcher], words: str, xor: int = 1) -> Iterator[Change]:
    for at in sampled(len(wanted)):
        yield Change(("byte", at), words, make(flipped(wanted, at, xor)), Spot(at, wanted, words))


def _literal(matcher: Literal) -> Iterator[Change]:
    if not matcher.wanted:
        yield Change(("empty",), "something can be wanted where nothing is", Literal(b"\x01"))
    yield from _in_bytes(matcher.wanted, Literal, "what is expected")


def _pieces(matcher: Pieces) -> Iterator[Change]:
    """Its size is not known, and may be large: the first and the last byte."""

    def first() -> Iterator[bytes]:
        for number, piece in enumerate(matcher.pieces()):
            yield flipped(piece, 0) if number == 0 else piece

    def last() -> Iterator[bytes]:
        before: bytes | None = None
        for piece in matcher.pieces():
            if before is not None:
                yield before
            before = piece
        if before is not None:
            yield flipped(before, len(before) - 1)

    yield Change(("first",), "the first byte of what is expected can be changed", Pieces(matcher.summary, first))
    yield Change(("last",), "the last byte of what is expected can be changed", Pieces(matcher.summary, last))


def _masked(matcher: Masked) -> Iterator[Change]:
    for at, shape in _shapes(matcher.shape):
        yield _wild(("byte", at), at, matcher.shape, Masked(shape, matcher.summary))


def _starred(matcher: Starred) -> Iterator[Change]:
    for number, shape in enumerate(matcher.shapes):
        for at, other in _shapes(shape):
            shapes = [*matcher.shapes[:number], other, *matcher.shapes[number + 1 :]]
            yield _wild((number, "byte", at), at, shape, Starred(shapes, matcher.summary, matcher.limit))


def _shapes(shape: Shape) -> Iterator[tuple[int, Shape]]:
    """The shape with the highest bit that matters changed in one of its bytes, for each that has one."""
    for at in sampled(shape.size):
        shift = 8 * (shape.size - 1 - at)
        mask = shape.mask >> shift & 0xFF
        if mask:
            yield at, replace(shape, wanted=shape.wanted ^ 1 << shift + mask.bit_length() - 1)


def _wild(key: Key, at: int, shape: Shape, matcher: Matcher) -> Change:
    words = "what is expected"
    return Change(key, words, matcher, Spot(at, shape.wanted.to_bytes(shape.size, "big"), words))


def _prefix(matcher: Prefix) -> Iterator[Change]:
    return _in_bytes(matcher.wanted, Prefix, "the start that is expected")


def _suffix(matcher: Suffix) -> Iterator[Change]:
    return _in_bytes(matcher.wanted, Suffix, "the end that is expected")


def _contains(matcher: Contains) -> Iterator[Change]:
    """To what is no text: another letter might be in it somewhere else."""
    return _in_bytes(matcher.wanted, lambda wanted: Contains(wanted, matcher.limit), "what has to be in it", 0x80)


def _regex(matcher: Regex) -> Iterator[Change]:
    yield Change((), f"{matcher.summary} can be left out", Never())
    for piece in patterns.changed(matcher.pattern):
        try:
            other = Regex(piece.pattern, matcher.summary, matcher.whole, matcher.limit)
        except ExpressionError:
            continue
        words = "the pattern"
        yield Change(("pattern", piece.at), words, other, Spot(piece.at, matcher.pattern, words, piece.size))


def _anything(matcher: Anything) -> Iterator[Change]:
    yield Change((ANY,), "whatever comes here", Falsified(matcher))


def _unchangeable(matcher: Never | Falsified) -> Iterator[Change]:
    """It is a change already: it refuses everything, or takes what it must."""
    return iter(())


# --- sizes, structures, documents --------------------------------------------------------------


def _length(matcher: Length) -> Iterator[Change]:
    least, most = matcher.limits
    if least == most:
        yield Change(("more",), f"the length {least:,} can be {least + 1:,}", _sized(matcher, least + 1, least + 1))
        if least > 1:
            yield Change(("less",), f"the length {least:,} can be {least - 1:,}", _sized(matcher, least - 1, least - 1))
    else:
        if least:
            yield Change(("min",), f"the least length {least:,} can be changed", _sized(matcher, 0, least - 1))
        if most is not None:
            yield Change(("max",), f"the greatest length {most:,} can be changed", _sized(matcher, most + 1, None))
    if matcher.digest is not None:
        digit = "1" if matcher.digest[0] == "0" else "0"
        yield Change(("sha256",), "the SHA-256 can be changed", replace(matcher, digest=digit + matcher.digest[1:]))
    if matcher.limits == Limits(0, None):
        yield Change((ANY,), "whatever comes here", Falsified(matcher))


def _sized(matcher: Length, least: int, most: int | None) -> Length:
    return replace(matcher, limits=Limits(least, most))


def _structure(matcher: Structure) -> Iterator[Change]:
    yield Change(("size",), "the size of the struct can be changed", _with(matcher, size=matcher.size + 1))
    for number, (field, value) in enumerate(matcher.wanted):
        wanted = [*matcher.wanted[:number], (field, _other(value)), *matcher.wanted[number + 1 :]]
        yield Change(("field", number), f"the field {field.name} can be changed", _with(matcher, wanted=wanted))


def _with(matcher: Structure, **attributes: object) -> Structure:
    other = copy.copy(matcher)
    for name, value in attributes.items():
        setattr(other, name, value)
    return other


def _other(value: Value) -> Value:
    if isinstance(value, bytes):
        return flipped(value, 0) if value else b"\x01"
    if isinstance(value, bool):
        return not value
    return value ^ 1 if isinstance(value, int) else 0.0 if value else 1.0


def _document(matcher: Document) -> Iterator[Change]:
    for path, other in _otherwise(matcher.wanted, ()):
        where = ".".join(map(str, path))
        words = f"the member {where}" if where else "the JSON value"
        yield Change(("member", *path), f"{words} can be changed", Document(other))


def _otherwise(value: Json, path: Key) -> Iterator[tuple[Key, Json]]:
    """The value with one of the values in it changed, for each that holds no others."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from ((where, {**value, key: other}) for where, other in _otherwise(inner, (*path, key)))
    elif isinstance(value, list) and value:
        for at, inner in enumerate(value):
            for where, other in _otherwise(inner, (*path, at)):
                yield where, [*value[:at], other, *value[at + 1 :]]
    elif isinstance(value, str):
        yield path, f"{value}!"
    elif isinstance(value, bool):
        yield path, not value
    else:
        yield path, value + 1 if isinstance(value, int | float) else "!"


# --- matchers made of matchers -----------------------------------------------------------------


def _one_of(matcher: OneOf) -> Iterator[Change]:
    yield Change((), f"{matcher.summary} can be left out", Never())
    for number, one in enumerate(matcher.matchers):
        key, words = ("one", number), f"the alternative {one.summary} can be left out"
        yield Change(key, words, _one(OneOf, matcher, number, Never()))
        inner = (change for change in changes(one) if change.key)
        yield from (_inside(change, key, _one(OneOf, matcher, number, change.matcher)) for change in inner)


def _all_of(matcher: AllOf) -> Iterator[Change]:
    for number, one in enumerate(matcher.matchers):
        for change in changes(one):
            yield _inside(change, ("all", number), _one(AllOf, matcher, number, change.matcher))


def _not(matcher: Not) -> Iterator[Change]:
    """Whatever is changed inside, it still is not that: so only all of it can be turned round."""
    yield Change(("not",), f"'{matcher.summary}' can be turned round", matcher.matcher)


def _framed(matcher: FramedMatcher) -> Iterator[Change]:
    for change in changes(matcher.matcher):
        yield replace(change, matcher=replace(matcher, matcher=change.matcher))


def _one(make: Callable[..., Matcher], matcher: OneOf | AllOf, number: int, other: Matcher) -> Matcher:
    return make(*matcher.matchers[:number], other, *matcher.matchers[number + 1 :])


def _inside(change: Change, key: Key, matcher: Matcher) -> Change:
    return Change((*key, *change.key), change.words, matcher, change.spot)


CHANGES: Mapping[type, Callable[[Any], Iterator[Change]]] = {
    Literal: _literal,
    Pieces: _pieces,
    Masked: _masked,
    Starred: _starred,
    Prefix: _prefix,
    Suffix: _suffix,
    Contains: _contains,
    Regex: _regex,
    Anything: _anything,
    Length: _length,
    Structure: _structure,
    Document: _document,
    OneOf: _one_of,
    AllOf: _all_of,
    Not: _not,
    FramedMatcher: _framed,
    Never: _unchangeable,
    Falsified: _unchangeable,
}
