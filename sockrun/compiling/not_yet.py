"""What the language has and this version does not: one table. Building a thing deletes its word here.

The schema knows the whole language, so a file that uses such a thing is well formed; it is told what is
missing, at its place, instead of 'unknown key'.
"""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.diagnostics import Problems
from sockrun.source import Span

CODE = "not-in-this-version"

# where it stands -> the words that are not built there
NOT_YET: Mapping[str, frozenset[str]] = {}


def report(where: str, words: Mapping[str, Span], problems: Problems) -> bool:
    """Report each of `words` that is not built at `where`; whether there was one."""
    missing = [word for word in words if word in NOT_YET.get(where, ())]
    for word in missing:
        problems.error(CODE, f"{word!r} is not in this version of sockrun", words[word])
    return bool(missing)
