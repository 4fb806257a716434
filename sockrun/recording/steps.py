"""The steps of a role: what it sends and what it expects, as lines of YAML.

Must not live here: the order of the steps, and everything around them (`writing.py`).

The one theory: speaker and hearer read the same parts in two ways. What varies is a plain value for the one, and a
pattern for the other; what is an echo is an expression for the one, and a plain value for the other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby

from sockrun.recording.parts import Echo, Known, Literal, Part, Varying, cut, is_fixed, joined, lines
from sockrun.recording.scalars import Expression, Piece, Value, entry, hexadecimal, is_text, item, pattern, text
from sockrun.recording.turns import Framing
from sockrun.records import dataclass

LONG = 4096  # bytes of one kind from which on they are not shown
HEAD = 16  # bytes of text at least, before bytes that are none
_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")
_CONTROLS = {"\r": r"\r", "\n": r"\n", "\t": r"\t"}
_ENDS: dict[Framing, bytes] = {"crlf": b"\r\n", "line": b"\n"}


@dataclass(frozen=True)
class Manner:
    """How a conversation is written. `keep` puts long bytes into a file and gives its name; None: nowhere."""

    framing: Framing | None
    datagram: bool
    keep: Callable[[bytes], str] | None


@dataclass(frozen=True)
class Message:
    """A turn's parts. `kept`: the name under which who hears a datagram keeps it."""

    parts: Sequence[Part]
    kept: str | None = None


# --- who speaks --------------------------------------------------------------------------------


def send(message: Message, manner: Manner) -> list[list[str]]:
    """The steps of who says it, each in lines."""
    parts = message.parts
    if manner.framing is not None:
        parts = _without(parts, _ENDS[manner.framing])
        return [entry("send", text(_spoken(parts)))]
    return [entry("send", _payload(parts, manner))]


def _payload(parts: Sequence[Part], manner: Manner) -> Value:
    values = [_segment(one, manner) for one in segments(parts, manner.datagram)]
    if len(values) == 1:
        return values[0]
    return _join(values or [Value('""')])


def _segment(parts: Sequence[Part], manner: Manner) -> Value:
    data = joined(parts)
    if len(data) > LONG and all(isinstance(part, Literal) for part in parts):
        return _long(data, manner)
    if is_text(data):
        return text(_spoken(parts))
    if len(parts) == 1 and not isinstance(parts[0], Echo | Known):
        return hexadecimal(data)
    return _join([_piece(part) for part in _merged(parts)])


def _piece(part: Part) -> Value:
    if isinstance(part, Echo | Known):
        return Value(f"${{{part.text}}}")
    return hexadecimal(part.data)


def _long(data: bytes, manner: Manner) -> Value:
    if len(set(data)) == 1:
        return Value(f'{{times: {len(data)}, of: {{hex: "{data[:1].hex()}"}}}}')
    if manner.keep is not None:
        return Value(f"{{file: {manner.keep(data)}}}")
    return text([data]) if is_text(data) else hexadecimal(data)


def _join(values: Sequence[Value]) -> Value:
    below = [f"    {line}" for value in values for line in item(_lines_of(value))]
    return Value("", ("  join:", *below))


def _lines_of(value: Value) -> list[str]:
    comment = f"  # {value.comment}" if value.comment else ""
    if value.line:
        return [f"{value.line}{comment}", *value.below]
    first, *rest = (line.removeprefix("  ") for line in value.below)
    return [f"{first}{comment}", *rest]


def _spoken(parts: Sequence[Part]) -> list[Piece]:
    return [Expression(part.text) if isinstance(part, Echo | Known) else part.data for part in _merged(parts)]


def _merged(parts: Sequence[Part]) -> list[Part]:
    """With everything that is plain bytes for who says it in as few literals as can be."""
    found: list[Part] = []
    for part in parts:
        plain = isinstance(part, Literal | Varying)
        if plain and found and isinstance(found[-1], Literal):
            found[-1] = Literal(found[-1].data + part.data)
        else:
            found.append(Literal(part.data) if plain else part)
    return found


# --- who hears ---------------------------------------------------------------------------------


def expect(message: Message, manner: Manner, timeout: str | None) -> list[list[str]]:
    """The steps of who hears it, each in lines."""
    if manner.datagram:
        steps = [_whole(message)]
    elif manner.framing is not None:
        end = _ENDS[manner.framing]
        steps = [_line(_without(line, end)) for line in lines(message.parts)]
    else:
        steps = [step for segment in segments(message.parts, manner.datagram) for step in _taken(segment, manner)]
    if timeout is not None:
        steps[0].append(f"timeout: {timeout}")
    return steps


