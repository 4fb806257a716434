"""The blocks of a pcapng file that a capture needs (draft-ietf-opsawg-pcapng; sections are named below).

Pure: values become bytes. Written here, since what a capture is about is what libraries leave out: python-pcapng and
dpkt know no Decryption Secrets Block.
"""

from __future__ import annotations

import struct

LINKTYPE_RAW = 101  # an IPv4 or IPv6 packet, told apart by its first four bits
LONGEST = 262_144  # bytes of a packet: what Wireshark reads (WTAP_MAX_PACKET_SIZE_STANDARD)
PACKET_AT = 28  # bytes of its block in front of a packet
_SECTION, _INTERFACE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_BYTE_ORDER = 0x1A2B3C4D
_END, _COMMENT, _INTERFACE_NAME, _APPLICATION, _RESOLUTION = 0, 1, 2, 4, 9
_TLS_KEY_LOG = 0x544C534B
_LONGEST_OPTION = 65_535  # bytes
_NANOSECONDS = b"\x09"  # 10 to the power of -9


def section(application: str, comment: str) -> bytes:
    """Section 4.1, Section Header Block; its length is not said, so that it may be written bit by bit."""
    options = _options((_COMMENT, comment.encode()), (_APPLICATION, application.encode()))
    return _block(_SECTION, struct.pack("<IHHq", _BYTE_ORDER, 1, 0, -1) + options)


def interface(name: str) -> bytes:
    """Section 4.2, Interface Description Block: raw IP packets, with times in nanoseconds."""
    options = _options((_INTERFACE_NAME, name.encode()), (_RESOLUTION, _NANOSECONDS))
    return _block(_INTERFACE, struct.pack("<HHI", LINKTYPE_RAW, 0, LONGEST) + options)


def packet(moment: int, data: bytes, comment: str = "") -> bytes:
    """Section 4.3, Enhanced Packet Block. `moment`: nanoseconds since 1970-01-01 UTC."""
    kept = data[:LONGEST]
    head = struct.pack("<IIIII", 0, moment >> 32, moment & 0xFFFFFFFF, len(kept), len(data))
    options = _options((_COMMENT, comment.encode(errors="backslashreplace"))) if comment else b""
    return _block(_PACKET, b"".join((head, kept, _padding(kept), options)))


def secrets(lines: bytes) -> bytes:
    """Section 4.7, Decryption Secrets Block: keys of TLS, as lines of NSS's key log (SSLKEYLOGFILE)."""
    return _block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(lines)) + lines + _padding(lines))


def _block(kind: int, body: bytes) -> bytes:
    """Section 3.1: the length stands at both ends."""
    length = struct.pack("<I", len(body) + 12)
    return b"".join((struct.pack("<I", kind), length, body, length))


def _options(*given: tuple[int, bytes]) -> bytes:
    """Section 3.5."""
    parts = []
    for code, value in given:
        if value:
            shown = value[:_LONGEST_OPTION].decode(errors="ignore").encode() if code == _COMMENT else value
            parts.append(struct.pack("<HH", code, len(shown)) + shown + _padding(shown))
    return b"".join(parts) + struct.pack("<HH", _END, 0)


def _padding(data: bytes) -> bytes:
    """Zeros up to the next multiple of 32 bits."""
    return bytes(-len(data) % 4)
