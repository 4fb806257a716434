"""Where several versions of the same bytes differ, and what a person would call it: a date, a number, a word.

Pure. Must not live here: what a difference means to a scenario (`comparing.py`).

The one theory: what differs is a value, and a value is never half of a word or of a date, though only its last digit
may differ this time. So text is compared in words, line by line, and everything else byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Sized

from sockrun.recording.scalars import is_text
from sockrun.records import NamedTuple


class Span(NamedTuple):
    """Bytes of the first version that are others elsewhere.

    `pattern` (a bytes pattern) takes all versions; it is empty for bytes that are no text, of which there are as many
    in each. `note` says what it is.
    """

    start: int
    end: int
    pattern: str
    note: str
    versions: tuple[bytes, ...]

    @property
    def even(self) -> bool:
        """Whether it is as long in each."""
        return even(self.versions)


class Unlike(Exception):  # noqa: N818
    """More differs than values."""


# Where one of these stands, all of it is one value.
_WHOLE = (
    ("a date", r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} (?:GMT|[+-]\d{4})"),  # RFC 5322, 9110
    ("a date", r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}"),  # ctime(3)
    ("a date", r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d+)?(?:Z|[+-]\d{2}:?\d{2})?"),  # RFC 3339
    ("a time", r"\d{2}:\d{2}:\d{2}(?:[.,]\d+)?"),
    ("a UUID", r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
)
_KINDS = (
    *_WHOLE,
    ("a number", r"\d+"),
    ("hexadecimal", "[0-9a-f]{8,}"),
    ("hexadecimal", "[0-9A-F]{8,}"),
    ("a word", "[0-9A-Za-z]+"),
    ("a word", "[0-9A-Za-z+/=_.-]+"),
    ("a word", r"[^\s]+"),
    ("text", r"[^\r\n]+"),
    ("text", r"[^\r\n]*"),
    ("text", r"[^\n]*"),
)
_KNOWN = [(note, pattern, re.compile(pattern.encode())) for note, pattern in _KINDS]
_TOKEN = re.compile("|".join([*(pattern for _, pattern in _WHOLE), r"[0-9A-Za-z]+|[^\0-\x7f]+|[\0-\x7f]"]).encode())
_JOINS = frozenset((b"+", b"/", b"=", b"_", b"-", b"."))  # within a word that is made up
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")


def even(versions: Sequence[Sized]) -> bool:
    """Whether all are as long."""
    return len(set(map(len, versions))) == 1


def spans(versions: Sequence[bytes]) -> list[Span]:
    """Where they differ, in order. Raises: Unlike."""
    if len(set(versions)) == 1:
        return []
    rows = [_LINE.findall(version) for version in versions]
    if even(rows):
        try:
            return list(_in_lines(rows))
        except Unlike:
            if not even(versions):
                raise
    elif not even(versions) and all(map(is_text, versions)):
        raise Unlike("lines are not as many in each")
    return list(_in_bytes(0, versions))


def _in_lines(rows: Sequence[Sequence[bytes]]) -> Iterator[Span]:
    at = 0
    for line in zip(*rows, strict=True):
        if len(set(line)) > 1:
            yield from (_in_words if all(map(is_text, line)) else _in_bytes)(at, line)
        at += len(line[0])


def _in_bytes(at: int, versions: Sequence[bytes]) -> Iterator[Span]:
    if not even(versions):
        raise Unlike("bytes that are no text are not as many in each")
    differs = [len(set(column)) > 1 for column in zip(*versions, strict=True)]
    for start, end in _runs(differs):
        yield Span(at + start, at + end, "", "any bytes", tuple(version[start:end] for version in versions))


def _in_words(at: int, versions: Sequence[bytes]) -> Iterator[Span]:
    rows = [_TOKEN.findall(version) for version in versions]
    first = rows[0]
    for start, end in _where(rows):
        rest = len(first) - end
        texts = tuple(b"".join(row[start : len(row) - rest]) for row in rows)
        begin = at + len(b"".join(first[:start]))
        yield _value(begin, texts)


def _where(rows: Sequence[Sequence[bytes]]) -> list[tuple[int, int]]:
    """Which words differ, from one to another; all between the first and the last if they are not as many."""
    if not even(rows):
        least = min(map(len, rows))
        head = _same(rows, least)
        return [(head, len(rows[0]) - _same([row[::-1] for row in rows], least - head))]
    columns = list(zip(*rows, strict=True))
    differs = [len(set(column)) > 1 for column in columns]
    joined = [
        differs[k] or (0 < k < len(columns) - 1 and differs[k - 1] and differs[k + 1] and columns[k][0] in _JOINS)
        for k in range(len(columns))
    ]
    return list(_runs(joined))


def _same(rows: Sequence[Sequence[bytes]], most: int) -> int:
    """How many words are the same at the beginning."""
    return next((k for k in range(most) if len({row[k] for row in rows}) > 1), most)


def _value(start: int, texts: tuple[bytes, ...]) -> Span:
    for note, pattern, known in _KNOWN:
        if all(map(known.fullmatch, texts)):
            return Span(start, start + len(texts[0]), pattern, note, texts)
    raise Unlike("lines do not end in the same way")


def _runs(marks: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """Where it is true, from one to another."""
    start = 0
    for k, mark in enumerate([*marks, False]):
        if not mark:
            if k > start:
                yield start, k
            start = k + 1
