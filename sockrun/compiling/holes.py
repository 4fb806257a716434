"""What has a wrong shape is cut out, so that what is wrong elsewhere is told in the same run.

A step is replaced by a hole, a node without a value: the builder makes a step without a verb of it, the compiler
leaves it out and remembers what nobody can say without it (`gaps.py`). A key is left out where nothing else in the
file can depend on it, and replaced where something does. A role with another mistake is left out, and so is a
process or a file; their names are still known.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from sockrun.records import replace
from sockrun.source import Node, Span

_Place: TypeAlias = tuple[int, int]

# Keys that no error elsewhere can come from, if they are not there.
_OF_A_SCENARIO = frozenset(
    {"sockrun", "name", "description", "tags", "requires", "expect_failure", "timeout", "network"}
)
_OF_A_ROLE = frozenset({"timeout", "hold", "unread", "socket", "retry_for", "listen", "start", "network"})
# What stands for the wrong value of a key: something that is known only when the role plays, any framing, a hole.
_INSTEAD: Mapping[str, str | bool | None] = {
    **dict.fromkeys(("host", "port", "path", "local_host", "local_port"), "${index}"),
    "framing": "line",
    "tls": True,
    "payload": None,
    "expect": None,
}


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
        edits = {
            "roles": self._roles,
            "defaults": self._keys,
            "processes": self._entries,
            "files": self._entries,
            "steps": lambda turns: _each(turns, self._turn),
        }
        cut = _edited(known, edits)
        return cut if "roles" in cut.mapping and self._covered.issuperset(self._wrong) else None

    def _roles(self, roles: Node) -> Node:
        return self._entries(roles, self._role)

    def _entries(self, node: Node, edit: Callable[[Node], Node] | None = None) -> Node:
        """The entries that are left, once what `edit` could do is done; `keys` still has all names."""
        kept: dict[str, Node] = {}
        for name, entry in node.mapping.items():
            within = self._places(node.keys[name], entry.span)
            cut = entry if edit is None else edit(entry)
            if self._covered.issuperset(within):
                kept[name] = cut
            self._covered.update(within)
        return replace(node, value=kept) if node.keys else node

    def _role(self, role: Node) -> Node:
        lists = dict.fromkeys(("steps", "finally"), self._steps)
        return _edited(self._keys(role), {**lists, "connections": lambda each: _each(each, self._steps)})

    def _keys(self, role: Node) -> Node:
        """A role, or `defaults`, without the wrong keys on which nothing depends, the others replaced."""
        instead = {key: partial(self._instead, value=value) for key, value in _INSTEAD.items()}
        return _edited(self._without(role, _OF_A_ROLE), instead)

    def _instead(self, node: Node, value: str | bool | None) -> Node:
        found = self._places(node.span, node.span)
        self._covered.update(found)
        return Node(value, node.span) if found else node

    def _steps(self, steps: Node) -> Node:
        return _each(steps, self._step)

    def _step(self, step: Node) -> Node:
        found = self._places(step.span, step.span)
        self._covered.update(found)
        return Node(None, step.span, step.keys) if found else step

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


def _edited(node: Node, edits: Mapping[str, Callable[[Node], Node]]) -> Node:
    """The mapping with some of its values edited, where it has them."""
    if not node.mapping:
        return node
    return replace(node, value={key: edits.get(key, _itself)(value) for key, value in node.mapping.items()})


def _itself(node: Node) -> Node:
    return node
