"""Secrets hidden in what is shown: in bytes, in texts for people, in the excerpts of files.

Lives here: how a secret may look (as it is, escaped, percent-encoded, in hex, in base64), and what is put in its
place. Must not live here: which parts of a result hold bytes or texts (`playing/discretion.py`).

The one theory: what is shown was made from bytes or text that a secret stands in, so it is looked for in every
form that it can have there, and each of its characters becomes a `*`: lengths, lines and columns stay. Where the
end may be missing a beginning of a secret counts too: of any length where a text was cut, of `MIN` characters
where a stream goes on.

A secret of less than `MIN` bytes would hide half of everything. It is hidden only where it is the whole of a
value: all of a message, in quotes, behind `name = `.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, AnyStr

from sockrun.diagnostics import Diagnostic, visible
from sockrun.hexdump import first_difference
from sockrun.records import replace
from sockrun.source import Source, Span
from sockrun.values import Value

if TYPE_CHECKING:
    import regex  # imported where a mask is used: most scenarios have no secrets

MIN = 4  # bytes
DIFFERS = "differs"
_CUT = re.compile(r"""["']?(?= ?(?:\.\.\.|…))""")  # the place at which a text was cut
_UNREADABLE = re.compile(r"[^\n]")


class Mask:
    """Hides these secrets, of which each may have several values. `declared` are the places of those in the file."""

    def __init__(self, secrets: Mapping[str, Iterable[bytes]], declared: Sequence[Span] = ()) -> None:
        given = {value for values in secrets.values() for value in values}
        values = sorted(filter(None, given | {value.strip() for value in given}), key=len, reverse=True)
        self._long = [value for value in values if len(value) >= MIN]
        self._short = [value for value in values if len(value) < MIN]
        self._declared = declared
        self._names = re.compile(rf"\b(?:{'|'.join(map(re.escape, secrets)) or '(?!)'})\b")
        self._sources: dict[Source, Source] = {}

    # --- texts ---

    def text(self, text: str) -> str:
        """The text with every secret in it hidden, and a beginning of one where the text was cut."""
        spans = list(_found(self._texts, text))
        for cut in _CUT.finditer(text):
            spans.extend(_found(self._texts, text, cut.start(), 1))
        return _starred(text, spans) if spans else text

    def hides(self, text: str) -> bool:
        return self.text(text) != text

    def concerns(self, span: Span) -> bool:
        """Whether the lines of a step name a secret, or hold one."""
        text = "\n".join(span.source.lines[span.line - 1 : span.end_line])
        return self._names.search(text) is not None or self.hides(text)

    # --- bytes ---

    def data(self, data: bytes) -> bytes:
        """The bytes with every secret in them hidden."""
        return _starred(data, _found(self._bytes, data))

    def pieces(self, pieces: Sequence[bytes], tail: int = MIN) -> list[bytes]:
        """Bytes that came one after the other, each with its part of every secret hidden.

        So is a beginning of one at their end that has `tail` bytes; 0: nothing comes behind it.
        """
        joined = b"".join(pieces)
        whole = _starred(joined, _found(self._bytes, joined, tail=tail))
        ends = accumulate(map(len, pieces))
        cut = [whole[end - len(piece) : end] for piece, end in zip(pieces, ends, strict=True)]
        return [self.data(piece) if piece in self._short else one for one, piece in zip(cut, pieces, strict=True)]

    def clipped(self, data: bytes, kept: int) -> bytes:
        """The first and the last `kept` bytes of a message, hidden before they are cut out."""
        near = kept + self.reach
        return self.data(data[:near])[:kept] + self.data(data[-near:])[-kept:]

    def value(self, value: Value) -> Value:
        """The value of a name; a number that is a secret becomes text."""
        if isinstance(value, tuple):
            return tuple(map(self.value, value))
        if isinstance(value, bytes):
            return self.data(value)
        hidden = self.data(str(value).encode())
        return hidden if b"*" in hidden else value

    def difference(
        self, expected: bytes | None, received: bytes, offset: int | None, concerned: bool
    ) -> tuple[bytes, int | None, bool]:
        """What may be shown of the received bytes, the offset that may, and whether they differ inside a secret.

        Bytes that differ from a secret would tell about it, so those that stand in its place are hidden too.
        Where no bytes were expected a secret that has begun right before `offset` tells; any beginning of one
        does where the step is `concerned` with a secret.
        """
        if expected is None:
            begun = () if offset is None else _found(self._bytes, received[:offset], None, 1 if concerned else MIN)
            inside = next((start for start, end in begun if end == offset), None)
            return (received, offset, False) if inside is None else (_covered(received, inside, 0), None, True)
        at = first_difference(expected, received[: len(expected)]) if offset is None else offset
        for start, end in _found(self._bytes, expected):
            if at is not None and start <= at < end:
                return _covered(received, start, _common_end(expected[end:], received[start:])), start, True
        for start, end in _found(self._bytes, received):
            if at is not None and start <= at < end:
                return received, start, True
        return received, offset, False

    # --- files ---

    def source(self, source: Source) -> Source:
        """The file with all that is secret hidden; places in it stay the same."""
        if source not in self._sources:
            lines = source.text.split("\n")
            for span in self._declared:
                if span.source.path == source.path:
                    _hide(lines, span)
            text = "\n".join(lines)
            included = None if source.included is None else self.span(source.included)
            self._sources[source] = Source(source.path, _starred(text, _found(self._texts, text)), included)
        return self._sources[source]

    def span(self, span: Span) -> Span:
        return replace(span, source=self.source(span.source))

    def diagnostic(self, found: Diagnostic) -> Diagnostic:
        return replace(
            found,
            message=self.text(found.message),
            hint=None if found.hint is None else self.text(found.hint),
            span=self.span(found.span),
            related=tuple((self.span(span), self.text(message)) for span, message in found.related),
        )

    # --- patterns ---

    @cached_property
    def _texts(self) -> regex.Pattern[str]:
        import regex

        decoded = [(value.decode("utf-8", "surrogateescape"), value) for value in self._long]
        forms = ["".join(map(_character, text)) for text, _ in decoded]
        alone = [regex.escape(value.decode("utf-8", "surrogateescape")) for value in self._short]
        quoted = [rf"""(?<=["']){text}(?=["'])|(?<== ){text}$""" for text in alone]
        return regex.compile("|".join([*forms, *_encoded(self._long), *quoted]) or r"(?!)", regex.MULTILINE)

    @cached_property
    def _bytes(self) -> regex.Pattern[bytes]:
        import regex

        forms = [b"".join(map(_byte, value)) for value in self._long]
        encoded = [form.encode() for form in _encoded(self._long)]
        alone = [rb"\A" + regex.escape(value) + rb"\Z" for value in self._short]
        return regex.compile(b"|".join([*forms, *encoded, *alone]) or rb"(?!)")

    @property
    def reach(self) -> int:
        """Bytes that the longest form of a secret may have: hex with two characters between any two bytes."""
        return 4 * len(self._long[0]) if self._long else 0


