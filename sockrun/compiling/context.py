"""What compiling a piece of one role needs, and what it collects on the way.

Payloads, matchers and framings are compiled with a `Context`: it knows the constants (vars, matrix, secrets),
where files of the pack lie, and whether the piece is for an unframed stream or for whole messages. It
collects problems, the names that expressions refer to, and the names that matchers bind, which the
compiler checks against each other once the whole scenario has been read.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path

from sockrun.diagnostics import Problems
from sockrun.expressions import Expression, Reference, Template, compile_expression, compile_template
from sockrun.records import dataclass, field, replace
from sockrun.source import Node, Span
from sockrun.values import ExpressionError, Value
from sockrun.wire.contents import MESSAGE_LIMIT

ROOM = 16 * 1024 * 1024  # bytes


@dataclass
class Room:
    """How many bytes a file may still have kept for it beside its own text: a short line can ask for many."""

    left: int = ROOM

    def take(self, size: int) -> bool:
        """Whether there was room for so many bytes; then they are taken."""
        fits = size <= self.left
        self.left -= size if fits else 0
        return fits


@dataclass
class Context:
    """`message` is true for datagrams and framed streams.

    `unknown` has the names of constants whose values are wrong, and `ports` where one of those is: nothing is said of
    them. `late` has those that have a value only when it is played.
    No file outside `pack` is read; names of files are relative to `folder`, or to the pack where it is None.
    """

    problems: Problems
    constants: Mapping[str, Value]
    pack: Path
    message: bool = False
    references: list[tuple[Reference, Span]] = field(default_factory=list)
    binds: dict[str, Span] = field(default_factory=dict)
    rebinds: list[tuple[str, Span]] = field(default_factory=list)
    folder: Path | None = None
    room: Room = field(default_factory=Room)
    max_message: int = MESSAGE_LIMIT  # bytes
    unknown: Container[str] = ()
    late: Mapping[str, Value] = field(default_factory=dict)

    def for_messages(self, message: bool) -> Context:
        """The same collection, for pieces that see whole messages (or an unframed stream)."""
        return self if self.message == message else replace(self, message=message)

    def text(self, node: Node) -> Template | None:
        """Text of the file with `${...}` in it; None, with the problem reported, where it cannot be."""
        try:
            template = compile_template(str(node.value), self.constants)
        except ExpressionError as error:
            self.problems.error("expression", error.message, node.span)
            return None
        self._refer(template.references, node)
        return template

    def expression(self, node: Node) -> Expression | None:
        """An expression standing without `${}`: the argument of `check` and `when`."""
        try:
            expression = compile_expression(str(node.value), self.constants)
        except ExpressionError as error:
            self.problems.error("expression", error.message, node.span)
            return None
        self._refer(expression.references, node)
        return expression

    def refers_to(self, names: Container[str]) -> bool:
        """Whether something that was compiled with it asks for one of these."""
        return any(reference.base in names for reference, _ in self.references)

    def bind(self, name: str, node: Node) -> None:
        """A matcher or a step gives `name` a value; `binds` has the first place, `rebinds` the others."""
        if self.binds.setdefault(name, node.span) is not node.span:
            self.rebinds.append((name, node.span))

    def _refer(self, references: tuple[Reference, ...], node: Node) -> None:
        self.references.extend((reference, node.span) for reference in references)
