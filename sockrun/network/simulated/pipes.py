"""One direction of a simulated connection: what was sent and has not been read, and where it is.

Lives here: buffers, the receive window, and how bytes are cut on their way. Must not live here: sockets
(`streams.py`), and what a network does to bytes (`link.py`).

The one theory: bytes wait in three places. The sender's buffer holds what the window has no room for; the link what is
under way; the inbox what has come. Nothing is lost between them, and an end waits behind the bytes before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from sockrun.network.link import End, StreamLink

if TYPE_CHECKING:
    from sockrun.network.simulated.conditions import How
    from sockrun.network.simulated.world import World


class Pipe:
    """`came` is called when something has arrived, `room` when the sender's buffer has room again."""

    def __init__(
        self,
        world: World,
        number: int,
        sizes: tuple[int, int],
        calls: tuple[Callable[[], None], ...],
        ends: tuple[tuple[str, int], tuple[str, int]],
    ) -> None:
        self.number = number
        self.ends = ends  # the sender's name and the receiver's
        self.back: Pipe | None = None  # the other direction
        self.inbox = bytearray()
        self.end: End | None = None  # that has arrived, behind all bytes
        self.deaf = False  # the receiver has closed: nothing can arrive any more
        self._world = world
        self._buffer, self._window = sizes
        self._came, self._room = calls
        self._link = StreamLink(world.faults, Random(f"{world.seed} {number}"))
        self._quick = not (world.faults.latency or world.faults.jitter or world.faults.bandwidth)
        self._queue = bytearray()  # in the sender's buffer
        self._under_way = 0
        self._ending: End | None = None  # that is sent when the sender's buffer is empty
        self._waiting: list[bytes | End] = []  # has come, but for the cut in front of it
        self._cuts: deque[int] = deque()  # offsets in the stream that no read crosses
        self.arrived = 0  # bytes
        self.lost = 0  # bytes that would have come behind an end that nobody sent
        self._ending_early = world.conditions.ending(number)
        self._gone = False  # such an end has come
        self._read = 0  # bytes
        self._due: int | None = None  # when the link was last said to be looked at

    # --- the sender's end ---

    def write(self, data: bytes | memoryview) -> int:
        """Take as many of the bytes as there is room for."""
        self._world.used(self.number)
        taken = data[: max(0, self._buffer - len(self._queue))]
        self._queue += taken
        self._flow()
        return len(taken)

    @property
    def full(self) -> bool:
        return len(self._queue) >= self._buffer

    @property
    def left(self) -> bool:
        """Whether all that was sent has arrived."""
        return not self._queue and not self._under_way

    def finish(self) -> None:
        """FIN, behind all that was sent."""
        self._world.used(self.number)
        self._ending = self._ending or "fin"
        self._flow()

    def abort(self) -> None:
        """RST: what has not left is lost."""
        self._world.used(self.number)
        self._queue.clear()
        self._ending = None
        self._send_end("reset")

    def _flow(self) -> None:
        """Send what the window has room for."""
        room = self._window - len(self.inbox) - self._under_way
        if self._queue and room > 0:
            was_full = self.full
            portion = bytes(self._queue[:room])
            del self._queue[:room]
            self._under_way += len(portion)
            self._send(portion)
            if was_full:
                self._room()
        if self._ending is not None and not self._queue:
            ending, self._ending = self._ending, None
            self._send_end(ending)

    def _send(self, data: bytes) -> None:
        if self._quick and self._world.faults.segment is None:
            self._arrive(data)
            return
        self._link.take(data, self._world.clock())
        self._look_again()

    def _send_end(self, end: End) -> None:
        if self._quick and self._link.idle:
            self._arrive(end)
            return
        self._link.end(end, self._world.clock())
        self._look_again()

    # --- under way ---

    def _look_again(self) -> None:
        """Come back when the link has something; segments come one at a time, though at the same moment."""
        if self._due is None and not self._link.idle:
            self._due = self._world.now
            self._world.after(self._link.wait(self._world.clock()), self._leave)

    def _leave(self) -> None:
        self._due = None
        what = self._link.leave(self._world.clock())
        if isinstance(what, bytes) and self._world.faults.segment is not None:
            self._cut()
        if what is not None:
            self._arrive(what)
        self._look_again()

    def _arrive(self, what: bytes | End) -> None:
        if self._gone:
            self._swallow(what)
        elif self._waiting:
            self._waiting.append(what)
        elif isinstance(what, str):
            self._come_to_end(what)
        else:
            self._pass(what)

    def _pass(self, data: bytes) -> None:
        """Let as many in as arrive together; the others come when there is nothing else to do."""
        together = self._world.conditions.together(self.number, self.arrived, len(data))
        if together:
            self._let_in(data[:together])
        if together < len(data) and not self._gone:
            if together:
                self._cut()
            self._waiting.append(data[together:])
            self._wait_for_the_rest()

    def _wait_for_the_rest(self) -> None:
        self._world.after(self._world.conditions.held(self.number, self.arrived), self._next_part)

    def _next_part(self) -> None:
        waiting, self._waiting = self._waiting, []
        data = b"".join(what for what in waiting if isinstance(what, bytes))
        if self._gone:
            self._swallow(data)
            return
        together = self._world.conditions.together(self.number, self.arrived, len(data)) or len(data)
        self._let_in(data[:together])
        if self._gone:
            self._swallow(data[together:])
            return
        rest: list[bytes | End] = [data[together:]] if together < len(data) else []
        ends = [what for what in waiting if isinstance(what, str)]
        if rest:
            self._cut()
            self._waiting = [*rest, *ends]
            self._wait_for_the_rest()
        elif ends:
            self._come_to_end(ends[0])

    def _cut(self) -> None:
        """No read crosses this place."""
        if self.arrived > self._read and (not self._cuts or self._cuts[-1] != self.arrived):
            self._cuts.append(self.arrived)

    def _let_in(self, data: bytes) -> None:
        early = self._ending_early
        if early is not None and self.arrived + len(data) > early[0]:
            before = early[0] - self.arrived
            self._admit(data[:before])
            self._end_early(early[1])
            self._swallow(data[before:])
        else:
            self._admit(data)

    def _admit(self, data: bytes) -> None:
        self._under_way -= len(data)
        self.arrived += len(data)
        if not self.deaf:
            self.inbox += data
        if data:
            self._came()

    def _come_to_end(self, end: End) -> None:
        """The sender has ended it; where it is to end here anyway, in another way, it does."""
        if self._ending_early is not None and end == "fin":
            self._end_early(self._ending_early[1])
        else:
            self._ended(end)

    def _end_early(self, how: How) -> None:
        """As if whatever is between the two had ended it."""
        back = self.back
        self._gone = True
        if how != "silence":
            self._ended("reset" if how == "reset" else "fin")
        if how in ("fin", "reset") and back is not None and not back._gone:
            back._gone = True
            back._ended("reset" if how == "reset" else "fin")

    def _swallow(self, what: bytes | End) -> None:
        """What comes behind the end is lost, and its sender learns nothing of that."""
        if isinstance(what, bytes):
            self._under_way -= len(what)
            self.lost += len(what)

    def _ended(self, end: End) -> None:
        self.end = end
        self._came()

    # --- the receiver's end ---

    def close(self) -> None:
        """Nobody reads any more."""
        self.deaf = True
        self.inbox.clear()
        self._cuts.clear()
        self._flow()

    def read(self, size: int) -> bytes:
        """At most so many bytes of what has come."""
        self._world.used(self.number)
        if self._cuts:
            size = min(size, self._cuts[0] - self._read)
        data = bytes(self.inbox[:size])
        del self.inbox[:size]
        self._read += len(data)
        if self._cuts and self._cuts[0] <= self._read:
            self._cuts.popleft()
        if data:
            self._flow()
        return data
