"""Multicast groups: which a socket joins, and which interface it uses for them.

An interface is given by an address that it has, or by its name. Without one the system chooses by its routes
(ip(7), ipv6(7)). What is sent comes back to the members on this machine, which is what tests are about.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

from sockrun.network.addresses import interface_index

if TYPE_CHECKING:
    from sockrun.network.system import Socket


def set_up(sock: Socket, group: str | None, interface: str | None) -> None:
    """Join the group, if there is one, and send to groups by that interface. Raises: OSError, EnvironmentRefused."""
    if sock.family == socket.AF_INET6:
        _set_up_ipv6(sock, group, interface)
    else:
        _set_up_ipv4(sock, group, interface)


def _set_up_ipv4(sock: Socket, group: str | None, interface: str | None) -> None:
    request = _ip_mreqn(group or "0.0.0.0", interface)
    if interface is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, request)
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    if group is not None:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)


def _ip_mreqn(group: str, interface: str | None) -> bytes:
    """The group, and the interface by its address or, where it is a name, by its number."""
    address, index = "0.0.0.0", 0
    if interface is not None and interface.count(".") == 3:
        address = interface
    elif interface is not None:
        index = interface_index(interface)
    return struct.pack("4s4si", socket.inet_aton(group), socket.inet_aton(address), index)


def _set_up_ipv6(sock: Socket, group: str | None, interface: str | None) -> None:
    group, _, zone = (group or "").partition("%")
    name = interface or zone
    index = interface_index("lo" if name == "::1" else name) if name else 0
    if index:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    if group:
        request = socket.inet_pton(socket.AF_INET6, group) + struct.pack("@I", index)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
