"""What has a wrong shape is cut out, so that what is wrong elsewhere is told in the same run.

A step is replaced by a hole, a node without a value: the builder makes a step without a verb of it, the compiler
leaves it out and remembers what nobody can say without it (`gaps.py`). A key is left out where nothing else in the
file can depend on it, and replaced where something does. A role whose kind is wrong is left out, and so is a file
or a constant; their names are still known, since `keys` has all of them (`unknown`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from sockrun.compiling.model import VERBS
from sockrun.records import replace
from sockrun.source import Node, Span

_Place: TypeAlias = tuple[int, int]
_Edit: TypeAlias = Callable[[Node], Node]

# Keys that no error elsewhere can come from, if they are not there.
_OF_A_SCENARIO = frozenset(
    {"sockrun", "name", "description", "tags", "requires", "expect_failure", "timeout", "network", "files"}
)
_CONSTANTS = ("vars", "secrets", "matrix")
_OF_A_ROLE = frozenset({"timeout", "hold", "unread", "socket", "retry_for", "listen", "start", "network"})
_OF_A_PROCESS = frozenset(
    {"setup", "ready", "stop", "stdin", "stdin_open", "timeout", "start", "env", "cwd", "user"}
    | {"expect_stdout", "expect_stderr", "expect_files"}
)
_OF_A_STEP = frozenset({"timeout", "note", "chunk", "every", "optional", "from", "to"})
# What stands for the wrong value of a key: something that is known only when the role plays, any framing, a hole.
_INSTEAD: Mapping[str, str | bool | None] = {
    **dict.fromkeys(("host", "port", "path", "local_host", "local_port"), "${index}"),
    "framing": "line",
    "tls": True,
    "payload": None,
    "expect": None,
}
_OF_A_KIND = frozenset({"protocol", "side", "to", "datagram"})


def with_holes(root: Node, wrong: Sequence[Span]) -> Node | None:
    """The tree without what is in one of the places `wrong`; None where one of them cannot be cut out."""
    return _Cutter(wrong).scenario(root)


def unknown(root: Node, constants: Collection[str] | None = None) -> Container[str]:
    """The names in expressions whose values were cut out; `ports` stands for all of `ports`.

    With `constants`, the names of those whose values are known, also the others that the file declares.
    """
    lost = _lost(root)
    if not is_whole(root) or not lost.isdisjoint(_CONSTANTS):
        return _Everything()
    sections = [root.mapping[name] for name in _CONSTANTS if name in root.mapping]
    if constants is None:
        return lost.union(*map(_lost, sections))
    return lost.union(*(section.keys.keys() - constants for section in sections))


def is_whole(root: Node) -> bool:
    """Whether nothing was cut out that may hold a role, a process, or a step of theirs."""
    sections, keys = _lost(root), _lost(root.get("defaults"))
    return sections <= {*_OF_A_SCENARIO, *_CONSTANTS, "ports", "certificates"} and keys <= _OF_A_ROLE


def _lost(node: Node | None) -> set[str]:
    return node.keys.keys() - node.mapping.keys() if node else set()


class _Everything:
    """Has every name in it."""

    def __contains__(self, name: object) -> bool:
        return True


class _Cutter:
    """Knows the places that are wrong, and remembers which of them have been cut out."""

    def __init__(self, wrong: Sequence[Span]) -> None:
        self._wrong = sorted({(span.line, span.column) for span in wrong})
        self._covered: set[_Place] = set()

    # --- sections ---

    def scenario(self, root: Node) -> Node | None:
        edits: dict[str, _Edit] = {
            "roles": lambda roles: self._entries(roles, self._role),
            "defaults": self._keys,
            "processes": lambda processes: self._entries(processes, self._process),
            "steps": lambda turns: _each(turns, self._turn),
            **dict.fromkeys(("files", "certificates", *_CONSTANTS), self._entries),
        }
        cut = self._kept(_edited(root, edits), lambda key: key not in ("roles", "defaults"))
        return cut if "roles" in cut.mapping and self._covered.issuperset(self._wrong) else None

    def _entries(self, node: Node, edit: _Edit | None = None) -> Node:
        """The entries that are left, once what `edit` could do is done; `keys` still has all names."""
        if not node.keys:
            return node
        return self._kept(node if edit is None else _edited(node, dict.fromkeys(node.mapping, edit)))

    def _process(self, process: Node) -> Node:
        return self._kept(process, lambda key: key in _OF_A_PROCESS)

    def _turn(self, turn: Node) -> Node:
        return _edited(turn, dict.fromkeys(turn.mapping, self._step))

    # --- roles ---

    def _role(self, role: Node) -> Node:
        """A role without something that may be what a name is bound by, or who is at a barrier, gets a hole instead."""
        cut = self._keys(role)
        lost = _lost(cut) - _OF_A_ROLE
        if not lost:
            return cut
        hole = Node(None, role.span, {"barrier": role.span} if lost == {"instances"} else {})
        return replace(cut, value={**cut.mapping, "finally": _with(cut.get("finally"), hole)})

    def _keys(self, role: Node) -> Node:
        """A role, or `defaults`, without the wrong keys, some of them replaced."""
        steps = {**dict.fromkeys(("steps", "finally"), self._steps), "connections": self._conversations}
        instead: dict[str, _Edit] = {key: partial(self._instead, value=value) for key, value in _INSTEAD.items()}
        return self._kept(_edited(role, {**steps, **instead}), lambda key: key not in _OF_A_KIND)

    def _conversations(self, node: Node) -> Node:
        return _each(node, self._steps)

    def _instead(self, node: Node, value: str | bool | None) -> Node:
        return Node(value, node.span) if self._cut(node.span, node.span) else node

    # --- steps ---

    def _steps(self, steps: Node) -> Node:
        return _each(steps, self._step)

    def _step(self, step: Node) -> Node:
        """The step without what only accompanies its verb; a hole where the verb itself is wrong."""
        edits: dict[str, _Edit] = {"steps": self._steps, "react": lambda cases: _each(cases, self._case)}
        if "steps" in step.mapping:
            edits["repeat"] = self._rounds
        cut = self._kept(_edited(step, edits), lambda key: key in _OF_A_STEP)
        gone = self._cut(step.span, step.span) or (step.mapping and VERBS.isdisjoint(cut.mapping))
        return Node(None, step.span, step.keys) if gone else cut

    def _rounds(self, count: Node) -> Node:
        return Node(1, count.span) if self._cut(count.span, count.span) else count

    def _case(self, case: Node) -> Node:
        """A case of which nobody knows what it takes, and what it binds, stands for a wrong one."""
        cut = self._kept(_edited(case, {"steps": self._steps}), lambda key: key == "leave")
        if not self._cut(case.span, case.span):
            return cut
        anything = Node({"any": Node(True, case.span)}, case.span, {"any": case.span})
        return Node({"expect": anything, "steps": _with(None, Node(None, case.span))}, case.span)

    # --- cutting ---

    def _kept(self, node: Node, may_go: Callable[[str], bool] = lambda key: True) -> Node:
        """The mapping without those entries that are wrong and may go."""
        kept = dict(node.mapping)
        for key in filter(may_go, node.mapping):
            if self._cut(node.keys[key], kept[key].span):
                del kept[key]
        return replace(node, value=kept) if len(kept) < len(node.mapping) else node

    def _cut(self, first: Span, last: Span) -> bool:
        """Whether something is wrong, and not cut out yet, from the beginning of `first` to the end of `last`."""
        start, end = (first.line, first.column), (last.end_line, last.end_column)
        found = self._wrong[bisect_left(self._wrong, start) : bisect_left(self._wrong, end)]
        new = not self._covered.issuperset(found)
        self._covered.update(found)
        return new


def _each(node: Node, edit: _Edit) -> Node:
    return replace(node, value=tuple(map(edit, node.items))) if node.items else node


def _edited(node: Node, edits: Mapping[str, _Edit]) -> Node:
    """The mapping with some of its values edited, where it has them."""
    if not node.mapping:
        return node
    return replace(node, value={key: edits.get(key, _itself)(value) for key, value in node.mapping.items()})


def _itself(node: Node) -> Node:
    return node


def _with(node: Node | None, hole: Node) -> Node:
    return Node((*(node.items if node else ()), hole), hole.span)
