"""Bytes to be sent: one table, form -> how it is compiled.

Lives here: what each form of a payload means. Must not live here: how much data is kept in memory
(`contents.py`), when a value is known (`deferred.py`), what is an error on a stream but not for a datagram
(an empty payload: the compiler).

A form is compiled into a deferred `Content`: every expression in it is evaluated when the payload is asked
for its bytes, and never again while its pieces are on their way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from sockrun.compiling.context import ROOM, Context
from sockrun.hexdump import brief, escaped, size_text
from sockrun.records import dataclass, replace
from sockrun.source import Node, Span
from sockrun.values import Payload, Scope
from sockrun.wire.contents import (
    MESSAGE_LIMIT,
    PIECE,
    Content,
    Data,
    Joined,
    RandomContent,
    Repeated,
    open_file,
    whole,
)
from sockrun.wire.deferred import (
    Deferred,
    byte_values,
    combine,
    entry,
    gather,
    now,
    scalar,
    text,
    whole_number,
    word,
)
from sockrun.wire.lengths import compile_length
from sockrun.wire.packing import (
    Json,
    as_json,
    encoded,
    from_base64,
    from_hex,
    known_encoding,
    layout_of,
    packed,
    prefixed,
    to_json,
)

_ALWAYS_KEPT = 1024  # bytes; for more, a file has only so much room


@dataclass(frozen=True, slots=True)
class _Payload:
    """See `values.Payload` for the contract."""

    content: Deferred[Content]
    size: int | None
    summary: str
    constant: bytes | None = None
    limit: int = MESSAGE_LIMIT  # bytes that it may have in memory

    def evaluate(self, scope: Scope) -> bytes:
        return whole(self.content.make(scope), self.limit) if self.constant is None else self.constant

    def pieces(self, scope: Scope) -> Iterator[bytes]:
        return self.content.make(scope).pieces()


def compile_payload(node: Node, context: Context) -> Payload | None:
    """Bytes to be sent; None, with the problem reported, where the node says none."""
    payload = _compile(node, context)
    if payload is not None and context.max_message != MESSAGE_LIMIT:
        payload = replace(payload, limit=context.max_message)
    if payload is None or payload.constant is None or len(payload.constant) <= _ALWAYS_KEPT:
        return payload
    return payload if context.room.take(len(payload.constant)) else replace(payload, constant=None)


def _compile(node: Node, context: Context) -> _Payload | None:
    if isinstance(node.value, str):
        return _plain_text(node, context)
    if isinstance(node.value, tuple):
        return _list(node, context)
    if not isinstance(node.value, dict):
        _refuse_scalar(node, context)
        return None
    form = next((key for key in node.mapping if key in FORMS), None)
    if form is None:
        message = f"this is no payload: it should have one of the keys {', '.join(FORMS)}"
        context.problems.error("not-a-payload", message, node.span)
        return None
    return FORMS[form](node, context)


def _fits(size: int, node: Node, context: Context) -> bool:
    """Whether so many bytes may be kept in memory; else it is reported."""
    fits = size <= _ALWAYS_KEPT or context.room.take(size)
    if not fits:
        message = f"the payloads of this file hold more than {size_text(ROOM)} in memory"
        context.problems.error("too-large", message, node.span, hint="'times', 'random' and 'file' need no memory")
    return fits


def _refuse_scalar(node: Node, context: Context) -> None:
    if node.value is None:
        message = 'this is nothing (null): write "" for no bytes'
    elif isinstance(node.value, bool):
        message = f"this is the boolean {str(node.value).lower()}: put it in quotes to send the word"
    else:
        message = f"this is the number {node.value}: put it in quotes to send its digits"
    context.problems.error("not-a-payload", message, node.span)


def _payload(
    content: Deferred[Content] | None,
    summary: str | None = None,
    *,
    unknown: str = "",
    size: int | None = None,
) -> _Payload | None:
    """`summary` always, or the bytes themselves where they are known and few, else `unknown`.

    `size` is for a content that is not known.
    """
    if content is None:
        return None
    known = content.value
    if known is None:
        return _Payload(content, size, summary or unknown)
    constant = whole(known) if known.size <= PIECE else None
    shown = brief(constant) if constant is not None else unknown or size_text(known.size)
    return _Payload(content, known.size, summary or shown, constant)


# --- text --------------------------------------------------------------------------------------

# In a double-quoted scalar: an escape, whose first group is there for \x80 to \xff.
_ESCAPE = re.compile(r"\\(?:x([89A-Fa-f][0-9A-Fa-f])|.)", re.DOTALL)
_DOUBLE_QUOTED = re.compile(r'(?:[&!]\S*\s+)*"')


def _plain_text(node: Node, context: Context) -> _Payload | None:
    escape = _byte_escape(node)
    if escape is not None:
        message = f"{escape} in a text is ambiguous: it is one character, which UTF-8 writes as two bytes"
        context.problems.error("byte-in-text", message, node.span, hint="use hex, or encoding: latin-1")
        return None
    written = text(node, context)
    return _payload(combine(context, node, Data, written), _as_written(node))


def _as_written(node: Node) -> str | None:
    """The summary of a text with expressions: so that it never shows what is filled in."""
    written = str(node.value)
    return escaped(written.encode("utf-8", "replace"), 60) if "${" in written else None


def _byte_escape(node: Node) -> str | None:
    r"""The first escape `\x80` to `\xff` that the file has there: once read it is the same as a typed `é`."""
    if str(node.value).isascii():
        return None
    written = _source_text(node.span)
    if not _DOUBLE_QUOTED.match(written):
        return None
    return next((found[0] for found in _ESCAPE.finditer(written) if found[1]), None)


def _source_text(span: Span) -> str:
    lines = span.source.lines[span.line - 1 : span.end_line]
    if not lines:
        return ""
    lines[-1] = lines[-1][: span.end_column - 1]
    lines[0] = lines[0][span.column - 1 :]
    return "\n".join(lines)


def _text(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["text"]
    named = node.get("encoding")
    if not isinstance(inner.value, str):
        _refuse_scalar(inner, context)
        return None
    if named is None:
        return _plain_text(inner, context)
    encoding = combine(context, named, known_encoding, word(named, context))
    content = combine(context, inner, encoded, text(inner, context), encoding)
    return _payload(content, _as_written(inner))


# --- bytes written as numbers ------------------------------------------------------------------


def _list(node: Node, context: Context) -> _Payload | None:
    items = gather(context, node, [_byte(item, context) for item in node.items])
    content = combine(context, node, _concatenated, items)
    return _payload(content, unknown=size_text(len(node.items)), size=len(node.items))


def _concatenated(values: tuple[bytes, ...]) -> Content:
    return Data(b"".join(values))


def _byte(node: Node, context: Context) -> Deferred[bytes] | None:
    return combine(context, node, lambda value: byte_values((value,)), scalar(node, context))


def _hex(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["hex"]
    content = combine(context, inner, from_hex, text(inner, context))
    return _payload(content, unknown=f"hex {inner.value}")


def _base64(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["base64"]
    content = combine(context, inner, from_base64, text(inner, context))
    return _payload(content, unknown=f"base64 {inner.value}")


def _struct(node: Node, context: Context) -> _Payload | None:
    values = entry(node, "values", context)
    if values is None:
        return None
    layout = combine(context, node.mapping["struct"], layout_of, word(node.mapping["struct"], context))
    items = gather(context, values, [scalar(item, context) for item in values.items])
    content = combine(context, values, packed, layout, items)
    size = layout.value.size if layout is not None and layout.value is not None else None
    if content is not None and content.known and not _fits(size or 0, node, context):
        return None
    return _payload(content, unknown=f"struct {node.mapping['struct'].value}", size=size)


# --- JSON --------------------------------------------------------------------------------------


def _json(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["json"]
    content = combine(context, inner, to_json, json_value(inner, context))
    return _payload(content, unknown="JSON")


def json_value(node: Node, context: Context) -> Deferred[Json] | None:
    """The node's value with its expressions filled in; None, with the problem reported, where it has none."""
    if isinstance(node.value, dict):
        members = gather(context, node, [json_value(member, context) for member in node.value.values()])
        return combine(context, node, partial(_object, tuple(node.value)), members)
    if isinstance(node.value, tuple):
        items = gather(context, node, [json_value(item, context) for item in node.value])
        return combine(context, node, list, items)
    return now(None) if node.value is None else combine(context, node, as_json, scalar(node, context))


