"""Bytes as YAML that a person can read: text as text, a line of it on a line of the file, all else in hexadecimal.

Pure. Must not live here: what the bytes mean to whom (`views.py`). Everything here is read again as exactly the bytes
it was written from; expressions are written as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from sockrun.records import NamedTuple

WIDTH = 100  # characters of text on a line
BRIEF = 64  # characters of text that need no line of their own
ROW = 16  # bytes in hexadecimal on a line
SHORT = 24  # bytes in hexadecimal that stand beside their key
SHOWN = 48  # bytes that a comment shows

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0", '"': '\\"', "\\": "\\\\"}
# What has an escape of its own in no form that means the same in a text: U+0080 to U+009F.
_UNWRITABLE = re.compile("[\x7f-\x9f]")
_SPACE = "\t\r\n"


class Expression(NamedTuple):
    """What stands in `${...}`."""

    text: str


Piece: TypeAlias = bytes | Expression


class Value(NamedTuple):
    """What stands behind a key: on its line, on the lines below it (indented from the key), and beside the first."""

    line: str
    below: tuple[str, ...] = ()
    comment: str = ""


def is_text(data: bytes) -> bool:
    """Whether it can be written as text, and hardly anything in it is no printable character or white space."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    odd = sum(not (character.isprintable() or character in _SPACE) for character in text)
    return odd * 8 <= len(text) and not _UNWRITABLE.search(text)


def text(pieces: Sequence[Piece]) -> Value:
    """Text and expressions in double quotes."""
    rows = list(_rows("".join(_template(pieces))))
    if len(rows) == 1:
        return Value(f'"{rows[0]}"')
    # A backslash at the end of a row joins it with the next, whose indentation does not count.
    first, *middle, last = rows
    return Value(f'"{first}\\', (*(f"  {_guarded(row)}\\" for row in middle), f'  {_guarded(last)}"'))


def _template(pieces: Sequence[Piece]) -> Iterator[str]:
    for number, piece in enumerate(pieces):
        if isinstance(piece, Expression):
            yield f"${{{piece.text}}}"
            continue
        literal = piece.decode().replace("${", "$${")
        if literal.endswith("$") and number + 1 < len(pieces) and isinstance(pieces[number + 1], Expression):
            literal = f"{literal[:-1]}${{'$'}}"  # else the two dollars would stand for one
        yield literal


def _rows(written: str) -> Iterator[str]:
    """All of it on one row, escaped, where it is short; else a line of the text on each, and a long line on several."""
    short = "".join(map(escape, written[:BRIEF]))
    if len(written) <= BRIEF and len(short) <= BRIEF:
        yield short
        return
    for line in re.findall(r"[^\n]*\n|[^\n]+", written) or [""]:
        row = ""
        for character in line:
            escaped = escape(character)
            if len(row) + len(escaped) > WIDTH and character not in "\r\n":
                yield row
                row = ""
            row += escaped
        yield row


def escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _guarded(row: str) -> str:
    return f"\\{row}" if row.startswith(" ") else row


def pattern(regex: str) -> str:
    """A pattern in single quotes, where backslashes are backslashes. It has no control characters."""
    return "'" + regex.replace("'", "''") + "'"


def entry(key: str, value: Value) -> list[str]:
    """`key: value`, on one line or several."""
    comment = f"  # {value.comment}" if value.comment else ""
    if value.line:
        return [f"{key}: {value.line}{comment}", *value.below]
    first, *rest = value.below
    return [f"{key}:", f"{first}{comment}", *rest]


def item(lines: Sequence[str]) -> list[str]:
    """The lines of a mapping or a scalar as an item of a list."""
    return [f"{'- ' if number == 0 else '  '}{line}" for number, line in enumerate(lines)]


def hexadecimal(data: bytes, wild: Sequence[bool] = ()) -> Value:
    """A mapping with `hex`, in which the bytes marked in `wild` may be any, and beside it what is text in it."""
    shown = ["??" if any(wild[at : at + 1]) else f"{byte:02x}" for at, byte in enumerate(data)]
    rows = tuple(" ".join(shown[at : at + ROW]) for at in range(0, len(shown), ROW))
    if len(data) <= SHORT:
        return Value(f'{{hex: "{" ".join(shown)}"}}', (), legible(data))
    return Value("", ("  hex: |", *(f"    {row}" for row in rows)), legible(data))


def legible(data: bytes) -> str:
    """What is text in it, with a dot for each other byte; empty where nothing is."""
    shown = "".join(chr(byte) if 0x20 < byte < 0x7F else "." for byte in data[:SHOWN])
    return shown + ("..." if len(data) > SHOWN else "") if re.search(r"[0-9A-Za-z]{2}", shown) else ""
