"""What is left open by sockets and their protocols, and decided anew for each run: how bytes arrive, who goes first.

Must not live here: what a scenario says of its network (`program.Faults`): that holds in any case.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from selectors import SelectorKey
from typing import Literal, Protocol, TypeAlias

Fate: TypeAlias = Literal["arrives", "lost", "doubled", "late"]
How: TypeAlias = Literal["fin", "half-close", "reset", "silence"]
Ready: TypeAlias = deque[Callable[[], None]]
Found: TypeAlias = list[tuple[SelectorKey, int]]


class Conditions(Protocol):
    """Streams and datagrams are known by their numbers, in the order in which they come to be."""

    def together(self, stream: int, offset: int, size: int) -> int:
        """How many of so many bytes, the first of which has that offset in the stream, arrive at once; the rest comes
        when nothing else can be done before. 0: all of them wait that long, and for what is sent until then."""
        ...

    def held(self, stream: int, offset: int) -> float:
        """Seconds that the bytes from there on wait, besides, where the last answer of `together` cut them off."""
        ...

    def ending(self, stream: int) -> tuple[int, How] | None:
        """The offset at which the stream ends, whatever its sender does, and how: `fin` and `reset` end the other
        direction too."""
        ...

    def fate(self, number: int) -> Fate:
        """What becomes of a datagram, where the scenario's `network` lets more than one thing happen to it."""
        ...

    def in_order(self, found: Found) -> Found:
        """Those whose sockets are ready, in the order in which they are told; who is left out is asked again."""
        ...

    def ready(self) -> Ready:
        """An empty queue for the loop: `popleft` decides who goes on."""
        ...

    def used(self, what: object) -> None:
        """Whoever goes on now has changed this, or looked at it."""
        ...


class Plain:
    """What is sent arrives whole and at once, and first come is first served."""

    def together(self, stream: int, offset: int, size: int) -> int:
        return size

    def held(self, stream: int, offset: int) -> float:
        return 0.0

    def ending(self, stream: int) -> tuple[int, How] | None:
        return None

    def fate(self, number: int) -> Fate:
        return "arrives"

    def in_order(self, found: Found) -> Found:
        return found

    def ready(self) -> Ready:
        return deque()

    def used(self, what: object) -> None:
        """Nobody asks."""


PLAIN = Plain()
