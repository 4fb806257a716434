"""Steps of a wrong shape are cut out, so that what is wrong elsewhere is told in the same run.

A hole is a node without a value where a step should be. The builder makes a step without a verb of it, the
compiler leaves it out and remembers that nobody can say what the role binds or signals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sockrun.source import Node, Span


def with_holes(root: Node, wrong: Sequence[Span]) -> Node | None:
    """The tree with a hole for each step that one of `wrong` lies in; None where one lies in no step."""
    covered: list[Span] = []

    def cut(step: Node) -> Node:
        found = [span for span in wrong if _inside(span, step.span)]
        covered.extend(found)
        return Node(None, step.span) if found else step

    def cut_list(node: Node) -> Node:
        return replace(node, value=tuple(map(cut, node.items))) if node.items else node

    def cut_role(role: Node) -> Node:
        entries = dict(role.mapping)
        if "steps" in entries:
            entries["steps"] = cut_list(entries["steps"])
        if "connections" in entries and entries["connections"].items:
            each = tuple(map(cut_list, entries["connections"].items))
            entries["connections"] = replace(entries["connections"], value=each)
        return replace(role, value=entries) if role.mapping else role

    def cut_turn(turn: Node) -> Node:
        return replace(turn, value={name: cut(step) for name, step in turn.mapping.items()}) if turn.mapping else turn

    entries = dict(root.mapping)
    roles, turns = entries.get("roles"), entries.get("steps")
    if roles is not None:
        entries["roles"] = replace(roles, value={name: cut_role(role) for name, role in roles.mapping.items()})
    if turns is not None:
        entries["steps"] = replace(turns, value=tuple(map(cut_turn, turns.items)))
    return replace(root, value=entries) if len(covered) == len(wrong) else None


def _inside(span: Span, outer: Span) -> bool:
    start, end = (outer.line, outer.column), (outer.end_line, outer.end_column)
    return start <= (span.line, span.column) < end
