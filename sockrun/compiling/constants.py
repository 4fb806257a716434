"""What is known before a scenario runs: `vars`, `secrets`, and one combination of the matrix.

Text of the file becomes bytes here, once. A value given on the command line has the kind of the declared one.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path

from sockrun.compiling.context import Context
from sockrun.compiling.holes import unknown
from sockrun.compiling.scalars import before_the_run, operand, to_flag, to_integer, to_text
from sockrun.diagnostics import Problems, did_you_mean
from sockrun.expressions.operators import TooLongYet
from sockrun.hexdump import size_text
from sockrun.source import Node, Span
from sockrun.values import ExpressionError, Value

Constants = dict[str, Value]

MOST_COMBINATIONS = 1000
MOST_VALUES = 1_000_000  # that all combinations of one file have together
ROOM = 4 * 1024 * 1024  # bytes for all constants of a file


def combinations(
    root: Node, variables: Mapping[str, str], secrets: Mapping[str, str], problems: Problems
) -> Iterator[tuple[str, Constants]]:
    """Each combination of the matrix, as `[a,b]` for the scenario's id, with all constants; at least one.

    Raises: Invalid, where there are too many.
    """
    reader = _Reader(root, problems)
    known = _fixed(root, variables, secrets, reader)
    matrix = root.get("matrix")
    if matrix is None:
        yield "", known
        return
    _check_count(root, matrix, problems)
    columns = {name: [reader.value(item, {}) for item in column.items] for name, column in matrix.mapping.items()}
    usable = {name: cells for name, column in columns.items() if (cells := [v for v in column if v is not None])}
    for values in product(*usable.values()):
        yield f"[{','.join(map(_shown, values))}]", known | dict(zip(usable, values, strict=True))


def fixed(root: Node, variables: Mapping[str, str], secrets: Mapping[str, str], problems: Problems) -> Constants:
    """The `vars` and `secrets`, which all combinations have. Raises: Invalid, where they are too large."""
    return _fixed(root, variables, secrets, _Reader(root, problems))


def _fixed(root: Node, variables: Mapping[str, str], secrets: Mapping[str, str], reader: _Reader) -> Constants:
    known: Constants = {}
    for key, given in (("vars", variables), ("secrets", secrets)):
        known.update(_declared(root, key, given, known, reader))
    return known


def _check_count(root: Node, matrix: Node, problems: Problems) -> None:
    count = prod(len(column.items) for column in matrix.mapping.values())
    most = max(1, min(MOST_COMBINATIONS, MOST_VALUES // _size(root)))
    if count > most:
        message = f"the matrix has {_counted(count)} combinations: a file of this size may have {most:,}"
        problems.error("too-many-combinations", message, root.keys["matrix"], hint="write several files")
        problems.raise_errors()


def _counted(number: int) -> str:
    return f"{number:,}" if number < 10**12 else "more than 10^12"


def _size(node: Node) -> int:
    return 1 + sum(map(_size, node.items or node.mapping.values()))


def _declared(root: Node, key: str, given: Mapping[str, str], known: Constants, reader: _Reader) -> Constants:
    problems = reader.problems
    node = root.get(key)
    declared = node.keys if node else {}
    span = node.span if node else _beginning(root.span)
    for name in given:
        if name not in declared:
            option = "--var" if key == "vars" else "--secret"
            message = f"{option} {name}: this scenario declares no such name in {key!r}"
            problems.error(
                "undeclared-variable",
                message,
                span,
                hint=did_you_mean(name, declared) or f"add it to {key!r}",
            )
    values: Constants = {}
    for name, value in (node.mapping if node else {}).items():
        own = reader.value(value, ChainMap(values, known))
        if own is None:
            reader.wrong.add(name)
        else:
            values[name] = _given(given[name], own, name, value.span, problems) if name in given else own
    return values


def _beginning(span: Span) -> Span:
    return Span(span.source, span.line, span.column, span.line, span.column + 1)


class _Reader:
    """Reads constants, counts the bytes that they hold, and remembers the names of those that are wrong."""

    def __init__(self, root: Node, problems: Problems) -> None:
        self.problems = problems
        self.wrong: set[str] = set()
        self._cut = unknown(root)
        self._room = ROOM

    def value(self, node: Node, known: Mapping[str, Value]) -> Value | None:
        """A value that may refer to those before it and to `env`; None, with the problem reported, where it is wrong.

        Raises: Invalid, where there is no more room.
        """
        found = self._evaluated(node, known)
        self._room -= len(found) if isinstance(found, bytes | tuple) else 0
        if self._room < 0:
            message = f"the constants up to here hold more than {size_text(ROOM)}"
            self.problems.error("too-large", message, node.span, hint="put large contents into a file")
            self.problems.raise_errors()
        return found

    def _evaluated(self, node: Node, known: Mapping[str, Value]) -> Value | None:
        context = Context(self.problems, known, Path())
        try:
            found = operand(node, context)
            if found is None or context.refers_to(self.wrong) or context.refers_to(self._cut):
                return None
            return before_the_run(found)
        except ExpressionError as error:
            late = isinstance(error, TooLongYet)
            hint = None if late else "a constant may use the constants before it and env only"
            self.problems.error("not-constant", error.message, node.span, hint=hint)
            return None


def typed(text: str, declared: Value) -> Value:
    """What is given as text, as the kind of value that the file declares. Raises: ValueError."""
    if isinstance(declared, bool):
        return to_flag(text.encode())
    if isinstance(declared, int):
        return to_integer(text.encode())
    if isinstance(declared, float):
        return float(text)
    if isinstance(declared, bytes):
        return text.encode()
    raise ValueError("a list cannot be given as text")


def set_apart(known: Constants, late: Mapping[str, Value]) -> tuple[Constants, Constants]:
    """The constants, and the names that have a value only when it is played, each with one of its kind.

    A number is no late value of a name that the file declares as something else: that one means something else.
    """
    apart = {}
    for name, kind in late.items():
        declared = known.get(name, kind)
        if isinstance(kind, bytes) or type(declared) is type(kind):
            apart[name] = declared
    return {name: value for name, value in known.items() if name not in apart}, apart


def _given(text: str, declared: Value, name: str, span: Span, problems: Problems) -> Value:
    try:
        return typed(text, declared)
    except ValueError as error:
        message = f"the value given for {name!r} does not fit: {error}"
        problems.error("bad-value", message, span, hint="it must be of the kind that the file declares")
        return declared


def _shown(value: Value) -> str:
    return "-".join(map(_shown, value)) if isinstance(value, tuple) else to_text(value)