# --- how a secret may look ---------------------------------------------------------------------

_ESCAPES = {"\n": r"\\n", "\r": r"\\r", "\t": r"\\t", "\0": r"\\0", '"': r'\\"', "'": r"(?:\\'|'')", "\\": r"\\\\"}


def _character(character: str) -> str:
    """A pattern for one character of a secret in a text: itself, escaped or percent-encoded."""
    data = character.encode("utf-8", "surrogateescape")
    percent = "".join(f"%(?i:{byte:02x})" for byte in data)
    escaped = "".join(rf"\\x(?i:{byte:02x})" for byte in data)
    forms = [percent, escaped, rf"\\(?:u|U0000)(?i:{ord(character):04x})", re.escape(character)]
    if character in _ESCAPES:
        forms.insert(0, _ESCAPES[character])
    if not character.isprintable():
        forms.append(re.escape(visible(character)))
    if character == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"


def _byte(byte: int) -> bytes:
    """The same for a byte of a secret in a stream."""
    plus = rb"|\+" if byte == 0x20 else b""
    return rb"(?:%%(?i:%02x)|%s%s)" % (byte, re.escape(bytes([byte])), plus)


def _encoded(secrets: Iterable[bytes]) -> Iterator[str]:
    """Patterns for hex in both cases, with or without something between the bytes, and for base64."""
    for secret in secrets:
        digits = "[ :]{0,2}".join(f"{byte:02x}" for byte in secret)
        yield f"(?i:{digits})"
        for offset in range(3):
            yield _base64(secret, offset)


