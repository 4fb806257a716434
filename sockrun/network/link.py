"""A bad network in one direction: what comes in at which time, and what leaves when.

Pure: it knows no socket and no clock, so that every fault can be tried without either. Who reads, waits and sends
is `playing/proxying.py`. All that is random comes from the generator that is given, so that a seed repeats it.

The one theory: what is taken gets the moment it leaves at once. Bandwidth is a clock of its own, which each piece
moves on by the time it needs; latency and jitter come on top. A stream's pieces never overtake each other, and what
ends it waits behind them; datagrams go as their moments are.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import Literal, Protocol, TypeAlias

from sockrun.program import Faults

ROOM = 65536  # bytes that a link holds before it takes no more: then its sender has to wait
SMOOTH = 0.01  # seconds that a piece needs at most where there is a bandwidth and no size of segments
LARGEST = 1448  # bytes of a piece then: what a TCP segment carries over Ethernet
HELD_BACK = 0.05  # seconds that a datagram waits at most for the one that is to overtake it

End: TypeAlias = Literal["fin", "reset", "close_after", "reset_after"]
Note: TypeAlias = Callable[[str], None]


class Link(Protocol):
    """One direction. Moments are seconds on one clock, and never go back from call to call."""

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        ...

    @property
    def full(self) -> bool: ...

    @property
    def ended(self) -> bool:
        """Whether nothing that comes from now on will leave."""
        ...

    def take(self, data: bytes, now: float) -> int | None:
        """Bytes, or a datagram, have come."""
        ...

    def end(self, kind: End, now: float) -> None:
        """Nothing more will come."""
        ...

    def leave(self, now: float) -> bytes | End | None:
        """The first that has to leave by now; None: nothing has."""
        ...

    def wait(self, now: float) -> float:
        """Seconds until something leaves; inf: nothing is under way."""
        ...


class _Pace:
    """When something of some size that comes now has passed."""

    def __init__(self, faults: Faults, random: Random) -> None:
        self._faults = faults
        self._random = random
        self._free = -inf  # when the last bytes are through

    def moment(self, size: int, now: float) -> float:
        faults = self._faults
        self._free = max(now, self._free) + (size / faults.bandwidth if faults.bandwidth else 0.0)
        jitter = faults.jitter * self._random.random() if faults.jitter else 0.0
        return self._free + faults.latency + jitter


def _corrupted(data: bytes, at: int, xor: int) -> bytes:
    return data[:at] + bytes([data[at] ^ xor]) + data[at + 1 :]


class StreamLink:
    """One direction of a connection; satisfies `Link`. `note` is told of each byte that is changed."""

    def __init__(self, faults: Faults, random: Random, note: Note = lambda _: None) -> None:
        self._faults = faults
        self._note = note
        self._pace = _Pace(faults, random)
        self._queue: list[tuple[float, int, bytes | End]] = []
        self._serial = count()
        self._last = -inf  # when the last piece leaves
        self._held = 0
        self._taken = 0  # bytes that passed, or will
        self.ended = False
        self._finished = False  # by FIN, behind which a reset may come
        cuts: list[tuple[int, End]] = []
        if faults.reset_after is not None:
            cuts.append((faults.reset_after, "reset_after"))
        if faults.close_after is not None:
            cuts.append((faults.close_after, "close_after"))
        self._cut = min(cuts, key=lambda cut: cut[0], default=None)
        self._cut_if_due()

    @property
    def idle(self) -> bool:
        return not self._queue

    @property
    def full(self) -> bool:
        return self._held >= ROOM

    def take(self, data: bytes, now: float) -> None:
        if self.ended:
            return
        if self._cut is not None:
            data = data[: self._cut[0] - self._taken]
        corrupt = self._faults.corrupt
        if corrupt is not None and 0 <= corrupt.at - self._taken < len(data):
            data = _corrupted(data, corrupt.at - self._taken, corrupt.xor)
            self._note(f"changes byte {corrupt.at}")
        size = self._size(len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            self._put(self._pace.moment(len(piece), now), piece)
        self._held += len(data)
        self._taken += len(data)
        self._cut_if_due()

    def end(self, kind: End, now: float) -> None:
        if not self.ended or (self._finished and kind == "reset"):
            self.ended = True
            self._finished = kind == "fin"
            self._put(self._pace.moment(0, now), kind)

    def leave(self, now: float) -> bytes | End | None:
        if not self._queue or self._queue[0][0] > now:
            return None
        what = heappop(self._queue)[2]
        if isinstance(what, bytes):
            self._held -= len(what)
        return what

    def wait(self, now: float) -> float:
        return max(0.0, self._queue[0][0] - now) if self._queue else inf

    def stop(self) -> None:
        """Whatever is under way is lost, and so is what still comes."""
        self._queue.clear()
        self._held = 0
        self.ended = True

    def _size(self, whole: int) -> int:
        """Bytes of a piece."""
        if self._faults.segment is not None:
            return self._faults.segment
        bandwidth = self._faults.bandwidth
        return max(1, min(LARGEST, int(bandwidth * SMOOTH))) if bandwidth else max(1, whole)

    def _cut_if_due(self) -> None:
        if self._cut is not None and self._taken >= self._cut[0]:
            self.ended = True
            self._put(self._last, self._cut[1])

    def _put(self, moment: float, what: bytes | End) -> None:
        self._last = max(self._last, moment)
        heappush(self._queue, (self._last, next(self._serial), what))


class DatagramLink:
    """One direction between a client's address and a server; satisfies `Link`. `note` is told of each fault."""

    ended = False

    def __init__(self, faults: Faults, random: Random, note: Note = lambda _: None) -> None:
        self._faults = faults
        self._random = random
        self._note = note
        self._pace = _Pace(faults, random)
        self._queue: list[tuple[float, int, bytes]] = []
        self._late: tuple[float, bytes] | None = None  # to be overtaken, or to leave then
        self._serial = count()
        self._held = 0

    @property
    def idle(self) -> bool:
        return not self._queue and self._late is None

    @property
    def full(self) -> bool:
        return self._held >= ROOM

    def take(self, data: bytes, now: float) -> int:
        """How many of it will arrive."""
        faults = self._faults
        if self._happens(faults.loss):
            self._note(f"loses a datagram of {len(data)} bytes")
            return 0
        copies = 1
        if faults.corrupt is not None and faults.corrupt.at < len(data):
            data = _corrupted(data, faults.corrupt.at, faults.corrupt.xor)
            self._note(f"changes byte {faults.corrupt.at} of a datagram")
        moment = self._pace.moment(len(data), now)
        if self._happens(faults.duplicate):
            self._note(f"sends a datagram of {len(data)} bytes twice")
            self._put(moment, data)
            copies = 2
        if self._late is None and self._happens(faults.reorder):
            self._note(f"holds a datagram of {len(data)} bytes back")
            self._held += len(data)
            self._late = (moment + HELD_BACK, data)
            return copies
        self._put(moment, data)
        self._overtaken(moment)
        return copies

    def end(self, kind: End, now: float) -> None:
        """Datagrams have no end: who is not there now may be there later."""

    def leave(self, now: float) -> bytes | None:
        if self._late is not None and self._late[0] <= now:
            self._overtaken(self._late[0])
        if not self._queue or self._queue[0][0] > now:
            return None
        data = heappop(self._queue)[2]
        self._held -= len(data)
        return data

    def wait(self, now: float) -> float:
        moments = [self._queue[0][0]] if self._queue else []
        moments += [self._late[0]] if self._late is not None else []
        return max(0.0, min(moments, default=inf) - now)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._random.random() < share

    def _overtaken(self, moment: float) -> None:
        """The datagram that was held back leaves right behind what leaves at that moment."""
        late, self._late = self._late, None
        if late is not None:
            self._held -= len(late[1])
            self._put(moment, late[1])

    def _put(self, moment: float, data: bytes) -> None:
        self._held += len(data)
        heappush(self._queue, (moment, next(self._serial), data))
