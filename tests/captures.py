"""How tests read a capture: with dpkt for its bytes, and with tshark for what Wireshark makes of it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import defaultdict
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import dpkt  # type: ignore[import-untyped]
import pytest

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="there is no tshark")
LINKTYPE_RAW = 101
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
WARNING = 0x600000  # of tshark's severities; errors are above
# What a scenario may well do: it is no flaw of the capture.
MEANT = ("Connection reset (RST)", "TFTP ERROR packet")
# A free port may be one that Wireshark knows another protocol by, as 57000 or 44818: what passes is looked at first.
BY_CONTENT = ("-o", "tcp.try_heuristic_first:TRUE", "-o", "udp.try_heuristic_first:TRUE")
CHECKED = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]


class Segment(NamedTuple):
    source: tuple[bytes, int]
    to: tuple[bytes, int]
    sequence: int
    acknowledged: int
    flags: int
    data: bytes


def packets(capture: Path | bytes) -> list[tuple[float, dpkt.ip.IP | dpkt.ip6.IP6]]:
    """Each with its time, in seconds since 1970; their lengths and checksums are right."""
    reader = dpkt.pcapng.Reader(BytesIO(capture if isinstance(capture, bytes) else capture.read_bytes()))
    assert reader.datalink() == LINKTYPE_RAW
    return [(moment, _parsed(data)) for moment, data in reader]


def _parsed(data: bytes) -> dpkt.ip.IP | dpkt.ip6.IP6:
    if data[0] >> 4 == 4:
        packet = dpkt.ip.IP(data)
        assert packet.len == len(data)
        assert word_sum(data[:20]) == 0xFFFF
        body, addresses = data[20:], data[12:20]
    else:
        packet = dpkt.ip6.IP6(data)
        assert packet.plen == len(data) - 40
        body, addresses = data[40:], data[8:40]
    if packet.p in (dpkt.ip.IP_PROTO_TCP, dpkt.ip.IP_PROTO_UDP):
        assert word_sum(addresses + struct.pack("!II", packet.p, len(body)) + body) == 0xFFFF
    if packet.p == dpkt.ip.IP_PROTO_UDP:
        assert packet.data.ulen == len(body)
    return packet


def word_sum(data: bytes) -> int:
    """The sum of 16-bit words with end-around carry (RFC 1071): all ones, where a checksum is in it."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def segments(capture: Path | bytes) -> list[Segment]:
    found = []
    for _, packet in packets(capture):
        tcp = packet.data
        if isinstance(tcp, dpkt.tcp.TCP):
            ends = (packet.src, tcp.sport), (packet.dst, tcp.dport)
            found.append(Segment(*ends, tcp.seq, tcp.ack, tcp.flags, bytes(tcp.data)))
    return found


def datagrams(capture: Path | bytes) -> list[tuple[tuple[bytes, int], tuple[bytes, int], bytes]]:
    found = []
    for _, packet in packets(capture):
        udp = packet.data
        if isinstance(udp, dpkt.udp.UDP):
            found.append(((packet.src, udp.sport), (packet.dst, udp.dport), bytes(udp.data)))
    return found


def conversations(capture: Path | bytes) -> list[list[Segment]]:
    """The segments of each connection; a SYN without ACK begins one."""
    found: list[list[Segment]] = []
    under_way: dict[frozenset[tuple[bytes, int]], list[Segment]] = {}
    for one in segments(capture):
        ends = frozenset({one.source, one.to})
        if one.flags & SYN and not one.flags & ACK:
            under_way[ends] = []
            found.append(under_way[ends])
        under_way[ends].append(one)
    return found


def said(conversation: list[Segment]) -> tuple[bytes, bytes]:
    """What the client and the server said, put together by sequence numbers, which must fit without a gap."""
    client = conversation[0].source
    bytes_of: dict[bool, bytearray] = defaultdict(bytearray)
    expected: dict[bool, int] = {}
    for one in conversation:
        who = one.source == client
        assert one.sequence == expected.setdefault(who, one.sequence), one
        if one.flags & ACK:
            assert (expected[not who] - one.acknowledged) % 2**32 < 2**31, one  # nobody hears what was not said
        bytes_of[who] += one.data
        used = len(one.data) + bool(one.flags & SYN) + bool(one.flags & FIN)
        expected[who] = (one.sequence + used) % 2**32
    return bytes(bytes_of[True]), bytes(bytes_of[False])


def tshark(path: Path, *words: str) -> str:
    command = ["tshark", "-n", "-r", str(path), *CHECKED, *BY_CONTENT, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fields(path: Path, wanted: str, *names: str) -> list[list[str]]:
    """Those fields of the packets that a display filter takes."""
    words = [word for name in names for word in ("-e", name)]
    lines = tshark(path, "-Y", wanted, "-T", "fields", "-E", "occurrence=a", *words).splitlines()
    return [line.split("\t") for line in lines]


def complaints(path: Path) -> list[list[str]]:
    """What tshark finds wrong: warnings and errors of its experts, and checksums that it did not find right."""
    wanted = f"_ws.malformed || _ws.expert.severity >= {WARNING}"
    found = fields(path, wanted, "frame.number", "_ws.expert.severity", "_ws.expert.message")
    grave = [one for one in found if not any(meant in one[2] for meant in MEANT)]
    wrong = " || ".join(f"({name} && {name}.checksum.status != 1)" for name in ("ip", "tcp", "udp"))
    quoting = "icmp || icmpv6"  # the packet inside is cut, so that its checksum cannot be judged
    return grave + fields(path, f"!({quoting}) && ({wrong})", "frame.number", "_ws.col.Protocol", "_ws.col.Info")
