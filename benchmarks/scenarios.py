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

ASK = """\
name: one question over UDP
roles:
  server: {protocol: udp, side: server, expect: ping, payload: pong}
  client: {side: client, to: server, payload: ping, expect: pong}
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


def datagrams(rounds: int) -> str:
    """One UDP client and one UDP server that do `rounds` round trips of 64 bytes."""
    return f"""\
name: {rounds} round trips over UDP
timeout: 2m
roles:
  server:
    protocol: udp
    side: server
    steps:
      - repeat: {rounds}
        steps:
          - expect: {PING}
          - send: {PONG}
  client:
    side: client
    to: server
    steps:
      - repeat: {rounds}
        steps:
          - send: {PING}
          - expect: {PONG}
"""


def bulk(size: int, chunk: int | None = None) -> str:
    """`size` bytes, a multiple of 16, through one TCP connection, in sends of `chunk` bytes where that is said."""
    cut = f", chunk: {chunk}" if chunk else ""
    return f"""\
name: {size} bytes
timeout: 2m
roles:
  server:
    protocol: tcp
    side: server
    steps:
      - {{expect: {{length: {size}}}, timeout: 2m}}
  client:
    side: client
    to: server
    steps:
      - {{send: {{times: {size // 16}, of: "0123456789abcdef"}}{cut}, timeout: 2m}}
"""


def write(folder: Path, texts: dict[str, str]) -> None:
    """Writes each text under its name, which may hold a sub-folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
