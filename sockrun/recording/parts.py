"""What a turn consists of: bytes, and what stands for other bytes in another run.

Pure. Every part has the bytes of this recording, so that parts put together are the turn again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from sockrun.records import NamedTuple


class Literal(NamedTuple):
    """The same in every run."""

    data: bytes


class Known(NamedTuple):
    """Both sides can compute it: `text` is the expression (the server's own port)."""

    data: bytes
    text: str


class Varying(NamedTuple):
    """Its speaker makes it up: who hears it takes whatever fits `pattern` (a bytes pattern; empty: any bytes, as many).

    `note` says why. `name`: the hearer keeps it under that name.
    """

    data: bytes
    pattern: str
    note: str
    name: str | None = None


class Echo(NamedTuple):
    """Its speaker has it from the other side, and says it again: `text` is the expression for what was kept."""

    data: bytes
    text: str


Part: TypeAlias = Literal | Known | Varying | Echo


def joined(parts: Iterable[Part]) -> bytes:
    return b"".join(part.data for part in parts)


def cut(parts: Sequence[Part], at: int) -> tuple[list[Part], list[Part]]:
    """The parts of the first `at` bytes, and the others. Only a literal can be cut: of another part, behind it."""
    before: list[Part] = []
    size = 0
    for number, part in enumerate(parts):
        if size >= at:
            return before, list(parts[number:])
        if isinstance(part, Literal) and size + len(part.data) > at:
            first, second = part.data[: at - size], part.data[at - size :]
            return [*before, Literal(first)], [Literal(second), *parts[number + 1 :]]
        before.append(part)
        size += len(part.data)
    return before, []


def lines(parts: Sequence[Part]) -> list[list[Part]]:
    """The parts of each line with its end; the last may have none."""
    found: list[list[Part]] = []
    rest = list(parts)
    while rest:
        at = next((end for end in _line_ends(rest)), len(joined(rest)))
        line, rest = cut(rest, at)
        found.append(line)
    return found


def _line_ends(parts: Iterable[Part]) -> Iterable[int]:
    size = 0
    for part in parts:
        if isinstance(part, Literal) and b"\n" in part.data:
            yield size + part.data.index(b"\n") + 1
        size += len(part.data)


def is_fixed(parts: Iterable[Part]) -> bool:
    """Whether it is the same bytes for who hears it, as far as that one knows."""
    return not any(isinstance(part, Varying) for part in parts)
