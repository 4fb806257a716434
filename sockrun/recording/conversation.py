"""What two programs said to each other, as data.

Pure: where it comes from (`live.py`, `captures.py`) and what is made of it (`turns.py`, `comparing.py`, `writing.py`)
is elsewhere.

The one theory: the events of a conversation are in the order in which one observer between the two has seen them. A
client that has heard something sends later than that, and so does a server; so each side can be played by itself in
just this order, against the other one or against the real thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from sockrun.commands import Address
from sockrun.records import dataclass, field

Side: TypeAlias = Literal["client", "server"]
OTHER: dict[Side, Side] = {"client": "server", "server": "client"}


@dataclass(frozen=True, slots=True)
class Said:
    """Bytes of a stream as they came, or a datagram. `moment` is in seconds since 1970 (UTC)."""

    moment: float
    side: Side
    data: bytes


@dataclass(frozen=True, slots=True)
class Left:
    """A side has ended its direction of a stream: in order (FIN), or both at once (RST)."""

    moment: float
    side: Side
    kind: Literal["fin", "reset"]


Event: TypeAlias = Said | Left


@dataclass(slots=True)
class Connection:
    """One connection, or all that one address and the server have sent each other as datagrams."""

    opened: float  # seconds since 1970
    events: list[Event] = field(default_factory=list)

    @property
    def closed(self) -> float:
        """When its last event was."""
        return self.events[-1].moment if self.events else self.opened

    def whole(self, side: Side) -> bytes:
        """All that a side has said."""
        return b"".join(event.data for event in self.events if isinstance(event, Said) and event.side == side)


@dataclass(frozen=True, slots=True)
class Conversation:
    """Connections to one server, in the order in which they were opened.

    `servers` are the addresses by which it was known: its own, and that of a proxy before it.
    """

    protocol: Literal["tcp", "udp", "unix"]
    datagram: bool
    connections: Sequence[Connection]
    servers: Sequence[Address] = ()

    @property
    def empty(self) -> bool:
        """Whether nobody has said anything."""
        return not any(isinstance(event, Said) for one in self.connections for event in one.events)
