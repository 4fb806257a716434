"""Expectations that hold what ends a message: they never match, since the framing takes it off.

Lives here: which bytes are certainly in all that a matcher takes. Must not live here: other traps (`traps.py`).

The one theory: a message ends at the first delimiter, so that it holds none. Whatever is not known before the
scenario runs counts as nothing, and bytes on both sides of it do not meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sockrun.compiling.context import Context
from sockrun.compiling.model import Role, Step
from sockrun.compiling.workshop import framing_of
from sockrun.diagnostics import Problems
from sockrun.expressions import compile_template, written
from sockrun.hexdump import brief, is_text
from sockrun.matching import pattern_text
from sockrun.source import Node
from sockrun.values import ExpressionError, Value
from sockrun.wire.framing import Framing
from sockrun.wire.payloads import compile_payload

_WORDS = {b"\n": "LF", b"\r\n": "CRLF"}
_SHOWN = 40  # bytes
_EXPECTING = frozenset({"expect", "expect_in_any_order", "react"})
_LISTS = ("one_of", "all_of")
_INSIDE = ("prefix", "suffix", "contains")
_NO_PAYLOAD = ("not", "json", "length", "fields", "any")


class Never:
    """One that never matches: `data`, which stands in `node`, holds the delimiter. `known`: that is all of it."""

    def __init__(self, node: Node, framing: Framing, data: bytes, known: bool) -> None:
        self.node = node
        self.delimiter = _WORDS.get(framing.delimiter, "the delimiter")
        rest = data.removesuffix(framing.delimiter)
        self._rest = rest.removesuffix(b"\r") if self.delimiter == "LF" else rest
        self._ends = framing.delimiter not in rest
        self._known = known

    @property
    def hint(self) -> str:
        """What to write."""
        if not self._ends:
            return "expect each message by itself"
        shown = self._known and self._rest and len(self._rest) <= _SHOWN and is_text(self._rest)
        return f"write {brief(self._rest)}" if shown else f"leave {self.delimiter} out"


def never_matching(role: Role, step: Step, context: Context) -> Iterator[Never]:
    """The texts, bytes and patterns in what the step expects that no message can hold. `context`: the scenario's."""
    node = step.options.get("framing") or role.framing
    if step.verb not in _EXPECTING or role.datagram or node is None:
        return
    constants = context.constants if step.span.source is role.span.source else {}  # `with` may give a file others
    unheard = Context(Problems(), constants, context.pack, message=True, folder=context.folder)
    framing = framing_of(node, unheard)
    if framing is not None and framing.delimiter:
        for wanted in _wanted(step):
            yield from _holding(wanted, framing, unheard)


def _wanted(step: Step) -> Iterator[Node]:
    if step.verb == "react":
        yield from (case.expect for case in step.cases)
    elif step.argument is not None:
        yield from step.argument.items if step.verb == "expect_in_any_order" else (step.argument,)


def _holding(node: Node, framing: Framing, context: Context) -> Iterator[Never]:
    for key in _LISTS:
        for item in (node.get(key) or Node(None, node.span)).items:
            yield from _holding(item, framing, context)
    for inner in filter(None, map(node.get, _INSIDE)):
        yield from _holding(inner, framing, context)
    if pattern := node.get("regex"):
        if _ending(str(pattern.value), context.constants).endswith(framing.delimiter):
            yield Never(pattern, framing, framing.delimiter, False)
    elif not any(key in node.mapping for key in (*_LISTS, *_INSIDE, *_NO_PAYLOAD)):
        yield from _payload(node, framing, context)


def _payload(node: Node, framing: Framing, context: Context) -> Iterator[Never]:
    payload = compile_payload(node, context)
    known = None if payload is None else payload.constant
    data = _around_expressions(node, framing, context) if known is None else known
    if framing.delimiter in data:
        yield Never(node, framing, data, known is not None)


def _around_expressions(node: Node, framing: Framing, context: Context) -> bytes:
    """A text's own bytes, with one that the delimiter has not for each value that is not known."""
    gap = bytes([next((byte for byte in range(256) if byte not in framing.delimiter), 0)])
    if not isinstance(node.value, str):
        return gap
    try:
        template = compile_template(node.value, context.constants)
        return template.filled(lambda part: gap if part.constant is None else written(part.constant))
    except ExpressionError:
        return gap


def _ending(pattern: str, constants: Mapping[str, Value]) -> bytes:
    """The bytes that each match of a pattern certainly ends in."""
    try:
        return pattern_text.last_bytes(compile_template(pattern, constants).filled(lambda _: b"x*"))
    except ExpressionError:
        return b""
