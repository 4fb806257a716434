"""Programs that nobody here wrote, as clients of a role that is played and as servers of roles that are not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sockrun.network.ports import Ports
from tests.command_line import COMMAND, CommandLine
from tests.playing import lacking

PING = """
roles:
  server:
    {protocol: tcp, side: server, steps: [{expect: "ping\\n"}, {send: "pong\\n"}, expect_close]}
  client: {side: client, to: server, payload: "ping\\n", expect: "pong\\n"}
"""
PING_UNIX = PING.replace("protocol: tcp", 'protocol: unix, path: "PATH"')
HTTP = """
roles:
  server:
    protocol: tcp
    side: server
    framing: crlf
    steps:
      - expect: {regex: "GET /there HTTP/1.1"}
      - expect: {regex: "Host: 127.0.0.1:(?P<port>\\\\d+)"}
      - check: int(port) == server.port
      - send: {join: ["HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\nConnection: close\\r\\n\\r\\n", "hello"]}
        framing: none
      - expect_close: {discard: true}
  client: {side: client, to: server}
"""
# A query for the address of a name, answered with 192.0.2.7 (RFC 1035); the question is given back as it came.
DNS = """
roles:
  server:
    protocol: udp
    side: server
    steps:
      - expect: {regex: "(?s)(?P<id>..)..\\\\x00\\\\x01.{6}(?P<question>.*\\\\x00\\\\x00\\\\x01\\\\x00\\\\x01)"}
      - send:
          join:
            - ${id}
            - {hex: "81 80 00 01 00 01 00 00 00 00"}
            - ${question}
            - {hex: "c0 0c 00 01 00 01 00 00 00 3c 00 04 c0 00 02 07"}
  client: {side: client, to: server}
"""
SYSLOG = """
roles:
  server:
    protocol: udp
    side: server
    steps:
      - expect: {regex: "<(?P<priority>\\\\d+)>.*hello from logger"}
      - check: int(priority) == 8 * 16 + 4
  client: {side: client, to: server}
"""

# the program, its scenario, its words (HOST, PORT and PATH stand for the server's), its input, its output
CLIENTS = [
    ("nc", PING, ["nc", "-N", "HOST", "PORT"], "ping\n", "pong\n"),
    ("nc", PING_UNIX, ["nc", "-N", "-U", "PATH"], "ping\n", "pong\n"),
    ("ncat", PING, ["ncat", "HOST", "PORT"], "ping\n", "pong\n"),
    ("ncat", PING_UNIX, ["ncat", "-U", "PATH"], "ping\n", "pong\n"),
    ("socat", PING, ["socat", "-", "TCP:HOST:PORT"], "ping\n", "pong\n"),
    ("socat", PING_UNIX, ["socat", "-", "UNIX-CONNECT:PATH"], "ping\n", "pong\n"),
    ("curl", HTTP, ["curl", "-sS", "--noproxy", "*", "http://HOST:PORT/there"], "", "hello"),
    ("dig", DNS, ["dig", "@HOST", "-p", "PORT", "+short", "+noedns", "+tries=1", "name.test"], "", "192.0.2.7\n"),
    (
        "logger",
        SYSLOG,
        ["logger", "-n", "HOST", "-P", "PORT", "-d", "-p", "local0.warning", "hello from logger"],
        "",
        "",
    ),
]


def needs(program: str) -> None:
    if shutil.which(program) is None:
        lacking(f"there is no program {program}")


def fill(words: list[str], **values: str) -> list[str]:
    for name, value in values.items():
        words = [word.replace(name, value) for word in words]
    return words


@pytest.mark.parametrize(
    ("program", "text", "words", "given", "answer"),
    CLIENTS,
    ids=[f"{row[0]}-{'unix' if row[1] is PING_UNIX else 'ip'}" for row in CLIENTS],
)
def test_a_client_of_the_world_talks_to_a_role_that_is_played(
    sockrun: CommandLine, program: str, text: str, words: list[str], given: str, answer: str
) -> None:
    needs(program)
    path = str(sockrun.folder / "s")
    file = sockrun.write("a.yaml", text.replace("PATH", path))
    command = [*COMMAND, "run", str(file), "--play", "server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("server listens on "), line + process.stdout.read()
        host, _, port = line.removeprefix("server listens on ").strip().rpartition(":")
        client = subprocess.run(
            fill(words, HOST=host, PORT=port, PATH=path),
            input=given,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        rest = process.stdout.read()
    assert (client.stdout, client.returncode) == (answer, 0), client.stderr + rest
    assert process.returncode == 0, rest


# --- servers of the world ----------------------------------------------------------------------

ECHO = """
roles:
  server: {protocol: tcp, side: server, expect: "ping\\n", payload: "ping\\n"}
  client:
    side: client
    to: server
    retry_for: 10s
    steps: [{send: "ping\\n"}, {expect: "ping\\n"}, shutdown, expect_close]
"""
GET = """
roles:
  server: {protocol: tcp, side: server}
  client:
    side: client
    to: server
    retry_for: 10s
    steps:
      - send: "GET /a.txt HTTP/1.0\\r\\n\\r\\n"
      - expect: {contains: "\\r\\n\\r\\n"}
        as: head
      - check: "'200 OK' in head and 'Content-Length: 5' in head"
      - expect: "hello"
      - expect_close
"""
RESP = """
roles:
  server: {protocol: tcp, side: server}
  client:
    side: client
    to: server
    retry_for: 10s
    framing: crlf
    steps: [{send: "SET greeting hello"}, {expect: "+OK"}, {send: "GET greeting"}, {expect: "$5"}, {expect: "hello"}]
"""

# the program, its scenario, its words
SERVERS = [
    ("ncat", ECHO, ["ncat", "-l", "HOST", "PORT", "--exec", "/bin/cat"]),
    ("socat", ECHO, ["socat", "TCP-LISTEN:PORT,bind=HOST,reuseaddr", "EXEC:/bin/cat"]),
    (sys.executable, GET, [sys.executable, "-m", "http.server", "PORT", "--bind", "HOST"]),
    ("redis-server", RESP, ["redis-server", "--port", "PORT", "--bind", "HOST", "--save", ""]),
]


@contextmanager
def running(words: list[str]) -> Iterator[None]:
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize(("program", "text", "words"), SERVERS, ids=["ncat", "socat", "http.server", "redis-server"])
def test_a_client_that_is_played_talks_to_a_server_of_the_world(
    sockrun: CommandLine, program: str, text: str, words: list[str]
) -> None:
    """It waits for it by `retry_for`."""
    needs(program)
    sockrun.write("a.txt", "hello")
    file = sockrun.write("a.yaml", text)
    ports = Ports()
    port = ports.reserve()
    try:
        with running(fill(words, HOST="127.0.0.1", PORT=str(port))):
            status, out, err = sockrun("run", str(file), "--real", f"server=127.0.0.1:{port}")
    finally:
        ports.close()
    assert (status, err) == (0, ""), out
