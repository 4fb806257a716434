"""The secrets of a file: which values they are, and what is said about those that cannot be hidden well.

Must not live here: how they are hidden (`masking.py`). The values are looked for before anything else is done
with a file, so that the messages about a file of a wrong shape hide them too.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING

from sockrun.compiling.constants import fixed
from sockrun.compiling.scalars import to_bytes
from sockrun.diagnostics import Invalid, Problems
from sockrun.source import Node, Span
from sockrun.values import Value

if TYPE_CHECKING:
    from sockrun.masking import Mask


def mask_of(root: Node, variables: Mapping[str, str], given: Mapping[str, str]) -> Mask | None:
    """The mask of a scenario that declares secrets; `given` are those of the command line."""
    node = root.get("secrets")
    if node is None:
        return None
    from sockrun.masking import Mask  # few scenarios have any

    values = _values(root, variables, given)
    entries = node.mapping or {"secrets": node}
    written = {name: list(_written(entry)) for name, entry in entries.items()}
    hidden = {
        name: [*map(to_bytes, _leaves(values.get(name, ()))), *(text for text, _ in written[name])] for name in entries
    }
    hidden.update({name: [*hidden.get(name, ()), value.encode()] for name, value in given.items()})
    if not any(hidden.values()):
        return None
    return Mask(hidden, [span for found in written.values() for _, span in found])


def warn(root: Node, constants: Mapping[str, Value], problems: Problems) -> None:
    """Warn of values that are too short to be hidden wherever they stand."""
    node = root.get("secrets")
    if node is None:
        return
    from sockrun.masking import MIN

    for name in node.mapping:
        if any(isinstance(leaf, bool) or len(to_bytes(leaf)) < MIN for leaf in _leaves(constants.get(name, ()))):
            message = f"the secret {name!r} has less than {MIN} bytes: it is hidden only where it stands alone"
            problems.warning("short-secret", message, node.keys[name], hint="take a longer one")


def check_late(root: Node, late: Container[str], problems: Problems) -> None:
    """Values that come later would not be hidden, so that no secret may be one of them."""
    node = root.get("secrets")
    for name, span in node.keys.items() if node else ():
        if name in late:
            message = f"the secret {name!r} would have values that nobody hides"
            problems.error("late-secret", message, span, hint="give the column another name, or the secret one value")


def _values(root: Node, variables: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, Value]:
    try:
        return fixed(root, variables, given, Problems())  # what is wrong is told when they are read for use
    except Invalid:
        return {}


def _leaves(value: Value) -> Iterator[bytes | int | float]:
    if isinstance(value, tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _written(node: Node) -> Iterator[tuple[bytes, Span]]:
    """The values as they stand in the file; an expression in one is no secret, but its place is."""
    for item in node.items or node.mapping.values():
        yield from _written(item)
    if isinstance(node.value, str | int | float) and not isinstance(node.value, bool):
        text = str(node.value)
        yield b"" if "${" in text else text.encode(errors="surrogatepass"), node.span
