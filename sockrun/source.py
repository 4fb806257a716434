"""A file's text, places in it, and the tree of values that was read from it.

Lives here: what every later layer needs to say *where* something stands. Must not live here: YAML
(`document.py`) and what a value means (`builder.py` and after).

Lines and columns are 1-based and count characters, as editors show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TypeAlias

from sockrun.records import dataclass, field


@dataclass(frozen=True, eq=False)
class Source:
    """One file: `path` as the user gave it (for messages), its whole text, and the place that includes it."""

    path: str
    text: str
    included: Span | None = None

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass(frozen=True, slots=True)
class Span:
    """The half-open range of characters from (line, column) to (end_line, end_column)."""

    source: Source
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line}:{self.column}"

    @property
    def file_line(self) -> str:
        return f"{self.source.path}:{self.line}"


Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A value of the file with its place.

    `value` is a scalar, a tuple of nodes (sequence) or a dict of nodes (mapping, in file order).
    `keys` holds the place of each key of a mapping, `style` how a scalar was written: `"`, `'`, `|`, `>`
    or, without quotes, nothing.
    """

    value: Scalar | tuple[Node, ...] | dict[str, Node]
    span: Span
    keys: Mapping[str, Span] = field(default_factory=dict)
    style: str = ""

    @property
    def mapping(self) -> dict[str, Node]:
        """The entries of a mapping node; an empty dict for any other node."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def items(self) -> tuple[Node, ...]:
        """The entries of a sequence node; an empty tuple for any other node."""
        return self.value if isinstance(self.value, tuple) else ()

    def get(self, key: str) -> Node | None:
        """The entry of a mapping node under `key`, if there is one."""
        return self.mapping.get(key)

    def plain(self) -> object:
        """The value as plain lists, dicts and scalars, without places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, tuple):
            return [node.plain() for node in self.value]
        return self.value
