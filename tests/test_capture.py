"""`sockrun run --pcap FILE`: what passes the sockets, as Wireshark would have seen it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.captures import (
    ACK,
    FIN,
    PSH,
    RST,
    SYN,
    complaints,
    conversations,
    datagrams,
    fields,
    needs_tshark,
    packets,
    said,
)
from tests.command_line import COMMAND, LONG, CommandLine
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
def test_what_passes_is_known_by_its_content_on_a_port_of_another_protocol(sockrun: CommandLine) -> None:
    """44818 is EtherNet/IP's, and a free port may be that one: the tests must not depend on which they get."""
    text = TLS.replace("VERSION", "min_version: TLSv1.3").replace("side: server", "side: server, port: 44818")
    path = Captured(sockrun, "--simulate")(text)
    assert [one for (one,) in fields(path, "tls.app_data && data", "data.data")] == [b"ping".hex(), b"pong!".hex()]


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


# --- other ways to talk ------------------------------------------------------------------------


def test_a_unix_connection_is_shown_as_tcp(captured: Captured) -> None:
    (conversation,) = conversations(captured(HELLO.replace("protocol: tcp", 'protocol: unix, path: "${dir}/s"')))
    assert said(conversation) == (b"ping", b"pong!")
    assert conversation[0].to[0].hex().startswith("20010db8")


def test_unix_connections_are_told_apart(captured: Captured) -> None:
    text = HELLO.replace("protocol: tcp", 'protocol: unix, path: "${dir}/s", connections: 3')
    found = conversations(captured(text.replace("side: client", "side: client, instances: 3")))
    assert [said(one) for one in found] == [(b"ping", b"pong!")] * 3


@needs_tshark
def test_a_path_is_told_in_a_comment(captured: Captured) -> None:
    path = captured(REVERSE.replace("protocol: udp", 'protocol: unix, datagram: true, path: "${dir}/s"'))
    comments = [one for (one,) in fields(path, "udp", "frame.comment")]
    assert len(comments) == 2
    assert comments[0].startswith("0.yaml: client, step 1: ")
    assert comments[0].endswith("/s)")


def test_a_refused_connection_is_answered_with_rst(captured: Captured) -> None:
    (conversation,) = conversations(
        captured(
            "roles:\n  server: {protocol: tcp, side: server, listen: false}\n"
            "  client: {side: client, to: server, steps: [expect_refused]}\n"
        )
    )
    assert [one.flags for one in conversation] == [SYN, RST | ACK]


def test_a_reset_is_one(captured: Captured) -> None:
    text = HELLO.replace('{send: "pong!"}', "reset").replace('{expect: "pong!"}', "expect_reset")
    (conversation,) = conversations(captured(text))
    assert conversation[-1].flags == RST | ACK
    assert not any(one.flags & FIN for one in conversation)


def test_a_half_close_leaves_the_other_direction_open(captured: Captured) -> None:
    text = """\
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "ping"}, expect_close, {send: "late"}]}
  client: {side: client, to: server, steps: [{send: "ping"}, shutdown, {expect: "late"}]}
"""
    (conversation,) = conversations(captured(text))
    client = conversation[0].source
    ends = [one for one in conversation if one.source == client and one.flags & FIN]
    late = [one for one in conversation if one.data == b"late"]
    assert conversation.index(ends[0]) < conversation.index(late[0])
    assert said(conversation) == (b"ping", b"late")


def test_a_proxy_has_two_connections(captured: Captured) -> None:
    text = HELLO.replace("to: server", "to: middle") + "  middle: {side: proxy, to: server}\n"
    assert [said(one) for one in conversations(captured(text))] == [(b"ping", b"pong!")] * 2


def test_a_conversation_for_each_sender(captured: Captured) -> None:
    text = REVERSE.replace("side: server", "side: server, connections: 2").replace(
        "side: client", "side: client, instances: 2"
    )
    assert sorted(data for _, _, data in datagrams(captured(text))) == [b"abc", b"abc", b"cba", b"cba"]


MIB = 1024 * 1024
BIG = """\
roles:
  server: {protocol: tcp, side: server, expect: {random: SIZE, seed: 1}, timeout: 60s}
  client: {side: client, to: server, payload: {random: SIZE, seed: 1}}
timeout: 60s
"""


def test_a_large_transfer_is_cut_into_segments(captured: Captured) -> None:
    (conversation,) = conversations(captured(BIG.replace("SIZE", str(8 * MIB))))
    there, back = said(conversation)
    assert len(there) == 8 * MIB
    assert back == b""
    assert max(len(one.data) for one in conversation) <= 65_495


# --- peers who are no roles --------------------------------------------------------------------


