r"""What has to be known about a regular expression before it meets a byte, read from its text.

Lives here: a pattern's text as a list of tokens, and the questions asked of it. Must not live here: matching
(`patterns.py`), and anything that the `regex` package itself knows: whether a pattern is well formed.

The tokens need no full grammar, for each question is answered on the safe side: a pattern of which it is not
sure that the match of its beginning is its own affair is taken for one that looks at what follows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

from sockrun.records import dataclass
from sockrun.values import ExpressionError

# Compiled by the first pattern, and kept by `re`: a run without one does not pay for it.
_TOKEN = rb"""(?xs)
    (?P<comment> \(\?\#[^)]*\) )
  | (?P<ahead> \(\?[=!] )
  | (?P<behind> \(\?<[=!] )
  | (?P<plain_open> \((?:\?(?:P?<\w+>|:|[aims]+:)|(?![?*])) )
  | (?P<aside> \(\?[a-zA-Z0-9-]+\) | \(\?P[=>]\w+\) | \(\?&\w+\) | \(\*\w+\) )
  | (?P<open> \((?:\?(?:[>|]|[a-zA-Z0-9-]*:|\(\w*\)))? )
  | (?P<close> \) )
  | (?P<class> \[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\] )
  | (?P<boundary> \\[bBmM] )
  | (?P<end> \$|\\[zZ] )
  | (?P<byte> \\(?:x[0-9A-Fa-f]{2}|[AdDwWsSnrtfv]|[^a-zA-Z0-9]) )
  | (?P<escape> \\. )
  | (?P<repeat> (?:[*+?]|\{\d*,?\d*\})[?]?(?!\+) )
  | (?P<possessive> (?:[*+?]|\{\d*,?\d*\})\+ )
  | (?P<high> [\x80-\xff] )
  | (?P<brace> \{ )
  | (?P<plain> . )
"""
_CHARACTER = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
OPENS = frozenset({"ahead", "behind", "plain_open", "open"})
_OWN_AFFAIR = frozenset({"plain_open", "close", "class", "byte", "repeat", "high", "plain"})
_OPEN_REPETITION = re.compile(rb"(?:[*+]|\{\d*,\})[?+]?")

_ESCAPED = {rb"\n": 0x0A, rb"\r": 0x0D, rb"\t": 0x09}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of a pattern. A `close` has the kind of the group that it closes as `closes`."""

    kind: str
    text: bytes
    closes: str = ""


def tokens(pattern: bytes) -> list[Token]:
    found: list[Token] = []
    open_groups: list[str] = []
    for token in re.finditer(_TOKEN, pattern):
        kind = token.lastgroup or ""
        closes = open_groups.pop() if kind == "close" and open_groups else ""
        if kind in OPENS:
            open_groups.append(kind)
        found.append(Token(kind, token[0], closes))
    return found


def encoded(pattern: bytes) -> bytes:
    """The pattern with every character beyond ASCII as one unit, so that `é+` repeats both its bytes.

    Raises: ExpressionError, for such a character inside a class, which holds bytes.
    """
    for token in tokens(pattern):
        if token.kind == "class" and not token.text.isascii():
            shown = token.text.decode("utf-8", "replace")
            raise ExpressionError(f"a class holds bytes, and {shown} has a character of several: write (?:a|b)")
    return _CHARACTER.sub(lambda found: b"(?:" + found[0] + b")", pattern)


def escape(value: bytes) -> bytes:
    """A pattern that matches exactly `value`, also inside a class."""
    return b"".join(bytes([byte]) if _is_word(byte) else b"\\x%02x" % byte for byte in value)


def _is_word(byte: int) -> bool:
    return byte < 0x80 and chr(byte).isalnum()


def without_end(pattern: bytes) -> bytes:
    """Without `$` at its end: where a run of bytes is matched in full it says nothing."""
    parts = tokens(pattern)
    while parts and parts[-1].kind == "end":
        parts.pop()
    return b"".join(part.text for part in parts)


def looks_no_further(pattern: bytes) -> bool:
    """Whether a match of a run of bytes can certainly not depend on what follows the run."""
    return all(token.kind in _OWN_AFFAIR for token in tokens(pattern))


def last_byte(pattern: bytes) -> int | None:
    """The byte that every match certainly ends in, where the text shows one."""
    return next(iter(last_bytes(pattern)[-1:]), None)


def last_bytes(pattern: bytes) -> bytes:
    """The bytes that every match certainly ends in, as far as the text shows them."""
    parts = tokens(pattern)
    if any(part.kind in {"aside", "brace"} or part.text == b"|" for part in parts):
        return b""
    found = takewhile(lambda byte: byte is not None, map(_byte_of, reversed(parts)))
    return bytes(byte for byte in found if byte is not None)[::-1]


def _byte_of(token: Token) -> int | None:
    if token.kind == "plain" and token.text not in {b".", b"^"}:
        return token.text[0]
    return _ESCAPED.get(token.text) if token.kind == "byte" else None


def relaxed(pattern: bytes) -> bytes:
    r"""The pattern with each word boundary and look-behind made optional.

    At the end of the bytes that are there the `regex` package takes such an assertion for refuted (2026.11:
    `\s\b\w` does not even begin to match ' '). What cannot match without them cannot match with them.
    """
    return b"".join(map(_relaxed, tokens(pattern)))


def _relaxed(token: Token) -> bytes:
    if token.kind == "boundary":
        return b"(?:" + token.text + b"|)"
    if token.kind == "behind":
        return b"(?:" + token.text
    return b")|)" if token.closes == "behind" else token.text


def ends_in_look_ahead(pattern: bytes) -> bool:
    return any(token.closes == "ahead" for token in _ending(tokens(pattern)))


def ends_in_open_repetition(pattern: bytes) -> bool:
    r"""Whether it ends in `*`, `+` or `{n,}`, with nothing behind it that has to match."""
    return any(_OPEN_REPETITION.fullmatch(token.text) for token in _ending(tokens(pattern)))


def _ending(parts: Sequence[Token]) -> list[Token]:
    """The tokens at the end, from the last one, up to one that takes a byte."""
    ending: list[Token] = []
    for token in reversed(parts):
        if token.kind not in {"close", "end", "boundary", "repeat", "possessive", "comment"}:
            break
        ending.append(token)
    return ending
