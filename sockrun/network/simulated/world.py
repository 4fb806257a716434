"""A simulated operating system: its clock, who has which address, and what is on its way.

Lives here: time and addresses; satisfies `system.System`. Must not live here: what a socket answers
(`streams.py`, `datagrams.py`).

The one theory: virtual time is whole nanoseconds and moves only while the selector waits, to the next event and no
farther. Everything that happens is either done by a role or such an event, so a run depends on the seed alone.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from collections import defaultdict
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count
from math import ceil
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network import addresses
from sockrun.network.simulated.conditions import PLAIN, Conditions
from sockrun.program import Faults

if TYPE_CHECKING:
    from sockrun.network.loop import Owner, Task
    from sockrun.network.simulated.pipes import Pipe
    from sockrun.network.simulated.sockets import MemorySocket

SECOND = 1_000_000_000  # nanoseconds
BUFFER = 2 * 1024 * 1024  # bytes that each end of a connection holds, about what Linux lets it grow to
RESERVED = 20000  # the first of the ports that are reserved, and
LATE = 0.05  # seconds that a datagram takes longer which comes late
EPHEMERAL = 32768  # of those that sockets get that ask for any (ip(7))

Where: TypeAlias = tuple[int, int | str]  # the kind of socket, and its port, or its path


class World:
    """`faults` is how everything behaves that passes through it; `seed` decides all that is random in that."""

    def __init__(self, faults: Faults | None = None, seed: int = 0, conditions: Conditions = PLAIN) -> None:
        self.faults = faults or Faults()
        self.buffer = self.faults.buffer or BUFFER
        self.seed = seed
        self.conditions = conditions
        self.now = 0  # nanoseconds
        self.late = LATE
        self._selector = MemorySelector(self)
        self.selector: selectors.BaseSelector = self._selector
        self.touch = self._selector.touch
        self.moved: Callable[[], None] = lambda: None  # called when something has come by itself
        self.missing: Callable[[Address, int], None] = lambda to, copies: None  # so many datagrams more will come there
        self.note: Callable[[str], None] = lambda what: None  # told of each fault of the network
        self.connections = count()
        self.datagrams = count()
        self.pipes: list[Pipe] = []  # by their numbers
        self.used = conditions.used
        self._random = Random(f"{seed}")
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._serial = count()
        self._woken = False
        self._numbers = count(3)
        self._names = count(1)
        self._reserved = count(RESERVED)
        self._ephemeral = count(EPHEMERAL)
        self._bound: dict[Where, list[MemorySocket]] = defaultdict(list)
        self._files: dict[str, MemorySocket] = {}  # who has bound a path; it outlives the socket (unix(7))

    # --- time ---

    def clock(self) -> float:
        return self.now / SECOND

    def at(self, moment: int, call: Callable[[], None]) -> None:
        """Call in order of `moment` (nanoseconds), and of these calls."""
        heappush(self._events, (max(moment, self.now), next(self._serial), call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.at(self.now + ceil(seconds * SECOND), call)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """As `after`, but at once where it takes no time, as on loopback."""
        if seconds:
            self.after(seconds, call)
        else:
            call()

    def wake_after(self, seconds: float, call: Callable[[], None]) -> None:
        """As `after`; and the selector does not wait any longer than that, since somebody can go on then."""

        def woken() -> None:
            self._woken = True
            call()

        self.after(seconds, woken)

    def advance(self, until: int | None) -> bool:
        """Let the next thing happen that is due until then; else the time comes. False: there is no need to wait on."""
        if self._events and (until is None or self._events[0][0] <= until):
            moment, _, call = heappop(self._events)
            self.now = max(self.now, moment)
            call()
            self.moved()
            woken, self._woken = self._woken, False
            return not woken
        if until is None:
            raise RuntimeError("nothing will ever happen in this simulation, and somebody waits for it")
        self.now = max(self.now, until)
        return False

    def under_way(self) -> bool:
        return bool(self._events)

    # --- addresses ---

    def socket(self, family: int, kind: int) -> MemorySocket:
        from sockrun.network.simulated.datagrams import DatagramSocket
        from sockrun.network.simulated.streams import StreamSocket

        made = DatagramSocket if kind == socket.SOCK_DGRAM else StreamSocket
        return made(self, family, self.next_number())

    def next_number(self) -> int:
        """A file descriptor, as it were."""
        return next(self._numbers)

    def resolve(self, address: Address) -> tuple[int, Address]:
        """Only numbers and `localhost` have a meaning here. Raises: EnvironmentRefused."""
        if address.host == "localhost" and not address.path:
            return socket.AF_INET, Address("127.0.0.1", address.port)
        if not address.path and not _is_numeric(address.host):
            raise EnvironmentRefused(f"the host {address.host!r} has no address in the simulation")
        return addresses.resolve(address)

    def take(self, sock: MemorySocket, where: Where, host: str) -> None:
        """Give a socket an address. Raises: OSError."""
        for other in self._bound.get(where, ()):
            if overlap(host, other.host, sock.family) and other.family == sock.family and not other.shares(sock):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._bound[where].append(sock)

    def give_back(self, sock: MemorySocket, where: Where) -> None:
        there = self._bound.get(where, [])
        if sock in there:
            there.remove(sock)
        if not there:
            self._bound.pop(where, None)

    def at_address(self, family: int, where: Where, host: str) -> Iterator[MemorySocket]:
        """Whoever has bound it: by its own name first, then those who have bound them all."""
        there = [sock for sock in self._bound.get(where, ()) if sock.family == family]
        yield from (sock for sock in there if sock.host == host)
        yield from (sock for sock in there if sock.host != host and overlap(host, sock.host, family))

    def everybody(self, where: Where) -> list[MemorySocket]:
        """Whoever has bound it, by whatever name."""
        return list(self._bound.get(where, ()))

    @property
    def in_use(self) -> list[Where]:
        """The addresses that somebody has, and the paths that are left."""
        return [*self._bound, *((socket.AF_UNIX, path) for path in self._files)]

    def free_port(self, kind: int) -> int:
        return next(port for port in self._ephemeral if (kind, port) not in self._bound)

    def take_path(self, sock: MemorySocket, path: str) -> None:
        """Make a unix socket's file. Raises: OSError."""
        if path in self._files:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
        self._files[path] = sock

    def at_path(self, path: str) -> MemorySocket | None:
        """Whoever has bound it, though it be closed; None: there is no such file."""
        return self._files.get(path)

    def free_name(self) -> str:
        return f"\0{next(self._names):05x}"  # as Linux names it (unix(7), autobind)

    def remove_path(self, address: Address | None) -> None:
        if address is not None and address.path:
            self._files.pop(address.host, None)

    # --- the rest of `System` ---

    def all_left(self, sock: Any) -> bool:
        return bool(sock.all_left())

    def reserve(self) -> int:
        return next(self._reserved)

    def release(self, port: int) -> None:
        """Nobody else wants it."""

    def bound(self, protocol: Literal["tcp", "udp"], port: int) -> bool:
        kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
        return bool(self._bound.get((kind, port)))

    def random_bytes(self, size: int) -> bytes:
        return self._random.randbytes(size)

    def belongs(self, sock: Any, task: Task, peer: Address | None = None) -> None:
        """Nobody captures."""

    def key_log(self, owner: Owner) -> str | None:
        return None

    def close(self) -> None:
        self._events.clear()


