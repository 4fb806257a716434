"""`--real` and `--play`: one file tests your server, your client, and itself."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import sockrun
from sockrun.commands import Address
from sockrun.compiling.loading import Options, load_text
from sockrun.compiling.swaps import Swaps
from sockrun.results import Result, Status
from tests.command_line import COMMAND, CommandLine

HELLO = """
roles:
  server: {protocol: tcp, side: server, expect: "ping\\n", payload: "pong\\n"}
  client: {side: client, to: server, payload: "ping\\n", expect: "pong\\n"}
"""
DATAGRAMS = HELLO.replace("tcp", "udp")
Peer = Callable[[Address], None]


def complaints(text: str, swaps: Swaps) -> list[str]:
    """What is wrong with the scenario, played like that: `line: message`."""
    found = load_text(text, "s.yaml", Options(swaps=swaps)).diagnostics
    return [f"{d.span.line}: {d.message}" for d in found if d.severity == "error"]


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "scenario.yaml"
        path.write_text(text)
        return path

    return write


def play_server(path: Path, peer: Peer) -> Result:
    """Play the server alone, with `peer` as its real client."""
    started: list[threading.Thread] = []

    def announce(role: str, address: Address) -> None:
        assert role == "server"
        started.append(threading.Thread(target=peer, args=(address,)))
        started[0].start()

    (result,) = sockrun.run(path, play={"server": None}, announce=announce)
    started[0].join()
    return result


def running(*words: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    return subprocess.Popen([*COMMAND, "run", "s.yaml", *words], stdout=subprocess.PIPE, text=True)


# --- playing with somebody outside -------------------------------------------------------------


def test_a_server_played_alone_serves_a_real_client(file: Callable[[str], Path]) -> None:
    heard: list[bytes] = []

    def client(address: Address) -> None:
        with socket.create_connection((address.host, address.port)) as sock:
            sock.sendall(b"ping\n")
            heard.append(sock.makefile("rb").read())

    assert play_server(file(HELLO), client).passed
    assert heard == [b"pong\n"]


def test_a_datagram_server_played_alone_waits_longer_than_its_timeout(file: Callable[[str], Path]) -> None:
    text = DATAGRAMS.replace("side: server", "side: server, timeout: 1ms, socket: {receive_buffer: 65536}")

    def client(address: Address) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.05)
            with pytest.raises(TimeoutError):  # so long nobody says anything
                sock.recv(1)
            sock.settimeout(5)
            sock.sendto(b"ping\n", (address.host, address.port))
            assert sock.recv(64) == b"pong\n"

    assert play_server(file(text), client).passed


def test_what_a_real_client_does_wrong_fails_the_played_server(file: Callable[[str], Path]) -> None:
    def client(address: Address) -> None:
        with socket.create_connection((address.host, address.port)) as sock:
            sock.sendall(b"pang\n")
            sock.recv(1)

    result = play_server(file(HELLO), client)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.role, result.failure.received) == ("mismatch", "server", b"pang\n")


@pytest.mark.parametrize("swaps", ["real", "play"])
def test_a_client_turns_to_a_real_server(file: Callable[[str], Path], swaps: str) -> None:
    def serve() -> None:
        with listener.accept()[0] as sock:
            assert sock.recv(64) == b"ping\n"
            sock.sendall(b"pong\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=serve)
        thread.start()
        path = file(HELLO)
        runs = {"real": lambda: sockrun.run(path, real={"server": address})}
        runs["play"] = lambda: sockrun.run(path, play={"client": address})
        (result,) = runs[swaps]()
        thread.join()
    assert result.passed, result.reason


def test_a_fixed_address_of_a_client_gives_way_to_the_real_one(file: Callable[[str], Path]) -> None:
    text = """
roles:
  server: {protocol: udp, side: server, port: 9, expect: "a", payload: "b"}
  client: {protocol: udp, side: client, host: 127.0.0.1, port: 9, payload: "a", expect: "b"}
"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=lambda: server.sendto(b"b", server.recvfrom(64)[1]))
        thread.start()
        (result,) = sockrun.run(file(text), real={"server": f"127.0.0.1:{server.getsockname()[1]}"})
        thread.join()
    assert result.passed, result.reason


def test_a_real_unix_server_is_named_by_its_path(file: Callable[[str], Path], tmp_path: Path) -> None:
    text = """
roles:
  server: {protocol: unix, datagram: true, side: server, path: "${dir}/s", expect: "a", payload: "b"}
  client: {side: client, to: server, payload: "a", expect: "b"}
"""
    where = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(where)
        thread = threading.Thread(target=lambda: server.sendto(b"b", server.recvfrom(64)[1]))
        thread.start()
        (result,) = sockrun.run(file(text), real={"server": where})
        thread.join()
    assert result.passed, result.reason


