"""Regular expressions: the only home of the `regex` package, imported where a file has one (start-up).

Lives here: a pattern's match on a message and on an unframed stream. Must not live here: what a pattern's
text says about itself (`pattern_text.py`).

The one theory, for streams. The verdict on unread bytes is that of a simple loop: for n = 1, 2, 3, ... the
match is there as soon as the first n bytes match in full, and can never come as soon as no continuation of
them matches (the package's partial matching tells). That depends on no segment. 'Can never match' stays true
as n grows, and so does 'one of the first n is a match' for patterns that do not look at what follows (`$`,
boundaries, look-around, possessive and atomic groups): so both are found by halving, and the loop itself runs
for the others only. The windows double, so that a short match is cheap however many bytes wait behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from sockrun.commands import Match, Mismatch, Reader
from sockrun.context import Context
from sockrun.deferred import Deferred, now
from sockrun.expressions import Template, written
from sockrun.hexdump import size_text
from sockrun.matching import pattern_text
from sockrun.matching.expectation import Buffer, Expectation, Request, bind, expectation, mismatch
from sockrun.scalars import settled, to_flag
from sockrun.source import Node
from sockrun.values import ExpressionError, Scope, Value

if TYPE_CHECKING:
    import regex

STREAM_LIMIT = 64 * 1024  # bytes that a match on a stream may have
_WINDOW = 64  # bytes looked at first
_CALL = 0.1  # seconds for one call of the package
_SEARCH = 1.0  # seconds for all calls that one verdict needs


class Found(NamedTuple):
    """The first `size` bytes match in full; or, `dead`, they are the fewest that nothing can complete."""

    size: int
    dead: bool = False


class _Clock:
    """The time that one verdict may take. Raises: TimeoutError."""

    def __init__(self) -> None:
        self._end = monotonic() + _SEARCH

    def seconds(self) -> float:
        """For the next call."""
        left = self._end - monotonic()
        if left <= 0:
            raise TimeoutError
        return min(_CALL, left)


class Regex:
    """`pattern` on messages, from the message's start and, `whole`, to its end."""

    def __init__(self, pattern: bytes, summary: str, whole: bool = False) -> None:
        """Raises: ExpressionError, for a pattern that is not well formed."""
        self.summary = summary
        self._pattern = pattern
        self._exact = _compiled(pattern)
        self._matches = self._exact.fullmatch if whole else self._exact.match

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._exact.groupindex)

    def reader(self) -> Reader:
        return _RegexReader(self)

    def judge(self, message: bytes) -> Match | Mismatch:
        try:
            found = self._matches(message, timeout=_CALL)
        except TimeoutError:
            return self.too_slow(message)
        return self._refused(message) if found is None else Match(message, _groups(found))

    def match(self, data: bytes) -> Match:
        """The match that `data` is, in full."""
        found = self._exact.fullmatch(data, timeout=_CALL)
        return Match(data, {} if found is None else _groups(found))

    @cached_property
    def _run(self) -> _Run:
        """Made when it is needed: for a message that matches it never is."""
        return _run(self._pattern)

    def probe(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> Found | None:
        return self._run.probe(buffer, low, high, clock)

    def too_slow(self, received: Buffer) -> Mismatch:
        reason = (
            f"the pattern takes too long (over {_CALL * 1000:.0f} ms) on these {size_text(len(received))}: "
            "make it simpler"
        )
        return mismatch(reason, received)

    def _refused(self, message: bytes) -> Mismatch:
        return mismatch(f"is not {self.summary}", message, self._run.refused_at(message[:STREAM_LIMIT]))


class _RegexReader:
    """Remembers how many bytes are known to be no match, but to be the beginning of one."""

    def __init__(self, matcher: Regex) -> None:
        self._matcher = matcher
        self._checked = 0

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        try:
            return self._search(buffer)
        except TimeoutError:
            return self._matcher.too_slow(buffer)

    def _search(self, buffer: bytearray) -> Match | Mismatch | None:
        clock = _Clock()
        limit = min(len(buffer), STREAM_LIMIT)
        while self._checked < limit:
            window = min(limit, max(_WINDOW, 2 * self._checked))
            found = self._matcher.probe(buffer, self._checked, window, clock)
            if found is not None:
                return self._decided(found, buffer)
            self._checked = window
        if limit < STREAM_LIMIT:
            return None
        return mismatch(f"is not {self._matcher.summary} within {size_text(STREAM_LIMIT)}", buffer)

    def _decided(self, found: Found, buffer: bytearray) -> Match | Mismatch:
        if found.dead:
            return mismatch(f"is not {self._matcher.summary}", buffer, found.size - 1)
        match = self._matcher.match(bytes(buffer[: found.size]))
        del buffer[: found.size]
        return match


# --- runs of bytes that match in full ----------------------------------------------------------


class _Run:
    """Runs from the first byte on. `possible` matches, as far as it goes, whatever the pattern can match."""

    def __init__(self, pattern: regex.Pattern[bytes], possible: regex.Pattern[bytes]) -> None:
        self._pattern = pattern
        self._possible = possible

    def probe(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> Found | None:
        """The verdict on the first `high` bytes, of which it is known that the first `low` are undecided."""
        shortest = self._shortest(buffer, low, high, clock)
        return Found(shortest) if shortest else self._death(buffer, low, high, clock)

    def refused_at(self, message: bytes) -> int | None:
        """The byte at which a message that is no match cannot be the beginning of one, if only of a longer."""
        try:
            dead = self._death(message, 0, len(message), _Clock())
        except TimeoutError:
            return None
        return len(message) if dead is None else max(dead.size - 1, 0)

    def _shortest(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> int:
        """The size of the shortest match in full among the first `high` bytes; 0 where there is none."""
        raise NotImplementedError

    def _death(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> Found | None:
        if self._alive(buffer, high, clock):
            return None
        while low + 1 < high:
            middle = (low + high) // 2
            low, high = (middle, high) if self._alive(buffer, middle, clock) else (low, middle)
        return Found(high, dead=True)

    def _alive(self, buffer: Buffer, size: int, clock: _Clock) -> bool:
        found = self._possible.fullmatch(buffer, 0, size, partial=True, timeout=clock.seconds())
        return found is not None


class _Halving(_Run):
    """For a pattern that looks no further than its match, and does not match nothing."""

    def _shortest(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> int:
        shortest = self._end(buffer, high, clock)
        while low + 1 < shortest:
            middle = (low + shortest) // 2
            end = self._end(buffer, middle, clock)
            low, shortest = (low, end) if end else (middle, shortest)
        return shortest

    def _end(self, buffer: Buffer, size: int, clock: _Clock) -> int:
        """Where a match in the first `size` bytes ends; 0 where there is none."""
        found = self._pattern.match(buffer, 0, size, timeout=clock.seconds())
        return 0 if found is None else found.end()


class _OneByOne(_Run):
    """For every other pattern. Where its text tells the match's last byte, only runs that end in it are tried."""

    last: int | None = None

    def _shortest(self, buffer: Buffer, low: int, high: int, clock: _Clock) -> int:
        for size in range(low + 1, high + 1):
            if self.last is not None and buffer[size - 1] != self.last:
                continue
            if self._pattern.fullmatch(buffer, 0, size, timeout=clock.seconds()):
                return size
        return 0


def _run(pattern: bytes) -> _Run:
    open_ended = pattern_text.without_end(pattern)
    exact = _compiled(open_ended)
    if pattern_text.looks_no_further(open_ended) and not _matches_nothing(exact):
        return _Halving(exact, exact)
    run = _OneByOne(exact, _compiled(pattern_text.relaxed(open_ended)))
    run.last = pattern_text.last_byte(open_ended)
    return run


def _matches_nothing(pattern: regex.Pattern[bytes]) -> bool:
    return pattern.fullmatch(b"", timeout=_CALL) is not None


def _groups(found: regex.Match[bytes]) -> dict[str, bytes]:
    """A group that took no part is empty."""
    return {name: value or b"" for name, value in found.groupdict().items()}


# --- compiling ---------------------------------------------------------------------------------


def regular_expression(request: Request) -> Expectation | None:
    context, node = request.context, request.entry("regex")
    template = context.text(node)
    if template is None:
        return None
    make = _Making(template, settled(request.node.get("whole"), context, to_flag, False))
    try:
        known = make.sample()
    except ExpressionError as error:
        context.problems.error("bad-pattern", error.message, node.span)
        return None
    if not bind(known.names, node, context):
        return None
    if not context.message and not _ends_on_a_stream(make.sample_text(), node, context):
        return None
    matcher = Deferred(make) if template.constant is None else now(known)
    return expectation(known.summary, matcher, known.names)


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes the matcher of a pattern in which expressions stand for the bytes of their values."""

    template: Template
    whole: bool

    def __call__(self, scope: Scope) -> Regex:
        """Raises: NotYet, ExpressionError."""
        return self._regex(self.template.filled(lambda part: _escaped(part.evaluate(scope))))

    def sample(self) -> Regex:
        """What is well formed with any value is so with a letter. Raises: ExpressionError."""
        return self._regex(self.sample_text())

    def sample_text(self) -> bytes:
        return self.template.filled(lambda part: b"x" if part.constant is None else _escaped(part.constant))

    def _regex(self, pattern: bytes) -> Regex:
        return Regex(pattern_text.encoded(pattern), f"a match of /{self.template.text}/", self.whole)


def _escaped(value: Value) -> bytes:
    return pattern_text.escape(written(value))


def _ends_on_a_stream(pattern: bytes, node: Node, context: Context) -> bool:
    """Whether it is clear where a match ends; where it is only doubtful, a warning is reported."""
    if pattern_text.ends_in_look_ahead(pattern):
        message = "a look-ahead at the end of a pattern asks for bytes that are not part of the match"
        hint = "on an unframed stream, end it with the bytes themselves"
        context.problems.error("look-ahead", message, node.span, hint=hint)
        return False
    if pattern_text.ends_in_open_repetition(pattern):
        message = "a pattern that ends in a repetition matches as few bytes as it can on an unframed stream"
        hint = "end it with what follows, such as \\n, or give the role a 'framing'"
        context.problems.warning("open-repetition", message, node.span, hint=hint)
    return True


def _compiled(pattern: bytes) -> regex.Pattern[bytes]:
    """Raises: ExpressionError."""
    import regex

    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ExpressionError(f"this is no pattern: {error}") from None