def _whole(message: Message) -> list[str]:
    """A datagram: one matcher for all of it."""
    parts = message.parts
    if is_fixed(parts):
        heard = [_as_heard(part) for part in parts]
        plain = Manner(None, True, None)
        step = entry("expect", _payload(heard, plain) if joined(parts) else Value('""'))
    elif is_text(joined(parts)):
        step = _pattern(parts, whole=True)
    else:
        step = entry("expect", _wildcards(parts))
    return [*step, f"as: {message.kept}"] if message.kept else step


def _line(parts: Sequence[Part]) -> list[str]:
    if is_fixed(parts):
        return entry("expect", text(_spoken([_as_heard(part) for part in parts])))
    return _pattern(parts, whole=True)


def _taken(parts: Sequence[Part], manner: Manner) -> Iterator[list[str]]:
    """Bytes of a stream, one kind of them: what is fixed is taken together, what is not, line by line."""
    data = joined(parts)
    if is_text(data):
        for fixed, group in groupby(lines(parts), is_fixed):
            if fixed:
                yield from _fixed([part for line in group for part in line], manner)
            else:
                yield from (_pattern(line) for line in group)
    elif any(isinstance(part, Varying) and part.name for part in parts):
        for part in _heard_in_pieces(parts):
            yield _kept(part) if isinstance(part, Varying) else entry("expect", _segment([part], manner))
    elif is_fixed(parts):
        yield from _fixed(parts, manner)
    else:
        yield entry("expect", _wildcards(parts))


def _fixed(parts: Sequence[Part], manner: Manner) -> Iterator[list[str]]:
    data = joined(parts)
    if len(data) > LONG and all(isinstance(part, Literal | Echo) for part in parts):
        digest = hashlib.sha256(data).hexdigest()
        yield ["expect:", f"  length: {len(data)}", f"  sha256: {digest}"]
    else:
        yield entry("expect", _segment([_as_heard(part) for part in parts], manner))


def _heard_in_pieces(parts: Sequence[Part]) -> Iterator[Part]:
    """What varies, each by itself, and what is between."""
    for varies, group in groupby(map(_as_heard, parts), lambda part: isinstance(part, Varying)):
        pieces = list(group)
        yield from pieces if varies else _merged(pieces)


def _kept(part: Varying) -> list[str]:
    name = [f"as: {part.name}"] if part.name else []
    return [f"expect: {{length: {len(part.data)}}}  # {part.note}", *name]


def _as_heard(part: Part) -> Part:
    return Literal(part.data) if isinstance(part, Echo) else part


def _wildcards(parts: Sequence[Part]) -> Value:
    if len(joined(parts)) > LONG and all(isinstance(part, Varying) for part in parts):
        return Value(f"{{length: {len(joined(parts))}}}")
    wild = [isinstance(part, Varying) for part in parts for _ in part.data]
    value = hexadecimal(joined(parts), wild)
    notes = dict.fromkeys(part.note for part in parts if isinstance(part, Varying))
    return value._replace(comment="; ".join(filter(None, (value.comment, *notes))))


def _pattern(parts: Sequence[Part], whole: bool = False) -> list[str]:
    regex = "".join(map(_regex, parts))
    notes = "; ".join(dict.fromkeys(part.note for part in parts if isinstance(part, Varying)))
    more = ", whole: true" if whole else ""
    return [f"expect: {{regex: {pattern(regex)}{more}}}  # {notes}"]


def _regex(part: Part) -> str:
    if isinstance(part, Known):
        return f"${{{part.text}}}"
    if isinstance(part, Varying):
        return f"(?P<{part.name}>{part.pattern})" if part.name else part.pattern
    return "".join(map(_escaped, part.data.decode()))


def _escaped(character: str) -> str:
    if _SPECIAL.match(character):
        return f"\\{character}"
    if character.isprintable():
        return character
    return _CONTROLS.get(character) or "".join(f"\\x{byte:02x}" for byte in character.encode())


# --- both --------------------------------------------------------------------------------------


def segments(parts: Sequence[Part], datagram: bool) -> list[list[Part]]:
    """The text at the beginning, and what is none behind it; all of a datagram."""
    data = joined(parts)
    if datagram or is_text(data):
        return [list(parts)]
    head = 0
    for line in lines(parts):
        if not is_text(joined(line)):
            break
        head += len(joined(line))
    if head < HEAD:
        return [list(parts)]
    return [one for one in cut(parts, head) if one]


def _without(parts: Sequence[Part], end: bytes) -> Sequence[Part]:
    """Without the end of the last line, which the framing adds or takes."""
    *before, last = parts
    assert isinstance(last, Literal)
    return [*before, Literal(last.data.removesuffix(end))] if last.data != end else before
