"""What a message is on a stream: two tables, a word or a form -> how messages are told apart.

Lives here: how the file says it, and what goes on the wire. Must not live here: how a message is found among
unread bytes (`frames.py`), and what it should be (`matching/`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from sockrun.commands import Matcher
from sockrun.compiling.context import Context
from sockrun.compiling.scalars import settled, to_flag, to_text
from sockrun.hexdump import brief, size_text
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError
from sockrun.wire.deferred import entry, within
from sockrun.wire.frames import (
    Counted,
    Cut,
    Delimited,
    FramedMatcher,
    Header,
    LengthInHeader,
    Prefix,
    Sized,
    UntilClose,
)
from sockrun.wire.lengths import Length, compile_length
from sockrun.wire.packing import layout_of
from sockrun.wire.payloads import compile_payload

T = TypeVar("T")

_LARGEST_HEADER = 4096  # bytes


class Framing(Protocol):
    @property
    def name(self) -> str:
        """As the file says it: 'line', 'length_prefix !H'."""
        ...

    @property
    def delimiter(self) -> bytes:
        """What ends every message, and stands in none; empty where messages are told apart by something else."""
        ...

    @property
    def streams(self) -> bool:
        """Whether `frame` leaves bytes as they are, so that they can be sent in pieces."""
        ...

    def frame(self, data: bytes) -> bytes:
        """What goes on the wire for this message. Raises: ExpressionError, where it fits no frame."""
        ...

    def framed(self, matcher: Matcher) -> Matcher:
        """The matcher whose readers take one message with its frame and let `matcher` judge the message.

        Both it and its readers have `progress(unread) -> str`: how far the message was when no more came.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Framed:
    name: str
    cut: Callable[[], Cut]
    frame: Callable[[bytes], bytes]
    streams: bool = False
    delimiter: bytes = b""

    def framed(self, matcher: Matcher) -> Matcher:
        return FramedMatcher(self.cut, matcher)


@dataclass(frozen=True, slots=True)
class _Unframed:
    name: str = "none"
    streams: bool = True
    delimiter: bytes = b""

    def frame(self, data: bytes) -> bytes:
        return data

    def framed(self, matcher: Matcher) -> Matcher:
        return matcher


# --- words -------------------------------------------------------------------------------------


def _line(limit: int) -> Framing:
    cut = partial(Delimited, b"\n", "LF", limit, "line", drops_cr=True)
    return _Framed("line", cut, lambda data: data + b"\n", delimiter=b"\n")


def _crlf(limit: int) -> Framing:
    cut = partial(Delimited, b"\r\n", "CRLF", limit, "line")
    return _Framed("crlf", cut, lambda data: data + b"\r\n", delimiter=b"\r\n")


def _close(limit: int) -> Framing:
    return _Framed("close", lambda: UntilClose(limit), _as_it_is, streams=True)


def _as_it_is(data: bytes) -> bytes:
    return data


FRAMINGS: Mapping[str, Callable[[int], Framing]] = {
    "none": lambda _: _Unframed(),
    "line": _line,
    "crlf": _crlf,
    "close": _close,
}

# --- forms -------------------------------------------------------------------------------------


def _delimiter(node: Node, context: Context, limit: int) -> Framing | None:
    written = node.mapping["delimiter"]
    payload = compile_payload(written, context)
    if payload is None:
        return None
    delimiter = payload.constant
    if not delimiter:
        _report(context, written, "a delimiter has at least one byte, and is known before the scenario runs")
        return None
    shown = brief(delimiter)
    cut = partial(Delimited, delimiter, shown, limit)
    return _Framed(f"delimiter {shown}", cut, lambda data: data + delimiter, delimiter=delimiter)


def _size(node: Node, context: Context, limit: int) -> Framing | None:
    size = _number(node.mapping["size"], context, lowest=1, highest=limit)
    if size is None:
        return None
    sized = Sized(size)
    return _counted(f"size {size}", sized, limit, sized.wrap)


def _length_prefix(node: Node, context: Context, limit: int) -> Framing | None:
    length = _made(node.mapping["length_prefix"], context, compile_length)
    counts_itself = settled(node.get("counts_itself"), context, to_flag, False)
    if length is None:
        return None
    prefix = Prefix(length, counts_itself)
    return _counted(f"length_prefix {length.name}", prefix, limit, prefix.wrap)


