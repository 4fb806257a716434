"""Datagram servers: one conversation that hears all, or one for each sender's address (`connections`).

Facts a reader needs:

- Nobody connects over datagrams: a sender's first one begins its conversation, and is its first message.
- A hub reads whatever comes, since only the kernel's queue is shared: what a conversation does not take is kept
  for it, and beyond `ROOM` lost, as a full receive buffer loses it (udp(7)).
- All unix sockets without a name are one sender: they cannot be told apart, or answered (unix(7)).
"""

from __future__ import annotations

import selectors
from typing import TYPE_CHECKING

from sockrun.commands import Address
from sockrun.network.addresses import from_system
from sockrun.network.datagrams import LARGEST, Datagrams
from sockrun.network.holding import DeafSocket, bound
from sockrun.network.interface import Acceptor, Endpoint
from sockrun.network.system import Socket

if TYPE_CHECKING:
    from sockrun.network.kernel import Kernel

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE
BURST = 256  # datagrams read before others run
ROOM = 1024  # unread datagrams that are kept for one sender


class DatagramServer:
    """A bound address that refuses until it listens; satisfies `interface.Listener`."""

    def __init__(
        self,
        kernel: Kernel,
        endpoint: Endpoint,
        target: tuple[int, Address],
        acceptor: Acceptor,
        listening: bool,
    ) -> None:
        self._kernel = kernel
        self._acceptor = acceptor
        self._deaf: DeafSocket | None = None
        if listening:
            sock, self.address = bound(kernel.system, endpoint, *target)
            self._open(sock)
        else:
            self._deaf = DeafSocket(kernel.system, endpoint, *target)
            self.address = self._deaf.address

    def listen(self) -> None:
        """Raises: EnvironmentRefused."""
        deaf, self._deaf = self._deaf, None
        if deaf is not None:
            self._open(deaf.open())

    def _open(self, sock: Socket) -> None:
        """One conversation hears all: it owns the socket from now on."""
        self._acceptor.accepted(self._kernel.registered(Datagrams(self._kernel, sock, None, connected=False)))

    def look(self) -> None:
        """Nobody comes: the conversation itself reads."""

    def close(self) -> None:
        if self._deaf is not None:
            self._deaf.close()


class Hub(DatagramServer):
    """A conversation for each sender's address; they share the socket, which the hub owns."""

    _sock: Socket | None = None

    def _open(self, sock: Socket) -> None:
        self._sock = sock
        self._kernel.system.belongs(sock, self._acceptor.task)
        self._conversations: dict[Address | None, Conversation] = {}
        self._crowded: set[Conversation] = set()  # those that wait for room to send
        self._nudged = False
        self.expected = 0  # datagrams sent to it by roles of this process
        self.arrived = 0
        self._kernel.datagrams[self.address] = self
        self._interest = self._kernel.watch(sock, 0, READ, self)

    # --- receiving ---

    def nudge(self) -> None:
        """Look for datagrams soon, before the selector is asked."""
        if not self._nudged:
            self._nudged = True
            self._kernel.loop.ready.append(self.look)

    def look(self) -> None:
        """Hand out what has come; a sender that is heard for the first time is accepted."""
        self._nudged = False
        for _ in range(BURST):
            if not self._take():
                return

    def _take(self) -> bool:
        """One datagram; False: there is none."""
        if self._sock is None:
            return False
        try:
            data, raw = self._sock.recvfrom(LARGEST)
        except OSError:  # an answer to nobody may come back as one, and concerns no other sender
            return False
        self.arrived += 1
        sender = from_system(raw)
        known = self._conversations.get(sender)
        conversation = known or Conversation(self._kernel, self, self._sock, sender)
        self._conversations[sender] = conversation
        conversation.deliver(data)
        if known is None:
            self._acceptor.accepted(conversation)
        return True

    # --- the conversations ---

    def forget(self, conversation: Conversation) -> None:
        """It is over: what its sender sends from now on begins another one."""
        self.wait_for_room(conversation, False)
        if self._conversations.get(conversation.sender) is conversation:
            del self._conversations[conversation.sender]

    def wait_for_room(self, conversation: Conversation, waits: bool) -> None:
        (self._crowded.add if waits else self._crowded.discard)(conversation)
        interest = READ | WRITE if self._crowded else READ
        if self._sock is not None and interest != self._interest:
            self._interest = self._kernel.watch(self._sock, self._interest, interest, self)

    # --- the selector ---

    def handle(self, mask: int) -> None:
        if mask & READ:
            self.look()
        if mask & WRITE:
            for conversation in list(self._crowded):
                conversation.handle(WRITE)

    def close(self) -> None:
        super().close()
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._kernel.unregistered(self.address, self)
        self._kernel.selector.unregister(sock)
        sock.close()
        self._kernel.system.remove_path(self.address)


class Conversation(Datagrams):
    """What one sender and a hub's server have to say to each other."""

    __slots__ = ("_hub", "sender")

    def __init__(self, kernel: Kernel, hub: Hub, sock: Socket, sender: Address | None) -> None:
        super().__init__(kernel, sock, sender, connected=False)
        self.sender = sender
        self._hub = hub

    def deliver(self, data: bytes) -> None:
        """A datagram of its sender, from the hub."""
        if len(self._queue) < ROOM:
            self.arrived += 1
            self._queue.append((data, self.sender))
            self.nudge()

    def _pull(self) -> bool:
        before = self.arrived
        self._hub.look()
        return self.arrived != before

    def _advance(self) -> None:
        self._queued = False
        if self._command is not None:
            self._settle(self._command)  # the hub has read what there is

    def _watch(self, interest: int) -> None:
        if interest != self._interest:
            self._interest = interest
            self._hub.wait_for_room(self, bool(interest & WRITE))

    def abandon(self) -> None:
        if self._sock is not None:
            self._sock = None
            self._hub.forget(self)

    def in_flight(self) -> bool:
        return self._command is not None and (self._queued or self._hub.expected > self._hub.arrived)
