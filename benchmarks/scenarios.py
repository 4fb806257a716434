"""The scenario files that sockrun plays in a benchmark: the same work as the programs in `programs/`.

Every server takes an ephemeral port of loopback.
"""

from __future__ import annotations

from pathlib import Path

PING, PONG = "ping" * 16, "pong" * 16

HELLO = """\
name: TCP hello
roles:
  server: {protocol: tcp, side: server, payload: "Hello World\\n"}
  client: {side: client, to: server, expect: "Hello World\\n"}
"""

WAIT = """\
name: a server that waits
roles:
  server:
    protocol: tcp
    side: server
    steps:
      - pause: 50ms
      - send: "hello\\n"
  client: {side: client, to: server, expect: "hello\\n"}
"""


def exchange(connections: int, rounds: int) -> str:
    """`connections` clients of one server, each doing `rounds` round trips of 64 bytes."""
    return f"""\
name: {connections} connections with {rounds} round trips
timeout: 2m
roles:
  server:
    protocol: tcp
    side: server
    socket: {{backlog: 4096}}
    connections: {connections}
    steps:
      - repeat: {rounds}
        steps:
          - expect: {PING}
          - send: {PONG}
  client:
    side: client
    to: server
    instances: {connections}
    steps:
      - repeat: {rounds}
        steps:
          - send: {PING}
          - expect: {PONG}
"""


def write(folder: Path, texts: dict[str, str]) -> None:
    """Writes each text under its name, which may hold a sub-folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
