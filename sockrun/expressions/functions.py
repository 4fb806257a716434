"""The functions that expressions may call: one table.

Lives here: `FUNCTIONS`, and nothing that is not in it or helps it. Must not live here: operators
(`operators.py`), and anything that reads files, sockets, clocks or the environment.

The one theory: a function's signature is its contract. Its annotations say which values it takes, its
defaults which may be left out; the checks and their messages are made from them (`Function.check`), so
that a function's body meets only values that fit. An impure function takes the scope first, because a
simulated network has a clock and a source of randomness of its own.
"""

from __future__ import annotations

import binascii
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sockrun.expressions.operators import MAX_BITS, check_number, check_size, kind
from sockrun.values import ExpressionError, Scope, Value

MAX_FORMAT = 200  # characters of a struct format
MAX_FIELDS = 65_536  # values that one `unpack` may give
_POINTER = 8  # bytes that each of them takes in a list
_IGNORED = b" \t\r\n:"
_DIGESTS = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "bytes": (bytes,),
    "int": (int,),
    "Value": (bytes, int, float, tuple),
    "bytes | tuple[Value, ...]": (bytes, tuple),
}
_WANTED = {"bytes": "a text", "int": "a whole number", "bytes | tuple[Value, ...]": "a text or a list"}


class Function:
    """A function of the language. `pure`: equal arguments give an equal result, so a call may be folded."""

    def __init__(self, call: Callable[..., Value], *, pure: bool = True) -> None:
        self.call = call
        self.pure = pure

    @cached_property
    def parameters(self) -> Sequence[Any]:
        """Its `inspect.Parameter`s, without the scope."""
        from inspect import signature

        return list(signature(self.call).parameters.values())[0 if self.pure else 1 :]

    @property
    def usage(self) -> str:
        """Its arguments as they are written: '(data, part, start)'."""
        return f"({', '.join(str(p).partition(':')[0] for p in self.parameters)})"

    def accepts(self, count: int) -> bool:
        """Whether it can be called with `count` arguments."""
        variadic = any(p.kind is p.VAR_POSITIONAL for p in self.parameters)
        required = sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in self.parameters)
        return required <= count and (variadic or count <= len(self.parameters))

    def check(self, name: str, arguments: Sequence[Value]) -> None:
        """Raises: ExpressionError, when an argument is of the wrong kind (their number is checked before)."""
        for parameter, value in zip(self.parameters, arguments, strict=False):
            if not isinstance(value, _KINDS[parameter.annotation]):
                wanted = f"{_WANTED[parameter.annotation]} as '{parameter.name}'"
                raise ExpressionError(f"{name}() needs {wanted}, not {kind(value)}")


def _int(value: Value, base: int = 0) -> Value:
    """A number from digits (base 10 unless told), or the whole part of a number."""
    if isinstance(value, bytes):
        return _from_digits(value, base or 10)
    if base or isinstance(value, tuple):
        raise ExpressionError(f"int() needs {'digits beside a base' if base else 'a text'}, not {kind(value)}")
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise ExpressionError(f"int() cannot make a whole number of {value}") from None


def _from_digits(digits: bytes, base: int) -> int:
    if not 2 <= base <= 36:
        raise ExpressionError("the base of int() must be 2 to 36")
    if len(digits) > MAX_BITS:
        raise ExpressionError(f"int() takes {MAX_BITS} digits at most")
    try:
        number = int(digits.replace(b"_", b"?"), base)  # no peer means a number by 1_000
    except ValueError:
        shown = repr(digits[:40])[1:] + ("..." if len(digits) > 40 else "")
        raise ExpressionError(f"int() cannot read {shown} as a number in base {base}") from None
    check_number(number)
    return number


def _len(data: bytes | tuple[Value, ...]) -> Value:
    return len(data)


def _hex(data: bytes) -> Value:
    check_size(2 * len(data))
    return binascii.hexlify(data)


def _unhex(digits: bytes) -> Value:
    """The bytes that hexadecimal digits stand for; spaces, line breaks, colons are ignored."""
    try:
        return binascii.unhexlify(digits.translate(None, _IGNORED))
    except ValueError:
        raise ExpressionError("unhex() needs an even number of hexadecimal digits") from None