CLIENT = (
    "import socket; s = socket.create_connection(('127.0.0.1', ${server.port})); s.sendall(b'ping'); print(s.recv(99))"
)
OUTSIDE = f"""\
processes:
  caller: {{command: [{sys.executable}, -c, "{CLIENT}"], expect_exit: 0}}
roles:
  server: {{protocol: tcp, side: server, steps: [{{expect: "ping"}}, {{send: "pong"}}, expect_close]}}
"""


def test_what_somebody_outside_says_is_seen_when_it_comes(sockrun: CommandLine) -> None:
    (conversation,) = conversations(Captured(sockrun, "")(OUTSIDE))
    assert said(conversation) == (b"ping", b"pong")
    assert len([one for one in conversation if one.flags & FIN]) == 2


# --- secrets -----------------------------------------------------------------------------------


SECRET = """\
secrets: {password: hunter2hunter2}
roles:
  server: {protocol: tcp, side: server, TLS steps: [{expect: "AUTH hunter2hunter2"}, {send: "hunter3"}]}
  client: {side: client, to: server, TLS steps: [{send: "AUTH ${password}"}, {expect: "hunter3"}]}
"""


def test_secrets_are_hidden_in_the_packets(captured: Captured) -> None:
    text = SECRET.replace("TLS ", "")
    path = captured(text)
    assert b"hunter2" not in path.read_bytes()
    (conversation,) = conversations(path)
    assert said(conversation) == (b"AUTH " + b"*" * 14, b"hunter3")


@needs_tshark
def test_with_secrets_no_keys_are_told(captured: Captured) -> None:
    text = SECRET.replace("TLS ", "tls: true, ")
    path = captured(text)
    assert b"TRAFFIC_SECRET" not in path.read_bytes()
    assert not fields(path, "tls.app_data && data", "data.data")
    assert not complaints(path)


# --- the file ----------------------------------------------------------------------------------


def test_a_simulated_run_is_the_same_file_again(sockrun: CommandLine) -> None:
    captured = Captured(sockrun, "--simulate")
    first = captured(HELLO, REVERSE).read_bytes()
    assert captured(HELLO, REVERSE).read_bytes() == first


def test_a_failed_run_has_its_capture(captured: Captured) -> None:
    (conversation,) = conversations(captured(HELLO.replace('{expect: "pong!"}', '{expect: "pang!"}'), status=1))
    assert said(conversation) == (b"ping", b"pong!")


def test_a_folder_that_is_not_there_is_told_before_the_run(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", HELLO)
    done = sockrun("run", "a.yaml", "--pcap", "none/a.pcapng")
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith("sockrun: none/a.pcapng cannot be written: there is no folder ")


def test_a_full_disk_is_told(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", BIG.replace("SIZE", str(8 * MIB)))
    done = sockrun("run", "a.yaml", "--pcap", "/dev/full")
    assert done.status == 3
    assert done.err == "sockrun: /dev/full cannot be written: No space left on device\n"


def test_a_file_system_that_fills_up_leaves_no_file(sockrun: CommandLine) -> None:
    """RLIMIT_FSIZE (getrlimit(2)) is a file system that has room for so much and no more."""
    sockrun.write("a.yaml", BIG.replace("SIZE", str(8 * MIB)))
    limited = (
        "import resource, runpy, sys; sys.argv[0] = 'sockrun'; "
        "sys.dont_write_bytecode = True; "  # else a module's is cut off, and stays so
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); runpy.run_module('sockrun', run_name='__main__')"
    )
    command = [sys.executable, "-c", limited, "run", "a.yaml", "--no-cache", "--pcap", "a.pcapng"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done
    assert done.stderr == "sockrun: a.pcapng cannot be written: File too large\n"
    assert [path.name for path in sockrun.folder.iterdir()] == ["a.yaml"]


def test_an_interrupted_run_has_its_capture_whole(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", LONG)
    command = [*COMMAND, "run", "a.yaml", "-v", "--no-cache", "--pcap", "a.pcapng"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any('< "x"' in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.stdout.read()
    assert process.returncode == 130
    (conversation,) = conversations(sockrun.folder / "a.pcapng")
    assert said(conversation) == (b"", b"x")
    assert sorted(path.name for path in sockrun.folder.iterdir()) == ["a.pcapng", "a.yaml"]


def test_a_pipe_is_written_as_it_goes(sockrun: CommandLine) -> None:
    """It is opened first for reading, without waiting for a writer, and holds more than is written."""
    os.mkfifo("pipe")
    sockrun.write("a.yaml", HELLO)
    with open("pipe", "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as pipe:
        command = [*COMMAND, "run", "a.yaml", "--pcap", "pipe"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        (conversation,) = conversations(pipe.read())
    assert said(conversation) == (b"ping", b"pong!")
