"""How large a regular expression becomes when it is compiled, told from its text, so that no file fills the memory.

The one theory: the `regex` package writes out what a repetition asks for at least, so `(?:a{999}){999}` costs as
much as a million letters (280 MB) and `(?:(?:a){3}){3}...` doubles its time with every level. What a
pattern costs is therefore its length with these repetitions written out.
"""

from __future__ import annotations

import re

from sockrun.matching.pattern_text import OPENS, tokens
from sockrun.values import ExpressionError

MAX_SIZE = 64 * 1024  # no match on a stream is longer
MAX_NESTED = 50  # groups; the package calls itself for each
BYTES = 64  # of memory that one unit of a pattern's size takes, at least

_DIGITS = re.compile(rb"\d+")
_NO_DIGITS = re.compile(rb"#[^\n]*|\s")  # what a verbose pattern, (?x), may have between them


def written_out(pattern: bytes) -> int:
    """The pattern's length with its repetitions written out. Raises: ExpressionError, where that is too much."""
    _check(0, len(pattern))
    sizes = [0]  # of each open group, and of the whole
    last = 0  # of what a repetition would repeat
    at = 0
    for token in tokens(pattern):
        if token.kind in OPENS:
            sizes.append(len(token.text))
        elif token.kind == "close" and len(sizes) > 1:
            last = sizes.pop()
            sizes[-1] += last
        elif token.kind in {"repeat", "possessive", "brace"}:
            count = _least(pattern[at : pattern.find(b"}", at) + 1])
            sizes[-1] += last * (count - 1)
            last *= count
        else:
            last = len(token.text)
            sizes[-1] += last
        at += len(token.text)
        _check(len(sizes) - 1, sizes[-1])
    return sum(sizes)


def _check(nested: int, size: int) -> None:
    if nested > MAX_NESTED:
        raise ExpressionError(f"more than {MAX_NESTED} groups are nested in each other in this pattern")
    if size > MAX_SIZE:
        raise ExpressionError(f"this pattern is too large: written out, its repetitions have over {MAX_SIZE:,} bytes")


def _least(repetition: bytes) -> int:
    """How often a repetition asks for its item at least: 3 for `{3,5}`, 1 for `*`."""
    if not repetition.startswith(b"{"):
        return 1
    found = _DIGITS.search(_NO_DIGITS.sub(b"", repetition))
    if found is None or found.start() > 1:  # {,5}
        return 1
    return max(1, int(found[0][:9]))
