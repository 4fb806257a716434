"""`regex`: a pattern's verdict on a message and on an unframed stream, and how it is compiled.

Must not live here: how the shortest match on a stream is found (`runs.py`), and what a pattern's text says
about itself (`pattern_text.py`).

A reader looks at windows that double, so that a short match is cheap however many bytes wait behind it.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sockrun.commands import Match, Mismatch, Reader
from sockrun.compiling.context import Context
from sockrun.compiling.scalars import settled, to_flag
from sockrun.expressions import Template, written
from sockrun.hexdump import size_text
from sockrun.matching import pattern_size, pattern_text
from sockrun.matching.expectation import Buffer, Expectation, Request, bind, expectation, mismatch
from sockrun.matching.runs import CALL, Clock, Found, Run, compiled, run_of
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError, Scope, Value
from sockrun.wire.deferred import Deferred, now

if TYPE_CHECKING:
    import regex

STREAM_LIMIT = 64 * 1024  # bytes that a match on a stream may have, where a message may be as long
_WINDOW = 64  # bytes looked at first


class Regex:
    """`pattern` on messages, from the message's start and, `whole`, to its end."""

    def __init__(self, pattern: bytes, summary: str, whole: bool = False, limit: int = STREAM_LIMIT) -> None:
        """Raises: ExpressionError, for a pattern that is not well formed."""
        self.summary = summary
        self.limit = limit  # bytes that a match on a stream may have
        self.pattern = pattern
        self.whole = whole
        self._exact = compiled(pattern)
        self._matches = self._exact.fullmatch if whole else self._exact.match

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._exact.groupindex)

    def reader(self) -> Reader:
        return _RegexReader(self)

    def judge(self, message: bytes) -> Match | Mismatch:
        try:
            found = self._matches(message, timeout=CALL)
        except TimeoutError:
            return self.too_slow(message)
        return self._refused(message) if found is None else Match(message, _groups(found))

    def match(self, data: bytes) -> Match:
        """The match that `data` is, in full."""
        found = self._exact.fullmatch(data, timeout=CALL)
        return Match(data, {} if found is None else _groups(found))

    @cached_property
    def _run(self) -> Run:
        """Made when it is needed: for a message that matches it never is."""
        return run_of(self.pattern)

    def probe(self, buffer: Buffer, low: int, high: int, clock: Clock) -> Found | None:
        return self._run.probe(buffer, low, high, clock)

    def too_slow(self, received: Buffer) -> Mismatch:
        reason = (
            f"the pattern takes too long (over {CALL * 1000:.0f} ms) on these {size_text(len(received))}: "
            "make it simpler"
        )
        return mismatch(reason, received)

    def _refused(self, message: bytes) -> Mismatch:
        offset = self._run.refused_at(message) if len(message) <= STREAM_LIMIT else None
        return self.departs(message, offset)

    def departs(self, received: Buffer, offset: int | None) -> Mismatch:
        """`offset`: the byte at which it can no longer become a match."""
        where = ""
        if offset is not None:
            where = f": byte {offset} is 0x{received[offset]:02x}" if offset < len(received) else ": it ends too early"
        return mismatch(f"is not {self.summary}{where}", received, offset)


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
        clock, most = Clock(), self._matcher.limit
        limit = min(len(buffer), most)
        while self._checked < limit:
            window = min(limit, max(_WINDOW, 2 * self._checked))
            found = self._matcher.probe(buffer, self._checked, window, clock)
            if found is not None:
                return self._decided(found, buffer)
            self._checked = window
        if limit < most:
            return None
        return mismatch(f"is not {self._matcher.summary} within {size_text(most)}", buffer)

    def _decided(self, found: Found, buffer: bytearray) -> Match | Mismatch:
        if found.dead:
            return self._matcher.departs(buffer, found.size - 1)
        match = self._matcher.match(bytes(buffer[: found.size]))
        del buffer[: found.size]
        return match


def _groups(found: regex.Match[bytes]) -> dict[str, bytes]:
    """A group that took no part is empty."""
    return {name: value or b"" for name, value in found.groupdict().items()}


# --- compiling ---------------------------------------------------------------------------------


def regular_expression(request: Request) -> Expectation | None:
    context, node = request.context, request.entry("regex")
    template = context.text(node)
    if template is None:
        return None
    limit = min(STREAM_LIMIT, context.max_message)
    make = _Making(template, settled(request.node.get("whole"), context, to_flag, False), limit)
    try:
        size = pattern_size.written_out(make.sample_text())
        if not context.room.take(size * pattern_size.BYTES):
            raise ExpressionError("the patterns of this file are too large together")
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
    limit: int

    def __call__(self, scope: Scope) -> Regex:
        """Raises: NotYet, ExpressionError."""
        return self._regex(self.template.filled(lambda part: _escaped(part.evaluate(scope))))

    def sample(self) -> Regex:
        """What is well formed with any value is so with a letter. Raises: ExpressionError."""
        return self._regex(self.sample_text())

    def sample_text(self) -> bytes:
        return self.template.filled(lambda part: b"x" if part.constant is None else _escaped(part.constant))

    def _regex(self, pattern: bytes) -> Regex:
        return Regex(pattern_text.encoded(pattern), f"a match of /{self.template.text}/", self.whole, self.limit)


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
