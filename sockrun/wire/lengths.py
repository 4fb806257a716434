"""Numbers in front of a message that say how long it is: one table, name -> how it is written and read.

Lives here: the numbers alone. Must not live here: what they count (`payloads.py`, `framing.py`).

Every length answers two questions: which bytes say this number, and which number do these bytes say, with
None for 'these bytes are only its beginning'. Only `varint` has no width of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from sockrun.records import NamedTuple, dataclass
from sockrun.values import ExpressionError

Buffer: TypeAlias = bytes | bytearray
_VARINT_WIDTH = 10  # bytes that 64 bits need, seven to a byte
_STRUCT_WIDTH = 64  # bytes; a longer format holds something else than a length


class Count(NamedTuple):
    """A number that was read, and the bytes it took."""

    value: int
    width: int


class Length(Protocol):
    @property
    def name(self) -> str:
        """As the file says it: `!H`, `u24`, `varint`."""
        ...

    @property
    def width(self) -> int | None:
        """In bytes; None where it depends on the number."""
        ...

    def encode(self, value: int) -> bytes:
        """Raises: ExpressionError, for a number that does not fit."""
        ...

    def decode(self, buffer: Buffer, at: int = 0) -> Count | None:
        """The number at this place, or None when the buffer ends in it. Raises: ExpressionError."""
        ...


@dataclass(frozen=True, slots=True)
class _Fixed:
    name: str
    width: int
    pack: Callable[[int], bytes]
    unpack: Callable[[Buffer], int]

    def encode(self, value: int) -> bytes:
        try:
            return self.pack(value)
        except (struct.error, OverflowError):
            raise ExpressionError(f"a length of {value} does not fit into {self.name}") from None

    def decode(self, buffer: Buffer, at: int = 0) -> Count | None:
        end = at + self.width
        return None if len(buffer) < end else Count(self.unpack(buffer[at:end]), self.width)


@dataclass(frozen=True, slots=True)
class _Varint:
    """Seven bits to a byte, the lowest first, the top bit set on all but the last.

    Source: https://protobuf.dev/programming-guides/encoding/#varints (unsigned LEB128).
    """

    name: str = "varint"
    width: None = None

    def encode(self, value: int) -> bytes:
        if not 0 <= value < 1 << 64:
            raise ExpressionError(f"a length of {value} does not fit into varint")
        data = bytearray()
        while value > 0x7F:
            data.append(value & 0x7F | 0x80)
            value >>= 7
        data.append(value)
        return bytes(data)

    def decode(self, buffer: Buffer, at: int = 0) -> Count | None:
        value = 0
        for width, byte in enumerate(buffer[at : at + _VARINT_WIDTH], 1):
            value |= (byte & 0x7F) << 7 * (width - 1)
            if byte < 0x80:
                return Count(value, width)
        if len(buffer) - at >= _VARINT_WIDTH:
            raise ExpressionError(f"a varint has {_VARINT_WIDTH} bytes at most, and this one goes on")
        return None


def _three_bytes(name: str, order: Any) -> Length:
    return _Fixed(name, 3, lambda value: value.to_bytes(3, order), lambda data: int.from_bytes(data, order))


LENGTHS: Mapping[str, Length] = {
    "u24": _three_bytes("u24", "big"),
    "u24le": _three_bytes("u24le", "little"),
    "varint": _Varint(),
}


def compile_length(name: str) -> Length:
    """The length of that name, or of that struct format. Raises: ExpressionError, where it is neither."""
    return LENGTHS.get(name) or _from_struct(name)


def _from_struct(name: str) -> Length:
    try:
        layout = struct.Struct(name)
        fields = layout.unpack(bytes(layout.size)) if layout.size <= _STRUCT_WIDTH else ()
    except (struct.error, UnicodeError):
        fields = ()
    if len(fields) != 1 or type(fields[0]) is not int:
        words = ", ".join(LENGTHS)
        raise ExpressionError(f"{name!r} is no length: say {words}, or a struct format of one whole number (!H)")
    return _Fixed(name, layout.size, layout.pack, lambda data: int(layout.unpack(data)[0]))
