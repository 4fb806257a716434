"""Ctrl-C and SIGTERM: a waiting selector is woken, and the run is asked to end in order.

A Python signal handler only runs between two instructions, and a selector that waits is not woken by it
(PEP 475); the byte that `signal.set_wakeup_fd` writes into a socket is what wakes it. The second signal does not
ask: it raises KeyboardInterrupt wherever the program is.
"""

from __future__ import annotations

import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Wakeable(Protocol):
    """Something that waits, and calls when a socket becomes readable."""

    @property
    def selector(self) -> selectors.BaseSelector: ...

    def wake_on(self, sock: socket.socket, call: Callable[[], None]) -> None: ...


class Glance:
    """For who never waits, but looks now and then; satisfies `Wakeable`."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()

    def wake_on(self, sock: socket.socket, call: Callable[[], None]) -> None:
        self.selector.register(sock, selectors.EVENT_READ, call)

    def look(self) -> None:
        """Call for every socket that is readable."""
        for key, _ in self.selector.select(0) if self.selector.get_map() else ():
            key.data()

    def close(self) -> None:
        self.selector.close()


@contextmanager
def interrupts(network: Wakeable, stop: Callable[[], None]) -> Iterator[None]:
    """While it is in force, the first signal calls `stop` from the loop. Only for the main thread."""
    ours, theirs = socket.socketpair()
    seen: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1:
            raise KeyboardInterrupt

    def woken() -> None:
        ours.recv(64)
        if seen:
            stop()

    with ours, theirs:
        theirs.setblocking(False)
        network.wake_on(ours, woken)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        # One that is ignored stays so: the shell wants that for what runs in the background.
        heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        handlers = {number: signal.signal(number, handle) for number in heard}
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            network.selector.unregister(ours)
