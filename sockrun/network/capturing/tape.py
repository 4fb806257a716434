"""A run's packets, as one growing pcapng file: in the order in which they passed, with the keys of TLS before them.

Must not live here: the file on disk (`sockrun/capture.py`), the blocks (`pcapng.py`).

The one theory: a reader decrypts from the first packet on, so keys must stand before the packets that need them.
OpenSSL tells a client's keys only when it has read the server's answer, which is on the tape by then. So the last
packet is held back until the next one comes: whatever it gave OpenSSL to do has been done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

from sockrun.network.addresses import local_address
from sockrun.network.capturing import pcapng
from sockrun.network.capturing.tapped import TappedSystem
from sockrun.network.capturing.wire import Wire
from sockrun.network.system import System

if TYPE_CHECKING:
    from sockrun.network.capturing.keys import KeyLog

_SECOND = 1_000_000_000  # nanoseconds


class Tape:
    """`write` takes the file's bytes, one after the other; `keys` are what OpenSSL tells."""

    def __init__(self, write: Callable[[bytes], None], application: str, comment: str, keys: KeyLog) -> None:
        self._write = write
        self._keys = keys
        self._held = b""
        self._numbers = count(1)
        self._moment = 0  # nanoseconds since 1970, of the last packet
        write(pcapng.section(application, comment) + pcapng.interface("sockrun"))

    def tap(self, system: System) -> System:
        """The real system, and all that passes its sockets."""
        started, clock = time.time_ns() - time.monotonic_ns(), time.monotonic_ns
        return self._tapped(system, lambda: started + clock(), local_address)

    def tap_simulated(self, system: System) -> System:
        """A simulated one, whose clock begins at zero: behind all that has passed before."""
        started, clock = self._moment, system.clock
        return self._tapped(system, lambda: started + round(clock() * _SECOND), lambda host: host)

    def _tapped(self, system: System, clock: Callable[[], int], local_to: Callable[[str], str]) -> System:
        def put(packet: bytes, comment: str) -> None:
            self._put(clock(), packet, comment)

        return TappedSystem(system, Wire(put, local_to, self._numbers), self._keys)

    def _put(self, moment: int, packet: bytes, comment: str) -> None:
        self.flush()
        self._moment = max(self._moment, moment)
        self._held = pcapng.packet(moment, packet, comment)

    def flush(self) -> None:
        """Nothing is held back any more."""
        lines = self._keys.read()
        if lines:
            self._write(pcapng.secrets(lines))
        if self._held:
            self._write(self._held)
            self._held = b""
