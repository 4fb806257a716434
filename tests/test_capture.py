"""`sockrun run --pcap FILE`: what passes the sockets, as Wireshark would have seen it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.captures import ACK, FIN, PSH, SYN, complaints, conversations, datagrams, fields, needs_tshark, packets, said
from tests.command_line import CommandLine
from tests.playing import SCENARIOS

HELLO = """\
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "ping"}, {send: "pong!"}]}
  client: {side: client, to: server, steps: [{send: "ping"}, {expect: "pong!"}]}
"""
REVERSE = """\
roles:
  server: {protocol: udp, side: server, steps: [{expect: "abc"}, {send: "${reversed(received)}"}]}
  client: {side: client, to: server, payload: "abc", expect: "cba"}
"""
TLS = HELLO.replace("protocol: tcp", "protocol: tcp, tls: {VERSION}").replace(
    "side: client", "side: client, tls: {VERSION}"
)
MODES = ["", "--simulate"]
both = pytest.mark.parametrize("mode", MODES, ids=["real", "simulated"])


class Captured:
    """Plays a scenario and returns the path of its capture."""

    def __init__(self, sockrun: CommandLine, mode: str) -> None:
        self._sockrun = sockrun
        self._mode = [mode] if mode else []

    def __call__(self, *texts: str, status: int = 0) -> Path:
        names = [self._sockrun.write(f"{number}.yaml", text).name for number, text in enumerate(texts)]
        done = self._sockrun("run", *self._mode, "--pcap", "run.pcapng", *names)
        assert done.status == status, done
        return self._sockrun.folder / "run.pcapng"


@pytest.fixture(params=MODES, ids=["real", "simulated"])
def captured(sockrun: CommandLine, request: pytest.FixtureRequest) -> Captured:
    return Captured(sockrun, request.param)


# --- connections -------------------------------------------------------------------------------


def test_a_connection_has_a_handshake_its_bytes_and_an_end(captured: Captured) -> None:
    (conversation,) = conversations(captured(HELLO))
    assert said(conversation) == (b"ping", b"pong!")
    assert [one.flags for one in conversation[:3]] == [SYN, SYN | ACK, ACK]
    assert [one.flags & (SYN | PSH | FIN) for one in conversation if one.data] == [PSH, PSH]
    assert len([one for one in conversation if one.flags & FIN]) == 2


def test_times_go_forward(captured: Captured) -> None:
    times = [moment for moment, _ in packets(captured(HELLO, REVERSE, HELLO))]
    assert len(times) > 10
    assert all(before <= after for before, after in pairwise(times))


def test_datagrams_have_their_addresses(captured: Captured) -> None:
    (question, answer) = datagrams(captured(REVERSE))
    assert question[2] == b"abc"
    assert answer == (question[1], question[0], b"cba")


# --- what Wireshark makes of it ----------------------------------------------------------------


@needs_tshark
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
def test_wireshark_decrypts(captured: Captured, version: str) -> None:
    path = captured(TLS.replace("VERSION", f"min_version: {version}, max_version: {version}"))
    assert [one for (one,) in fields(path, "tls.app_data && data", "data.data")] == [b"ping".hex(), b"pong!".hex()]
    assert not complaints(path)


@needs_tshark
def test_packets_tell_role_and_step(captured: Captured) -> None:
    comments = [one for (one,) in fields(captured(HELLO), "tcp.len > 0", "frame.comment")]
    assert comments == ['0.yaml: client, step 1: send "ping"', '0.yaml: server, step 2: send "pong!"']


@needs_tshark
@both
def test_nothing_is_wrong_with_any_example(sockrun: CommandLine, mode: str) -> None:
    files = [str(path) for path in sorted(SCENARIOS.glob("*.yaml"))]
    assert sockrun("run", *([mode] if mode else []), "--pcap", "all.pcapng", *files).status == 0
    assert not complaints(sockrun.folder / "all.pcapng")