def _base64(data: bytes) -> Value:
    """RFC 4648 section 4, in one line."""
    check_size(len(data) * 4 // 3)
    return binascii.b2a_base64(data, newline=False)


def _unbase64(text: bytes) -> Value:
    """RFC 4648 section 4; spaces, line breaks and colons are ignored, anything else is an error."""
    try:
        return binascii.a2b_base64(text.translate(None, _IGNORED), strict_mode=True)
    except ValueError:
        raise ExpressionError("unbase64() needs base64 with its padding") from None


def _reversed(data: bytes) -> Value:
    return data[::-1]


def _upper(data: bytes) -> Value:
    return data.upper()


def _lower(data: bytes) -> Value:
    return data.lower()


def _find(data: bytes, part: bytes, start: int = 0) -> Value:
    """Where `part` first begins in `data`, from `start` on; -1 when it is not there."""
    return data.find(part, start)


def _layout(name: str, text: bytes) -> struct.Struct:
    """The layout that a format describes, checked before anything is made of that size."""
    if len(text) > MAX_FORMAT:
        raise ExpressionError(f"the format of {name}() has more than {MAX_FORMAT} characters")
    try:
        layout = struct.Struct(text)
    except (struct.error, ValueError, OverflowError, MemoryError) as error:
        raise ExpressionError(f"{name}() cannot use this format: {error}") from None
    check_size(layout.size)
    fields = re.findall(rb"(\d*)\s*([^\d\s])", text)
    values = sum(int(count or 1) for count, code in fields if code not in b"spx")
    if values > MAX_FIELDS:
        raise ExpressionError(f"the format of {name}() has more than {MAX_FIELDS} values")
    check_size(_POINTER * values)
    return layout


def _pack(format: bytes, *values: Value) -> Value:
    """struct.pack(format, *values)."""
    layout = _layout("pack", format)
    try:
        return layout.pack(*values)
    except (struct.error, OverflowError) as error:
        raise ExpressionError(f"pack() does not fit its values: {error}") from None


def _unpack(format: bytes, data: bytes) -> Value:
    """struct.unpack(format, data): a list of values."""
    layout = _layout("unpack", format)
    if len(data) != layout.size:
        raise ExpressionError(f"unpack() needs {layout.size} bytes for its format, not {len(data)}")
    return layout.unpack(data)


def _crc32(data: bytes) -> Value:
    """The CRC of Ethernet, gzip and PNG, as a number (ISO 3309)."""
    return binascii.crc32(data)


def _checksum16(data: bytes) -> Value:
    """The Internet checksum (RFC 1071): the complement of the ones' complement sum of 16-bit words.

    Since 2**16 is 1 modulo 0xFFFF, that sum is the rest of all bytes read as one number; ones' complement
    writes the rest 0 as 0xFFFF unless everything was zero.
    """
    number = int.from_bytes(data + bytes(len(data) % 2), "big")
    total = number % 0xFFFF or (0xFFFF if number else 0)
    return 0xFFFF - total


def _md5(data: bytes) -> Value:
    return _digest("md5", data)


def _sha1(data: bytes) -> Value:
    return _digest("sha1", data)


def _sha256(data: bytes) -> Value:
    return _digest("sha256", data)


def _digest(name: str, data: bytes) -> bytes:
    import hashlib  # loads OpenSSL: only for the scenario that needs it

    return hashlib.new(name, data, usedforsecurity=False).digest()


def _hmac(digest: bytes, key: bytes, data: bytes) -> Value:
    """RFC 2104: the raw code of `data` under `key`."""
    import hmac

    name = digest.decode("latin-1")
    if name not in _DIGESTS:
        raise ExpressionError(f"hmac() knows the digests {', '.join(_DIGESTS)}")
    return hmac.digest(key, data, name)


def _now(scope: Scope) -> Value:
    return scope.now()


def _random_bytes(scope: Scope, count: int) -> Value:
    if count < 0:
        raise ExpressionError("random_bytes() needs a count that is not negative")
    check_size(count)
    return scope.random_bytes(count)


FUNCTIONS: Mapping[str, Function] = {
    "int": Function(_int),
    "len": Function(_len),
    "hex": Function(_hex),
    "unhex": Function(_unhex),
    "base64": Function(_base64),
    "unbase64": Function(_unbase64),
    "reversed": Function(_reversed),
    "upper": Function(_upper),
    "lower": Function(_lower),
    "find": Function(_find),
    "pack": Function(_pack),
    "unpack": Function(_unpack),
    "crc32": Function(_crc32),
    "checksum16": Function(_checksum16),
    "md5": Function(_md5),
    "sha1": Function(_sha1),
    "sha256": Function(_sha256),
    "hmac": Function(_hmac),
    "now": Function(_now, pure=False),
    "random_bytes": Function(_random_bytes, pure=False),
}
