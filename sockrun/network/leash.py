"""What ties workers to who started them: when it lets go, or is gone, they end what they play, in order.

The one theory: a socket pair whose one end the starter keeps and never writes to. Workers wait for the other end beside
all else; it becomes readable when the last copy of the kept one is closed, in order or with its process. No signal is
needed, and none can hit a worker between two scenarios.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from sockrun.network.interrupts import Wakeable

Leash: TypeAlias = socket.socket  # the workers' end; it can be sent to processes of `multiprocessing`


def pair() -> tuple[socket.socket, Leash]:
    """The end to be kept, and the workers'."""
    return socket.socketpair()


def leave_signals_to_the_starter() -> None:
    """In a worker process: Ctrl-C reaches every process of the terminal, and one of them is to decide."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def interrupts(leash: Leash, network: Wakeable, stop: Callable[[], None]) -> Iterator[None]:
    """While it is in force, `stop` is called once, from the loop, when the other end is closed."""
    heard = False

    def woken() -> None:
        nonlocal heard
        heard = True
        network.selector.unregister(leash)
        stop()

    network.wake_on(leash, woken)
    try:
        yield
    finally:
        if not heard:
            network.selector.unregister(leash)
