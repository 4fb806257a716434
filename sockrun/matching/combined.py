"""Matchers made of matchers: `one_of`, `all_of`, `not`.

Lives here: what several verdicts come to. All three see whole messages; only `one_of` also reads a stream,
where one alternative after the other is tried on the same bytes, each once all before it can no longer match.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.matching.expectation import (
    Buffer,
    Expectation,
    MessageOnly,
    Request,
    expectation,
    mismatch,
    needs_message,
)
from sockrun.records import NamedTuple
from sockrun.values import Value
from sockrun.wire.deferred import combine


class OneOf:
    """The first of `matchers` that takes it."""

    def __init__(self, *matchers: Matcher) -> None:
        self.matchers = matchers
        self.summary = " or ".join(matcher.summary for matcher in matchers)

    def reader(self) -> Reader:
        return _OneOfReader(self.matchers)

    def judge(self, message: bytes) -> Match | Mismatch:
        refusals: list[_Refusal] = []
        for matcher in self.matchers:
            verdict = matcher.judge(message)
            if isinstance(verdict, Match):
                return verdict
            refusals.append(_Refusal(matcher, verdict, verdict.offset))
        return _none_of(refusals, message)


class _OneOfReader:
    """Reads with one alternative at a time, on bytes of its own: it may take some early and yet fail."""

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        self._following = iter(matchers)
        self._refusals: list[_Refusal] = []
        self._decided = True
        self._begin()

    def _begin(self) -> None:
        self._matcher = next(self._following, None)
        self._reader = None if self._matcher is None else self._matcher.reader()
        self._own = bytearray()
        self._given = 0

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        while self._matcher is not None and self._reader is not None:
            self._own += buffer[self._given :]
            self._given = len(buffer)
            verdict = self._reader.feed(self._own, end)
            taken = self._given - len(self._own)
            if isinstance(verdict, Match):
                del buffer[:taken]
                return verdict
            if verdict is None and not end:
                return None
            self._decided &= verdict is not None
            if verdict is not None:
                offset = None if verdict.offset is None else taken + verdict.offset
                self._refusals.append(_Refusal(self._matcher, verdict, offset))
            self._begin()
        return _none_of(self._refusals, buffer) if self._decided else None


class AllOf(MessageOnly):
    """A message that each of `matchers` takes; the variables are those of all."""

    def __init__(self, *matchers: Matcher) -> None:
        self.matchers = matchers
        self.summary = " and ".join(matcher.summary for matcher in matchers)

    def judge(self, message: bytes) -> Match | Mismatch:
        variables: dict[str, Value] = {}
        for matcher in self.matchers:
            verdict = matcher.judge(message)
            if isinstance(verdict, Mismatch):
                return verdict
            variables.update(verdict.variables)
        return Match(message, variables)


class Not(MessageOnly):
    """A message that `matcher` does not take."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.summary = f"not {matcher.summary}"

    def judge(self, message: bytes) -> Match | Mismatch:
        if isinstance(self.matcher.judge(message), Mismatch):
            return Match(message)
        return mismatch(f"is {self.matcher.summary}, and must not be", message)


class _Refusal(NamedTuple):
    """What one alternative says; `offset` counts from the first byte of all."""

    matcher: Matcher
    mismatch: Mismatch
    offset: int | None


def _none_of(refusals: Sequence[_Refusal], received: Buffer) -> Mismatch:
    """The difference told is the one that lies farthest on: that alternative came nearest.

    The others' are not told: what a byte should have been may be a secret's.
    """
    reason = f"matches none of the {len(refusals)}"
    known = [refusal for refusal in refusals if refusal.offset is not None]
    if len(known) < len(refusals):
        return mismatch(reason, received)
    nearest = max(known, key=lambda refusal: refusal.offset or 0)
    said, offset = nearest.mismatch, nearest.offset
    reason = f"{reason}; nearest is {nearest.matcher.summary}: {said.told('it')}"
    return mismatch(reason, received, offset)._replace(expected=said.expected if said.offset == offset else None)


# --- compiling ---------------------------------------------------------------------------------


def one_of(request: Request) -> Expectation | None:
    return _all("one_of", OneOf, request)


def all_of(request: Request) -> Expectation | None:
    return None if needs_message("all_of", request) else _all("all_of", AllOf, request)


def _all(key: str, make: Callable[..., Matcher], request: Request) -> Expectation | None:
    items = request.entry(key).items
    inner = [request.compile(item, request.context, keep=request.keep) for item in items]
    found = [one for one in inner if one is not None]
    if len(found) < len(inner):
        return None
    matcher = combine(request.context, request.node, make, *[one.deferred for one in found])
    binds = tuple(dict.fromkeys(name for one in found for name in one.binds))
    word = " or " if key == "one_of" else " and "
    return expectation(word.join(one.summary for one in found), matcher, binds)


def negation(request: Request) -> Expectation | None:
    """It sets no variable: where it takes a message, the matcher inside took none."""
    if needs_message("not", request):
        return None
    inner = request.compile(request.entry("not"), request.context)
    if inner is None:
        return None
    return expectation(f"not {inner.summary}", combine(request.context, request.node, Not, inner.deferred))
