"""Texts that have been held against the schema before, and were right: they need not be held against it again.

Pure. Must not live here: where that is kept between runs (`remembering.py`). Importing the validator and asking it are
a fifth of what it costs to play a small file.

The one theory: a text is known by a digest that the schema and the version are part of, so that a changed file, a
changed schema and another version are simply not known.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b

SIZE = 16  # bytes of a digest
MOST = 65_536  # digests that are kept


class Shapes:
    """What is known, and what has been asked for, or learned, since; all of it by this version of sockrun."""

    def __init__(self, version: str, known: Iterable[bytes] = ()) -> None:
        self._version = version
        self._known = frozenset(known)
        self._used: set[bytes] = set()

    def has(self, text: str, part: str) -> bool:
        """Whether the text is a right scenario, or fragment (`part`)."""
        digest = self._digest(text, part)
        if digest not in self._known and digest not in self._used:
            return False
        self._used.add(digest)
        return True

    def add(self, text: str, part: str) -> None:
        self._used.add(self._digest(text, part))

    def learned(self) -> frozenset[bytes] | None:
        """All that is worth keeping; None: that is what was known before."""
        if self._used <= self._known:
            return None
        together = self._known | self._used
        return together if len(together) <= MOST else frozenset(self._used)

    def _digest(self, text: str, part: str) -> bytes:
        found = _begun(self._version).copy()
        found.update(f"{part}\0{text}".encode("utf-8", "surrogatepass"))
        return found.digest()


@cache
def _begun(version: str) -> blake2b:
    try:
        from _blake2 import blake2b  # what `hashlib` gives as its own, without OpenSSL, which it loads
    except ImportError:
        from hashlib import blake2b

    from sockrun.reading import schema

    return blake2b(f"{version}\0{schema.text()}\0".encode(), digest_size=SIZE)
