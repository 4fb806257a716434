"""What every network offers, real or simulated, and all that the layers above may know of it.

A `Channel` is one end of a connection, or a datagram socket. Its methods are the commands that concern it:
each answers with the event at once, or with `PENDING`, and then resumes the task later. A task has one
command outstanding at the most.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    StartTls,
    Tls,
)
from sockrun.records import dataclass

if TYPE_CHECKING:
    from sockrun.network.loop import Loop, Task
    from sockrun.network.processes import Child, Observer
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
    def open(self) -> bool:
        """Whether it is connected and not closed by its own role: commands can be carried out on it."""
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

    def cancel(self) -> None:
        """Forget the command that is under way, so that another task can have the channel."""
        ...

    def abandon(self) -> None:
        """Give the socket back, at once and in any state. May be called twice."""
        ...


class Listener(Protocol):
    """A server's bound address, listening or only held."""

    address: Address

    def listen(self) -> None: ...

    def look(self) -> None:
        """Accept whoever has come already."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What kind of socket a role wants. `per_sender`: a datagram server with a conversation for each sender."""

    protocol: Literal["tcp", "udp", "unix"]
    datagram: bool
    options: SocketOptions
    per_sender: bool = False


@dataclass(frozen=True, slots=True)
class TlsEnd:
    """Which end of a connection speaks TLS, and what the scenario adds to its settings.

    `name`: the host that a client connected to. `identity`: the names of a server's certificate, where the role
    gives none. `own`: a client trusts the run's authority, where the role names no other; `system`: the system's too.
    """

    server: bool
    name: str | None = None
    identity: tuple[str, ...] = ()
    own: bool = False
    system: bool = False


TlsKey: TypeAlias = tuple[Tls, TlsEnd]


class Acceptor(Protocol):
    """Who is told of a listener's connections. `task` stands for those that nobody has yet."""

    task: Task

    def accepted(self, channel: Channel) -> None: ...
    def failed(self, error: Exception) -> None: ...


@dataclass(frozen=True, slots=True)
class Spawn:
    """A program to be started. `folder` is the scenario's, and removed if sockrun itself is killed."""

    words: Sequence[bytes]
    env: Mapping[bytes, bytes]
    cwd: bytes
    folder: bytes
    user: str = ""
    stdin: Iterator[bytes] | None = None  # what it reads; then its input is closed
    stdin_open: bool = False


class Network(Protocol):
    """Makes channels. Raises EnvironmentRefused where the machine does not allow it."""

    loop: Loop

    def listen(self, endpoint: Endpoint, address: Address, acceptor: Acceptor, listening: bool) -> Listener:
        """A server. `acceptor` is told of each new connection, or sender of datagrams; where a datagram server
        has one conversation that hears all, of that one. Until it is listening it refuses."""
        ...

    def admit(self, host: str) -> None:
        """Hold that the host may be used in this run."""
        ...

    def numeric(self, address: Address) -> Address:
        """The address that a name stands for. Raises: EnvironmentRefused for a name nobody knows."""
        ...

    def hold(self, endpoint: Endpoint, address: Address) -> Listener:
        """A port that refuses, over TCP and UDP alike, or a path."""
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

    def belongs(self, channel: Channel, task: Task) -> None:
        """The task has the channel from now on: so a capture can tell whose bytes it carries."""
        ...

    def start_tls(self, task: Task, command: StartTls, end: TlsEnd, contexts: dict[TlsKey, object]) -> Reply:
        """Give the task's connection TLS. `contexts` belong to the scenario: what was made once is found there."""
        ...

    def reserve(self) -> int:
        """A port free for TCP and UDP that no other sockrun run gets until `release`."""
        ...

    def release(self, port: int) -> None: ...

    def random_bytes(self, size: int) -> bytes: ...

    def under_way(self) -> bool:
        """Whether it is known that something will come by itself, so that nobody is stuck yet."""
        ...

    def spawn(self, spawn: Spawn, observer: Observer) -> Child:
        """Start a program. Raises: EnvironmentRefused."""
        ...

    def bound(self, protocol: Literal["tcp", "udp"], port: int) -> bool:
        """Whether somebody on this machine listens on the port (UDP: is bound to it). Raises: EnvironmentRefused."""
        ...
