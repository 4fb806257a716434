"""What all simulated sockets have in common: options, names, and errors that wait to be told.

Must not live here: what passes through them (`streams.py`, `datagrams.py`).
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
from typing import Any, NoReturn

from sockrun.network.addresses import is_multicast
from sockrun.network.simulated.world import World

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::", socket.AF_UNIX: ""}
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
LEAST = {socket.SO_SNDBUF: 4608, socket.SO_RCVBUF: 2304}  # bytes of a buffer, however few are asked for (socket(7))

# What the system takes for an option; of others it takes anything (ip(7), ipv6(7), tcp(7)).
_TAKEN = {
    (socket.IPPROTO_IP, socket.IP_TTL): range(1, 256),
    (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL): range(256),
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS): range(-1, 256),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS): range(-1, 256),
    (socket.IPPROTO_TCP, socket.TCP_MAXSEG): (0, *range(88, 32768)),
}


def fail(code: int) -> NoReturn:
    """Raises: OSError, as a system call does; Python makes the subclass that fits."""
    raise OSError(code, os.strerror(code))


class MemorySocket:
    """`host` and `port` are its own, as bound; for unix `host` is the path, an abstract one with its NUL."""

    kind: int

    def __init__(self, world: World, family: int, number: int) -> None:
        self.world = world
        self.family = family
        self.host = ANY[socket.AddressFamily(family)]
        self.port = 0
        self.named = False
        self.closed = False
        self.options: dict[tuple[int, int], Any] = {}
        self._number = number
        self._error = 0  # to be told once

    @property
    def type(self) -> int:
        return self.kind

    def fileno(self) -> int:
        return -1 if self.closed else self._number

    def setblocking(self, flag: bool) -> None:
        """It never blocks."""

    # --- options ---

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        taken = _TAKEN.get((level, option))
        if taken is not None and value not in taken:
            fail(errno.EINVAL)
        if level == socket.SOL_SOCKET and option in LEAST:
            value = max(2 * value, LEAST[option])  # half of it for the system's own use (socket(7))
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int) -> int:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            return self.told_error()
        return int(self.options.get((level, option), 0))

    def option(self, option: int) -> Any:
        return self.options.get((socket.SOL_SOCKET, option), 0)

    @property
    def aborts(self) -> bool:
        """Whether closing it sends RST (SO_LINGER 0)."""
        linger = self.option(socket.SO_LINGER)
        return self.family != socket.AF_UNIX and bool(linger) and struct.unpack("ii", linger) == (1, 0)

    # --- names ---

    @property
    def where(self) -> tuple[int, int | str]:
        return (self.kind, self.host if self.family == socket.AF_UNIX else self.port)

    def getsockname(self) -> Any:
        return self.raw(self.host, self.port)

    def raw(self, host: str, port: int) -> Any:
        """An address of the socket's family, as the system gives it."""
        if self.family == socket.AF_UNIX:
            return host.encode(errors="surrogateescape") if host.startswith("\0") else host
        name, _, zone = host.partition("%")
        return (host, port) if self.family == socket.AF_INET else (name, port, 0, int(zone or 0))

    def taken_apart(self, address: Any) -> tuple[str, int]:
        """Host and port of what bind(2) and its like take."""
        if self.family == socket.AF_UNIX:
            return address, 0
        host, port, *more = address
        return (f"{host}%{more[1]}" if len(more) > 1 and more[1] else host), port

    def bind(self, address: Any) -> None:
        if self.named:
            fail(errno.EINVAL)
        host, port = self.taken_apart(address)
        if self.family == socket.AF_UNIX:
            host = host or self.world.free_name()
            if not host.startswith("\0"):
                self.world.take_path(self, host)
        else:
            port = port or self.world.free_port(self.kind)
        self.world.take(self, (self.kind, host if self.family == socket.AF_UNIX else port), host)
        self.host, self.port, self.named = host, port, True

    def nobody_at(self, path: str) -> int:
        """Why nobody of this kind takes what is sent to a unix path (unix(7)); 0: somebody may."""
        if path.startswith("\0"):
            there = next(self.world.at_address(self.family, (self.kind, path), path), None)
            return 0 if there is not None else errno.ECONNREFUSED
        there = self.world.at_path(path)
        if there is None:
            return errno.ENOENT
        if there.closed:
            return errno.ECONNREFUSED
        return 0 if there.kind == self.kind else errno.EPROTOTYPE

    def name_for(self, host: str) -> None:
        """Give it a name of its own, if it has none, when it turns to `host` (ip(7))."""
        if self.family == socket.AF_UNIX:
            return
        if not self.named:
            self.bind((ANY[socket.AddressFamily(self.family)], 0))
        self.host = self.seen_from(host)

    def seen_from(self, host: str) -> str:
        """The address by which `host` knows the socket."""
        family = socket.AddressFamily(self.family)
        if family == socket.AF_UNIX or (self.host != ANY[family] and not is_multicast(self.host)):
            return self.host
        loopback = LOOPBACK[family]
        return loopback if host == loopback or host.startswith("127.") or is_multicast(host) else host

    def shares(self, other: MemorySocket) -> bool:
        """Whether the two may have the same address (socket(7), SO_REUSEADDR and SO_REUSEPORT)."""
        return any(self.option(which) and other.option(which) for which in (socket.SO_REUSEADDR, socket.SO_REUSEPORT))

    # --- what the other kind of socket has ---

    def listen(self, backlog: int) -> None:
        fail(errno.EOPNOTSUPP)

    def accept(self) -> tuple[Any, Any]:
        fail(errno.EOPNOTSUPP)

    def connect(self, address: Any) -> None:
        """Raises: OSError."""
        code = self.connect_ex(address)
        if code:
            fail(code)

    def connect_ex(self, address: Any) -> int:
        return errno.EOPNOTSUPP

    def recv(self, size: int) -> bytes:
        return self.recvfrom(size)[0]

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        fail(errno.EOPNOTSUPP)

    def send(self, data: bytes | memoryview) -> int:
        fail(errno.EOPNOTSUPP)

    def sendto(self, data: bytes, address: Any) -> int:
        fail(errno.EOPNOTSUPP)

    def shutdown(self, how: int) -> None:
        fail(errno.EOPNOTSUPP)

    def all_left(self) -> bool:
        return True

    # --- what happens to it ---

    def touch(self) -> None:
        self.world.touch(self)

    def failed(self, code: int) -> None:
        """Something has gone wrong, which the next call tells."""
        self._error = code
        self.touch()

    def told_error(self) -> int:
        code, self._error = self._error, 0
        return code

    def raise_error(self) -> None:
        """Raises: OSError, if something has gone wrong."""
        if self._error:
            fail(self.told_error())

    def ready(self) -> int:
        """Which of READ and WRITE would not block."""
        raise NotImplementedError

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.named:
            self.world.give_back(self, self.where)
