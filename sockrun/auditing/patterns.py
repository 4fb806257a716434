"""Patterns in which one piece is another: each literal character, each class.

Pure, and about the text of a pattern only. What says 'anything' (`.`), how often, or where is no piece of it; nor is
what stands in a look-around that must not match.

The one theory: a changed piece takes nothing that the original took, so that a pattern which still matches has not
needed it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sockrun.records import NamedTuple

_TOKEN = re.compile(
    rb"""(?P<code>\\(?:x[0-9a-fA-F]{2}|[0-7]{3}|.))
    |(?P<klass>\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\])
    |(?P<never>\(\?<?!)
    |(?P<open>\((?:\?(?:P?<\w+>|P=\w+|<?=|>|\#[^)]*|[-a-zA-Z]*:?))?)
    |(?P<times>\{\d*,?\d*\})
    |(?P<sign>[()|.^$*+?{}])
    |(?P<literal>.)""",
    re.VERBOSE | re.DOTALL,
)
_VERBOSE = re.compile(rb"\(\?[a-zA-Z]*x")
_OPPOSITE = {code: code.swapcase() for code in (b"\\d", b"\\D", b"\\w", b"\\W", b"\\s", b"\\S", b"\\b", b"\\B")}
_PLACES = (
    b"\\A",
    b"\\Z",
    b"\\z",
    b"\\G",
    b"\\K",
    *(b"\\%d" % digit for digit in range(1, 10)),
)  # no bytes of their own


class Piece(NamedTuple):
    """`size` bytes of the pattern at `at`, and the pattern in which they are others."""

    at: int
    size: int
    pattern: bytes


def changed(pattern: bytes) -> Iterator[Piece]:
    """Every piece; none where white space means nothing in the pattern."""
    if _VERBOSE.search(pattern):
        return
    closed_behind = 0
    for token in _TOKEN.finditer(pattern):
        if token["never"] and token.start() >= closed_behind:
            closed_behind = _behind_group(pattern, token.start())
        instead = None if token.start() < closed_behind else _instead(token)
        if instead is not None:
            yield Piece(token.start(), len(token[0]), pattern[: token.start()] + instead + pattern[token.end() :])


def _instead(token: re.Match[bytes]) -> bytes | None:
    found = token[0]
    if token["literal"]:
        return _other(found)
    if token["klass"]:
        return b"[" + found[2:] if found.startswith(b"[^") else b"[^" + found[1:]
    if token["code"] and found not in _PLACES:
        return _OPPOSITE.get(found, b"\\x01" if found not in (b"\\x01", b"\\001") else b"\\x02")
    return None


def _other(byte: bytes) -> bytes:
    """A letter for a letter, not the same in capitals; a digit for a digit."""
    successors = {b"z": b"a", b"Z": b"A", b"9": b"0"}
    if byte.isalnum():
        return successors.get(byte) or bytes([byte[0] + 1])
    return b"_" if byte != b"_" else b"x"


def _behind_group(pattern: bytes, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(pattern, start):
        depth += bool(token["open"] or token["never"]) - (token[0] == b")")
        if depth == 0:
            return token.end()
    return len(pattern)
