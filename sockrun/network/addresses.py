"""Addresses between their three shapes: `commands.Address`, what the system takes, and a bound socket.

A unix path that begins with `@` stands for the abstract name space of Linux (unix(7)). Host names are
resolved only where they are no numeric address, since getaddrinfo(3) is slow to load and to call.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Endpoint

if TYPE_CHECKING:
    from sockrun.network.system import Socket

GROUPS = frozenset(str(first) for first in range(224, 240))  # how a numeric multicast address begins
LONGEST_PATH = 107  # bytes (unix(7): sun_path, less its NUL)
SYSTEM_BACKLOG = 4096  # the kernel caps it by net.core.somaxconn (listen(2))


def resolve(address: Address) -> tuple[socket.AddressFamily, Address]:
    """The family and numeric address of a host. Raises: EnvironmentRefused for a name nobody knows."""
    if address.path:
        return socket.AF_UNIX, address
    host = address.host
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return family, _with_index(address)
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise EnvironmentRefused(f"the host {host!r} cannot be resolved: {_reason(error)}") from None
    family = found[0][0]
    return family, Address(str(found[0][4][0]), address.port)


def _with_index(address: Address) -> Address:
    """An IPv6 zone (RFC 4007) by its number, as the system gives it back."""
    host, _, zone = address.host.partition("%")
    return Address(f"{host}%{interface_index(zone)}", address.port) if zone else address


def is_multicast(host: str) -> bool:
    """Whether a numeric address is a group's: 224.0.0.0/4 (RFC 5771), ff00::/8 (RFC 4291 section 2.7)."""
    return host[:2].lower() == "ff" if ":" in host else host.partition(".")[0] in GROUPS


def local_address(host: str) -> str:
    """The numeric address that this machine sends from to another one, or `host` itself if it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock, suppress(OSError):
        sock.connect(to_system(Address(host, 9)))  # nothing is sent: the system looks up the route (udp(7))
        return str(sock.getsockname()[0])
    return host


def interface_index(name: str) -> int:
    """Of an interface by name or number. Raises: EnvironmentRefused."""
    try:
        return int(name) if name.isdecimal() else socket.if_nametoindex(name)
    except OSError:
        raise EnvironmentRefused(f"this machine has no interface {name!r}") from None


def to_system(address: Address) -> Any:
    """The form that bind(2), connect(2) and sendto(2) take."""
    if not address.path:
        host, _, zone = address.host.partition("%")
        return (host, address.port, 0, interface_index(zone)) if zone else (host, address.port)
    return "\0" + address.host[1:] if address.host.startswith("@") else address.host


def from_system(raw: Any) -> Address | None:
    """What getsockname(2), accept(2) and recvfrom(2) give; None for an unnamed unix socket."""
    if isinstance(raw, tuple):
        zone = raw[3] if len(raw) == 4 else 0
        return Address(f"{raw[0].partition('%')[0]}%{zone}" if zone else raw[0], raw[1])
    if not raw:
        return None
    if isinstance(raw, bytes):
        raw = "@" + os.fsdecode(raw[1:]) if raw[0] == 0 else os.fsdecode(raw)
    return Address(raw, 0, True)


def make_socket(endpoint: Endpoint, family: int, make: Callable[[int, int], Socket] = socket.socket) -> Socket:
    """A non-blocking socket of that kind, its options set. Raises: EnvironmentRefused."""
    kind = socket.SOCK_DGRAM if endpoint.datagram else socket.SOCK_STREAM
    try:
        sock = make(family, kind)
    except OSError as error:
        raise EnvironmentRefused(_no_socket(error, family)) from None
    try:
        sock.setblocking(False)
        set_options(sock, endpoint)
    except EnvironmentRefused:
        sock.close()
        raise
    except OSError as error:
        sock.close()
        raise EnvironmentRefused(f"a socket option was refused: {_reason(error)}") from None
    return sock


def set_options(sock: Socket, endpoint: Endpoint) -> None:
    """The role's `socket` options. Raises: EnvironmentRefused."""
    options = endpoint.options
    if endpoint.protocol == "tcp":
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, int(options.nodelay))
    for name, set_one in _OPTIONS.items():
        value = getattr(options, name)
        if value is None or value is False:
            continue
        try:
            set_one(sock, value)
        except OSError as error:
            message = f"the system refused the socket option '{name}' with {value}: {_reason(error)}"
            raise EnvironmentRefused(message) from None
    if options.multicast_group is not None or options.multicast_interface is not None:
        from sockrun.network import multicast

        multicast.set_up(sock, options.multicast_group, options.multicast_interface)


