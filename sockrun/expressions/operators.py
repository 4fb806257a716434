"""What the operators of an expression do to values, and how large a value may become.

Lives here: the meaning of `+`, `<`, `in`, `x[1:3]` and their like, one table for each kind, keyed by the
name of Python's syntax node. Must not live here: which syntax is allowed (`syntax.py`) and the functions
(`functions.py`).

The one theory: operands are looked at *before* anything is computed. Whole numbers have at most
`MAX_BITS` bits going in and coming out, texts at most `MAX_BYTES` bytes, so that every single operation is
short, whatever the expression; with no loops in the language that bounds the whole. Every failure is an
`ExpressionError` without an offset; the caller knows the place.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

from sockrun.values import ExpressionError, Value

MAX_BYTES = 16 * 1024 * 1024
MAX_EARLY = 64 * 1024  # bytes of a text that is made before a scenario runs: a hostile file asks for thousands
MAX_BITS = 2048  # 617 digits: below the lowest limit that Python can be given for writing a number (640)

Binary: TypeAlias = Callable[[Value, Value], Value]

_longest: ContextVar[int] = ContextVar("_longest", default=MAX_BYTES)


class TooLongYet(ExpressionError):  # noqa: N818 (while a scenario runs it may be made)
    """A text over `MAX_EARLY`, asked for before the scenario runs."""


@contextmanager
def early() -> Iterator[None]:
    """Nothing that is evaluated in here makes a text over `MAX_EARLY`: that raises TooLongYet."""
    token = _longest.set(MAX_EARLY)
    try:
        yield
    finally:
        _longest.reset(token)


def kind(value: Value) -> str:
    """What people call such a value, for messages."""
    if isinstance(value, bytes):
        return "a text"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, tuple):
        return "a list"
    return "a fraction" if isinstance(value, float) else "a number"


def check_size(size: int) -> None:
    """Raises: ExpressionError, when a text of `size` bytes would be too long."""
    if size > MAX_BYTES:
        raise ExpressionError("the result would be longer than 16 MiB")
    if size > _longest.get():
        raise TooLongYet("a text of more than 64 KiB is not made before the scenario runs")


def check_number(value: Value) -> None:
    """Raises: ExpressionError, when a whole number has too many digits."""
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"a number has more than {MAX_BITS} bits")


def whole(value: Value, what: str = "an index") -> int:
    """The value, which must be a whole number. Raises: ExpressionError."""
    if not isinstance(value, int):
        raise ExpressionError(f"{what} must be a whole number, not {kind(value)}")
    return value


def _arithmetic(symbol: str, compute: Callable[[Any, Any], Value], wanted: str = "two numbers") -> Binary:
    kinds = int if wanted == "two whole numbers" else (int, float)

    def operate(left: Value, right: Value) -> Value:
        if not isinstance(left, kinds) or not isinstance(right, kinds):
            raise ExpressionError(f"'{symbol}' needs {wanted}, not {kind(left)} and {kind(right)}")
        check_number(left)
        check_number(right)
        try:
            result = compute(left, right)
        except ZeroDivisionError:
            raise ExpressionError(f"'{symbol}' divides by zero") from None
        except OverflowError:
            raise ExpressionError(f"'{symbol}' gives a number that is too large") from None
        check_number(result)
        return result

    return operate


def _bitwise(symbol: str, compute: Callable[[Any, Any], Value]) -> Binary:
    return _arithmetic(symbol, compute, "two whole numbers")


def _shift_left(value: int, count: int) -> int:
    if count > MAX_BITS:
        raise OverflowError
    return value << _positive(count)


def _positive(count: int) -> int:
    if count < 0:
        raise ExpressionError("a shift needs a count that is not negative")
    return count


_add_numbers = _arithmetic("+", operator.add, "two numbers or two texts")
_multiply_numbers = _arithmetic("*", operator.mul, "two numbers, or a text and a whole number")


def _add(left: Value, right: Value) -> Value:
    if isinstance(left, bytes) and isinstance(right, bytes):
        check_size(len(left) + len(right))
        return left + right
    return _add_numbers(left, right)


def _multiply(left: Value, right: Value) -> Value:
    if isinstance(left, int) and isinstance(right, bytes):
        left, right = right, left
    if isinstance(left, bytes) and isinstance(right, int):
        check_size(len(left) * right)
        return left * right if right > 0 and left else b""
    return _multiply_numbers(left, right)


def _ordered(symbol: str, compute: Callable[[Any, Any], bool]) -> Binary:
    def compare(left: Value, right: Value) -> bool:
        for kinds in (bytes, (int, float)):
            if isinstance(left, kinds) and isinstance(right, kinds):
                return compute(left, right)
        raise ExpressionError(f"'{symbol}' needs two numbers or two texts, not {kind(left)} and {kind(right)}")

    return compare


def _contains(item: Value, container: Value) -> bool:
    if isinstance(container, tuple):
        return item in container
    if isinstance(container, bytes) and isinstance(item, bytes):
        return item in container
    wanted = "a text in a text, or anything in a list"
    raise ExpressionError(f"'in' looks for {wanted}, not for {kind(item)} in {kind(container)}")


def _sign(symbol: str, compute: Callable[[Any], Value], kinds: type | tuple[type, ...]) -> Callable[[Value], Value]:
    def operate(value: Value) -> Value:
        if not isinstance(value, kinds):
            wanted = "a whole number" if kinds is int else "a number"
            raise ExpressionError(f"'{symbol}' needs {wanted}, not {kind(value)}")
        check_number(value)
        return compute(value)

    return operate


def index(value: Value, position: Value) -> Value:
    """`value[position]`: a byte's number, or an item of a list."""
    if not isinstance(value, bytes | tuple):
        raise ExpressionError(f"'[]' needs a text or a list, not {kind(value)}")
    place = whole(position)
    if not -len(value) <= place < len(value):
        unit = "bytes" if isinstance(value, bytes) else "items"
        raise ExpressionError(f"the index is out of range: there are {len(value)} {unit}")
    return value[place]


