"""Which ports are in use on this machine, as the system's own table tells it: nobody is disturbed by the question.

Linux: /proc/net/tcp, tcp6, udp and udp6 (proc(5)), one line a socket. Elsewhere there is no such table. Those that
listen stand first, so the rest is not read: tens of thousands of closed connections may follow, which take the
system a tenth of a second to list.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal

from sockrun.diagnostics import EnvironmentRefused

FRESH = 0.004  # seconds that a reading counts, or four times what it took: many programs may be waited for at once
LISTEN = b"0A"
PIECE = 1024  # bytes: the system lists no more than is asked for
FILES = {"tcp": ("/proc/net/tcp", "/proc/net/tcp6"), "udp": ("/proc/net/udp", "/proc/net/udp6")}


class Tables:
    """The last reading of each protocol's tables, and until when it counts."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[float, frozenset[int]]] = {}

    def bound(self, protocol: Literal["tcp", "udp"], port: int) -> bool:
        """Whether a socket listens on the port (TCP), or is bound to it (UDP). Raises: EnvironmentRefused."""
        until, ports = self._read.get(protocol, (float("-inf"), frozenset()))
        moment = time.monotonic()
        if moment > until:
            ports = _ports(protocol)
            now = time.monotonic()
            self._read[protocol] = (now + max(FRESH, 4 * (now - moment)), ports)
        return port in ports


def _ports(protocol: str) -> frozenset[int]:
    found: set[int] = set()
    seen = 0
    for path in FILES[protocol]:
        with suppress(OSError), open(path, "rb", buffering=PIECE) as table:
            seen += 1
            next(table)  # the names of its columns
            for line in table:
                words = line.split(None, 4)
                if protocol == "tcp" and words[3] != LISTEN:
                    break
                found.add(int(words[1].rpartition(b":")[2], 16))
    if not seen:
        raise EnvironmentRefused("'ready: {port: ...}' needs /proc/net: on this system say path, output or after")
    return frozenset(found)
