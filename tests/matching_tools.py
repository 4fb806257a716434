"""What the tests of matchers share: matchers from YAML, and bytes on their way to a reader in any pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sockrun.commands import Match, Matcher, Mismatch
from sockrun.compiling.context import Context
from sockrun.diagnostics import Diagnostic, Problems
from sockrun.matching import Expectation, compile_matcher
from sockrun.reading.document import read
from sockrun.source import Source
from sockrun.values import NotYet, Value

CONSTANTS: Mapping[str, Value] = {"dot": b"a.b", "five": 5}


class Names:
    """A scope of a few variables; what it does not have, another role has still to provide."""

    def __init__(self, **values: Value) -> None:
        self.values = values

    def name(self, name: str) -> Value:
        if name not in self.values:
            raise NotYet("variable", name)
        return self.values[name]

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        return self.name(f"{base}_{attribute}")

    def now(self) -> float:
        return 0.0

    def random_bytes(self, count: int) -> bytes:
        return bytes(count)


SCOPE = Names(word=b"x+y", n=3, one=b"a", none=b"", digits=b"0a ??")


def compiled(text: str, *, message: bool = False, keep: bool = False) -> tuple[Expectation | None, list[Diagnostic]]:
    problems = Problems()
    context = Context(problems, CONSTANTS, Path(), message=message)
    found = compile_matcher(read(Source("t.yaml", text)), context, keep=keep)
    if found is not None:
        assert set(found.binds) <= set(context.binds), "what a matcher binds is told to the context"
    return found, problems.found


def matcher(text: str, *, message: bool = False, keep: bool = False) -> Matcher:
    """The matcher that `text` says; warnings are let pass."""
    found, problems = compiled(text, message=message, keep=keep)
    assert [problem for problem in problems if problem.severity == "error"] == []
    assert found is not None
    return found.evaluate(SCOPE)


class Outcome(NamedTuple):
    """A verdict without what may depend on how the bytes were split; `rest` is what was not taken."""

    data: bytes | None = None
    variables: tuple[tuple[str, Value], ...] = ()
    reason: str | None = None
    offset: int | None = None
    rest: bytes | None = None

    def with_behind(self, behind: bytes) -> Outcome:
        return self if self.rest is None else self._replace(rest=self.rest + behind)


def taken(data: bytes, rest: bytes = b"", **variables: Value) -> Outcome:
    return Outcome(data=data, variables=tuple(variables.items()), rest=rest)


def wrong(reason: str, offset: int | None) -> Outcome:
    return Outcome(reason=reason, offset=offset)


MORE = Outcome()


def judged(verdict: Match | Mismatch | None, rest: bytes = b"") -> Outcome:
    if isinstance(verdict, Match):
        return taken(verdict.data, rest, **verdict.variables)
    return MORE if verdict is None else wrong(verdict.reason, verdict.offset)


def fed(wanted: Matcher, chunks: Iterable[bytes], *, early: bool = False, end: bool = False) -> Outcome:
    """What a fresh reader says of these chunks. Unless it may take bytes `early`, what it does not
    take must stay as it was. `end`: nothing follows the last chunk.
    """
    reader, buffer, coming = wanted.reader(), bytearray(), list(chunks)
    for number, chunk in enumerate(coming, 1):
        buffer += chunk
        before = bytes(buffer)
        verdict = reader.feed(buffer, end and number == len(coming))
        if isinstance(verdict, Match):
            return judged(verdict, bytes(buffer) + b"".join(coming[number:]))
        assert early or buffer == before, "a reader that takes nothing leaves the buffer alone"
        if verdict is not None:
            return judged(verdict)
    return MORE


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """`data` in pieces that end at these places."""
    ends = sorted({0, len(data), *(place for place in places if place <= len(data))})
    return [data[start:end] for start, end in pairwise(ends)]


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Whole, split at every place, and byte by byte."""
    yield [data]
    for place in range(1, len(data)):
        yield cut(data, [place])
    yield cut(data, range(len(data)))
