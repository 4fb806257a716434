"""What is left open by sockets and their protocols, and decided anew for each run: how bytes arrive, who goes first.

Must not live here: what a scenario says of its network (`program.Faults`): that holds in any case.
"""

from __future__ import annotations

from selectors import SelectorKey
from typing import Literal, Protocol, TypeAlias

Fate: TypeAlias = Literal["arrives", "lost", "doubled", "late"]


class Conditions(Protocol):
    """Streams and datagrams are known by their numbers, in the order in which they come to be."""

    def together(self, stream: int, offset: int, size: int) -> int:
        """How many of so many bytes, the first of which has that offset in the stream, arrive at once; the rest comes
        when nothing else can be done before. 0: all of them wait that long, and for what is sent until then."""
        ...

    def fate(self, number: int) -> Fate:
        """What becomes of a datagram, where the scenario's `network` lets more than one thing happen to it."""
        ...

    def in_order(self, found: list[tuple[SelectorKey, int]]) -> list[tuple[SelectorKey, int]]:
        """Those whose sockets are ready, in the order in which they are told."""
        ...


class Plain:
    """What is sent arrives whole and at once, and first come is first served."""

    def together(self, stream: int, offset: int, size: int) -> int:
        return size

    def fate(self, number: int) -> Fate:
        return "arrives"

    def in_order(self, found: list[tuple[SelectorKey, int]]) -> list[tuple[SelectorKey, int]]:
        return found


PLAIN = Plain()
