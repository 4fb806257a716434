"""Addresses that are taken and refuse: `listen: false`, and servers that have still to start.

Facts a reader needs:

- A bound TCP or unix stream socket that does not listen refuses by itself.
- A UDP socket connected to its own address hears nobody else, so that the system answers others with 'port
  unreachable' (udp(7), RFC 1122 section 4.1.3.1).
- A unix datagram socket cannot do that. But the path that a closed one leaves behind refuses just so
  (ECONNREFUSED, unix(7)), and keeps others from binding it; an abstract name that nobody has bound refuses too.
"""

from __future__ import annotations

import socket

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.addresses import bind, from_system, make_socket, to_system
from sockrun.network.interface import Endpoint
from sockrun.network.system import Socket, System

ATTEMPTS = 16  # to find an ephemeral port of TCP that is free for UDP too


def bound(system: System, endpoint: Endpoint, family: int, address: Address) -> tuple[Socket, Address]:
    """A socket of that kind on the address, and the address it got. Raises: EnvironmentRefused."""
    sock = make_socket(endpoint, family, system.socket)
    bind(sock, endpoint, address)
    name = from_system(sock.getsockname())
    assert name is not None
    return sock, name


class DeafSocket:
    """A datagram address that refuses, until `open` lets it hear."""

    def __init__(self, system: System, endpoint: Endpoint, family: int, address: Address) -> None:
        self._system = system
        self._endpoint = endpoint
        self._family = family
        self._sock, self.address = bound(system, endpoint, family, address)
        if family == socket.AF_UNIX:
            self._sock.close()
        else:
            self._sock.connect(to_system(self.address))

    def open(self) -> Socket:
        """A socket on the same address that hears everybody. Raises: EnvironmentRefused.

        Until it is there the address stays taken: for this moment both sockets share it.
        """
        if self._family == socket.AF_UNIX:
            self._system.remove_path(self.address)
            return bound(self._system, self._endpoint, self._family, self.address)[0]
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock = make_socket(self._endpoint, self._family, self._system.socket)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bind(sock, self._endpoint, self.address)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(bool(self._endpoint.options.reuse_address)))
        self._sock.close()
        return sock

    def close(self) -> None:
        self._sock.close()
        self._system.remove_path(self.address)


class Held:
    """A port that refuses over TCP and UDP alike, or a unix path; satisfies `interface.Listener`."""

    def __init__(self, system: System, endpoint: Endpoint, family: int, address: Address) -> None:
        self.address = address
        self._system = system
        self._stream: Socket | None = None
        self._deaf: DeafSocket | None = None
        for last in range(ATTEMPTS, 0, -1):
            try:
                self._take(endpoint, family, address)
                return
            except EnvironmentRefused:
                self.close()
                if address.path or address.port or last == 1:
                    raise

    def _take(self, endpoint: Endpoint, family: int, address: Address) -> None:
        unix = family == socket.AF_UNIX
        if not unix or not endpoint.datagram:
            stream = Endpoint("unix" if unix else "tcp", False, endpoint.options)
            self._stream, self.address = bound(self._system, stream, family, address)
        if not unix or endpoint.datagram:
            deaf = Endpoint("unix" if unix else "udp", True, endpoint.options)
            self._deaf = DeafSocket(self._system, deaf, family, self.address)

    def listen(self) -> None:
        """It never does."""

    def look(self) -> None:
        """Nobody comes."""

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._system.remove_path(self.address)
        if self._deaf is not None:
            self._deaf.close()
