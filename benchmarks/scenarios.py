"""The scenario files that sockrun plays in a benchmark: the same work as the programs in `programs/`.

Every server takes an ephemeral port of loopback.
"""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

SIP_CALL = Path(__file__).parent.parent / "scenarios" / "sip_call.yaml"
PING, PONG = "ping" * 16, "pong" * 16
ASKS, ANSWERS = (f"send: {PING}", f"expect: {PONG}"), (f"expect: {PING}", f"send: {PONG}")

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
    return conversation(
        f"{connections} connections with {rounds} round trips",
        f"protocol: tcp\nsocket: {{backlog: 4096}}\nconnections: {connections}\n" + repeated(rounds, *ANSWERS),
        f"instances: {connections}\n" + repeated(rounds, *ASKS),
    )


def datagrams(rounds: int) -> str:
    """One UDP client and one UDP server that do `rounds` round trips of 64 bytes."""
    name = f"{rounds} round trips over UDP"
    return conversation(name, "protocol: udp\n" + repeated(rounds, *ANSWERS), repeated(rounds, *ASKS))


def bulk(size: int, chunk: int | None = None) -> str:
    """`size` bytes, a multiple of 16, through one TCP connection, in sends of `chunk` bytes where that is said."""
    cut = f", chunk: {chunk}" if chunk else ""
    return conversation(
        f"{size} bytes",
        f"protocol: tcp\nsteps:\n  - {{expect: {{length: {size}}}, timeout: 2m}}\n",
        f'steps:\n  - {{send: {{times: {size // 16}, of: "0123456789abcdef"}}{cut}, timeout: 2m}}\n',
    )


def calls(number: int) -> str:
    """SIPp's basic call, again and again, by the roles of the scenario that has it."""
    text = SIP_CALL.read_text(encoding="utf-8")
    again = f"    steps:\n      - repeat: {number}\n        steps:\n"
    repeated = re.sub(r"    steps:\n((?: {6}.*\n)+)", lambda found: again + indent(found[1], "    "), text)
    return f"timeout: 2m\n{repeated}"


def steps(number: int) -> str:
    """`number` steps written out for each of two roles; a file holds 1 MiB, which ends it at some 20,000."""
    expects, sends = "  - expect: ping\n" * number, "  - send: ping\n" * number
    return conversation(f"{number} steps", f"protocol: tcp\nsteps:\n{expects}", f"steps:\n{sends}")


def conversation(name: str, server: str, client: str) -> str:
    """A server and its client, with the keys and steps of each."""
    return (
        f"name: {name}\ntimeout: 2m\nroles:\n"
        f"  server:\n    side: server\n{indent(server, '    ')}"
        f"  client:\n    side: client\n    to: server\n{indent(client, '    ')}"
    )


def repeated(rounds: int, *steps: str) -> str:
    return f"steps:\n  - repeat: {rounds}\n    steps:\n" + "".join(f"      - {step}\n" for step in steps)


def write(folder: Path, texts: dict[str, str]) -> None:
    """Writes each text under its name, which may hold a sub-folder."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
