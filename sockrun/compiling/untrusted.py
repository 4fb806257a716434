"""What a file may not say when it is played with `--untrusted`: processes, and the environment.

A walk over the whole tree, keys included, before anything of it is evaluated: constants and names are worked out
while a file is compiled, and must not have seen the environment by then. What depends on addresses and paths is
held by the network and the scene.
"""

from __future__ import annotations

from collections.abc import Iterator

from sockrun.diagnostics import Problems
from sockrun.expressions import Reference, compile_expression, compile_template
from sockrun.source import Node
from sockrun.values import ExpressionError

_EXPRESSIONS = frozenset({"check", "when"})  # the keys whose text is an expression without `${}`
_HINT = "play it without --untrusted, if you trust it as you would a Makefile"


def check(root: Node, problems: Problems) -> bool:
    """Report what is not allowed; whether all is."""
    before = len(problems.errors)
    if "processes" in root.keys:
        problems.error("untrusted", "--untrusted allows no processes", root.keys["processes"], hint=_HINT)
    required = root.get("requires")
    for key in ("env", "file"):  # whether it is skipped would tell
        if required is not None and key in required.keys:
            message = f"--untrusted allows no {key!r} in 'requires'"
            problems.error("untrusted", message, required.keys[key], hint=_HINT)
    for node, is_expression in _texts(root):
        if any(reference.base == "env" for reference in _references(str(node.value), is_expression)):
            problems.error("untrusted", "--untrusted allows no 'env'", node.span, hint=_HINT)
    return len(problems.errors) == before


def _texts(node: Node, is_expression: bool = False) -> Iterator[tuple[Node, bool]]:
    """All text of the tree, and whether it stands where an expression does."""
    if isinstance(node.value, str):
        yield node, is_expression
    for item in node.items:
        yield from _texts(item)
    for key, value in node.mapping.items():
        yield Node(key, node.keys.get(key, value.span)), False
        yield from _texts(value, key in _EXPRESSIONS)


def _references(text: str, is_expression: bool) -> tuple[Reference, ...]:
    """The names that the text refers to; one that is wrong refers to nothing, and is told elsewhere."""
    try:
        return compile_expression(text, {}).references if is_expression else compile_template(text, {}).references
    except ExpressionError:
        return ()
