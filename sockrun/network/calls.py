"""Calls from another thread that are made in the loop's: `call_soon_threadsafe`, as asyncio has it.

The one theory: nothing of a run is touched by two threads. What another one wants is put into a queue, whose ends
are atomic (collections.deque), and a byte in a socket pair wakes the selector that waits.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from sockrun.network.kernel import Kernel


class Calls:
    """The way into the loop of `network`, until `close`."""

    def __init__(self, network: Kernel) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        network.wake_on(self._ours, self._make)

    def call_soon(self, function: Callable[[], None]) -> None:
        """Have it called by the loop; from any thread."""
        self._waiting.append(function)
        with suppress(BlockingIOError):  # so many wake it already
            self._theirs.send(b"!")

    def close(self) -> None:
        """Give the sockets back; the loop has ended."""
        self._ours.close()
        self._theirs.close()

    def _make(self) -> None:
        with suppress(BlockingIOError):
            self._ours.recv(4096)
        while self._waiting:
            self._waiting.popleft()()
