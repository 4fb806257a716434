"""A network of sockets on one selector: the operating system's, or simulated ones (`system.py`).

Lives here: making sockets, accepting, connecting, and handing the selector's events to the channels
(`streams.py`, `datagrams.py`). `read_size` is a switch for tests: with 1 every stream arrives byte by byte.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from sockrun.commands import Address, Connect, Failed, StartTls
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.addresses import (
    SYSTEM_BACKLOG,
    bind,
    cannot_send,
    from_system,
    is_multicast,
    make_socket,
    to_system,
)
from sockrun.network.conversations import Conversation, DatagramServer, Hub
from sockrun.network.datagrams import Datagrams
from sockrun.network.guard import Guard, is_loopback
from sockrun.network.holding import Held
from sockrun.network.interface import PENDING, Acceptor, Channel, Endpoint, Listener, Reply, Spawn, TlsEnd, TlsKey
from sockrun.network.loop import Loop, Task
from sockrun.network.streams import READ, WRITE, Stream
from sockrun.network.system import OperatingSystem, Socket, System

if TYPE_CHECKING:
    from sockrun.network.processes import Child, Observer

READ_SIZE = 65536  # bytes; from 128 kB on, the memory for a receive costs more than the receive itself
RETRY = 0.01  # seconds between a refused client's attempts (`retry_for`)
REFUSED = frozenset({errno.ECONNREFUSED, errno.ENOENT})
ON_THE_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})
CONNECTED = frozenset({0, errno.EISCONN})


class Kernel:
    """Satisfies `interface.Network`."""

    def __init__(self, read_size: int = READ_SIZE, guard: Guard | None = None, system: System | None = None) -> None:
        self.guard = guard or Guard()
        self.system = system or OperatingSystem()
        self.selector = self.system.selector
        self.loop = Loop(self._poll, self.system.clock)
        self.read_size = read_size
        self.datagrams: dict[Address | None, Datagrams | Hub] = {}
        self.unpaired: dict[Address, Stream] = {}  # ends whose other end has still to come, by the client's address

    def close(self) -> None:
        """Give everything back that belongs to no scenario."""
        self.system.close()

    def _poll(self, timeout: float | None) -> None:
        found = self.selector.select(timeout)
        self.loop.woke(timeout)
        for key, mask in found:
            key.data.handle(mask)

    def watch(self, sock: Socket, before: int, interest: int, handler: object) -> int:
        """Change what the selector looks for on a socket from `before` to `interest`; returns `interest`."""
        if not interest:
            self.selector.unregister(sock)
        elif before:
            self.selector.modify(sock, interest, handler)
        else:
            self.selector.register(sock, interest, handler)
        return interest

    def pair(self, stream: Stream, client: Address | None) -> None:
        """Make the two ends of a connection inside this process known to each other, whichever comes first."""
        if client is None or client.path:
            return
        twin = self.unpaired.pop(client, None)
        if twin is None:
            self.unpaired[client] = stream
        else:
            stream.twin, twin.twin = twin, stream

    def registered(self, channel: Datagrams) -> Datagrams:
        """Make a datagram socket known, so that what this process sends to it is looked for at once."""
        self.datagrams[channel.local] = channel
        return channel

    def unregistered(self, address: Address | None, channel: Datagrams | Hub) -> None:
        if self.datagrams.get(address) is channel:  # else another socket shares its address
            del self.datagrams[address]

    def has_unread_hub(self, address: Address | None) -> bool:
        """Whether a datagram is on its way to a server there, and may begin a conversation."""
        there = self.datagrams.get(address)
        return isinstance(there, Hub) and there.expected > there.arrived

    def wake_on(self, sock: Socket, call: Callable[[], None]) -> None:
        """Call when `sock` becomes readable: the way in for signals."""
        self.selector.register(sock, READ, _Caller(call))

    def admitted(self, address: Address) -> tuple[int, Address]:
        """The family and numeric address of one that this run may use. Raises: EnvironmentRefused."""
        family, numeric = self.system.resolve(address)
        self.guard.check(address.host, numeric)
        return family, numeric

    def admit(self, host: str) -> None:
        """Hold that this run may use the host. Raises: EnvironmentRefused."""
        self.admitted(Address(host))

    def numeric(self, address: Address) -> Address:
        return self.system.resolve(address)[1]

    # --- servers ---

    def listen(self, endpoint: Endpoint, address: Address, acceptor: Acceptor, listening: bool) -> Listener:
        family, numeric = self.admitted(address)
        if endpoint.datagram:
            server = Hub if endpoint.per_sender else DatagramServer
            return server(self, endpoint, (family, numeric), acceptor, listening)
        sock = make_socket(endpoint, family, self.system.socket)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        self.system.belongs(sock, acceptor.task)
        bind(sock, endpoint, numeric)
        listener = KernelListener(self, sock, endpoint, acceptor)
        if listening:
            listener.listen()
        return listener

    def hold(self, endpoint: Endpoint, address: Address) -> Held:
        return Held(self.system, endpoint, *self.admitted(address))

    def reserve(self) -> int:
        return self.system.reserve()

    def release(self, port: int) -> None:
        self.system.release(port)

    def under_way(self) -> bool:
        return self.system.under_way()

    def random_bytes(self, size: int) -> bytes:
        return self.system.random_bytes(size)

    # --- processes ---

    def spawn(self, spawn: Spawn, observer: Observer) -> Child:
        from sockrun.network.processes import Child  # few scenarios have any

        return Child(self.selector, spawn, observer)

    def bound(self, protocol: Literal["tcp", "udp"], port: int) -> bool:
        return self.system.bound(protocol, port)

    # --- clients ---

    def connect(self, task: Task, endpoint: Endpoint, command: Connect, local: Address | None, inside: bool) -> Reply:
        try:
            if self.guard.untrusted and not inside:
                return Failed(f"{command.to} is no role's address, and --untrusted allows no other", environment=True)
            family, to = self.admitted(command.to)
            local = local and self.admitted(local)[1]
            if endpoint.datagram:
                task.channel = self.registered(self._datagram_client(endpoint, family, to, local))
                self.belongs(task.channel, task)
                return None
            return _Connecting(self, task, endpoint, command, (family, to), local, inside).attempt()
        except EnvironmentRefused as error:
            return Failed(str(error), environment=True)

    def belongs(self, channel: Channel, task: Task) -> None:
        assert isinstance(channel, Stream | Datagrams)
        if channel._sock is not None:
            peer = channel.sender if isinstance(channel, Conversation) else None
            self.system.belongs(channel._sock, task, peer)

    def start_tls(self, task: Task, command: StartTls, end: TlsEnd, contexts: dict[TlsKey, object]) -> Reply:
        from sockrun.network import tls  # loading OpenSSL takes as long as a small scenario

        assert isinstance(task.channel, Stream)
        try:
            return tls.begin(task, task.channel, command, end, contexts)
        except EnvironmentRefused as error:
            return Failed(str(error), environment=True)

    def _many(self, endpoint: Endpoint, to: Address) -> bool:
        """Whether `to` is the address of several, who all answer from addresses of their own."""
        return endpoint.protocol == "udp" and (endpoint.options.broadcast or is_multicast(to.host))

    def _datagram_client(self, endpoint: Endpoint, family: int, to: Address, local: Address | None) -> Datagrams:
        sock = make_socket(endpoint, family, self.system.socket)
        if local is not None:
            bind(sock, endpoint, local)
        elif endpoint.protocol == "unix":
            sock.bind("")  # the system chooses an abstract name, so that it can be answered (unix(7), autobind)
        connected = endpoint.options.connected and not self._many(endpoint, to)
        if connected:
            try:
                sock.connect(to_system(to))
            except OSError as error:
                if error.errno not in REFUSED:
                    sock.close()
                    raise EnvironmentRefused(cannot_send(to, error)) from None
                connected = False  # a unix path that nobody has bound: each send says so
        elif family != socket.AF_UNIX and local is None:
            sock.bind((_beside(family, to), 0))
        return Datagrams(self, sock, to, connected)


def _beside(family: int, to: Address) -> str:
    """What a socket binds that is to hear the answers of whoever has `to`, and as few others as possible."""
    if family == socket.AF_INET6:
        return "::1" if is_loopback(to.host) else "::"
    return "127.0.0.1" if is_loopback(to.host) else "0.0.0.0"


class _Caller:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def handle(self, mask: int) -> None:
        self.call()


class KernelListener:
    """A bound stream socket; satisfies `interface.Listener`."""

    def __init__(
        self,
        kernel: Kernel,
        sock: Socket,
        endpoint: Endpoint,
        acceptor: Acceptor,
    ) -> None:
        self._kernel = kernel
        self._sock: Socket | None = sock
        self._endpoint = endpoint
        self._acceptor = acceptor
        self._listening = False
        address = from_system(sock.getsockname())
        assert address is not None
        self.address = address

    def listen(self) -> None:
        if self._sock is None or self._listening:
            return
        backlog = self._endpoint.options.backlog
        self._sock.listen(SYSTEM_BACKLOG if backlog is None else backlog)
        self._listening = True
        self._kernel.selector.register(self._sock, READ, self)

    def look(self) -> None:
        if self._listening:
            self.handle(READ)

    def handle(self, mask: int) -> None:
        """Accept all that wait; a connection that was reset before it was accepted is none (accept(2))."""
        while self._sock is not None:
            try:
                sock, raw = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                refusal = EnvironmentRefused(f"a connection could not be accepted: {error.strerror}")
                self._acceptor.failed(refusal)
                return
            sock.setblocking(False)
            peer = from_system(raw) or Address("", 0, self._endpoint.protocol == "unix")
            if self._endpoint.protocol == "tcp" and self._endpoint.options.nodelay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = Stream(self._kernel, sock, peer, from_system(sock.getsockname()))
            self._kernel.pair(stream, stream.peer)
            self._acceptor.accepted(stream)

    def close(self) -> None:
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if self._listening:
            self._kernel.selector.unregister(sock)
        sock.close()
        self._kernel.system.remove_path(self.address)


class _Connecting:
    """One client's attempts to connect, until it is connected, refused for good, or cannot be."""

    def __init__(
        self,
        kernel: Kernel,
        task: Task,
        endpoint: Endpoint,
        command: Connect,
        target: tuple[int, Address],
        local: Address | None,
        inside: bool,
    ) -> None:
        self.kernel = kernel
        self.task = task
        self.endpoint = endpoint
        self.family, self.to = target
        self.local = local
        self.inside = inside
        self.until = kernel.loop.now() + command.retry_for
        self.sock: Socket | None = None

    def attempt(self) -> Reply:
        """Raises: EnvironmentRefused."""
        sock = make_socket(self.endpoint, self.family, self.kernel.system.socket)
        self.kernel.system.belongs(sock, self.task)
        if self.local is not None:
            bind(sock, self.endpoint, self.local)
        to = to_system(self.to)
        status = sock.connect_ex(to)
        if status == errno.EINPROGRESS and self.family != socket.AF_UNIX:
            status = sock.connect_ex(to)  # on loopback the handshake is done by now
        if status in ON_THE_WAY:
            self.sock = sock
            self.kernel.selector.register(sock, WRITE, self)
            self.task.channel = _Waiting(self)
            return PENDING
        return self._settled(sock, status)

    def handle(self, mask: int) -> None:
        sock, self.sock = self.sock, None
        if sock is None:
            return
        self.kernel.selector.unregister(sock)
        event = self._settled(sock, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        if event is not PENDING:
            self.kernel.loop.resume(self.task, event)

    def _settled(self, sock: Socket, status: int) -> Reply:
        if status in CONNECTED:
            stream = Stream(self.kernel, sock, self.to, from_system(sock.getsockname()))
            self.task.channel = stream
            if self.inside:
                self.kernel.pair(stream, stream.local)
            return None
        sock.close()
        refused = status in REFUSED
        full = status == errno.EAGAIN and self.family == socket.AF_UNIX  # its backlog is full
        if full or (refused and self.kernel.loop.now() < self.until):
            self.task.channel = _Waiting(self)
            self.kernel.loop.arm(self.task, RETRY, self._again)
            return PENDING
        if refused:
            stream = Stream(self.kernel, None, self.to, None)
            stream.ended = "no-path" if status == errno.ENOENT else "refused"
            self.task.channel = stream
            return None
        return Failed(f"cannot connect to {self.to}: {os.strerror(status)}", environment=True)

    def _again(self, task: Task) -> None:
        try:
            event = self.attempt()
        except EnvironmentRefused as error:
            event = Failed(str(error), environment=True)
        if event is not PENDING:
            self.kernel.loop.resume(task, event)


class _Waiting(Stream):
    """The channel of a client that is not connected yet: nothing but giving its socket back can be asked."""

    __slots__ = ("_connecting",)

    def __init__(self, connecting: _Connecting) -> None:
        super().__init__(connecting.kernel, None, connecting.to, None)
        self._connecting = connecting

    def in_flight(self) -> bool:
        return True  # the handshake, or the next attempt, is

    def abandon(self) -> None:
        sock, self._connecting.sock = self._connecting.sock, None
        if sock is not None:
            self._kernel.selector.unregister(sock)
            sock.close()
