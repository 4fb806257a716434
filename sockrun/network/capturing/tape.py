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
from sockrun.network.capturing.hiding import Slot
from sockrun.network.capturing.tapped import TappedSystem
from sockrun.network.capturing.wire import Wire
from sockrun.network.system import System

if TYPE_CHECKING:
    from sockrun.network.capturing.keys import KeyLog

_SECOND = 1_000_000_000  # nanoseconds


class Tape:
    """`write` takes the file's bytes, one after the other; `rewrite` those at a place that has been written.

    `keys` are what OpenSSL tells; `comment` is about the whole file.
    """

    def __init__(
        self,
        write: Callable[[bytes], None],
        rewrite: Callable[[int, bytes], None],
        keys: KeyLog,
        application: str,
        comment: str = "",
    ) -> None:
        self._append = write
        self._rewrite = rewrite
        self._keys = keys
        self._head = pcapng.section(application, comment) + pcapng.interface("sockrun")
        self._size = 0  # bytes that have been written
        self._held: _Held | None = None
        self._numbers = count(1)  # of connections
        self._moment = 0  # nanoseconds since 1970, of the last packet

    def begin(self) -> None:
        self._write(self._head)

    # --- systems ---

    def tap(self, system: System) -> System:
        """The real system, and all that passes its sockets."""
        started, clock = time.time_ns() - time.monotonic_ns(), time.monotonic_ns
        return self._tapped(system, lambda: started + clock(), local_address)

    def tap_simulated(self, system: System) -> System:
        """A simulated one, whose clock begins at zero: behind all that has passed before."""
        started, clock = self._moment, system.clock
        return self._tapped(system, lambda: started + round(clock() * _SECOND), lambda host: host)

    def _tapped(self, system: System, clock: Callable[[], int], local_to: Callable[[str], str]) -> System:
        return TappedSystem(system, Wire(_Track(self, clock), local_to, self._numbers), self._keys)

    # --- packets ---

    def put(self, moment: int, packet: bytes, comment: str) -> Slot:
        self.flush()
        self._moment = max(self._moment, moment)
        self._held = _Held(moment, packet, comment)
        return self._held

    def replace(self, slot: Slot, packet: bytes) -> None:
        if slot.position is not None:
            self._rewrite(slot.position, packet)
        elif isinstance(slot, _Held):
            slot.packet = packet

    def flush(self) -> None:
        """Nothing is held back any more."""
        lines = self._keys.read()
        if lines:
            self._write(pcapng.secrets(lines))
        held, self._held = self._held, None
        if held is not None:
            held.position = self._size + pcapng.PACKET_AT
            self._write(pcapng.packet(held.moment, held.packet, held.comment))
            held.packet = b""

    def _write(self, data: bytes) -> None:
        self._append(data)
        self._size += len(data)


class _Held(Slot):
    """A packet that is still to be written."""

    __slots__ = ("comment", "moment", "packet")

    def __init__(self, moment: int, packet: bytes, comment: str) -> None:
        self.position = None
        self.moment = moment
        self.packet = packet
        self.comment = comment


class _Track:
    """The tape, with the clock of one system; satisfies `hiding.Track`."""

    def __init__(self, tape: Tape, clock: Callable[[], int]) -> None:
        self._tape = tape
        self._clock = clock
        self.replace = tape.replace

    def put(self, packet: bytes, comment: str) -> Slot:
        return self._tape.put(self._clock(), packet, comment)
