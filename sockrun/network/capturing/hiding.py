"""Secrets hidden in one direction of a connection, whose segments are written while it goes on.

Must not live here: how a secret looks (`sockrun/masking.py`).

The one theory: whether the end of a segment begins a secret is known only when more has come. Until then it is hidden,
so that a secret is never on the disk; when it was none the segment is written again, in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from sockrun.masking import Mask

Make = Callable[[bytes], bytes]  # a packet with these bytes in it


class Slot:
    """The place of a packet in the file, in bytes from its start; None: it is not there yet."""

    __slots__ = ("position",)
    position: int | None


class Track(Protocol):
    """Where packets go."""

    def put(self, packet: bytes, comment: str) -> Slot: ...

    def replace(self, slot: Slot, packet: bytes) -> None:
        """Write a packet again, as long as it was."""
        ...


class _Segment:
    __slots__ = ("data", "make", "shown", "slot")

    def __init__(self, make: Make, data: bytes, shown: bytes, slot: Slot) -> None:
        self.make = make
        self.data = data
        self.shown = shown
        self.slot = slot


class Veil:
    """One direction."""

    def __init__(self, mask: Mask, track: Track) -> None:
        self._mask = mask
        self._track = track
        self._segments: list[_Segment] = []  # the last ones: enough to know a secret that ends in the next

    def put(self, make: Make, data: bytes, comment: str) -> None:
        *before, shown = self._mask.pieces([*(one.data for one in self._segments), data], tail=1)
        self._improve(before)
        self._segments.append(_Segment(make, data, shown, self._track.put(make(shown), comment)))
        while sum(len(one.data) for one in self._segments[1:]) >= 2 * self._mask.reach:
            del self._segments[0]

    def end(self) -> None:
        """Nothing comes behind it."""
        self._improve(self._mask.pieces([one.data for one in self._segments], tail=0))
        self._segments.clear()

    def _improve(self, shown: list[bytes]) -> None:
        """Show what is known now; what lies farther back than any secret reaches was known before."""
        for segment, better, settled in zip(self._segments, shown, self._settled(), strict=True):
            better = segment.shown[:settled] + better[settled:]
            if better != segment.shown:
                segment.shown = better
                self._track.replace(segment.slot, segment.make(better))

    def _settled(self) -> Iterator[int]:
        """How many bytes of each segment cannot belong to a secret that goes on."""
        left = sum(len(one.data) for one in self._segments) - self._mask.reach
        for segment in self._segments:
            yield max(0, min(left, len(segment.data)))
            left -= len(segment.data)
