"""What is known before a scenario runs: `vars`, `secrets`, and one combination of the matrix.

Text of the file becomes bytes here, once. A value given on the command line has the kind of the declared one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from sockrun.compiling.context import Context
from sockrun.compiling.scalars import SETTLED, operand, to_flag, to_integer, to_text
from sockrun.diagnostics import Problems, did_you_mean
from sockrun.source import Node, Span
from sockrun.values import ExpressionError, Value

Constants = dict[str, Value]


def combinations(
    root: Node, variables: Mapping[str, str], secrets: Mapping[str, str], problems: Problems
) -> Iterator[tuple[str, Constants]]:
    """Each combination of the matrix, as `[a,b]` for the scenario's id, with all constants; at least one."""
    fixed: Constants = {}
    for key, given in (("vars", variables), ("secrets", secrets)):
        fixed.update(_declared(root, key, given, fixed, problems))
    matrix = root.get("matrix")
    if matrix is None:
        yield "", fixed
        return
    columns = [[_value(item, {}, problems) for item in column.items] for column in matrix.mapping.values()]
    for values in product(*columns):
        yield (
            f"[{','.join(map(_shown, values))}]",
            {**fixed, **dict(zip(matrix.mapping, values, strict=True))},
        )


def _declared(root: Node, key: str, given: Mapping[str, str], known: Constants, problems: Problems) -> Constants:
    node = root.get(key)
    declared = node.mapping if node else {}
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
    for name, value in declared.items():
        own = _value(value, {**known, **values}, problems)
        values[name] = _typed(given[name], own, name, value.span, problems) if name in given else own
    return values


def _beginning(span: Span) -> Span:
    return Span(span.source, span.line, span.column, span.line, span.column + 1)


def _value(node: Node, known: Constants, problems: Problems) -> Value:
    """A value that may refer to those before it and to `env`."""
    try:
        found = operand(node, Context(problems, known, Path()))
        return b"" if found is None else found.evaluate(SETTLED)
    except ExpressionError as error:
        hint = "a constant may use the constants before it and env only"
        problems.error("not-constant", error.message, node.span, hint=hint)
        return b""


def _typed(text: str, declared: Value, name: str, span: Span, problems: Problems) -> Value:
    """What the command line gives, as the kind of value that the file declares."""
    try:
        if isinstance(declared, bool):
            return to_flag(text.encode())
        if isinstance(declared, int):
            return to_integer(text.encode())
        if isinstance(declared, float):
            return float(text)
        if isinstance(declared, bytes):
            return text.encode()
        raise ValueError("a list cannot be given on the command line")
    except ValueError as error:
        message = f"the value given for {name!r} does not fit: {error}"
        problems.error("bad-value", message, span, hint="it must be of the kind that the file declares")
        return declared


def _shown(value: Value) -> str:
    return "-".join(map(_shown, value)) if isinstance(value, tuple) else to_text(value)