def _set_ttl(sock: Socket, hops: int) -> None:
    """A stream has no multicast, and its socket takes no such option (ip(7))."""
    datagrams = sock.type == socket.SOCK_DGRAM
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
        if datagrams:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, hops)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
        if datagrams:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)


def _set_linger(sock: Socket, seconds: float) -> None:
    import struct

    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, int(seconds)))


def _set_segment(sock: Socket, size: int) -> None:
    """Nothing but TCP has segments; `defaults` may say it for all."""
    if sock.family != socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, size)


def _set_number(level: int, option: int) -> Callable[[Socket, int], None]:
    return lambda sock, value: sock.setsockopt(level, option, int(value))


# What else may be set on a socket: the name in a scenario, and how the system is told (socket(7), tcp(7)).
_OPTIONS: dict[str, Callable[[Socket, Any], None]] = {
    "max_segment": _set_segment,
    "reuse_port": _set_number(socket.SOL_SOCKET, socket.SO_REUSEPORT),
    "linger": _set_linger,
    "send_buffer": _set_number(socket.SOL_SOCKET, socket.SO_SNDBUF),
    "receive_buffer": _set_number(socket.SOL_SOCKET, socket.SO_RCVBUF),
    "broadcast": _set_number(socket.SOL_SOCKET, socket.SO_BROADCAST),
    "ttl": _set_ttl,
}


def bind(sock: Socket, endpoint: Endpoint, address: Address) -> None:
    """Bind, or close the socket and raise EnvironmentRefused with what to do.

    Where the system chooses the port, sharing it is allowed only afterwards: so nobody who shares is given the same
    one, and twice as many ports may be in TIME_WAIT before Linux has to search long for a free one.
    """
    wanted = endpoint.options.reuse_address
    reuse = wanted or (wanted is None and endpoint.protocol == "tcp")
    if reuse and address.port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(to_system(address))
    except OSError as error:
        sock.close()
        raise EnvironmentRefused(_not_bound(error, endpoint, address)) from None
    if reuse and not address.port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def _not_bound(error: OSError, endpoint: Endpoint, address: Address) -> str:
    where = f"{endpoint.protocol} {address}"
    size = len(os.fsencode(address.host))
    if address.path and size > LONGEST_PATH:
        return f"{where} is {size} bytes long, and the system takes {LONGEST_PATH}: choose a shorter path (or TMPDIR)"
    if error.errno == errno.EADDRINUSE:
        if address.path:
            return f"{where} exists already: remove the file, or choose a path in ${{dir}}"
        return (
            f"{where} is taken by another program: stop it (`ss -lptun 'sport = :{address.port}'` shows it), "
            "or leave `port` out to get a free one"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{where} may not be bound: {_reason(error)}; ports below 1024 need a privilege"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where} cannot be bound: this machine has no such address"
    return f"{where} cannot be bound: {_reason(error)}"


def cannot_send(to: Address, error: OSError) -> str:
    hint = "; for a broadcast say `socket: {broadcast: true}`" if error.errno == errno.EACCES and not to.path else ""
    return f"cannot send to {to}: {_reason(error)}{hint}"


def _no_socket(error: OSError, family: int) -> str:
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"no file descriptor is left for another socket: {_reason(error)}; raise the limit with `ulimit -n`"
    if error.errno == errno.EAFNOSUPPORT and family == socket.AF_INET6:
        return "this machine has no IPv6"
    return f"a socket cannot be made: {_reason(error)}"


def _reason(error: OSError | UnicodeError) -> str:
    return getattr(error, "strerror", None) or str(error)
