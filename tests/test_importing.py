"""What was captured becomes a scenario that plays against itself and against what was captured."""

from __future__ import annotations

import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import dpkt  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sockrun as library
from sockrun.recording import captures
from sockrun.recording.conversation import Left
from tests.command_line import CommandLine
from tests.playing import lacking
from tests.test_recording import CONVERSATIONS

CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 7)
FIN, SYN, RST, ACK = 1, 2, 4, 16
ISN = 2**32 - 3  # so that the sequence numbers begin anew in the first bytes


def packet(source: tuple[str, int], target: tuple[str, int], seq: int, flags: int, data: bytes = b"") -> bytes:
    tcp = dpkt.tcp.TCP(sport=source[1], dport=target[1], seq=seq % 2**32, flags=flags, data=data)
    ends = [bytes(map(int, host.split("."))) for host, _ in (source, target)]
    return bytes(dpkt.ip.IP(src=ends[0], dst=ends[1], p=6, len=40 + len(data), data=tcp))


def capture(path: Path, packets: Sequence[bytes], link: int = 101) -> str:
    with path.open("wb") as file:
        writer = dpkt.pcap.Writer(file, linktype=link)
        for number, data in enumerate(packets):
            writer.writepkt(data, ts=1000 + number / 1000)
    return str(path)


def hello(data: bytes = b"ping\n") -> list[bytes]:
    return [
        packet(CLIENT, SERVER, ISN, SYN),
        packet(SERVER, CLIENT, 0, SYN | ACK),
        packet(CLIENT, SERVER, ISN + 1, ACK, data),
        packet(SERVER, CLIENT, 1, ACK, b"pong\n"),
        packet(CLIENT, SERVER, ISN + 1 + len(data), FIN | ACK),
        packet(SERVER, CLIENT, 6, FIN | ACK),
    ]


# --- the whole way -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_capture_of_our_own_comes_back_as_a_scenario(sockrun: CommandLine, text: str) -> None:
    """It plays against itself, and against both roles of what was captured."""
    text = text.replace("PATH", str(sockrun.folder / "s"))
    file = sockrun.write("a.yaml", text)
    assert sockrun("run", "a.yaml", "--pcap", "a.pcapng").status == 0
    status, out, err = sockrun("import", "a.pcapng", "-o", "b.yaml")
    assert (status, out) == (0, ""), err
    status, out, err = sockrun("run", "b.yaml")
    made = Path("b.yaml").read_text()
    assert status == 0, made + out + err
    if "unix" in text:
        return
    for player, other in ((file, "b.yaml"), (Path("b.yaml"), "a.yaml")):
        with library.play(player, roles=["server"]) as played:
            address = "{}:{}".format(*played.addresses["server"])
            status, out, err = sockrun("run", other, "--real", f"server={address}")
        assert status == 0, made + out + err