class MemorySelector(selectors.BaseSelector):
    """Looks only at sockets that something has happened to since they were found to have nothing."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys: dict[Any, selectors.SelectorKey] = {}
        self._touched: dict[Any, None] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = self._keys[fileobj] = selectors.SelectorKey(fileobj, fileobj.fileno(), events, data)
        self._touched[fileobj] = None
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        self._touched.pop(fileobj, None)
        return self._keys.pop(fileobj)

    def touch(self, sock: Any) -> None:
        """Something has happened to the socket."""
        if sock in self._keys:
            self._touched[sock] = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        world = self._world
        until = None if timeout is None else world.now + ceil(max(0.0, timeout) * SECOND)
        while not (found := self._ready()) and world.advance(until):
            pass
        return world.conditions.in_order(found) if found else found

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = []
        for sock in list(self._touched):
            key = self._keys[sock]
            mask = key.events & sock.ready()
            if mask:
                found.append((key, mask))
            else:
                del self._touched[sock]
        return found

    def get_map(self) -> dict[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()
        self._touched.clear()


def overlap(one: str, other: str, family: int) -> bool:
    """Whether the two hosts, as bound, have an address in common."""
    wildcard = "::" if family == socket.AF_INET6 else "0.0.0.0"
    return one == other or (family != socket.AF_UNIX and wildcard in (one, other))


def _is_numeric(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False
