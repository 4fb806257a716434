"""Scalars of the file become typed values: now, or, where they hold an expression, when a role plays.

A converter is a function from a value to what a key wants; it raises ValueError with a sentence for the user.
Text is bytes here as everywhere, so that `${expr}` and a plain scalar go the same way.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from sockrun import units
from sockrun.compiling.context import Context
from sockrun.expressions.operators import early
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError, Operand, Scope, Value

T = TypeVar("T")


def to_text(value: Value) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        raise ValueError("a list cannot stand here")
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_bytes(value: Value) -> bytes:
    """Bytes as they are, numbers in decimal."""
    return value if isinstance(value, bytes) else to_text(value).encode()


def to_seconds(value: Value) -> float:
    return units.seconds(to_text(value))


def to_flag(value: Value) -> bool:
    words = {"true": True, "false": False}
    text = to_text(value)
    if text not in words:
        raise ValueError(f"{text!r} is neither true nor false")
    return words[text]


def to_integer(value: Value) -> int:
    if isinstance(value, bytes):
        try:
            return int(value)
        except ValueError:
            raise ValueError(f"{to_text(value)!r} is not a whole number") from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def to_natural(value: Value) -> int:
    """A whole number from 0."""
    number = to_integer(value)
    if number < 0:
        raise ValueError(f"{number} is less than 0")
    return number


def to_count(value: Value) -> int:
    """A whole number from 1."""
    number = to_integer(value)
    if number < 1:
        raise ValueError(f"{number} is less than 1")
    return number


def to_port(value: Value) -> int:
    number = to_integer(value)
    if not 0 <= number <= 65_535:
        raise ValueError(f"{number} is no port: ports go from 0 to 65535")
    return number


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the file."""

    constant: Value

    def evaluate(self, scope: Scope) -> Value:
        return self.constant


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of which some value has to be asked for."""

    items: tuple[Operand, ...]
    constant: None = None

    def evaluate(self, scope: Scope) -> Value:
        return tuple(item.evaluate(scope) for item in self.items)


@dataclass(frozen=True, slots=True)
class Converted:
    """An operand whose value is converted when it is asked for."""

    operand: Operand
    convert: Callable[[Value], Value]
    constant: None = None

    def evaluate(self, scope: Scope) -> Value:
        try:
            return self.convert(self.operand.evaluate(scope))
        except ValueError as error:
            raise ExpressionError(str(error)) from None


class EnvironmentScope:
    """The scope of what must be known before anything runs: `env` and nothing else."""

    def name(self, name: str) -> Value:
        raise ExpressionError(f"{name!r} is not known before the scenario runs")

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        if base != "env":
            raise ExpressionError(f"'{base}.{attribute}' is not known before the scenario runs")
        if attribute not in os.environ:
            raise ExpressionError(f"the environment has no variable {attribute!r}")
        return os.environb[attribute.encode()]

    def now(self) -> float:
        raise ExpressionError("there is no time before the scenario runs")

    def random_bytes(self, count: int) -> bytes:
        raise ExpressionError("nothing is random before the scenario runs")


SETTLED = EnvironmentScope()


def before_the_run(found: Operand) -> Value:
    """The value of what must be known before anything runs. Raises: ExpressionError."""
    if found.constant is not None:
        return found.constant
    with early():
        return found.evaluate(SETTLED)


def operand(node: Node, context: Context) -> Operand | None:
    """A value as an operand; None, with the problem reported, where it cannot be one."""
    if isinstance(node.value, str):
        return context.text(node)
    if isinstance(node.value, bool | int | float):
        return Literal(node.value)
    if isinstance(node.value, tuple):
        return _list(node, context)
    context.problems.error("not-a-value", "a value is wanted here: text, a number, true or false", node.span)
    return None


def _list(node: Node, context: Context) -> Operand | None:
    items = [item for item in (operand(item, context) for item in node.items) if item is not None]
    if len(items) < len(node.items):
        return None
    known = [item.constant for item in items if item.constant is not None]
    return Literal(tuple(known)) if len(known) == len(items) else Listed(tuple(items))


def converted(node: Node, context: Context, convert: Callable[[Value], Value]) -> Operand | None:
    """An operand that gives converted values; a constant is converted, and complained about, at once."""
    raw = operand(node, context)
    if raw is None or raw.constant is None:
        return None if raw is None else Converted(raw, convert)
    try:
        return Literal(convert(raw.constant))
    except ValueError as error:
        context.problems.error("bad-value", str(error), node.span)
        return None


def converted_if_said(node: Node | None, context: Context, convert: Callable[[Value], Value]) -> Operand | None:
    """The same for a key that may be left out."""
    return None if node is None else converted(node, context, convert)


def settled(node: Node | None, context: Context, convert: Callable[[Value], T], default: T) -> T:
    """The converted value of a key that takes vars, matrix values and env only, or `default`."""
    # What is settled here is no name that has to be bound later: it leaves no reference behind.
    apart = Context(context.problems, context.constants, context.pack)
    raw = operand(node, apart) if node is not None else None
    if node is None or raw is None or apart.refers_to(context.unknown):
        return default
    try:
        return convert(before_the_run(raw))
    except ExpressionError as error:
        hint = "here an expression may use vars, matrix values and env only"
        context.problems.error("not-constant", error.message, node.span, hint=hint)
    except ValueError as error:
        context.problems.error("bad-value", str(error), node.span)
    return default
