"""What is recorded is a scenario of both sides: it plays against itself, the real server and the real client."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import sockrun as library
from tests.command_line import COMMAND, CommandLine

# Each is played by two sockruns, and recorded between them.
CONVERSATIONS = {
    "lines": """
roles:
  server:
    {protocol: tcp, side: server, framing: crlf, steps: [{send: "220 ready"}, {expect: "QUIT"}, {send: "221 bye"}]}
  client:
    {side: client, to: server, framing: crlf, steps: [{expect: "220 ready"}, {send: "QUIT"}, {expect: "221 bye"}]}
""",
    "half close": """
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "all"}, expect_close, {send: "heard \\"${3}\\" $"}]}
  client: {side: client, to: server, steps: [{send: "all"}, shutdown, {expect: "heard \\"${3}\\" $"}]}
""",
    "bytes": """
roles:
  server: {protocol: tcp, side: server, expect: {hex: "00 01 02 ff fe"}, payload: {random: 9000}}
  client: {side: client, to: server, payload: {hex: "00 01 02 ff fe"}, expect: {length: 9000}}
""",
    "text and bytes": """
roles:
  server: {protocol: tcp, side: server, expect: "get\\n", payload: {join: ["the length is 5\\n\\n", {hex: "ff 00 ff"}]}}
  client: {side: client, to: server, payload: "get\\n", expect: {length: 20}}
""",
    "reset": """
roles:
  server: {protocol: tcp, side: server, steps: [{expect: "x"}, {send: "y"}, reset]}
  client: {side: client, to: server, steps: [{send: "x"}, {expect: "y"}, expect_reset]}
""",
    "several": """
roles:
  server: {protocol: tcp, side: server, connections: [[{expect: "a"}, {send: "1"}], [{expect: "b"}, {send: "2"}]]}
  client: {side: client, to: server, steps: [{send: "a"}, {expect: "1"}, connect, {send: "b"}, {expect: "2"}]}
""",
    "equals": """
roles:
  server: {protocol: tcp, side: server, connections: 3, steps: [{expect: "a"}, {send: "1"}]}
  client: {side: client, to: server, instances: 3, steps: [{send: "a"}, {expect: "1"}]}
""",
    "datagrams": """
roles:
  server: {protocol: udp, side: server, steps: [{expect: "one"}, {expect: {hex: "00 ff"}}, {send: ""}, {send: "two"}]}
  client: {side: client, to: server, steps: [{send: "one"}, {send: {hex: "00 ff"}}, {expect: ""}, {expect: "two"}]}
""",
    "unix": """
roles:
  server: {protocol: unix, path: "PATH", side: server, expect: "ping", payload: "pong"}
  client: {side: client, to: server, payload: "ping", expect: "pong"}
""",
}


class Between:
    """A conversation of two sockruns in a folder: `a.yaml`."""

    def __init__(self, sockrun: CommandLine, text: str) -> None:
        self._sockrun = sockrun
        self.text = text.replace("PATH", str(sockrun.folder / "s"))
        self.file = sockrun.write("a.yaml", self.text)
        self._datagrams = ["--udp"] if "udp" in text else []

    def record(self, *words: str) -> str:
        """The recording's text, which is in `b.yaml` too."""
        with self.server(self.file) as address:
            client = (*COMMAND, "run", str(self.file), "--real", "server={address}")
            command = ("record", "--to", address, *self._datagrams, "-o", "b.yaml", *words, "--", *client)
            status, out, err = self._sockrun(*command)
        assert status == 0, out + err
        return Path("b.yaml").read_text()

    def server(self, file: Path) -> _Served:
        return _Served(file)


class _Served:
    """The server of a file, played in the background."""

    def __init__(self, file: Path) -> None:
        self._played = library.play(file, roles=["server"])

    def __enter__(self) -> str:
        played = self._played.__enter__()
        return played.paths.get("server") or "{}:{}".format(*played.addresses["server"])

    def __exit__(self, *error: object) -> None:
        self._played.__exit__(*error)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_recording_plays_against_itself_and_against_both_sides(sockrun: CommandLine, text: str) -> None:
    between = Between(sockrun, text)
    recorded = between.record()
    status, out, err = sockrun("run", "b.yaml")
    assert status == 0, recorded + out + err
    with between.server(between.file) as address:
        status, out, err = sockrun("run", "b.yaml", "--real", f"server={address}")
        assert status == 0, recorded + out + err
    with between.server(Path("b.yaml")) as address:
        status, out, err = sockrun("run", "a.yaml", "--real", f"server={address}")
        assert status == 0, recorded + out + err


def test_a_file_that_is_there_is_not_replaced(sockrun: CommandLine) -> None:
    """And nothing is recorded for it."""
    sockrun.write("b.yaml", "mine")
    status, _, err = sockrun("record", "--to", "127.0.0.1:1", "-o", "b.yaml", "--", sys.executable, "-c", "")
    assert (status, Path("b.yaml").read_text()) == (3, "mine")
    assert "--force" in err


def test_a_server_that_is_not_there_is_told(sockrun: CommandLine) -> None:
    connect = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).recv(1)"
    with library.play(sockrun.write("a.yaml", "roles: {server: {protocol: tcp, side: server, listen: false}}")) as held:
        address = "{}:{}".format(*held.addresses["server"])
        status, _, err = sockrun("record", "--to", address, "--", sys.executable, "-c", connect, "{port}")
    assert (status, f"nobody listens at {address}" in err) == (3, True), err
