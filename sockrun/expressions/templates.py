"""Expressions (`int(n) + 1`) and templates (`"hello ${name}"`): text of a scenario that becomes a value.

Lives here: what the rest of the project uses, with `${...}` found and rendered. Must not live here: the
language inside the braces (`syntax.py`, `closures.py`, `operators.py`, `functions.py`).

The one theory: text is compiled once, when the file is read, and evaluated as often as a role comes by.
What needs no role is evaluated at once, so that its errors are errors of the file. Both forms are
`values.Operand`s; all text is bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from sockrun.expressions.closures import Program, Reference, Run, compile_line
from sockrun.expressions.operators import TooLongYet, check_number, check_size, early
from sockrun.expressions.syntax import Line, read
from sockrun.records import dataclass, field
from sockrun.values import ExpressionError, NotYet, Scope, Value

__all__ = ["Expression", "Reference", "Template", "compile_expression", "compile_template", "literal_text", "written"]

# Bytes. A longer value is computed whenever it is needed, so that no file fills the memory.
MAX_CONSTANT = 4 * 1024

_OPENING = re.compile(r"\$?\$\{")


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    `constant` is its value where that needs no scope and has at most 64 KiB; `references` are the free
    names it refers to, each once. `offset` is where it begins in its template.
    """

    text: str
    references: tuple[Reference, ...]
    constant: Value | None
    offset: int
    _program: Program = field(repr=False, compare=False)

    def evaluate(self, scope: Scope) -> Value:
        """Its value. Raises: NotYet, ExpressionError."""
        return self._program.run(scope) if self.constant is None else self.constant

    def values(self, scope: Scope) -> list[tuple[str, Value]]:
        """Its names as written, with the values they have now; those that have none are left out."""
        return [(name, value) for name, run in self._program.names.items() for value in _known(run, scope)]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with expressions in it.

    `alone` is the expression of a text that is exactly one `${...}`: its value keeps its kind, while every
    other template gives text. `constant` is the value where it needs no scope.
    """

    text: str
    references: tuple[Reference, ...]
    alone: Expression | None
    constant: Value | None
    _parts: tuple[bytes | Expression, ...] = field(repr=False, compare=False)

    @property
    def literal(self) -> bytes | None:
        """The rendered bytes of a constant template; None for others, and for a list, which is no text."""
        return None if self.constant is None or isinstance(self.constant, tuple) else written(self.constant)

    def evaluate(self, scope: Scope) -> Value:
        """Its value. Raises: NotYet, ExpressionError."""
        if self.constant is not None:
            return self.constant
        return self.alone.evaluate(scope) if self.alone else self.render(scope)

    def render(self, scope: Scope) -> bytes:
        """Its bytes, with numbers in decimal. Raises: NotYet, ExpressionError (also when over 16 MiB)."""
        if isinstance(self.constant, bytes):
            return self.constant
        return _joined([part if isinstance(part, bytes) else _rendered(part, scope) for part in self._parts])

    def filled(self, fill: Callable[[Expression], bytes]) -> bytes:
        """Its bytes with what `fill` makes of each expression, for text in which values must be escaped."""
        return _joined([part if isinstance(part, bytes) else fill(part) for part in self._parts])


def compile_expression(text: str, constants: Mapping[str, Value]) -> Expression:
    """The expression that is the whole of `text`; names in `constants` are filled in.

    Raises: ExpressionError, when it is not of the language, or is constant and has no value.
    """
    line, end = read(text + "}", 0)
    if end != len(text):
        raise ExpressionError("nothing is open that '}' closes", end)
    return _expression(text, line, constants)


def compile_template(text: str, constants: Mapping[str, Value]) -> Template:
    """Text with `${expression}` in it; `$${` stands for the characters `${`.

    Raises: ExpressionError, as `compile_expression` does, and when a `${` is not closed.
    """
    if "${" not in text:
        return _template(text, (_encoded(text),))
    return _template(text, tuple(part for part in _split(text, constants) if part != b""))


def literal_text(text: str) -> str:
    """A template's own text, without its expressions. Raises: ExpressionError, where one is not closed."""
    parts: list[str] = []
    position = 0
    while opening := _OPENING.search(text, position):
        parts.append(text[position : opening.start()])
        position = opening.end() if opening[0] == "$${" else read(text, opening.end())[1] + 1
    return "".join([*parts, text[position:]])