def test_the_others_see_where_a_real_server_is() -> None:
    text = HELLO.replace('payload: "ping\\n", expect: "pong\\n"', 'steps: [{check: "server.port == 7"}]')
    (program,) = load_text(text, "s.yaml", Options(swaps=Swaps(real={"server": "[::1]:7"}))).programs
    assert program.elsewhere == {"server": Address("::1", 7)}
    assert set(program.roles) == {"client"}


def test_a_server_played_alone_listens_where_it_is_told() -> None:
    (program,) = load_text(HELLO, "s.yaml", Options(swaps=Swaps(play={"server": "127.0.0.2:4000"}))).programs
    role = program.roles["server"]
    assert role.host is not None
    assert role.port is not None
    assert (role.host.constant, role.port.constant) == (b"127.0.0.2", 4000)


def test_a_client_played_alone_takes_a_fixed_address_from_the_file() -> None:
    text = HELLO.replace("side: server", "side: server, host: 0.0.0.0, port: 4000")
    (program,) = load_text(text, "s.yaml", Options(swaps=Swaps(play={"client": None}))).programs
    assert program.elsewhere == {"server": Address("127.0.0.1", 4000)}


def test_without_swaps_the_program_is_the_same() -> None:
    (program,) = load_text(HELLO, "s.yaml", Options(swaps=Swaps())).programs
    assert (program.outside, set(program.roles)) == (False, {"server", "client"})


def test_several_roles_can_be_played(file: Callable[[str], Path]) -> None:
    text = HELLO + '  other: {side: client, to: server, payload: "x"}\n'
    results = sockrun.run(file(text), play={"server": None, "client": None})
    assert [result.status for result in results] == [Status.PASSED]


# --- with somebody outside, nobody knows -------------------------------------------------------


def test_with_somebody_outside_standing_still_lasts_until_the_timeout(file: Callable[[str], Path]) -> None:
    (result,) = sockrun.run(file(HELLO), play={"server": None}, timeout=0.05)
    assert result.failure is not None
    assert result.failure.kind == "timeout"
    assert result.reason == "the scenario's timeout of 0.05 s has passed: quiet, waiting for a connection (server)"


