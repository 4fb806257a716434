"""The values that expressions work on, and how they are written into bytes.

All text is bytes: text of the file and what regex groups took are their UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeAlias

Value: TypeAlias = bytes | int | float | bool | tuple["Value", ...]


class Scope(Protocol):
    """Where an expression's names get their values while a role plays."""

    def name(self, name: str) -> Value:
        """A variable, `received`, `index`, `round`, `dir`. Raises NotYet, ExpressionError."""
        ...

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        """`base.attribute`, or `base[index].attribute` for one copy of a role. Raises NotYet, ExpressionError."""
        ...

    def now(self) -> float:
        """Seconds of the network's clock (since the epoch on a real one); what `now()` gives."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """`count` random bytes, repeatable where the network is; what `random_bytes(count)` gives."""
        ...


class ExpressionError(Exception):
    """An expression that is not allowed, or that has no value; the message is one sentence for the user.

    `offset` is the character in the expression's text that it is about, where that is known.
    """

    def __init__(self, message: str, offset: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


class NotYet(Exception):  # noqa: N818 (it is no error: the role waits, and asks again)
    """A value that another role has still to provide; `kind` and `name` are those of a `commands.Fact`."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"{kind} {name}")
        self.kind = kind
        self.name = name


class Operand(Protocol):
    """Something of the file that becomes a value: a literal, or text with expressions in it."""

    @property
    def constant(self) -> Value | None:
        """The value, where it needs no scope (vars and matrix values are filled in); else None."""
        ...

    def evaluate(self, scope: Scope) -> Value:
        """The value. Raises NotYet, ExpressionError."""
        ...


class Payload(Protocol):
    """Bytes to be sent."""

    @property
    def constant(self) -> bytes | None:
        """The bytes, where they need no scope and are at most 64 KiB; else None."""
        ...

    @property
    def size(self) -> int | None:
        """How many bytes, where that is known without a scope."""
        ...

    @property
    def summary(self) -> str:
        """A few words: '"Hello World\\n"', '8 bytes', '1 MiB of random bytes'."""
        ...

    def evaluate(self, scope: Scope) -> bytes:
        """All the bytes. Raises NotYet, ExpressionError (also when they are over 16 MiB)."""
        ...

    def pieces(self, scope: Scope) -> Iterator[bytes]:
        """The same bytes in pieces of at most 64 KiB; `times`, `random` and `file` have no limit here."""
        ...
