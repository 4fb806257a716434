"""Which roles somebody else plays, as the command line says it. What that means for a scenario: `swapping.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from sockrun.records import dataclass, field

Half: TypeAlias = Literal["users", "servers"]


@dataclass(frozen=True)
class Swaps:
    """`real`: server roles that are not played, and where the real ones listen (HOST:PORT, or a path).

    `play`: where it is not empty, the only roles that are played, and where a server of them listens or a client
    of them connects to; None where the file says it.
    `half`: under load clients and servers are played apart, the clients as one of many users.
    """

    real: Mapping[str, str] = field(default_factory=dict)
    play: Mapping[str, str | None] = field(default_factory=dict)
    half: Half | None = None

    @property
    def any(self) -> bool:
        return bool(self.real or self.play or self.half)

    @property
    def named(self) -> Iterator[tuple[str, str, str | None]]:
        """Option, role and address of each."""
        yield from (("--real", name, text) for name, text in self.real.items())
        yield from (("--play", name, text) for name, text in self.play.items())