def _header(node: Node, context: Context, limit: int) -> Framing | None:
    """`adjust` is added to the length in the header: -4 for one of four bytes that counts itself."""
    inner = node.mapping["header"]
    adjusted = inner.get("adjust")
    adjust = 0 if adjusted is None else _number(adjusted, context)
    compiled = (_struct_header if "struct" in inner.mapping else _sized_header)(inner, context, limit)
    if compiled is None or adjust is None:
        return None
    size, read = compiled
    return _counted("header", LengthInHeader(size, read, adjust), limit, _as_it_is, streams=True)


_Reading: TypeAlias = tuple[int, Callable[[bytes], int]]  # a header's size, and what it says


def _struct_header(node: Node, context: Context, limit: int) -> _Reading | None:
    """`{struct: "!cI", length: 1}`: the length is the field with that index."""
    layout = _made(node.mapping["struct"], context, layout_of)
    place = entry(node, "length", context)
    index = None if place is None else _number(place, context, lowest=0)
    if layout is None or place is None or index is None:
        return None
    if layout.size > _LARGEST_HEADER:
        most = size_text(_LARGEST_HEADER)
        _report(context, node.mapping["struct"], f"a header has {most} at most, and this one {layout.size:,} bytes")
        return None
    fields = layout.unpack(bytes(layout.size))
    if index >= len(fields) or type(fields[index]) is not int:
        _report(context, place, f"field {index} of the struct {layout.format!r} is no whole number")
        return None
    return layout.size, lambda header: int(layout.unpack(header)[index])


def _sized_header(node: Node, context: Context, limit: int) -> _Reading | None:
    """`{size: 9, at: 0, length: u24}`: the length stands at that offset."""
    sized, written, place = entry(node, "size", context), entry(node, "length", context), node.get("at")
    size = None if sized is None else _number(sized, context, lowest=1, highest=limit)
    length = None if written is None else _made(written, context, compile_length)
    at = 0 if place is None else _number(place, context, lowest=0)
    if size is None or length is None or at is None:
        return None
    if at + (length.width or 1) > size:
        _report(context, node, f"the length {length.name} at offset {at} is not inside {size_text(size)}")
        return None
    return size, partial(_read_at, length, at)


def _read_at(length: Length, at: int, header: bytes) -> int:
    count = length.decode(header, at)
    if count is None:
        raise ExpressionError(f"the {length.name} in the header goes on behind the header")
    return count.value


def _counted(name: str, header: Header, limit: int, wrap: Callable[[bytes], bytes], streams: bool = False) -> Framing:
    return _Framed(name, lambda: Counted(header, limit), wrap, streams)


FRAMING_FORMS: Mapping[str, Callable[[Node, Context, int], Framing | None]] = {
    "delimiter": _delimiter,
    "size": _size,
    "length_prefix": _length_prefix,
    "header": _header,
}


def compile_framing(node: Node | None, context: Context) -> Framing | None:
    """What a message is; None, with the problem reported, where the node says none. No node means `none`.

    A message has `context.max_message` bytes at most, without its delimiter or prefix.
    """
    limit = context.max_message
    if node is None:
        return _Unframed()
    form = next((key for key in node.mapping if key in FRAMING_FORMS), None)
    if form is not None:
        return FRAMING_FORMS[form](node, context, limit)
    name = settled(node, context, to_text, "") if isinstance(node.value, str) else ""
    if name in FRAMINGS:
        return FRAMINGS[name](limit)
    _report(
        context,
        node,
        f"this is no framing: say {', '.join(FRAMINGS)}, or {{{', '.join(FRAMING_FORMS)}: ...}}",
    )
    return None


def _number(node: Node, context: Context, lowest: int | None = None, highest: int | None = None) -> int | None:
    return settled(node, context, within(lowest, highest), None)


def _made(node: Node, context: Context, make: Callable[[str], T]) -> T | None:
    """What a word stands for."""
    name = settled(node, context, to_text, None)
    try:
        return None if name is None else make(name)
    except ExpressionError as error:
        _report(context, node, error.message)
        return None


def _report(context: Context, node: Node, message: str) -> None:
    context.problems.error("bad-framing", message, node.span)