def test_what_tcpdump_captured_is_the_same(sockrun: CommandLine) -> None:
    if shutil.which("tcpdump") is None or os.geteuid() != 0:
        lacking("tcpdump is not there, or nobody may capture")
    sockrun.write("a.yaml", CONVERSATIONS["lines"])
    command = ["tcpdump", "-i", "lo", "-U", "--immediate-mode", "-B", "16384", "-w", "a.pcap", "tcp"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as dump:
        assert dump.stderr is not None
        assert any("listening on" in line for line in dump.stderr)
        assert sockrun("run", "a.yaml", "--pcap", "b.pcapng").status == 0
        (ours,) = captures.read("b.pcapng")
        theirs = captured(ours)
        dump.send_signal(signal.SIGINT)
        dump.stderr.read()
    for side in ("client", "server"):
        assert theirs.connection.whole(side) == ours.connection.whole(side)


def captured(ours: captures.Stream) -> captures.Stream:
    """The same stream in `a.pcap`, when all of it has got there."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for one in captures.read("a.pcap"):
            over = sum(isinstance(event, Left) for event in one.connection.events) == 2
            if (one.client, one.server) == (ours.client, ours.server) and over:
                return one
    raise AssertionError("tcpdump has not written all of it")


# --- segments ----------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_segments_in_any_order_twice_and_overlapping_are_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, chance: random.Random
) -> None:
    spans = [(at, at + 1 + chance.randrange(8)) for at in range(len(data))]
    chance.shuffle(spans)
    begin, end = hello(data)[:2], [packet(CLIENT, SERVER, ISN + 1 + len(data), FIN | ACK)]
    segments = [packet(CLIENT, SERVER, ISN + 1 + start, ACK, data[start:stop]) for start, stop in spans]
    segments.insert(chance.randrange(len(segments) + 1), end[0])
    path = tmp_path_factory.mktemp("c") / "c.pcap"
    (stream,) = captures.read(capture(path, begin + segments))
    assert (stream.connection.whole("client"), stream.wrong, stream.midway) == (data, "", False)
    assert str(stream.connection.events[-1]).startswith("Left")


def test_a_hole_is_told(sockrun: CommandLine) -> None:
    packets = hello()
    packets[2] = packet(CLIENT, SERVER, ISN + 3, ACK, b"ng\n")
    capture(Path("c.pcap"), packets)
    outcome = sockrun("import", "c.pcap")
    assert (outcome.status, outcome.out) == (3, "")
    assert "stream 0 (tcp 127.0.0.1:40000 to 127.0.0.1:7, 5 bytes) is not whole" in outcome.err
    assert "bytes of its client are missing in the capture" in outcome.err


def test_packets_that_were_cut_are_told(sockrun: CommandLine) -> None:
    packets = hello(b"x" * 100)
    packets[2] = packets[2][:80]
    capture(Path("c.pcap"), packets)
    assert "tcpdump -s 0" in sockrun("import", "c.pcap").err


def test_a_connection_that_had_begun_is_told(sockrun: CommandLine) -> None:
    capture(Path("c.pcap"), hello()[3:1:-1] + hello()[4:])
    outcome = sockrun("import", "c.pcap", "-o", "c.yaml")
    assert outcome.status == 0, outcome
    assert "1 of 1 connections had begun before the capture" in outcome.err
    assert sockrun("run", "c.yaml").status == 0


@pytest.mark.parametrize(
    ("link", "head"),
    [
        (0, struct.pack("=I", 2)),
        (1, bytes(12) + b"\x08\x00"),
        (1, bytes(12) + b"\x81\x00\x00\x07\x08\x00"),
        (113, struct.pack("!HHH8sH", 0, 772, 6, bytes(8), 0x0800)),
        (276, struct.pack("!HHIHBB8s", 0x0800, 0, 1, 772, 0, 6, bytes(8))),
    ],
    ids=["loopback", "Ethernet", "VLAN", "cooked", "cooked 2"],
)
def test_packets_come_in_frames_of_many_kinds(sockrun: CommandLine, link: int, head: bytes) -> None:
    capture(Path("c.pcap"), [head + one + bytes(6) for one in hello()], link)
    assert sockrun("import", "c.pcap", "-o", "c.yaml").status == 0
    assert sockrun("run", "c.yaml").status == 0


def test_the_same_ports_again_are_another_connection(sockrun: CommandLine) -> None:
    second = [packet(CLIENT, SERVER, 5, SYN), packet(SERVER, CLIENT, 9, SYN | ACK), packet(CLIENT, SERVER, 6, RST)]
    streams = captures.read(capture(Path("c.pcap"), hello() + second))
    assert [len(one.connection.events) for one in streams] == [4, 1]


# --- which of them, and what is none -----------------------------------------------------------


def test_a_stream_is_chosen_where_there_are_several_servers(sockrun: CommandLine) -> None:
    other = ("127.0.0.1", 8)
    capture(Path("c.pcap"), [*hello(), packet(CLIENT, other, 0, SYN), packet(CLIENT, other, 1, ACK, b"more")])
    refused = sockrun("import", "c.pcap")
    assert refused.status == 3
    assert "choose with --stream\n  0: tcp 127.0.0.1:40000 to 127.0.0.1:7, 10 bytes\n  1: tcp " in refused.err
    assert sockrun("import", "c.pcap", "--list").out.count("\n") == 2
    assert sockrun("import", "c.pcap", "--stream", "1").out.count("more") == 2
    assert "there are 2, counted from 0" in sockrun("import", "c.pcap", "--stream", "2").err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "c.pcap is no capture: neither pcap nor pcapng"),
        (b"roles: {}\n" * 10, "c.pcap is no capture: neither pcap nor pcapng"),
        (struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1), "has no TCP connection and no UDP datagram"),
    ],
)
def test_what_is_no_capture_is_told(sockrun: CommandLine, content: bytes, told: str) -> None:
    Path("c.pcap").write_bytes(content)
    outcome = sockrun("import", "c.pcap")
    assert (outcome.status, outcome.out) == (3, "")
    assert told in outcome.err


def test_a_capture_that_is_not_there_is_told(sockrun: CommandLine) -> None:
    assert sockrun("import", "none.pcap").err == "sockrun: none.pcap cannot be read: No such file or directory\n"


def test_another_link_type_is_told(sockrun: CommandLine) -> None:
    capture(Path("c.pcap"), hello(), link=105)
    assert "link type 105" in sockrun("import", "c.pcap").err


def test_tls_is_told(sockrun: CommandLine) -> None:
    capture(Path("c.pcap"), hello(bytes.fromhex("16030100e2010000de0303")))
    outcome = sockrun("import", "c.pcap", "-o", "c.yaml")
    assert (outcome.status, Path("c.yaml").exists()) == (3, False)
    assert "what passed is TLS" in outcome.err


def test_a_file_that_is_there_is_not_replaced(sockrun: CommandLine) -> None:
    capture(Path("c.pcap"), hello())
    sockrun.write("c.yaml", "mine")
    assert sockrun("import", "c.pcap", "-o", "c.yaml").status == 3
    assert Path("c.yaml").read_text() == "mine"


def test_without_dpkt_the_command_to_type_is_told(sockrun: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "dpkt", None)
    assert "python -m pip install 'sockrun[pcap]'" in sockrun("import", "c.pcap").err
