"""Simulated UDP and unix datagram sockets: who hears what, what is lost, and who is told that nobody listens.

Facts that are kept, of Linux:

- A connected socket hears its peer only (udp(7)). Of several that could hear a datagram, one does; a group's and a
  broadcast are heard by all.
- What comes for nobody is answered with ICMP 'port unreachable', which only a connected sender is told, once.
- A full receive buffer loses what comes (udp(7)); a unix socket has the sender wait instead (unix(7)).
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

from sockrun.commands import Address
from sockrun.network.addresses import from_system, is_multicast
from sockrun.network.link import DatagramLink
from sockrun.network.simulated.sockets import READ, WRITE, MemorySocket, fail
from sockrun.network.simulated.world import World

LONGEST = {socket.AF_INET: 65507, socket.AF_INET6: 65527, socket.AF_UNIX: 212_960}  # bytes (RFC 768, unix(7))
BROADCASTS = frozenset({"255.255.255.255", "127.255.255.255"})
BUFFER = 212_992  # bytes of a socket's buffer, if nobody says otherwise (socket(7): rmem_default)
OVERHEAD = 768  # bytes that each datagram costs beside its own


class DatagramSocket(MemorySocket):
    kind = socket.SOCK_DGRAM

    def __init__(self, world: World, family: int, number: int) -> None:
        super().__init__(world, family, number)
        self._peer: tuple[str, int] | None = None
        self._inbox: deque[tuple[bytes, Any]] = deque()
        self._held = 0  # bytes in it
        self._crowd: list[DatagramSocket] = []  # unix: those who wait for room here
        self._full: DatagramSocket | None = None  # unix: whoever had no room for what this socket sends
        self._links: dict[tuple[str, int], _Way] = {}

    def connect_ex(self, address: Any) -> int:
        host, port = self.taken_apart(address)
        if self.family == socket.AF_UNIX:
            why = self._unheard(host)
            if why:
                return why
        self._peer = (host, port)
        self.name_for(host)
        return 0

    # --- sending ---

    def send(self, data: bytes | memoryview) -> int:
        self.raise_error()
        if self._peer is None:
            fail(errno.EDESTADDRREQ)
        return self._hand_over(bytes(data), *self._peer)

    def sendto(self, data: bytes, address: Any) -> int:
        self.raise_error()
        return self._hand_over(data, *self.taken_apart(address))

    def _hand_over(self, data: bytes, host: str, port: int) -> int:
        if len(data) > LONGEST[socket.AddressFamily(self.family)]:
            fail(errno.EMSGSIZE)
        if host in BROADCASTS and not self.option(socket.SO_BROADCAST):
            fail(errno.EACCES)
        if self.family == socket.AF_UNIX:
            self._hand_over_unix(data, host)
            return len(data)
        if not self.named:
            self.bind((self.host, 0))
        way = self._links.get((host, port))
        if way is None:
            way = self._links[host, port] = _Way(self, host, port)
        way.take(data)
        return len(data)

    def _hand_over_unix(self, data: bytes, path: str) -> None:
        why = self._unheard(path)
        if why:
            fail(errno.ECONNREFUSED if self._peer == (path, 0) else why)
        (there,) = self._receivers(path, 0)
        if not there.has_room(data):
            self._full = there
            there._crowd.append(self)
            fail(errno.EAGAIN)
        there.deliver(data, self.getsockname() if self.named else None)

    def _unheard(self, path: str) -> int:
        """Why nobody hears what is sent to the path; of one who is connected to somebody else it is EPERM (unix(7))."""
        return self.nobody_at(path) or (0 if self._receivers(path, 0) else errno.EPERM)

    # --- arriving ---

    def _receivers(self, host: str, port: int) -> list[DatagramSocket]:
        """Whoever hears what this socket sends there."""
        many = host in BROADCASTS or (self.family != socket.AF_UNIX and is_multicast(host))
        found = [sock for sock in self._bound_there(host, port, many) if sock.hears(self, host)]
        if many:
            return found
        connected = [sock for sock in found if sock._peer is not None]
        return (connected or found)[:1]

    def _bound_there(self, host: str, port: int, many: bool) -> Iterator[DatagramSocket]:
        where = (self.kind, host if self.family == socket.AF_UNIX else port)
        there = self.world.everybody(where) if many else self.world.at_address(self.family, where, host)
        return (sock for sock in there if isinstance(sock, DatagramSocket) and sock.family == self.family)

    def hears(self, sender: DatagramSocket, host: str) -> bool:
        """Whether what `sender` sends to `host` is for this socket."""
        if self.family != socket.AF_UNIX and is_multicast(host) and host.partition("%")[0] != self._group:
            return False
        return self._peer is None or self._peer == (sender.seen_from(self.host), sender.port)

    @property
    def _group(self) -> str | None:
        """The multicast group that it has joined, whatever the interface (ip(7), ipv6(7))."""
        joined = self.options.get((socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP))
        if joined is not None:
            return socket.inet_ntop(socket.AF_INET, joined[:4])
        joined = self.options.get((socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP))
        return None if joined is None else socket.inet_ntop(socket.AF_INET6, joined[:16])

    def arrive(self, data: bytes, host: str, port: int) -> None:
        """What this socket has sent is there."""
        there = self._receivers(host, port)
        for receiver in there:
            if receiver.has_room(data):
                receiver.deliver(data, self.raw(self.seen_from(host), self.port))
            else:
                self.world.note(f"loses a datagram of {len(data)} bytes: the receiver's buffer is full")
                self.world.missing(self._address(host, port), -1)
        if not there:
            self.world.missing(self._address(host, port), -1)
        if not there and self._peer == (host, port) and not self.closed:
            self.world.later(self.world.faults.latency, self._unreachable)

    def _unreachable(self) -> None:
        if not self.closed:
            self.failed(errno.ECONNREFUSED)

    def _address(self, host: str, port: int) -> Address:
        address = from_system(self.raw(host, port))
        assert address is not None
        return address

    def missing(self, host: str, port: int, copies: int) -> None:
        """So many datagrams more will come there than were sent."""
        self.world.missing(self._address(host, port), copies)

    def has_room(self, data: bytes) -> bool:
        size = self.option(socket.SO_RCVBUF) or BUFFER
        return not self._inbox or self._held + len(data) + OVERHEAD <= size

    def deliver(self, data: bytes, sender: Any) -> None:
        self._held += len(data) + OVERHEAD
        self._inbox.append((data, sender))
        self.world.used((self._number,))
        self.touch()

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        self.raise_error()
        if not self._inbox:
            fail(errno.EAGAIN)
        data, sender = self._inbox.popleft()
        self.world.used((self._number,))
        self._held -= len(data) + OVERHEAD
        self._let_in()
        return data[:size], sender

    def _let_in(self) -> None:
        """Who waited for room may try again."""
        crowd, self._crowd = self._crowd, []
        for sock in crowd:
            sock._full = None
            sock.touch()

    def close(self) -> None:
        super().close()
        self._let_in()

    def ready(self) -> int:
        return (READ if self._inbox or self._error else 0) | (WRITE if self._full is None else 0)


class _Way:
    """What a socket sends to one address."""

    def __init__(self, sender: DatagramSocket, host: str, port: int) -> None:
        world = sender.world
        self._sender = sender
        self._to = (host, port)
        self._world = world
        self._faults = world.faults
        self._link = DatagramLink(world.faults, Random(f"{world.seed} {sender.port} {host} {port}"), world.note)

    def take(self, data: bytes) -> None:
        fate = self._world.conditions.fate(next(self._world.datagrams))
        if fate == "lost":
            self._told_missing(-1)
            return
        if fate == "late":
            self._world.after(self._world.late, partial(self._send, data))
            return
        for _ in range(2 if fate == "doubled" else 1):
            self._send(data)
        if fate == "doubled":
            self._told_missing(1)

    def _send(self, data: bytes) -> None:
        copies = self._link.take(data, self._world.clock())
        if copies != 1:
            self._told_missing(copies - 1)
        self._leave()

    def _told_missing(self, copies: int) -> None:
        self._sender.missing(*self._to, copies)

    def _leave(self) -> None:
        now = self._world.clock()
        while (data := self._link.leave(now)) is not None:
            self._sender.arrive(data, *self._to)
        if not self._link.idle:
            self._world.after(self._link.wait(now), self._leave)
