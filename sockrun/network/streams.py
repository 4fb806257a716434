"""One end of a TCP or unix stream connection, on the kernel's sockets.

Facts a reader needs:

- A stream is registered with the selector once for its life; its interest changes only when a write would
  block, or when an event came while no step was reading (reading goes on when a step waits again: a peer
  that does not read is a peer that does not read).
- A receive is tried without asking the selector only when bytes are known to be there: the other end (the
  `twin`) is a role of this process and has sent more than was received.
- On Linux, bytes that came before a RST are still read before ECONNRESET is told (tcp(7)); a failed send
  takes the socket's error with it, so it is kept here for the step that waits next.
- File descriptors are reused at once: a socket is unregistered before it is closed, and an event that was
  fetched in the same batch finds it closed.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING

from sockrun.commands import (
    Address,
    Close,
    Ended,
    EndKind,
    Event,
    Failed,
    Finish,
    Reader,
    Receive,
    Reset,
    Send,
    SendPieces,
    Shutdown,
    TimedOut,
)
from sockrun.network.aborting import reset_on_close
from sockrun.network.draining import KEPT_UNREAD, Drain
from sockrun.network.interface import PENDING, Reply
from sockrun.network.loop import Task
from sockrun.network.system import Socket
from sockrun.values import Value

if TYPE_CHECKING:
    from sockrun.network.kernel import Kernel

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
LEAVING = 0.001  # seconds between looks at whether what was sent has left
LOOKS = 1024  # receives at most when a deadline has passed: a peer that never stops must not keep the step going
LARGE = 4096  # bytes from which on it is worth to ask whether they must be kept

# How the system's errors end a connection; anything else is a failure of the step.
ENDINGS: dict[type[OSError], EndKind] = {
    ConnectionResetError: "reset",
    ConnectionAbortedError: "reset",
    BrokenPipeError: "fin",
    ConnectionRefusedError: "refused",
}


class Stream:
    """See the module's text; the methods named like commands are those of `interface.Channel`."""

    __slots__ = (
        "_buffer",
        "_interest",
        "_kept",
        "_kernel",
        "_loop",
        "_outgoing",
        "_pieces",
        "_queued",
        "_read_size",
        "_reader",
        "_sock",
        "_task",
        "ended",
        "local",
        "peer",
        "received",
        "sent",
        "shut",
        "twin",
    )

    def __init__(self, kernel: Kernel, sock: Socket | None, peer: Address | None, local: Address | None) -> None:
        self._kernel = kernel
        self._loop = kernel.loop
        self._sock = sock
        self.peer: Address | None = peer
        self.local = local
        self.twin: Stream | None = None
        self.sent = 0  # bytes handed to the kernel
        self.received = 0  # bytes taken from it
        self.shut = False  # our FIN is out
        self.ended: EndKind | None = None  # how the peer's side ended
        self._kept: EndKind | None = None  # what a failed send told
        self._buffer = bytearray()
        self._read_size = kernel.read_size
        self._interest = 0
        self._queued = False
        self._task: Task | None = None
        self._reader: Reader | None = None
        self._outgoing: memoryview | None = None
        self._pieces: Iterator[bytes] | None = None

    def hand_over(self, other: Stream) -> None:
        """Give the connection, and all that is known of it, to another stream; this one is as good as closed."""
        other._sock, self._sock = self._sock, None
        other.sent, other.received, other._buffer = self.sent, self.received, self._buffer
        other.shut, other.ended, other._kept = self.shut, self.ended, self._kept
        other.twin = self.twin
        if self.twin is not None:
            self.twin.twin = other
        for client in (self.local, self.peer):
            if client is not None and self._kernel.unpaired.get(client) is self:
                self._kernel.unpaired[client] = other
        if self._interest and other._sock is not None:
            other._interest = self._kernel.watch(other._sock, self._interest, self._interest, other)
            self._interest = 0

    # --- receiving ---

    def receive(self, task: Task, command: Receive) -> Reply:
        reader = command.matcher.reader()
        twin = self.twin
        if twin is not None and twin.sent != self.received:
            self._pull()
        if self._buffer or self.ended:
            event = self._offer(reader)
            if event is not None:
                return event
        self._task, self._reader = task, reader
        if not self._interest & READ:
            self._watch(self._interest | READ)
        # `Loop.arm`, written out: each call on the way of a round trip is a hundredth of it.
        task.on_expiry = None
        deadline = task.deadline = self._loop.moment + command.seconds
        if deadline < task.entry:
            self._loop.enter(task)
        return PENDING

    def _expecting(self) -> bool:
        """Whether bytes are known to be there, or on their way: no need to ask the selector."""
        twin = self.twin
        return twin is not None and twin.sent != self.received and not self.ended

    def _pull(self) -> bool:
        """Move what the kernel has into the buffer, or learn how the peer's side ended. False: nothing there."""
        sock = self._sock
        if sock is None or self.ended:
            return False
        try:
            data = sock.recv(self._read_size)
        except BlockingIOError:
            return False
        except OSError as error:
            self.ended = ENDINGS.get(type(error), "reset")
            return True
        if data:
            self.received += len(data)
            if len(data) >= LARGE and not self._buffer:
                data = self._skimmed(data)
            self._buffer += data
        else:
            self.ended = self._kept or "fin"
        return True

    def _skimmed(self, data: bytes) -> bytes:
        """What the reader leaves, where it is one that keeps nothing: a copy costs a quarter of the way."""
        skim: Callable[[bytes], bytes] | None = getattr(self._reader, "skim", None)
        return data if skim is None else skim(data)

    def _offer(self, reader: Reader) -> Event:
        """Show the buffer to the reader; None: it needs more, and more may come."""
        ended = self.ended
        event = reader.feed(self._buffer, ended is not None)
        if event is None and ended is not None:
            return Ended(ended, bytes(self._buffer))
        return event

    def _advance(self) -> None:
        """Bytes or an end should be there, as the selector or the twin says."""
        self._queued = False
        reader = self._reader
        if reader is None:
            return
        got = self._pull()
        try:
            event = reader.feed(self._buffer, False) if self.ended is None else self._offer(reader)
        except Exception as error:
            self._loop.fail(self._task, error)
            return
        if event is not None:
            self._answer(event)
        elif got and self._task is not None:
            self._task.owner.polls = 0  # it moves, though no step is done yet
            if self._expecting():
                self._nudge()

    def _nudge(self) -> None:
        """Look for bytes soon, before the selector is asked."""
        if self._reader is not None and not self._queued:
            self._queued = True
            self._loop.ready.appendleft(self._advance)

    def _answer(self, event: Event) -> None:
        task = self._task
        self._task = self._reader = None
        if task is not None:
            if self.ended and isinstance(task.command, Finish):
                self.abandon()
            task.deadline = inf
            self._loop.resume(task, event)

    def expired(self, task: Task) -> None:
        if self._reader is None:  # it waits for room to send
            self._outgoing = self._pieces = None
            self._watch(self._interest & ~WRITE)
            self._answer(Failed("the peer does not read: there was no room to send"))
            return
        event: Event = None
        try:
            for _ in range(LOOKS):
                if event is not None or not self._pull():
                    break
                event = self._offer(self._reader)
        except Exception as error:
            self._loop.fail(task, error)
        else:
            assert isinstance(task.command, Receive | Finish)
            self._answer(event or TimedOut(task.command.seconds, bytes(self._buffer)))

    # --- sending ---

    def send(self, task: Task, command: Send) -> Reply:
        size = self.put(command.data)
        if size == len(command.data):
            return None
        self._outgoing = memoryview(command.data)[size:]
        self._wait_for_room(task, command)
        return PENDING

    def send_pieces(self, task: Task, command: SendPieces) -> Reply:
        self._pieces = command.pieces()
        self._wait_for_room(task, command)
        self._loop.ready.append(self.writable)
        return PENDING

    def _wait_for_room(self, task: Task, command: Send | SendPieces) -> None:
        self._task = task
        self._loop.arm(task, command.seconds)
        if self._outgoing is not None:
            self._watch(self._interest | WRITE)

    def put(self, data: bytes | memoryview) -> int:
        """Hand bytes to the kernel; how many it took. A dead connection takes all: the next wait tells."""
        sock = self._sock
        if sock is None or self._kept is not None:
            return len(data)
        try:
            size = sock.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._kept = ENDINGS.get(type(error), "reset")
            return len(data)
        self.sent += size
        twin = self.twin
        if twin is not None and twin._reader is not None and not twin._queued:
            twin._queued = True
            self._loop.ready.appendleft(twin._advance)
        return size

    def writable(self) -> None:
        """There is room again, or the next piece's turn has come."""
        if self._task is None or self._reader is not None:
            return
        if self._outgoing is not None:
            self._outgoing = self._outgoing[self.put(self._outgoing) :]
            if self._outgoing:
                return
            self._outgoing = None
            self._watch(self._interest & ~WRITE)
        if self._pieces is not None:
            self._next_piece(self._pieces)
        else:
            self._answer(None)

    def _next_piece(self, pieces: Iterator[bytes]) -> None:
        """One piece, then its reader at once while the bytes are still in the cache."""
        piece = next(pieces, None)
        if piece is None:
            self._pieces = None
            self._answer(None)
            return
        size = self.put(piece)
        if size < len(piece):
            self._outgoing = memoryview(piece)[size:]
            self._watch(self._interest | WRITE)
        else:
            self._loop.ready.append(self.writable)

    # --- ending ---

    def shutdown(self, task: Task, command: Shutdown) -> Reply:
        self._half_close()
        return None

    def _half_close(self) -> None:
        if self._sock is None or self.shut:
            return
        self.shut = True
        self._send_fin()

    def _send_fin(self) -> None:
        if self._sock is None:
            return
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:  # ENOTCONN: the peer has reset it
            self._kept = self._kept or ENDINGS.get(type(error), "reset")

    def close(self, task: Task, command: Close) -> Reply:
        self._look_for_unread()
        self.abandon()
        return None

    def reset(self, task: Task, command: Reset) -> Reply:
        if self._sock is not None and not command.now and not self._kernel.system.all_left(self._sock):
            self._loop.arm(task, LEAVING, self._reset_later)
            return PENDING
        self._abort()
        return None

    def _reset_later(self, task: Task) -> None:
        if self._sock is not None and not self._kernel.system.all_left(self._sock):
            self._loop.arm(task, LEAVING, self._reset_later)
            return
        self._abort()
        self._loop.resume(task, None)

    def _abort(self) -> None:
        if self._sock is not None:
            self._look_for_unread()
            reset_on_close(self._sock)
            self.abandon()

    def finish(self, task: Task, command: Finish) -> Reply:
        self._half_close()
        if self.ended:
            self.abandon()
            return Ended(self.ended, self.unread)
        self._task, self._reader = task, Drain()
        self._watch(self._interest | READ)
        if self._expecting():
            self._nudge()
        if command.seconds < inf:
            self._loop.arm(task, command.seconds)
        return PENDING

    def conclude(self) -> Ended | None:
        if self._sock is not None:
            self._look_for_unread()
        return Ended(self.ended or "closed-here", self.unread) if self._buffer else None

    def _look_for_unread(self) -> None:
        before = -1
        while self.received != before and not self.ended and len(self._buffer) < KEPT_UNREAD:
            before = self.received
            self._pull()

    def cancel(self) -> None:
        self._task = self._reader = self._outgoing = self._pieces = None
        self._watch(self._interest & ~WRITE)

    def abandon(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self.shut = True
        self.ended = self.ended or "closed-here"
        for client in (self.local, self.peer):
            if client is not None and self._kernel.unpaired.get(client) is self:
                del self._kernel.unpaired[client]
        if self._interest:
            self._kernel.selector.unregister(sock)
            self._interest = 0
        sock.close()

    # --- what others may know ---

    @property
    def paired(self) -> bool:
        return self.twin is not None

    @property
    def tls(self) -> Mapping[str, Value] | None:
        """What TLS agreed on, or how it failed, as expressions see it; None where there is no TLS."""
        return None

    @property
    def open(self) -> bool:
        return self._sock is not None

    @property
    def unaccepted(self) -> bool:
        return self.local is not None and self._kernel.unpaired.get(self.local) is self

    @property
    def heard(self) -> bool:
        return self.received > 0 or (self.twin is not None and self.twin.sent > 0)

    @property
    def unread(self) -> bytes:
        return bytes(self._buffer)

    def in_flight(self) -> bool:
        twin = self.twin
        if twin is None or self._sock is None:
            return False
        if self._reader is not None:
            return twin.sent != self.received or (twin.shut and not self.ended)
        return twin._reader is not None  # it reads on, so there will be room

    # --- the selector ---

    def handle(self, mask: int) -> None:
        if self._sock is None:
            return
        if mask & READ:
            if self._reader is not None:
                self._advance()
            else:
                self._watch(self._interest & ~READ)
        if mask & WRITE and self._sock is not None:
            self.writable()

    def _watch(self, interest: int) -> None:
        if self._sock is None or interest == self._interest:
            return
        self._interest = self._kernel.watch(self._sock, self._interest, interest, self)