def test_the_quiet_scenario_says_for_what_it_waits(file: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        (result,) = sockrun.run(file(HELLO), real={"server": address}, timeout=0.05)
    assert result.reason.endswith('has passed: quiet, waiting for "pong\\n" from server (client)')


# --- what cannot be swapped --------------------------------------------------------------------

UNPLAYABLE = {
    "no such role": (HELLO, Swaps(play={"sever": None}), ["2: --play sever: this scenario has no such role"]),
    "a real client": (
        HELLO,
        Swaps(real={"client": "127.0.0.1:1"}),
        ["4: --real client: a client has no address to give to others"],
    ),
    "both": (
        HELLO,
        Swaps(real={"server": "127.0.0.1:1"}, play={"server": None}),
        [
            "3: --real server: --real and --play exclude each other",
            "3: --play server: --real and --play exclude each other",
        ],
    ),
    "no address": (
        HELLO,
        Swaps(real={"server": "localhost"}),
        ["3: --real server: 'localhost' is no address: write HOST:PORT, such as 127.0.0.1:53 or [::1]:53"],
    ),
    "an unknown address": (
        HELLO,
        Swaps(play={"client": None}),
        [
            "4: 'client' connects to the address of 'server' (or say --play client=HOST:PORT), "
            "which only 'server' could provide, and nobody plays that role"
        ],
    ),
    "nobody left": (
        "roles: {server: {protocol: tcp, side: server}}",
        Swaps(real={"server": "127.0.0.1:1"}),
        ["1: nobody is left to play: all its roles are played by somebody else"],
    ),
}


@pytest.mark.parametrize("case", UNPLAYABLE)
def test_a_swap_that_makes_no_sense_is_refused(case: str) -> None:
    text, swaps, expected = UNPLAYABLE[case]
    assert sorted(complaints(text, swaps)) == sorted(expected)


NEEDS = """
roles:
  server:
    protocol: tcp
    side: server
    port: 4000
    steps: [{send: "x"}, {set: {word: "a"}}, {signal: go}, LAST]
  client:
    side: client
    to: server
    steps:
      - expect: "x"
      - NEED
"""
GONE = "which only 'server' could provide, and nobody plays that role"


@pytest.mark.parametrize(
    ("need", "what"),
    [
        ("wait: go", "this waits for the signal 'go'"),
        ("send: ${server.word}", "this needs server.word"),
        ("check: server.connections > 0", "this needs server.connections"),
        ("barrier: all", "this waits at the barrier 'all'"),
        ("repeat: 2, steps: [{wait: go}]", "this waits for the signal 'go'"),
    ],
)
def test_what_only_a_role_that_is_not_played_provides_is_told_at_its_place(need: str, what: str) -> None:
    text = NEEDS.replace("- NEED", f"- {{{need}}}" if "steps" in need else f"- {need}")
    text = text.replace("LAST", "{barrier: all}" if "barrier" in need else "{pause: 0}")
    assert complaints(text, Swaps()) == complaints(text, Swaps(play={"client": None, "server": None})) == []
    assert complaints(text, Swaps(play={"client": None})) == [f"13: {what}, {GONE}"]


def test_a_start_after_a_role_that_is_not_played_is_refused() -> None:
    text = HELLO.replace("to: server,", "to: server, start: {after: first},")
    text += '  first: {side: client, to: server, payload: "x"}\n'
    assert complaints(text, Swaps(play={"server": None, "client": None})) == [
        "4: 'client' starts after 'first', which only 'first' could provide, and nobody plays that role"
    ]


def test_a_turn_of_a_role_that_is_not_played_is_refused() -> None:
    text = """
roles:
  server: {protocol: tcp, side: server, port: 4000}
  client: {side: client, to: server}
steps:
  - server: {send: "hi"}
  - client: {expect: "hi"}
"""
    assert complaints(text, Swaps(real={"server": "127.0.0.1:1"})) == [
        f"7: this waits for step 1 of the scenario, {GONE}"
    ]


def test_a_barrier_of_two_who_are_left_still_holds_them() -> None:
    text = NEEDS.replace("- NEED", "- barrier: all").replace("LAST", "{barrier: all}")
    text += "  other: {side: client, to: server, steps: [{barrier: all}]}\n"
    assert complaints(text, Swaps(real={"server": "127.0.0.1:1"})) == []


# --- the command line --------------------------------------------------------------------------


def test_the_address_is_printed_at_once(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", HELLO)
    with running("--play", "server") as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"server listens on 127\.0\.0\.1:(\d+)\n", line)
        assert found, line
        with socket.create_connection(("127.0.0.1", int(found[1]))) as sock:
            sock.sendall(b"ping\n")
            assert sock.makefile("rb").read() == b"pong\n"
        assert process.wait(10) == 0


def test_a_report_on_standard_output_is_alone_there(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", HELLO)
    outcome = sockrun("run", "s.yaml", "--play", "server", "--timeout", "20ms", "--json", "-")
    assert re.fullmatch(r"server listens on 127\.0\.0\.1:\d+\n", outcome.err)
    assert all(line.startswith("{") for line in outcome.out.splitlines())


def test_waiting_for_a_real_client_can_be_interrupted(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", HELLO)
    with running("--play", "server") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("server listens on ")
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(10) == 130


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--real", "server"], "'server' is not ROLE=ADDRESS"),
        (["--play", "server="], "'server=' is not ROLE or ROLE=ADDRESS"),
        (["--play", "server", "--untrusted"], "--untrusted allows no peer that is no role"),
    ],
)
def test_a_swap_that_is_not_understood_is_a_wrong_command_line(
    sockrun: CommandLine, words: list[str], message: str
) -> None:
    sockrun.write("s.yaml", HELLO)
    outcome = sockrun("run", "s.yaml", *words)
    assert outcome.status == 2
    assert message in " ".join(outcome.err.split())


def test_a_role_that_is_missing_is_an_invalid_run(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", HELLO)
    outcome = sockrun("run", "s.yaml", "--play", "sever")
    assert outcome.status == 2
    assert "--play sever: this scenario has no such role" in outcome.out
    assert "did you mean 'server'?" in outcome.out


def test_a_real_address_that_is_not_allowed_is_told_of_its_role(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", HELLO)
    outcome = sockrun("run", "s.yaml", "--real", "server=192.0.2.1:7")
    assert outcome.status == 3
    assert "s.yaml:3:3: error: 192.0.2.1 is beyond loopback" in outcome.out


CONNECTS = """
roles:
  server: {protocol: tcp, side: server, payload: "x"}
  other: {protocol: PROTOCOL, side: server, payload: "y"}
  client: {side: client, to: server, steps: [{expect: "x"}, {repeat: 1, steps: [{connect: {to: other}}]}, {expect: y}]}
"""


@pytest.mark.parametrize("given", [{"client": None, "server": None}, {"client": "127.0.0.1:7"}])
def test_a_connect_to_a_role_whose_address_nobody_knows_is_told_before_the_start(given: dict[str, str | None]) -> None:
    told = complaints(CONNECTS.replace("PROTOCOL", "tcp"), Swaps(play=given))
    assert [message for message in told if "other" in message] == [
        "5: this connects to the address of 'other', which only 'other' could provide, and nobody plays that role"
    ]


def test_a_connect_to_a_role_that_somebody_else_plays_goes_to_its_address(file: Callable[[str], Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as real:

        def answer() -> None:
            connection, _ = real.accept()
            with connection:
                connection.sendall(b"y")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"127.0.0.1:{real.getsockname()[1]}"
        (result,) = sockrun.run(file(CONNECTS.replace("PROTOCOL", "tcp")), real={"other": address})
        thread.join()
    assert result.passed, result.reason
