"""`include`: the steps of other files are put below the steps that name them, before anything is built.

Lives here: which file is meant, what may be read, and the limits. Must not live here: what `with` gives to
the steps (`steps.py`).

The one theory: a tree goes in and a tree comes out, in which every `include` has the `steps` of its file beside
it. Each time a file is included its text becomes nodes anew, whose source knows the place that includes it: so
whatever is later said about such a step can name that place too. A file that cannot be included leaves a hole
(`holes.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from sockrun.diagnostics import Diagnostic, Invalid, Problems, quoted
from sockrun.reading import document, schema
from sockrun.reading.shapes import Shapes
from sockrun.records import dataclass, replace
from sockrun.source import Node, Source, Span

MAX_DEPTH = 16  # files that include each other
Step: TypeAlias = Callable[[Node], Node]


@dataclass(frozen=True)
class _File:
    """A file whose steps are being looked at; `chain` has the real paths of all that led to it, itself last."""

    folder: Path
    chain: tuple[Path, ...]


def is_fragment(root: Node) -> bool:
    """Whether a file is there to be included: it has `steps`, and at most a `description` beside them."""
    return "steps" in root.mapping and root.mapping.keys() <= {"steps", "description"}


def expanded(root: Node, pack: Path, problems: Problems, shapes: Shapes | None = None) -> Node:
    """The scenario's tree with the steps of all included files in it."""
    if "include" not in root.span.source.text:
        return root
    path = Path(root.span.source.path)
    return _Reader(pack, problems, shapes).scenario(root, _File(path.parent, (path.resolve(),)))


class _Reader:
    """Reads what one scenario includes; each file is read from the disk, and held against the schema, once."""

    def __init__(self, pack: Path, problems: Problems, shapes: Shapes | None) -> None:
        self._pack = pack.resolve()
        self._shapes = shapes
        self._problems = problems
        self._texts: dict[Path, str | None] = {}  # None: it has been told why the file cannot be included
        self._characters = 0
        self._values = 0

    # --- where steps are ---

    def scenario(self, root: Node, file: _File) -> Node:
        step = partial(self._step, file=file)
        roles = _each_value(partial(_role, step=step))
        return _edited(root, {"roles": roles, "defaults": partial(_role, step=step), "steps": _each(_each_value(step))})

    def _step(self, node: Node, file: _File) -> Node:
        step = partial(self._step, file=file)
        if isinstance(node.value, dict) and "include" in node.value:
            return self._included(node, file)
        return _edited(node, {"steps": _each(step), "react": _each(partial(_edited, edits={"steps": _each(step)}))})

    # --- what is included ---

    def _included(self, node: Node, file: _File) -> Node:
        name = node.mapping["include"]
        hole = Node(None, node.span)
        path = self._path(name, file)
        if path is None:
            return hole
        shown = _shown(file.folder, str(name.value))
        root = self._fragment(path, shown, name.span)
        if root is None:
            return hole
        inner = _File(shown.parent, (*file.chain, path))
        steps = tuple(self._step(step, inner) for step in root.mapping["steps"].items)
        return replace(node, value={**node.mapping, "steps": replace(root.mapping["steps"], value=steps)})

    def _path(self, name: Node, file: _File) -> Path | None:
        """The real path of the file that `name` means; None, with the problem reported, where it may not be read."""
        given = str(name.value)
        try:
            path = Path(file.folder, given).resolve()
        except (OSError, RuntimeError, ValueError):
            self._refuse(name, f"{quoted(given)} is no name of a file")
            return None
        if not path.is_relative_to(self._pack):
            hint = "a scenario includes files of its own folder, or of the folder that was named on the command line"
            self._refuse(name, f"the file {quoted(given)} is outside the pack", hint)
        elif path in file.chain:
            self._refuse(name, f"the file {quoted(given)} includes itself in the end", "break the circle")
        elif len(file.chain) > MAX_DEPTH:
            self._refuse(name, f"more than {MAX_DEPTH} files include each other here", "make it flatter")
        else:
            return path
        return None

    def _fragment(self, path: Path, shown: Path, place: Span) -> Node | None:
        """The tree of a file of steps, made anew; None, with the problem reported, where there is none."""
        first = path not in self._texts
        if first:
            self._texts[path] = self._text(path, shown, place)
        text = self._texts[path]
        if text is None:
            return None
        try:
            root = document.read(Source(str(shown), text, place))
        except Invalid as invalid:
            self._texts[path] = None
            self._problems.found.extend(invalid.diagnostics)
            return None
        wrong = schema.check(root, "fragment", self._shapes) if first else []
        if wrong:
            self._texts[path] = None
            self._problems.found.extend(wrong)
            return None
        return root if self._fits(root, place) else None

    def _text(self, path: Path, shown: Path, place: Span) -> str | None:
        if not path.exists():
            self._problems.error("no-such-file", f"there is no file '{shown}' to include", place)
            return None
        try:
            return document.load(path, str(shown)).text
        except Invalid as invalid:
            self._problems.found.extend(_including(found, place) for found in invalid.diagnostics)
            return None

    def _fits(self, root: Node, place: Span) -> bool:
        """Whether the scenario, all that it includes written out, stays within the limits of one file."""
        self._characters += len(root.span.source.text)
        self._values += _size(root)
        if self._characters <= document.MAX_BYTES and self._values <= document.MAX_NODES:
            return True
        message = f"all that is included is more than 1 MiB, or more than {document.MAX_NODES:,} values"
        told = any(found.code == "too-much-included" for found in self._problems.found)
        if not told:
            self._problems.error("too-much-included", message, place, hint="include less, or less often")
        return False

    def _refuse(self, name: Node, message: str, hint: str | None = None) -> None:
        self._problems.error("cannot-include", message, name.span, hint=hint)


def _shown(folder: Path, name: str) -> Path:
    """The path as people know it: from the folder that they named."""
    return Path(os.path.normpath(folder / name))


def _including(found: Diagnostic, place: Span) -> Diagnostic:
    return replace(found, related=(*found.related, (place, "included here")))


def _size(node: Node) -> int:
    return 1 + sum(map(_size, node.items or node.mapping.values()))


# --- trees -------------------------------------------------------------------------------------


def _edited(node: Node, edits: dict[str, Step]) -> Node:
    """A mapping with some of its entries replaced; any other node as it is."""
    present = {key: edit(node.mapping[key]) for key, edit in edits.items() if key in node.mapping}
    return replace(node, value={**node.mapping, **present}) if present else node


def _each(edit: Step) -> Step:
    """Edits each entry of a list."""
    return lambda node: replace(node, value=tuple(map(edit, node.items))) if node.items else node


def _each_value(edit: Step) -> Step:
    """Edits each value of a mapping."""
    return lambda node: _edited(node, dict.fromkeys(node.mapping, edit))


def _role(role: Node, step: Step) -> Node:
    steps = _each(step)
    return _edited(role, {"steps": steps, "finally": steps, "connections": _each(steps)})
