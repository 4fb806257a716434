"""Values become bytes, each way that a payload can say it: encodings, hex, base64, struct, JSON, a length.

Lives here: functions of values that are there. Must not live here: nodes and their places (`payloads.py`).
Each raises ExpressionError with a sentence for the user, whether the file or a role's variable is to blame.
"""

from __future__ import annotations

import binascii
import re
import struct
from typing import TypeAlias

from sockrun.hexdump import size_text
from sockrun.values import ExpressionError, Value
from sockrun.wire.contents import MESSAGE_LIMIT, Content, Data, Joined
from sockrun.wire.deferred import as_text
from sockrun.wire.lengths import Length

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


def known_encoding(name: str) -> str:
    try:
        "a".encode(name)
    except (LookupError, ValueError):
        raise ExpressionError(f"{name!r} is no encoding that Python knows") from None
    return name


def encoded(data: bytes, encoding: str) -> Content:
    try:
        return Data(as_text(data).encode(encoding))
    except UnicodeEncodeError as error:
        raise ExpressionError(f"{error.object[error.start]!r} cannot be written in {encoding}") from None
    except UnicodeError as error:  # of codecs with rules for the whole text: 'idna'
        raise ExpressionError(f"this cannot be written in {encoding}: {error.__cause__ or error}") from None


def from_hex(data: bytes) -> Content:
    digits = _without_layout(data)
    wrong = re.search(r"[^0-9A-Fa-f]", digits)
    if wrong:
        raise ExpressionError(f"{wrong[0]!r} is not a hexadecimal digit")
    if len(digits) % 2:
        raise ExpressionError(
            f"every byte needs two hexadecimal digits, and here {'is' if len(digits) == 1 else 'are'} {len(digits)}"
        )
    return Data(bytes.fromhex(digits))


def from_base64(data: bytes) -> Content:
    digits = _without_layout(data)
    wrong = re.search(r"[^0-9A-Za-z+/=]", digits)
    if wrong:
        raise ExpressionError(f"{wrong[0]!r} is not a base64 digit")
    try:
        return Data(binascii.a2b_base64(digits, strict_mode=True))
    except binascii.Error:
        raise ExpressionError("this base64 text is not complete: its digits come in fours, filled up with =") from None


def _without_layout(data: bytes) -> str:
    """Without spaces, colons and line breaks."""
    return re.sub(r"[\s:]+", "", as_text(data))


def layout_of(name: str) -> struct.Struct:
    try:
        layout = struct.Struct(name)
    except (struct.error, UnicodeError) as error:
        raise ExpressionError(f"{name!r} is no struct format: {error}") from None
    if layout.size > MESSAGE_LIMIT:
        raise ExpressionError(f"the struct {name!r} has over {size_text(MESSAGE_LIMIT)}")
    return layout


def packed(layout: struct.Struct, values: tuple[Value, ...]) -> Content:
    try:
        return Data(layout.pack(*values))
    except (struct.error, OverflowError) as error:
        raise ExpressionError(f"these values do not fit the struct {layout.format!r}: {error}") from None


def as_json(value: Value) -> Json:
    if isinstance(value, bytes):
        return as_text(value)
    return [as_json(item) for item in value] if isinstance(value, tuple) else value


def to_json(value: Json) -> Content:
    import json  # start-up

    try:
        return Data(json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())
    except ValueError as error:
        raise ExpressionError(f"this cannot be written as JSON: {error}") from None


def prefixed(length: Length, content: Content, adjust: int) -> Content:
    return Joined((Data(length.encode(content.size + adjust)), content))
