"""`struct` with `fields`: numbers and bytes in a fixed layout, each with a name.

Lives here: layouts of Python's struct module as matchers. A struct with `values` is a payload, so a literal.

Fields are compared as values, in their order, each as soon as its bytes are there. What is wanted goes
through the layout first: so `"ab"` is wanted as four bytes in `4s` and 0.1 as exact as an `f` can be, and
what does not fit a field is an error of the file.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from functools import partial

from sockrun.commands import Match, Matcher, Mismatch
from sockrun.compiling.context import Context
from sockrun.hexdump import brief, size_text
from sockrun.matching.expectation import (
    KEPT,
    Buffer,
    Expectation,
    Request,
    bind,
    expectation,
    mismatch,
    wrong_size,
)
from sockrun.matching.literals import literal
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError, Value
from sockrun.wire.deferred import Deferred, combine, gather, now, scalar, word
from sockrun.wire.packing import layout_of

_ITEM = re.compile(r"(\d*)([a-zA-Z?])")


@dataclass(frozen=True)
class Field:
    """One value of a layout: `item` is its own layout, `end` the byte behind it."""

    name: str
    item: struct.Struct
    end: int

    def read(self, data: Buffer) -> Value:
        value: Value = self.item.unpack_from(data, self.end - self.item.size)[0]
        return value

    def fitted(self, wanted: Value) -> Value:
        """The value as this field would hold it. Raises: ExpressionError."""
        try:
            value: Value = self.item.unpack(self.item.pack(wanted))[0]
        except (struct.error, OverflowError) as error:
            raise ExpressionError(f"{_written(wanted)} does not fit the field {self.name}: {error}") from None
        if isinstance(wanted, bytes) and len(wanted) > self.item.size:
            raise ExpressionError(f"{_written(wanted)} is too long for the field {self.name}")
        return value


class Structure:
    """`wanted` has a value for each field, None for any. A match sets a variable for each field."""

    def __init__(self, size: int, fields: Sequence[Field], wanted: Sequence[Value | None], summary: str) -> None:
        """Raises: ExpressionError, for a value that does not fit its field."""
        self.summary = summary
        self.size = size
        self.fields = fields
        self.wanted = [
            (field, field.fitted(value)) for field, value in zip(fields, wanted, strict=True) if value is not None
        ]

    def reader(self) -> Structure:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        wrong = self._difference(buffer)
        if wrong is not None or len(buffer) < self.size:
            return wrong
        data = bytes(buffer[: self.size])
        del buffer[: self.size]
        return self._match(data)

    def judge(self, message: bytes) -> Match | Mismatch:
        if len(message) != self.size:
            reason = wrong_size(len(message), f"{self.size:,}")
            return mismatch(reason, message, min(len(message), self.size))
        return self._difference(message) or self._match(message)

    def _difference(self, data: Buffer) -> Mismatch | None:
        for field, wanted in self.wanted:
            if len(data) < field.end:
                return None
            value = field.read(data)
            if value != wanted:
                reason = f"field {field.name} is {_written(value)}, not {_written(wanted)}"
                return mismatch(reason, data, field.end - field.item.size)
        return None

    def _match(self, data: bytes) -> Match:
        return Match(data, {field.name: field.read(data) for field in self.fields})


def _written(value: Value) -> str:
    return brief(value) if isinstance(value, bytes) else str(value)


# --- compiling ---------------------------------------------------------------------------------


def structure(request: Request) -> Expectation | None:
    context, inner, named = request.context, request.entry("struct"), request.node.get("fields")
    if named is None:
        return literal(request)
    names = tuple(named.mapping)
    layout = combine(context, inner, layout_of, word(inner, context))
    fields = combine(context, named, partial(_fields, names, min(KEPT, context.max_message)), layout)
    wanted = gather(context, named, [_wanted(node, context) for node in named.mapping.values()])
    if not bind(names, named, context):
        return None
    summary = f"struct {inner.value}"
    return expectation(summary, combine(context, named, partial(_structure, summary), layout, fields, wanted), names)


def _structure(summary: str, layout: struct.Struct, fields: Sequence[Field], wanted: Sequence[Value | None]) -> Matcher:
    return Structure(layout.size, fields, wanted, summary)


def _wanted(node: Node, context: Context) -> Deferred[Value | None] | None:
    return now(None) if node.value == "any" else scalar(node, context)


def _fields(names: Sequence[str], most: int, layout: struct.Struct) -> Sequence[Field]:
    """Raises: ExpressionError, where the names are not as many as the layout has values, or it is too long."""
    if layout.size > most:
        raise ExpressionError(f"a struct with fields has {size_text(most)} at most, and this has {layout.size:,}")
    count = len(layout.unpack(bytes(layout.size)))
    if count != len(names):
        values = f"{count} value{'' if count == 1 else 's'}"
        raise ExpressionError(f"{layout.format!r} has {values}, and 'fields' names {len(names)}")
    return [Field(name, item, end) for name, (item, end) in zip(names, _items(layout.format), strict=True)]


def _items(format_: str) -> list[tuple[struct.Struct, int]]:
    """The layout of each value, and the byte behind it (native layouts have gaps between them)."""
    order = format_[0] if format_[0] in "@=<>!" else "@"
    found = []
    end = 0
    for count, code in _ITEM.findall(format_):
        single = code in "spx"
        for item in [count + code] if single else [code] * int(count or 1):
            end = struct.calcsize(f"{order}{end}x{item}")
            if code != "x":
                found.append((struct.Struct(order + item), end))
        if count == "0" and not single:
            end = struct.calcsize(f"{order}{end}x0{code}")
    return found
