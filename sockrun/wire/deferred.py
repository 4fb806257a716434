"""Values of the file that are known now, or are made when a role plays; and functions of them.

The one theory: a form is a function of the values in it. Where all of them are known it is called at once,
and an error in it is a problem of the file, told at its place; else it is called with the role's scope, and
the same sentence is the step's failure. `None` stands everywhere for 'a problem was reported'.

Must not live here: what the values mean (`payloads.py`, `framing.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from sockrun.compiling.context import Context
from sockrun.compiling.scalars import converted, operand, to_integer, to_text
from sockrun.expressions import written
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError, Operand, Scope, Value

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Deferred(Generic[T_co]):
    """`make` may raise NotYet and ExpressionError; where `known`, `value` is what it would give."""

    make: Callable[[Scope], T_co]
    known: bool = False
    value: T_co | None = None


def now(value: T) -> Deferred[T]:
    return Deferred(lambda _: value, True, value)


def combine(
    context: Context, node: Node, function: Callable[..., T], *parts: Deferred[Any] | None
) -> Deferred[T] | None:
    """`function` of the values of `parts`; the ExpressionErrors it raises are about `node`."""
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        return None
    if not all(part.known for part in present):
        return Deferred(lambda scope: function(*[part.make(scope) for part in present]))
    try:
        return now(function(*[part.value for part in present]))
    except ExpressionError as error:
        context.problems.error("bad-value", error.message, node.span)
        return None


def gather(context: Context, node: Node, parts: list[Deferred[T] | None]) -> Deferred[tuple[T, ...]] | None:
    """The values of all parts."""
    return combine(context, node, lambda *values: values, *parts)


# --- what stands in a node ---------------------------------------------------------------------


def entry(node: Node, key: str, context: Context) -> Node | None:
    """The entry of a mapping under `key`, which must be there."""
    found = node.get(key)
    if found is None:
        context.problems.error("missing-key", f"{key!r} is missing here", node.span)
    return found


def text(node: Node | None, context: Context) -> Deferred[bytes] | None:
    """Text with its expressions filled in, as bytes; `${expr}` alone is exactly the value's bytes."""
    if node is None:
        return None
    if not isinstance(node.value, str):
        context.problems.error("not-a-value", "text is wanted here", node.span, hint="put it in quotes")
        return None
    template = context.text(node)
    if template is None:
        return None
    if template.alone is not None:
        return combine(context, node, _exact_bytes, _from_operand(template))
    return Deferred(template.render) if template.literal is None else now(template.literal)


def word(node: Node | None, context: Context) -> Deferred[str] | None:
    """Text that is a name, a format, a path."""
    return None if node is None else combine(context, node, as_text, text(node, context))


def whole_number(node: Node | None, context: Context, lowest: int | None = None) -> Deferred[int] | None:
    """A whole number, or `${expr}` alone."""
    return None if node is None else _from_operand(converted(node, context, within(lowest)))


def within(lowest: int | None = None, highest: int | None = None) -> Callable[[Value], int]:
    """A converter to whole numbers of this range."""

    def convert(value: Value) -> int:
        number = to_integer(value)
        if lowest is not None and number < lowest:
            raise ValueError(f"{number} is less than {lowest}")
        if highest is not None and number > highest:
            raise ValueError(f"{number} is more than {highest}")
        return number

    return convert


def scalar(node: Node, context: Context) -> Deferred[Value] | None:
    """A number, true, false, text as bytes, or the value of `${expr}` alone."""
    return _from_operand(operand(node, context))


def as_text(data: bytes) -> str:
    """Raises: ExpressionError, where the bytes are no UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ExpressionError(f"this is not UTF-8 text: {data[error.start : error.start + 1]!r} is in it") from None


def byte_values(values: tuple[Value, ...]) -> bytes:
    """Raises: ExpressionError, where one is no whole number from 0 to 255."""
    for value in values:
        if type(value) is not int or not 0 <= value <= 255:
            shown = "a list" if isinstance(value, tuple) else to_text(value)
            raise ExpressionError(f"a byte is a number from 0 to 255, and this is {shown}")
    return bytes(cast("tuple[int, ...]", values))


def _exact_bytes(value: Value) -> bytes:
    return byte_values(value) if isinstance(value, tuple) else written(value)


def _from_operand(found: Operand | None) -> Deferred[Any] | None:
    return None if found is None else Deferred(found.evaluate, found.constant is not None, found.constant)
