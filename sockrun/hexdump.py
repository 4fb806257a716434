"""Bytes made readable: text with escapes, hexdumps, and the first difference of two byte strings.

Lives here: strings for people, without colour and without a trailing newline. Must not live here: what the
bytes mean, and where they are shown.

Whether bytes are text is a guess, and only decides how they are shown: text with escapes loses nothing.
"""

from __future__ import annotations

ROW = 16  # bytes in a row of a hexdump
_CHUNK = 4096  # bytes compared or looked at in one go
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


def size_text(count: int) -> str:
    """A number of bytes for people, always exact: '1 byte', '64 KiB', '1,000,000 bytes'."""
    for size, unit in _UNITS:
        if count >= size and count % size == 0:
            return f"{count // size} {unit}"
    if count == 1:
        return "1 byte"
    return f"{count:,} bytes" if count >= 10_000 else f"{count} bytes"


# --- text --------------------------------------------------------------------------------------


def escaped(data: bytes, limit: int = 200) -> str:
    """Bytes as a YAML double-quoted string; over `limit` bytes it is cut and says how much is missing."""
    if len(data) <= limit:
        return f'"{_escape(data)}"'
    end = _character_start(data, limit)
    return f'"{_escape(data[:end])}" ... {_more(len(data) - end)}'


def is_text(data: bytes) -> bool:
    """Whether at most one byte in eight of its beginning is neither printable UTF-8 nor white space."""
    sample = data[: _character_start(data, _CHUNK)].decode("utf-8", "surrogateescape")
    odd = sum(not (character.isprintable() or character in "\t\r\n") for character in sample)
    return odd * 8 <= len(sample)


def brief(data: bytes) -> str:
    """A few words: '"Hello World\\n"', '3 bytes (00 01 ff)'."""
    if is_text(data):
        return escaped(data, 60)
    return f"{size_text(len(data))} ({data[:8].hex(' ')}{' ...' if len(data) > 8 else ''})"


def _escape(data: bytes) -> str:
    return "".join(map(_escape_character, data.decode("utf-8", "surrogateescape")))


def _escape_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))


def _character_start(data: bytes, at: int) -> int:
    """The nearest place up to three bytes before `at` that is not inside a UTF-8 character, else `at`."""
    if at >= len(data):
        return len(data)
    return next((place for place in range(at, max(at - 4, -1), -1) if data[place] & 0xC0 != 0x80), at)


def _more(count: int) -> str:
    return f"{size_text(count).replace(' ', ' more ', 1)}"


# --- hexdumps ----------------------------------------------------------------------------------


def dump(data: bytes, mark: int | None = None, rows: int = 16) -> str:
    """A hexdump of at most `rows` rows around the byte number `mark`, which is marked by `^^`.

    `mark` may be `len(data)`: the place where a byte is missing.
    """
    total = max(-(-len(data) // ROW), 0 if mark is None else mark // ROW + 1)
    first = 0 if mark is None else max(0, min(mark // ROW - rows // 2, total - rows))
    last = min(total, first + rows)
    lines = [f"... {size_text(first * ROW)} before"] if first else []
    for row in range(first, last):
        lines.append(_row(data, row * ROW))
        if mark is not None and mark // ROW == row:
            lines.append(" " * (10 + _column(mark % ROW)) + "^^")
    if last < total:
        lines.append(f"... {_more(len(data) - last * ROW)}")
    return "\n".join(lines)


def _row(data: bytes, at: int) -> str:
    row = data[at : at + ROW]
    left, right = row[: ROW // 2].hex(" "), row[ROW // 2 :].hex(" ")
    shown = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{at:08x}  {left:<23}  {right:<23}  |{shown}|"


def _column(index: int) -> int:
    """Where the byte number `index` of a row stands, from the row's first byte."""
    return index * 3 + (index >= ROW // 2)


# --- differences -------------------------------------------------------------------------------


def first_difference(expected: bytes, received: bytes) -> int | None:
    """The first place where they differ, also by one of them ending there; None when they are equal."""
    if expected == received:
        return None
    shorter = min(len(expected), len(received))
    for start in range(0, shorter, _CHUNK):
        ours, theirs = expected[start : start + _CHUNK], received[start : start + _CHUNK]
        if ours[: len(theirs)] != theirs[: len(ours)]:
            return start + next(at for at, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    return shorter


def compare(expected: bytes, received: bytes, offset: int | None = None) -> str:
    """Both, one under the other, with the first difference marked: escaped where both are text, else dumps.

    `offset` is the first difference where it is known; what is far from it is left out.
    """
    mark = first_difference(expected, received) if offset is None else offset
    if is_text(expected) and is_text(received):
        return "\n".join((_text_line("expected", expected, mark), *_marked_line("received", received, mark)))
    return f"expected\n{dump(expected, mark, rows=5)}\nreceived\n{dump(received, mark, rows=5)}"


def marked(received: bytes, offset: int) -> str:
    """What was received, with the byte number `offset` marked; what is far from it is left out."""
    if is_text(received):
        return "\n".join(_marked_line("received", received, offset))
    return f"received\n{dump(received, offset)}"


_BEFORE, _AFTER = 40, 60  # bytes of text shown around a difference


def _text_line(label: str, data: bytes, mark: int | None) -> str:
    start, cut = _window_start(data, mark)
    return f"{label} {cut}{escaped(data[start:], _BEFORE + _AFTER)}"


def _marked_line(label: str, data: bytes, mark: int | None) -> list[str]:
    line = _text_line(label, data, mark)
    if mark is None:
        return [line]
    start, cut = _window_start(data, mark)
    before = _escape(data[start : _character_start(data, mark)])
    return [line, " " * len(f'{label} {cut}"{before}') + "^"]


def _window_start(data: bytes, mark: int | None) -> tuple[int, str]:
    """Where the text around `mark` begins, and the words that stand for what is before it."""
    start = _character_start(data, max(0, min(mark or 0, len(data)) - _BEFORE))
    return start, f"... {size_text(start)} before ... " if start else ""
