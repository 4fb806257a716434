"""How tests read a capture: with dpkt for its bytes, and with tshark for what Wireshark makes of it."""

from __future__ import annotations

import shutil
import subprocess
from collections import defaultdict
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
CHECKED = [word for name in ("ip", "tcp", "udp") for word in ("-o", f"{name}.check_checksum:TRUE")]


class Segment(NamedTuple):
    source: tuple[bytes, int]
    to: tuple[bytes, int]
    sequence: int
    acknowledged: int
    flags: int
    data: bytes


def packets(path: Path) -> list[tuple[float, dpkt.ip.IP | dpkt.ip6.IP6]]:
    """Each with its time, in seconds since 1970."""
    with path.open("rb") as file:
        reader = dpkt.pcapng.Reader(file)
        assert reader.datalink() == LINKTYPE_RAW
        return [(moment, dpkt.ip.IP(data) if data[0] >> 4 == 4 else dpkt.ip6.IP6(data)) for moment, data in reader]


def segments(path: Path) -> list[Segment]:
    found = []
    for _, packet in packets(path):
        tcp = packet.data
        if isinstance(tcp, dpkt.tcp.TCP):
            ends = (packet.src, tcp.sport), (packet.dst, tcp.dport)
            found.append(Segment(*ends, tcp.seq, tcp.ack, tcp.flags, bytes(tcp.data)))
    return found


def datagrams(path: Path) -> list[tuple[tuple[bytes, int], tuple[bytes, int], bytes]]:
    found = []
    for _, packet in packets(path):
        udp = packet.data
        if isinstance(udp, dpkt.udp.UDP):
            found.append(((packet.src, udp.sport), (packet.dst, udp.dport), bytes(udp.data)))
    return found


def conversations(path: Path) -> list[list[Segment]]:
    """The segments of each connection; a SYN without ACK begins one."""
    found: list[list[Segment]] = []
    under_way: dict[frozenset[tuple[bytes, int]], list[Segment]] = {}
    for one in segments(path):
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
    command = ["tshark", "-n", "-r", str(path), *CHECKED, *words]
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
    unchecked = (
        "(ip && ip.checksum.status != 1) || (tcp && tcp.checksum.status != 1) || (udp && udp.checksum.status != 1)"
    )
    return grave + fields(path, unchecked, "frame.number", "_ws.col.Protocol", "_ws.col.Info")
