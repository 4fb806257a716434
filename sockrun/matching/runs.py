"""Runs of bytes that a pattern matches in full: the shortest at a stream's start, or that none can come.

Lives here: the `regex` package, imported where a file has a pattern (start-up), and how often it is asked.
Must not live here: verdicts (`patterns.py`), and what a pattern's text says about itself (`pattern_text.py`).

The one theory, for streams. The verdict on unread bytes is that of a simple loop: for n = 1, 2, 3, ... the
match is there as soon as the first n bytes match in full, and can never come as soon as no continuation of
them matches (the package's partial matching tells). That depends on no segment. 'Can never match' stays true
as n grows, and so does 'one of the first n is a match' for patterns that do not look at what follows (`$`,
boundaries, look-around, possessive and atomic groups): so both are found by halving, and the loop itself runs
for the others only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING

from sockrun.matching import pattern_text
from sockrun.matching.expectation import Buffer
from sockrun.records import NamedTuple
from sockrun.values import ExpressionError

if TYPE_CHECKING:
    import regex

CALL = 0.1  # seconds for one call of the package
_SEARCH = 1.0  # seconds for all calls that one verdict needs


class Found(NamedTuple):
    """The first `size` bytes match in full; or, `dead`, they are the fewest that nothing can complete."""

    size: int
    dead: bool = False


class Clock:
    """The time that one verdict may take. Raises: TimeoutError."""

    def __init__(self) -> None:
        self._end = monotonic() + _SEARCH

    def seconds(self) -> float:
        """For the next call."""
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(CALL, left)


class Run(ABC):
    """Runs from the first byte on. What none of `hopeful` can match any more, `pattern` cannot either."""

    def __init__(self, pattern: regex.Pattern[bytes], *hopeful: regex.Pattern[bytes]) -> None:
        self._pattern = pattern
        self._hopeful = hopeful

    def probe(self, buffer: Buffer, low: int, high: int, clock: Clock) -> Found | None:
        """The verdict on the first `high` bytes, of which it is known that the first `low` are undecided."""
        shortest = self._shortest(buffer, low, high, clock)
        return Found(shortest) if shortest else self._death(buffer, low, high, clock)

    def refused_at(self, message: bytes) -> int | None:
        """The byte at which a message can no longer become a match; its end, where it still can."""
        try:
            dead = self._death(message, 0, len(message), Clock())
        except TimeoutError:
            return None
        return len(message) if dead is None else max(dead.size - 1, 0)

    @abstractmethod
    def _shortest(self, buffer: Buffer, low: int, high: int, clock: Clock) -> int:
        """The size of the shortest match in full among the first `high` bytes; 0 where there is none."""

    def _death(self, buffer: Buffer, low: int, high: int, clock: Clock) -> Found | None:
        if self._alive(buffer, high, clock):
            return None
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if self._alive(buffer, middle, clock) else (low, middle)
        return Found(high, dead=True)

    def _alive(self, buffer: Buffer, size: int, clock: Clock) -> bool:
        return any(
            pattern.fullmatch(buffer, 0, size, partial=True, timeout=clock.seconds()) is not None
            for pattern in self._hopeful
        )


class _Halving(Run):
    """For a pattern that looks no further than its match, and does not match nothing."""

    def _shortest(self, buffer: Buffer, low: int, high: int, clock: Clock) -> int:
        shortest = self._end(buffer, high, clock)
        while low + 1 < shortest:
            middle = (low + shortest) // 2
            end = self._end(buffer, middle, clock)
            low, shortest = (low, end) if end else (middle, shortest)
        return shortest

    def _end(self, buffer: Buffer, size: int, clock: Clock) -> int:
        """Where a match in the first `size` bytes ends; 0 where there is none."""
        found = self._pattern.match(buffer, 0, size, timeout=clock.seconds())
        return 0 if found is None else found.end()


class _OneByOne(Run):
    """For every other pattern. `possible` matches all that it can match, and tells better what never can.

    `last` is the byte that every match ends in, where the pattern's text tells.
    """

    def __init__(self, pattern: regex.Pattern[bytes], possible: regex.Pattern[bytes], last: int | None) -> None:
        super().__init__(pattern, pattern, possible)
        self._last = last

    def _shortest(self, buffer: Buffer, low: int, high: int, clock: Clock) -> int:
        for size in range(low + 1, high + 1):
            if self._last is not None and buffer[size - 1] != self._last:
                continue
            if self._pattern.fullmatch(buffer, 0, size, timeout=clock.seconds()):
                return size
        return 0


def run_of(pattern: bytes) -> Run:
    """Raises: ExpressionError."""
    open_ended = pattern_text.without_end(pattern)
    exact = compiled(open_ended)
    if pattern_text.looks_no_further(open_ended) and not _matches_nothing(exact):
        return _Halving(exact, exact)
    return _OneByOne(exact, _possible(open_ended), pattern_text.last_byte(open_ended))


def _possible(pattern: bytes) -> regex.Pattern[bytes]:
    """A pattern of a syntax so rare that its text is misread is never given up."""
    try:
        return compiled(pattern_text.relaxed(pattern))
    except ExpressionError:
        return compiled(b"(?s:.*)")


def _matches_nothing(pattern: regex.Pattern[bytes]) -> bool:
    return pattern.fullmatch(b"", timeout=CALL) is not None


def compiled(pattern: bytes) -> regex.Pattern[bytes]:
    """Raises: ExpressionError."""
    import regex

    try:
        return regex.compile(pattern)
    except RecursionError:
        raise ExpressionError("this pattern is nested too deeply") from None
    except Exception as error:  # its parser also lets through what it stumbles over: ValueError, KeyError
        raise ExpressionError(f"this is no pattern: {error}") from None
