"""IP packets with a TCP segment, a UDP datagram or an ICMP message in them, checksums and lengths right.

Pure: values become bytes. Must not live here: which segments a connection has (`connections.py`).
"""

from __future__ import annotations

import struct

from sockrun.records import NamedTuple

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10  # RFC 9293 section 3.1
SEGMENT = {4: 65_495, 6: 65_475}  # bytes of a segment at most: an IP packet of 65,535 in all, as on Linux's loopback
SCALE = 14  # window scale (RFC 7323 section 2.3): 1 GiB, so that nobody ever seems to have to wait
_WINDOW = 65_535
_HOPS = 64
_TCP, _UDP, _ICMP, _ICMP6, _HOP_BY_HOP = 6, 17, 1, 58, 0
_LONGEST = 65_535  # bytes that the length fields of IP and UDP can say


class Host(NamedTuple):
    """An end: 4 or 16 bytes of address, and a port."""

    ip: bytes
    port: int

    @property
    def version(self) -> int:
        return 4 if len(self.ip) == 4 else 6


def tcp(
    source: Host, to: Host, sequence: int, acknowledged: int | None, flags: int, data: bytes | memoryview = b""
) -> bytes:
    """One segment (RFC 9293 section 3.1). `acknowledged` None: it has no ACK."""
    options = b""
    if flags & SYN:
        options = struct.pack("!BBHBBBB", 2, 4, SEGMENT[source.version], 1, 3, 3, SCALE)  # MSS, NOP, window scale
    if acknowledged is not None:
        flags |= ACK
    head = struct.pack(
        "!HHIIBBHHH",
        source.port,
        to.port,
        sequence & 0xFFFFFFFF,
        (acknowledged or 0) & 0xFFFFFFFF,
        (5 + len(options) // 4) << 4,
        flags,
        0 if flags & RST else _WINDOW,
        0,
        0,
    )
    segment = b"".join((head, options, data))
    check = struct.pack("!H", _checksum(_pseudo(source, to, _TCP, len(segment)), segment))
    return _ip(source, to, _TCP, b"".join((segment[:16], check, segment[18:])))


def udp(source: Host, to: Host, data: bytes) -> bytes:
    """One datagram (RFC 768); one that is too long for that is a jumbogram (RFC 2675 section 4)."""
    size = len(data) + 8
    datagram = struct.pack("!HHHH", source.port, to.port, size if size <= _LONGEST else 0, 0) + data
    # A sum of zero is sent as all ones: zero would say that there is no checksum.
    check = _checksum(_pseudo(source, to, _UDP, size), datagram) or 0xFFFF
    return _ip(source, to, _UDP, b"".join((datagram[:6], struct.pack("!H", check), data)))


def unreachable(source: Host, to: Host, packet: bytes) -> bytes:
    """'Port unreachable' for a packet that was sent to `source` (RFC 792; RFC 4443 section 3.1)."""
    if source.version == 4:
        message = struct.pack("!BBHI", 3, 3, 0, 0) + packet[: 20 + 8]
        check = _checksum(message)
        return _ip(source, to, _ICMP, message[:2] + struct.pack("!H", check) + message[4:])
    message = struct.pack("!BBHI", 1, 4, 0, 0) + packet[: 1280 - 40 - 8]
    check = _checksum(_pseudo(source, to, _ICMP6, len(message)), message)
    return _ip(source, to, _ICMP6, message[:2] + struct.pack("!H", check) + message[4:])


def _ip(source: Host, to: Host, protocol: int, body: bytes) -> bytes:
    if source.version == 4:  # RFC 791 section 3.1; 'do not fragment', so that it needs no number (RFC 6864)
        fields = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(body), 0, 0x4000, _HOPS, protocol)
        check = struct.pack("!H", _checksum(fields + source.ip + to.ip))
        return b"".join((fields, check, source.ip, to.ip, body))
    if len(body) <= _LONGEST:  # RFC 8200 section 3
        return b"".join((struct.pack("!IHBB", 6 << 28, len(body), protocol, _HOPS), source.ip, to.ip, body))
    jumbo = struct.pack("!BBBBI", protocol, 0, 0xC2, 4, len(body) + 8)  # RFC 2675 section 2
    return b"".join((struct.pack("!IHBB", 6 << 28, 0, _HOP_BY_HOP, _HOPS), source.ip, to.ip, jumbo, body))


def _pseudo(source: Host, to: Host, protocol: int, length: int) -> bytes:
    """What counts in the checksum beside the segment itself (RFC 9293 section 3.1, RFC 8200 section 8.1)."""
    if source.version == 4:
        return source.ip + to.ip + struct.pack("!BBH", 0, protocol, length)
    return source.ip + to.ip + struct.pack("!IHBB", length, 0, 0, protocol)


def _checksum(*parts: bytes) -> int:
    """RFC 1071. All parts but the last have an even number of bytes.

    The sum of 16-bit words with end-around carry is the rest of the whole number modulo 65,535, since 65,536 is 1
    there: one division instead of a loop. Where the rest is 0 the sum is 65,535, as no packet is all zeros.
    """
    data = b"".join(parts)
    whole = int.from_bytes(data if len(data) % 2 == 0 else data + b"\0", "big")
    return 0xFFFF - (whole % 0xFFFF or 0xFFFF)
