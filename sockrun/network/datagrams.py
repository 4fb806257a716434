"""A UDP or unix datagram socket, as a channel: every datagram is a message.

Facts a reader needs:

- A server answers the sender of the datagram last taken; so does a client that is not connected.
- ICMP 'port unreachable' comes back as ECONNREFUSED on a connected socket only (udp(7)), from a send as well
  as from a receive, once; the socket lives on.
- Datagrams can be lost on the way even on loopback (a full receive buffer), so counting them says only that
  some may be in flight.
"""

from __future__ import annotations

import errno
import selectors
from collections import deque
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
    Mismatch,
    Receive,
    Reset,
    Send,
    SendPieces,
    Shutdown,
    TimedOut,
)
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.addresses import cannot_send, from_system, to_system
from sockrun.network.interface import PENDING, Reply
from sockrun.network.loop import Task
from sockrun.network.system import Socket

if TYPE_CHECKING:
    from sockrun.network.kernel import Kernel

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
LARGEST = 65536  # bytes of a datagram that are looked at
LOOKS = 1024  # receives at the end of a scenario: a peer that never stops must not keep it going


class Datagrams:
    """See the module's text; the methods named like commands are those of `interface.Channel`."""

    __slots__ = (
        "_command",
        "_connected",
        "_interest",
        "_kept",
        "_kernel",
        "_queue",
        "_queued",
        "_sender",
        "_sock",
        "_task",
        "_unsent",
        "arrived",
        "expected",
        "local",
        "peer",
    )

    def __init__(self, kernel: Kernel, sock: Socket, peer: Address | None, connected: bool) -> None:
        self._kernel = kernel
        self._sock: Socket | None = sock
        self._connected = connected
        self.peer = peer
        self.local: Address | None = from_system(sock.getsockname())
        self.expected = 0  # datagrams sent to it by roles of this process
        self.arrived = 0
        self._queue: deque[tuple[bytes, Address | None]] = deque()
        # Of the last datagram: as the system says it, as we do, and what is told the system to answer.
        self._sender: tuple[object, Address | None, object] = (None, None, None)
        self._kept: EndKind | None = None
        self._interest = 0
        self._queued = False
        self._task: Task | None = None
        self._command: Receive | None = None
        self._unsent: Send | None = None

    # --- receiving ---

    def receive(self, task: Task, command: Receive) -> Reply:
        if self.expected > self.arrived:
            self._pull()
        event = self._offer(command)
        if event is not None:
            return event
        if self._sock is None:
            return Ended("closed-here")
        self._task, self._command = task, command
        self._watch(self._interest | READ)
        self._kernel.loop.arm(task, command.seconds)
        return PENDING

    def _pull(self) -> bool:
        """Take one datagram, or one error, from the kernel. False: nothing is there."""
        sock = self._sock
        if sock is None:
            return False
        try:
            data, sender = sock.recvfrom(LARGEST)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            self._kept = "refused"
            return True
        self.arrived += 1
        if sender != self._sender[0]:  # else it is who sent the one before: reading an address is a tenth of the way
            address = from_system(sender)
            self._sender = (sender, address, to_system(address) if address else None)
        self._queue.append((data, self._sender[1]))
        return True

    def _offer(self, command: Receive) -> Event:
        """Judge the first datagram; None: there is none."""
        if not self._queue:
            if self._kept is None:
                return None
            kept = self._kept
            if not command.optional:
                self._kept = None
            return Ended(kept)
        data, sender = self._queue[0]
        if command.sender is not None and sender != self._kernel.system.resolve(command.sender)[1]:
            return Mismatch(f"a datagram came from {sender}, and not from {command.sender}", data)
        event = command.matcher.judge(data)
        if not isinstance(event, Mismatch):
            self._queue.popleft()
            if not self._connected:
                self.peer = sender
        return event

    def nudge(self) -> None:
        """Look for datagrams soon, before the selector is asked."""
        if self._command is not None and not self._queued:
            self._queued = True
            self._kernel.loop.ready.appendleft(self._advance)

    def _advance(self) -> None:
        """A datagram, or an error, should be there, as the selector or who sent it says."""
        self._queued = False
        if self._command is not None:
            self._pull()
            self._settle(self._command)

    def _settle(self, command: Receive) -> None:
        """Answer the step that waits, if there is something for it."""
        try:
            event = self._offer(command)
        except Exception as error:
            self._kernel.loop.fail(self._task, error)
            return
        if event is not None:
            self._answer(event)

    def _answer(self, event: Event) -> None:
        task = self._task
        self._task = self._command = self._unsent = None
        assert task is not None
        task.deadline = inf
        self._kernel.loop.resume(task, event)

    def expired(self, task: Task) -> None:
        if self._unsent is not None:
            self._watch(self._interest & ~WRITE)
            self._answer(Failed("there was no room to send"))
        elif self._command is not None:
            self._pull()
            self._answer(self._offer(self._command) or TimedOut(self._command.seconds))

    # --- sending ---

    def send(self, task: Task, command: Send) -> Reply:
        event = self.put(command)
        if event is PENDING:
            self._task, self._unsent = task, command
            self._watch(self._interest | WRITE)
            self._kernel.loop.arm(task, command.seconds)
        return event

    def put(self, command: Send) -> Reply:
        sock, to = self._sock, command.to or self.peer
        if sock is None:
            return Failed("the socket is closed")
        if command.to is not None:
            try:
                to = self._admitted(command.to)
            except EnvironmentRefused as error:
                return Failed(str(error), environment=True)
        if to is None:
            return Failed("nobody has sent anything yet, so there is nobody to answer: expect a datagram first")
        try:
            if self._connected and command.to is None:
                sock.send(command.data)
            else:
                _, address, back = self._sender
                sock.sendto(command.data, back if to is address else to_system(to))
        except (BlockingIOError, InterruptedError):
            return PENDING
        except OSError as error:
            return self._not_sent(error, command, to)
        there = self._kernel.datagrams.get(to)
        if there is not None:
            there.expected += 1
            there.nudge()
        return None

    def _admitted(self, to: Address) -> Address:
        """An address that a step gives, numeric. Raises: EnvironmentRefused."""
        numeric = self._kernel.admitted(to)[1]
        if self._kernel.guard.untrusted and numeric not in self._kernel.datagrams:
            raise EnvironmentRefused(f"{to} is no role's address, and --untrusted allows no other")
        return numeric

    def _not_sent(self, error: OSError, command: Send, to: Address) -> Reply:
        if error.errno in (errno.ECONNREFUSED, errno.ENOENT, errno.ECONNRESET, errno.EPIPE):
            self._kept = "no-path" if error.errno == errno.ENOENT else "refused"
            return None
        if error.errno == errno.ENOBUFS:
            return PENDING
        if error.errno == errno.EMSGSIZE:
            return Failed(f"a datagram of {len(command.data)} bytes is too long for this socket")
        return Failed(cannot_send(to, error), environment=True)

    def send_pieces(self, task: Task, command: SendPieces) -> Reply:
        return self.send(task, Send(b"".join(command.pieces()), seconds=command.seconds))

    # --- ending ---

    def shutdown(self, task: Task, command: Shutdown) -> Reply:
        return Failed("datagrams have no end: there is nothing to half-close")

    def reset(self, task: Task, command: Reset) -> Reply:
        return Failed("datagrams have no connection: there is nothing to reset")

    def close(self, task: Task, command: Close) -> Reply:
        self._look_for_unread()
        self.abandon()
        return None

    def finish(self, task: Task, command: Finish) -> Reply:
        self._watch(0)  # until the scenario ends: `conclude` tells what is left
        return PENDING

    def conclude(self) -> Ended | None:
        self._look_for_unread()
        return Ended("closed-here", self._queue[0][0]) if self._queue else None

    def _look_for_unread(self) -> None:
        for _ in range(LOOKS):
            if self._queue or not self._pull():
                return

    def cancel(self) -> None:
        self._task = self._command = self._unsent = None
        self._watch(self._interest & ~WRITE)

    def abandon(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._kernel.unregistered(self.local, self)
        if self._interest:
            self._kernel.selector.unregister(sock)
            self._interest = 0
        sock.close()
        self._kernel.system.remove_path(self.local)

    # --- what others may know ---

    @property
    def paired(self) -> bool:
        return False

    @property
    def open(self) -> bool:
        return self._sock is not None

    @property
    def unaccepted(self) -> bool:
        return self._kernel.has_unread_hub(self.peer)

    @property
    def heard(self) -> bool:
        return self.arrived > 0

    @property
    def unread(self) -> bytes:
        return self._queue[0][0] if self._queue else b""

    def in_flight(self) -> bool:
        return self._command is not None and self.expected > self.arrived

    # --- the selector ---

    def handle(self, mask: int) -> None:
        if self._sock is None:
            return
        if mask & READ:
            if self._command is not None:
                self._advance()
            else:
                self._watch(self._interest & ~READ)
        if mask & WRITE and self._unsent is not None:
            event = self.put(self._unsent)
            if event is not PENDING:
                self._watch(self._interest & ~WRITE)
                self._answer(event)

    def _watch(self, interest: int) -> None:
        if self._sock is None or interest == self._interest:
            return
        self._interest = self._kernel.watch(self._sock, self._interest, interest, self)