def cut(value: Value, *bounds: Value | None) -> Value:
    """`value[start:stop:step]`; each of the three bounds may be None, and then is left out."""
    if not isinstance(value, bytes | tuple):
        raise ExpressionError(f"'[:]' needs a text or a list, not {kind(value)}")
    start, stop, step = (None if b is None else whole(b, "each bound of a slice") for b in bounds)
    if step == 0:
        raise ExpressionError("the step of a slice cannot be 0")
    return value[start:stop:step]


def make_list(*items: Value) -> Value:
    """A list; lists do not nest, so that comparing two of them is short."""
    if any(isinstance(item, tuple) for item in items):
        raise ExpressionError("a list cannot hold another list")
    return items


BINARY: Mapping[str, Binary] = {
    "Add": _add,
    "Sub": _arithmetic("-", operator.sub),
    "Mult": _multiply,
    "Div": _arithmetic("/", operator.truediv),
    "FloorDiv": _arithmetic("//", operator.floordiv),
    "Mod": _arithmetic("%", operator.mod),
    "BitAnd": _bitwise("&", operator.and_),
    "BitOr": _bitwise("|", operator.or_),
    "BitXor": _bitwise("^", operator.xor),
    "LShift": _bitwise("<<", _shift_left),
    "RShift": _bitwise(">>", lambda value, count: value >> _positive(count)),
}

UNARY: Mapping[str, Callable[[Value], Value]] = {
    "UAdd": _sign("+", operator.pos, (int, float)),
    "USub": _sign("-", operator.neg, (int, float)),
    "Invert": _sign("~", operator.invert, int),
    "Not": operator.not_,
}

COMPARE: Mapping[str, Binary] = {
    "Eq": operator.eq,
    "NotEq": operator.ne,
    "Lt": _ordered("<", operator.lt),
    "LtE": _ordered("<=", operator.le),
    "Gt": _ordered(">", operator.gt),
    "GtE": _ordered(">=", operator.ge),
    "In": _contains,
    "NotIn": lambda item, container: not _contains(item, container),
}
