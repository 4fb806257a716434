"""What has a wrong shape is cut out, so that what is wrong elsewhere is told in the same run.

A step is replaced by a hole, a node without a value: the builder makes a step without a verb of it, the compiler
leaves it out and remembers that nobody can say what the role binds or signals. A role is left out, but its name is
still known. A key is left out where nothing else in the file can depend on it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from sockrun.source import Node, Span

_Place: TypeAlias = tuple[int, int]

# Keys that no error elsewhere can come from, if they are not there.
_OF_A_SCENARIO = frozenset(
    {"sockrun", "name", "description", "tags", "requires", "expect_failure", "timeout", "network"}
)
_OF_A_ROLE = frozenset({"timeout", "hold", "unread", "socket", "retry_for", "listen"})


def with_holes(root: Node, wrong: Sequence[Span]) -> Node | None:
    """The tree without what is in one of the places `wrong`; None where one of them cannot be cut out."""
    return _Cutter(wrong).scenario(root)


class _Cutter:
    """Knows the places that are wrong, and remembers which of them have been cut out."""

    def __init__(self, wrong: Sequence[Span]) -> None:
        self._wrong = sorted({(span.line, span.column) for span in wrong})
        self._covered: set[_Place] = set()

    def scenario(self, root: Node) -> Node | None:
        known = self._without(root, _OF_A_SCENARIO)
        cut = _edited(known, {"roles": self._roles, "steps": lambda turns: _each(turns, self._turn)})
        return cut if "roles" in cut.mapping and self._covered.issuperset(self._wrong) else None

    def _roles(self, roles: Node) -> Node:
        """The roles that are left; `keys` still has all names."""
        kept: dict[str, Node] = {}
        for name, role in roles.mapping.items():
            within = self._places(roles.keys[name], role.span)
            cut = self._role(role)
            if self._covered.issuperset(within):
                kept[name] = cut
            self._covered.update(within)
        return replace(roles, value=kept) if roles.keys else roles

    def _role(self, role: Node) -> Node:
        lists = dict.fromkeys(("steps", "finally"), self._steps)
        return _edited(self._without(role, _OF_A_ROLE), {**lists, "connections": lambda each: _each(each, self._steps)})

    def _steps(self, steps: Node) -> Node:
        return _each(steps, self._step)

    def _step(self, step: Node) -> Node:
        found = self._places(step.span, step.span)
        self._covered.update(found)
        return Node(None, step.span) if found else step

    def _turn(self, turn: Node) -> Node:
        return _edited(turn, dict.fromkeys(turn.mapping, self._step))

    def _without(self, node: Node, spare: frozenset[str]) -> Node:
        """The mapping without those of the `spare` keys that are wrong, or have a wrong value."""
        if not node.mapping:
            return node
        kept = dict(node.mapping)
        for key in spare & kept.keys():
            found = self._places(node.keys[key], kept[key].span)
            self._covered.update(found)
            if found:
                del kept[key]
        return replace(node, value=kept)

    def _places(self, first: Span, last: Span) -> Sequence[_Place]:
        """The wrong places from the beginning of `first` to the end of `last`."""
        start, end = (first.line, first.column), (last.end_line, last.end_column)
        return self._wrong[bisect_left(self._wrong, start) : bisect_left(self._wrong, end)]


def _each(node: Node, edit: Callable[[Node], Node]) -> Node:
    return replace(node, value=tuple(map(edit, node.items))) if node.items else node


def _edited(node: Node, edits: dict[str, Callable[[Node], Node]]) -> Node:
    """The mapping with some of its values edited, where it has them."""
    if not node.mapping:
        return node
    return replace(node, value={key: edits.get(key, _itself)(value) for key, value in node.mapping.items()})


def _itself(node: Node) -> Node:
    return node
