"""Which sockets talk to each other, and in which packets: everything that passes on one system's network.

Lives here: ends brought together, addresses as packets have them. Must not live here: the sockets (`tapped.py`), the
segments of a connection (`connections.py`), the file (`tape.py`).

Facts a reader needs:

- Sockets of a run have both their names once they are connected, and so find each other. A unix client has no name:
  a listener accepts them in the order in which they connected (unix(7)).
- Unix sockets are shown as TCP and UDP over IPv6, each path with an address of its own from 2001:db8::/32, which is
  kept for examples (RFC 3849).
- A client that was refused has no port any more: it gets one beyond those that Linux hands out (ip(7),
  ip_local_port_range).
"""

from __future__ import annotations

import os
import socket
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

from sockrun.commands import Address
from sockrun.masking import Mask
from sockrun.network.addresses import from_system, is_multicast
from sockrun.network.capturing.connections import Connection
from sockrun.network.capturing.hiding import Track
from sockrun.network.capturing.packets import Host, udp, unreachable
from sockrun.network.guard import is_loopback
from sockrun.records import NamedTuple

INVENTED = 61_000  # the first port that no system hands out
_UNIX = bytes.fromhex("20010db8") + bytes(8)
_REMEMBERED = 1024  # sockets that were closed, whose datagrams may still be on their way
ANYWHERE = frozenset({"0.0.0.0", "::"})

Door = tuple[bool, int | str]  # is it a path, and the port or the path itself


class Voice(NamedTuple):
    """Whose doing something is, in words, and what hides its secrets."""

    words: str = ""
    mask: Mask | None = None

    def about(self, address: Address | None) -> str:
        """A path is no part of a packet, so that it is told."""
        if address is None or not address.path or not address.host:
            return self.words
        told = f"{self.words} ({address.host})" if self.words else address.host
        return told if self.mask is None else self.mask.text(told)


class Wire:
    """`local_to` tells this machine's address towards another host."""

    def __init__(self, track: Track, local_to: Callable[[str], str], numbers: Iterator[int]) -> None:
        self._track = track
        self._local_to = local_to
        self._numbers = numbers  # of connections
        self._doors: Counter[Door] = Counter()  # where somebody of this run listens
        self._waiting: dict[
            tuple[Address, Address], Connection
        ] = {}  # to be accepted, by the client's and their own name
        self._unnamed: defaultdict[str, deque[Connection]] = defaultdict(deque)  # the same, by path
        self._paths: dict[str, int] = {}
        self._nobodies = count(1 << 16)
        self._speakers: Counter[Door] = Counter()  # datagram sockets
        self._former: deque[Door] = deque(maxlen=_REMEMBERED)

    # --- streams ---

    def open_door(self, address: Address) -> None:
        self._doors[_door(address)] += 1

    def close_door(self, address: Address) -> None:
        self._doors[_door(address)] -= 1

    def ask(self, local: Address | None, to: Address, voice: Voice) -> Connection:
        """A client turns to somebody. `local` None: it has no name."""
        ours = self._doors[_door(to)] > 0
        connection = self._connection(self.host(local), self.host(to), (True, ours), voice)
        if ours and to.path:
            self._unnamed[to.host].append(connection)
        elif ours and local is not None:
            self._waiting[local, to] = connection
        connection.ask(voice.about(to))
        return connection

    def refused(self, to: Address, voice: Voice) -> None:
        connection = self._connection(self._stranger(to), self.host(to), (True, False), voice)
        connection.ask(voice.about(to))
        connection.refuse()

    def accept(self, local: Address, peer: Address | None, inside: bool, voice: Voice) -> Connection:
        """Somebody has come. `inside`: a unix client may be one of this process."""
        connection = None
        if not local.path:
            assert peer is not None
            connection = self._waiting.pop((peer, local), None)
        elif inside and self._unnamed[local.host]:
            connection = self._unnamed[local.host].popleft()
        if connection is None:
            connection = self._connection(self.host(peer), self.host(local), (False, True), voice)
            connection.ask("")
        connection.establish(voice.about(local))
        return connection

    def _connection(self, client: Host, server: Host, ours: tuple[bool, bool], voice: Voice) -> Connection:
        return Connection(self._track, client, server, next(self._numbers), ours, voice.mask)

    # --- datagrams ---

    def speaks(self, address: Address | None) -> None:
        """There is a datagram socket of that name."""
        if address is not None:
            self._speakers[_door(address)] += 1

    def silent(self, address: Address | None) -> None:
        """It was closed."""
        if address is not None:
            self._speakers[_door(address)] -= 1
            self._former.append(_door(address))

    def datagram(self, source: Address | None, to: Address | None, data: bytes | memoryview, voice: Voice) -> bytes:
        """Returns its packet."""
        shown = bytes(data) if voice.mask is None else voice.mask.data(bytes(data))
        packet = udp(self.facing(source, to), self.facing(to, source), shown)
        self._track.put(packet, voice.about(to))
        return packet

    def undelivered(self, source: Address | None, to: Address | None, packet: bytes) -> None:
        """Nobody heard that packet, as the system tells where there is IP: by ICMP."""
        if to is not None and not to.path:
            self._track.put(unreachable(self.facing(to, source), self.facing(source, to), packet), "")

    def is_ours(self, source: Address | None) -> bool:
        """Whether a datagram from there was seen when it was sent."""
        if source is None:
            return False
        door = _door(source)
        return self._speakers[door] > 0 or door in self._former

    # --- addresses ---

    def facing(self, address: Address | None, other: Address | None) -> Host:
        """The address as the other one sees it, where it is none of its own (ip(7), INADDR_ANY)."""
        if address is None or address.path or other is None or address.host not in ANYWHERE:
            return self.host(address)
        if is_loopback(other.host) or is_multicast(other.host):
            return self.host(Address("::1" if ":" in address.host else "127.0.0.1", address.port))
        return self.host(Address(self._local_to(other.host), address.port))

    def host(self, address: Address | None) -> Host:
        """None: a unix socket without a name."""
        if address is None or (address.path and not address.host):
            return self._unix(next(self._nobodies))
        if address.path:
            return self._unix(self._paths.setdefault(address.host, len(self._paths) + 1))
        return Host(_packed(address.host), address.port)

    def _stranger(self, to: Address) -> Host:
        """Somebody on this machine of whom nothing is known."""
        if to.path:
            return self.host(None)
        here = "::" if ":" in to.host else "0.0.0.0"
        port = INVENTED + next(self._nobodies) % (65_536 - INVENTED)
        return self.facing(Address(here, port), to)

    def _unix(self, number: int) -> Host:
        return Host(_UNIX + number.to_bytes(4, "big"), INVENTED)


def _door(address: Address) -> Door:
    return (address.path, address.host if address.path else address.port)


def _packed(host: str) -> bytes:
    host = host.partition("%")[0]
    return socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)


def named(raw: Any) -> Address | None:
    """What a call of the system was given, or gave, as an address; None: a unix socket without a name."""
    return from_system(os.fsencode(raw) if isinstance(raw, str) else raw)
