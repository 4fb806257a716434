"""Scenarios of several processes that name the same fixed port play one after the other.

Must not live here: the order of those in one process, which the runner knows (`playing/runner.py`).

The one theory: whoever plays holds the port's lock (`ports.py`), which ends with its process. Locks are taken in the
order of the ports, so two that wait for each other are not possible.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sockrun.network.ports import Ports

WAIT = 0.01  # seconds between two attempts
_ours: set[int] = set()  # held by this process, which would wait for itself


@contextmanager
def turn(ports: Iterable[int]) -> Iterator[None]:
    """Wait until no other process holds one of these ports in this way, and hold them meanwhile."""
    wanted = sorted(set(ports) - _ours)
    held = Ports()
    try:
        for port in wanted:
            while not held.take(port):
                time.sleep(WAIT)
            _ours.add(port)
        yield
    finally:
        _ours.difference_update(wanted)
        held.close()