def written(value: Value) -> bytes:
    """How a value stands in text: bytes as they are, numbers in decimal, `true` or `false`.

    Raises: ExpressionError, for a list.
    """
    if isinstance(value, bytes):
        return value
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, tuple):
        raise ExpressionError("a list cannot be written as text: pack() makes bytes of numbers")
    check_number(value)
    return str(value).encode()


def _expression(text: str, line: Line, constants: Mapping[str, Value]) -> Expression:
    program = compile_line(line, constants)
    constant = _kept(_folded(program)) if program.foldable else None
    return Expression(text, program.references, constant, line.offset, program)


def _folded(program: Program) -> Value | None:
    """The value of an expression that needs no scope; None where that is not for the time before the run."""
    try:
        with early():
            return program.run(_NOWHERE)
    except TooLongYet:
        return None


class _Nowhere:
    """The scope of constant expressions, which ask nothing of it."""

    def name(self, name: str) -> Value:
        raise ExpressionError(f"'{name}' has no value here")

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        raise ExpressionError(f"'{base}.{attribute}' has no value here")

    def now(self) -> float:
        raise ExpressionError("now() has no value here")

    def random_bytes(self, count: int) -> bytes:
        raise ExpressionError("random_bytes() has no value here")


_NOWHERE = _Nowhere()


def _split(text: str, constants: Mapping[str, Value]) -> Iterator[bytes | Expression]:
    position = 0
    while opening := _OPENING.search(text, position):
        yield _encoded(text, position, opening.start())
        position = opening.end()
        if opening[0] == "$${":
            yield b"${"
            continue
        line, end = read(text, position)
        yield _expression(text[position:end], line, constants)
        position = end + 1
    yield _encoded(text, position)


def _encoded(text: str, start: int = 0, end: int | None = None) -> bytes:
    try:
        return text[start:end].encode()
    except UnicodeEncodeError as error:
        raise ExpressionError("half of a surrogate pair is no text", start + error.start) from None


def _template(text: str, parts: tuple[bytes | Expression, ...]) -> Template:
    expressions = [part for part in parts if isinstance(part, Expression)]
    references = tuple(reference for expression in expressions for reference in expression.references)
    alone = expressions[0] if expressions and len(parts) == 1 else None
    constant = alone.constant if alone else _constant(parts)
    return Template(text, references, alone, constant, parts)


def _constant(parts: Sequence[bytes | Expression]) -> bytes | None:
    if any(isinstance(part, Expression) and part.constant is None for part in parts):
        return None
    if len(parts) == 1 and isinstance(parts[0], bytes):
        return parts[0]
    rendered = [_rendered(part, _NOWHERE) for part in parts]
    return b"".join(rendered) if sum(map(len, rendered)) <= MAX_CONSTANT else None


def _kept(value: Value | None) -> Value | None:
    items = value if isinstance(value, tuple) else (value,)
    size = sum(len(item) if isinstance(item, bytes | tuple) else 8 for item in items)
    return value if size <= MAX_CONSTANT else None


def _rendered(part: bytes | Expression, scope: Scope) -> bytes:
    if isinstance(part, bytes):
        return part
    value = part.evaluate(scope)
    if isinstance(value, bytes):
        return value
    try:
        return written(value)
    except ExpressionError as error:
        raise ExpressionError(error.message, part.offset) from None


def _joined(parts: Sequence[bytes]) -> bytes:
    check_size(sum(map(len, parts)))
    return b"".join(parts)


def _known(run: Run, scope: Scope) -> Iterator[Value]:
    try:
        yield run(scope)
    except (NotYet, ExpressionError):
        return
