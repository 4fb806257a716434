"""Free ports that no two sockrun runs share, for programs that have to be told theirs.

A port is chosen outside the range from which the system takes ephemeral ports (ip(7)), found free for TCP
and UDP, and held by a lock that ends with the process: an abstract unix socket on Linux, which has the same
name space as the ports have (one for each network namespace); elsewhere a locked file.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress

from sockrun.diagnostics import EnvironmentRefused

LOWEST = 20000
ATTEMPTS = 2000


class Ports:
    """The ports that this process holds."""

    def __init__(self) -> None:
        self._held: dict[int, socket.socket | int] = {}

    def reserve(self) -> int:
        """Raises: EnvironmentRefused when none is found."""
        for port in _candidates():
            if port in self._held:
                continue
            lock = _lock(port)
            if lock is None:
                continue
            self._held[port] = lock
            if _free(port):
                return port
            self.release(port)
        raise EnvironmentRefused(f"no port is free for TCP and UDP alike (tried {ATTEMPTS})")

    def take(self, port: int) -> bool:
        """Hold this very port, unless another run does; whether that was possible."""
        lock = _lock(port)
        if lock is None:
            return False
        self._held[port] = lock
        return True

    def release(self, port: int) -> None:
        lock = self._held.pop(port)
        if isinstance(lock, int):
            os.close(lock)
        else:
            lock.close()

    def close(self) -> None:
        for port in list(self._held):
            self.release(port)


def _candidates() -> Iterator[int]:
    import random  # start-up

    low, high = 32768, 60999
    with suppress(OSError, ValueError), open("/proc/sys/net/ipv4/ip_local_port_range") as file:
        low, high = (int(word) for word in file.read().split())
    outside = [*range(LOWEST, max(LOWEST, low)), *range(high + 1, 65536)]
    pool = outside or range(LOWEST, 65536)
    for _ in range(ATTEMPTS):
        yield random.choice(pool)


def _lock(port: int) -> socket.socket | int | None:
    if sys.platform.startswith("linux"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            sock.bind(f"\0sockrun-port-{port}")
        except OSError:
            sock.close()
            return None
        return sock
    import fcntl
    import tempfile

    handle = os.open(f"{tempfile.gettempdir()}/sockrun-port-{port}.lock", os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def _free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("", port))
            except OSError:
                return False
    return True
