"""Where sockets come from: the operating system, or a simulated one.

Lives here: what the channels ask of a system, and the real one. Must not live here: the simulated one
(`simulated/`), and what is done with a socket (`kernel.py`, `streams.py`, `datagrams.py`).

The one theory: both networks share every line above the system calls. A simulated socket answers as Linux does,
errors included, so a scenario cannot tell the two apart, and neither can the report of who waits for whom.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from sockrun.commands import Address
from sockrun.network import aborting, addresses
from sockrun.network.ports import Ports
from sockrun.network.tables import Tables

if TYPE_CHECKING:
    from sockrun.network.loop import Owner, Task


class Socket(Protocol):
    """What is asked of a socket; see socket(7) and Python's `socket.socket`, which is one. Never blocks."""

    @property
    def family(self) -> int: ...
    @property
    def type(self) -> int: ...
    def fileno(self) -> int: ...
    def setblocking(self, flag: bool, /) -> None: ...
    def setsockopt(self, level: int, option: int, value: Any, /) -> None: ...
    def getsockopt(self, level: int, option: int, /) -> int: ...
    def getsockname(self) -> Any: ...
    def bind(self, address: Any, /) -> None: ...
    def listen(self, backlog: int, /) -> None: ...
    def accept(self) -> tuple[Any, Any]: ...
    def connect(self, address: Any, /) -> None: ...
    def connect_ex(self, address: Any, /) -> int: ...
    def recv(self, size: int, /) -> bytes: ...
    def recvfrom(self, size: int, /) -> tuple[bytes, Any]: ...
    def send(self, data: bytes | memoryview, /) -> int: ...
    def sendto(self, data: bytes, address: Any, /) -> int: ...
    def shutdown(self, how: int, /) -> None: ...
    def close(self) -> None: ...


class System(Protocol):
    @property
    def selector(self) -> selectors.BaseSelector: ...

    def clock(self) -> float:
        """Seconds; it never runs backwards."""
        ...

    def socket(self, family: int, kind: int) -> Socket:
        """Raises: OSError."""
        ...

    def resolve(self, address: Address) -> tuple[int, Address]:
        """The family and numeric address of a host. Raises: EnvironmentRefused."""
        ...

    def remove_path(self, address: Address | None) -> None:
        """Remove the file that a bound unix socket leaves behind."""
        ...

    def all_left(self, sock: Socket) -> bool:
        """Whether all that was sent on a stream has been acknowledged."""
        ...

    def reserve(self) -> int:
        """A port free for TCP and UDP that no other sockrun run gets until `release`. Raises: EnvironmentRefused."""
        ...

    def release(self, port: int) -> None: ...

    def bound(self, protocol: Literal["tcp", "udp"], port: int) -> bool:
        """Whether somebody listens on the port (UDP: is bound to it). Raises: EnvironmentRefused."""
        ...

    def random_bytes(self, size: int) -> bytes: ...

    def under_way(self) -> bool:
        """Whether it is known that something will come by itself, so that nobody is stuck yet."""
        ...

    def belongs(self, sock: Socket, task: Task, peer: Address | None = None) -> None:
        """A capture is told whose bytes the socket carries: all of them, or those from and to `peer`."""
        ...

    def key_log(self, owner: Owner) -> str | None:
        """The file that OpenSSL is to write the keys of the scenario's connections to. Raises: EnvironmentRefused."""
        ...

    def close(self) -> None:
        """Give everything back that belongs to no scenario."""
        ...


Tap: TypeAlias = Callable[[System], System]  # the same system, and what passes its sockets is captured


def untapped(system: System) -> System:
    """A `Tap` that captures nothing."""
    return system


class OperatingSystem:
    """The real one; satisfies `System`."""

    clock = staticmethod(time.monotonic)
    socket = staticmethod(socket.socket)
    resolve = staticmethod(addresses.resolve)
    random_bytes = staticmethod(os.urandom)

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        self.selector = selectors.DefaultSelector() if selector is None else selector
        self._ports = Ports()
        self._tables = Tables()
        self.reserve = self._ports.reserve
        self.release = self._ports.release
        self.bound = self._tables.bound

    def under_way(self) -> bool:
        return False  # the system does not tell: channels count what they can

    def all_left(self, sock: Any) -> bool:
        return aborting.all_left(sock)

    def belongs(self, sock: Socket, task: Task, peer: Address | None = None) -> None:
        """Nobody captures."""

    def key_log(self, owner: Owner) -> str | None:
        return None

    def remove_path(self, address: Address | None) -> None:
        if address is not None and address.path and not address.host.startswith("@"):
            with suppress(OSError):
                os.unlink(address.host)

    def close(self) -> None:
        self.selector.close()
        self._ports.close()