def _base64(secret: bytes, offset: int) -> str:
    """The characters that are made of the secret alone, where it begins at byte 0, 1 or 2 of a group of three."""
    text = base64.b64encode(bytes(offset) + secret + bytes(2)).decode()
    first, last = -(-8 * offset // 6), 8 * (offset + len(secret)) // 6
    return re.escape(text[first:last]).replace(r"\+", "[+-]").replace("/", "[/_]")


# --- hiding ------------------------------------------------------------------------------------

_Spans = Iterable[tuple[int, int]]


def _found(
    pattern: regex.Pattern[AnyStr], data: AnyStr, end: int | None = None, tail: int = 0
) -> Iterator[tuple[int, int]]:
    """Where the pattern matches before `end`; with `tail` also where it begins, if so many characters are there."""
    for match in pattern.finditer(data, endpos=len(data) if end is None else end, overlapped=True, partial=tail > 0):
        if not match.partial or match.end() - match.start() >= tail:
            yield match.span()


def _starred(data: AnyStr, spans: _Spans) -> AnyStr:
    """With a `*` for each character in one of the spans; line ends stay."""
    if isinstance(data, bytes):
        hidden = bytearray(data)
        for start, end in spans:
            hidden[start:end] = b"*" * (end - start)
        return bytes(hidden)
    for start, end in spans:
        data = data[:start] + _UNREADABLE.sub("*", data[start:end]) + data[end:]
    return data


def _covered(data: bytes, start: int, kept: int) -> bytes:
    """The bytes from `start` on hidden, but for the last `kept`."""
    end = len(data) - kept
    return _starred(data, [(start, end)]) if end > start else data


def _common_end(one: bytes, other: bytes) -> int:
    """How many bytes at their ends are the same."""
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((count for count, (ours, theirs) in pairs if ours != theirs), min(len(one), len(other)))


def _hide(lines: list[str], span: Span) -> None:
    """Hide a value in the lines of its file."""
    for number in range(span.line, span.end_line + 1):
        line = lines[number - 1]
        start = span.column - 1 if number == span.line else len(line) - len(line.lstrip())
        end = max(start, span.end_column - 1 if number == span.end_line else len(line))
        lines[number - 1] = line[:start] + "*" * (end - start) + line[end:]


# --- files that cannot be read -----------------------------------------------------------------

_SECTION = re.compile(r"^secrets *:(?P<entries>.*(?:\n(?:[ \t#].*)?)*)", re.MULTILINE)
_ENTRY = re.compile(r""": *(?:"(?P<double>[^"\n]*)|'(?P<single>[^'\n]*)|(?P<plain>[^"'\s][^,}\n]*))""")


def guessed(text: str) -> Mask | None:
    """The mask of a file that is no YAML, so that nobody knows its values: what looks like one is hidden."""
    entries = (entry for part in _SECTION.finditer(text) for entry in _ENTRY.finditer(part["entries"]))
    values = [entry[entry.lastgroup or 0].encode() for entry in entries]
    return Mask({"secrets": values}) if values else None