def _object(keys: tuple[str, ...], values: tuple[Json, ...]) -> Json:
    return dict(zip(keys, values, strict=True))


# --- files and random bytes --------------------------------------------------------------------


def _file(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["file"]
    path = word(inner, context)
    if path is None:
        return None
    folder = now(b"") if path.known else Deferred(lambda scope: scope.name("dir"))
    content = combine(context, inner, partial(open_file, context.pack, context.folder or context.pack), path, folder)
    return _payload(content, f"the file {inner.value}")


def _random(node: Node, context: Context) -> _Payload | None:
    """Without `seed` it is 0: a scenario sends the same bytes each time it runs."""
    inner = node.mapping["random"]
    size = whole_number(inner, context, lowest=0)
    seeded = node.get("seed")
    seed = now(0) if seeded is None else whole_number(seeded, context)
    known = None if size is None else size.value
    summary = f"{inner.value} random bytes" if known is None else f"{size_text(known)} of random bytes"
    return _payload(combine(context, node, RandomContent, size, seed), summary, size=known)


# --- payloads of payloads ----------------------------------------------------------------------


def _join(node: Node, context: Context) -> _Payload | None:
    inner = node.mapping["join"]
    parts = [_compile(item, context) for item in inner.items]
    present = [part for part in parts if part is not None]
    if len(present) < len(parts):
        return None
    content = combine(context, inner, _joined, *[part.content for part in present])
    sizes = [part.size for part in present if part.size is not None]
    return _payload(
        content,
        unknown=" + ".join(part.summary for part in present),
        size=sum(sizes) if len(sizes) == len(present) else None,
    )


def _joined(*contents: Content) -> Content:
    return Joined(contents)


def _times(node: Node, context: Context) -> _Payload | None:
    of, count = _of(node, context), whole_number(node.mapping["times"], context, lowest=0)
    if of is None or count is None:
        return None
    known = count.value
    amount = node.mapping["times"].value if known is None else known
    size = known * of.size if known is not None and of.size is not None else None
    return _payload(combine(context, node, Repeated, count, of.content), f"{amount} times {of.summary}", size=size)


def _length_prefix(node: Node, context: Context) -> _Payload | None:
    of, inner, adjusted = _of(node, context), node.mapping["length_prefix"], node.get("adjust")
    length = combine(context, inner, compile_length, word(inner, context))
    adjust = now(0) if adjusted is None else whole_number(adjusted, context)
    if of is None or length is None:
        return None
    width = length.value.width if length.value is not None else None
    return _payload(
        combine(context, inner, prefixed, length, of.content, adjust),
        unknown=f"{of.summary} behind its length",
        size=width + of.size if width is not None and of.size is not None else None,
    )


def _of(node: Node, context: Context) -> _Payload | None:
    of = entry(node, "of", context)
    return None if of is None else _compile(of, context)


FORMS: Mapping[str, Callable[[Node, Context], _Payload | None]] = {
    "text": _text,
    "hex": _hex,
    "base64": _base64,
    "file": _file,
    "struct": _struct,
    "json": _json,
    "random": _random,
    "join": _join,
    "times": _times,
    "length_prefix": _length_prefix,
}
