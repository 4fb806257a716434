"""What every network offers, real or simulated, and all that the layers above may know of it.

A `Channel` is one end of a connection, or a datagram socket. Its methods are the commands that concern it:
each answers with the event at once, or with `PENDING`, and then resumes the task later. A task has one
command outstanding at the most.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from sockrun.commands import (
    Address,
    Close,
    Connect,
    Ended,
    Event,
    Finish,
    Receive,
    Reset,
    Send,
    SendPieces,
    Shutdown,
)

if TYPE_CHECKING:
    from sockrun.network.loop import Loop, Task
    from sockrun.program import SocketOptions


class Pending(Enum):
    """The command is under way; the task will be resumed with its event."""

    PENDING = "pending"


PENDING: Final = Pending.PENDING
Reply: TypeAlias = Event | Pending


class Channel(Protocol):
    """`peer` is the other end (for datagrams the sender of the last one taken), `local` our own."""

    peer: Address | None
    local: Address | None

    def send(self, task: Task, command: Send) -> Reply: ...
    def send_pieces(self, task: Task, command: SendPieces) -> Reply: ...
    def receive(self, task: Task, command: Receive) -> Reply: ...
    def shutdown(self, task: Task, command: Shutdown) -> Reply: ...
    def close(self, task: Task, command: Close) -> Reply: ...
    def reset(self, task: Task, command: Reset) -> Reply: ...
    def finish(self, task: Task, command: Finish) -> Reply: ...

    def expired(self, task: Task) -> None:
        """The deadline of the task's command has passed: look once more, then resume it."""
        ...

    @property
    def paired(self) -> bool:
        """Whether the other end is known to be a role of the same scenario."""
        ...

    @property
    def unaccepted(self) -> bool:
        """Whether it is connected to a server role of this process that has still to accept it."""
        ...

    @property
    def heard(self) -> bool:
        """Whether a byte or datagram ever came."""
        ...

    @property
    def unread(self) -> bytes:
        """What has been received and no step took."""
        ...

    def in_flight(self) -> bool:
        """Whether something sent to or from the waiting task is still on its way, so that it may yet go on."""
        ...

    def conclude(self) -> Ended | None:
        """The scenario ends: what came and was never taken, as the answer to `Finish` gives it."""
        ...

    def abandon(self) -> None:
        """Give the socket back, at once and in any state. May be called twice."""
        ...


class Listener(Protocol):
    """A server's bound address, listening or only held."""

    address: Address

    def listen(self) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What kind of socket a role wants."""

    protocol: Literal["tcp", "udp", "unix"]
    datagram: bool
    options: SocketOptions


class Acceptor(Protocol):
    """Who is told of a listener's connections."""

    def accepted(self, channel: Channel) -> None: ...
    def failed(self, error: Exception) -> None: ...


class Network(Protocol):
    """Makes channels. Raises EnvironmentRefused where the machine does not allow it."""

    loop: Loop

    def listen(self, endpoint: Endpoint, address: Address, acceptor: Acceptor, listening: bool) -> Listener:
        """A stream server. `acceptor` is told of each new connection."""
        ...

    def bind(self, endpoint: Endpoint, address: Address) -> Channel:
        """A datagram server."""
        ...

    def hold(self, endpoint: Endpoint, address: Address) -> Listener:
        """A port that refuses, over TCP and UDP alike."""
        ...

    def connect(
        self,
        task: Task,
        endpoint: Endpoint,
        command: Connect,
        local: Address | None,
        inside: bool,
    ) -> Reply:
        """Give `task.channel` a connection. `inside`: the other end is a role of the same scenario."""
        ...

    def reserve(self) -> int:
        """A port free for TCP and UDP that no other sockrun run gets until `release`."""
        ...

    def release(self, port: int) -> None: ...

    def random_bytes(self, size: int) -> bytes: ...
