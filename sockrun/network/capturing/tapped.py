"""Sockets that tell what passes through them, and the system that makes them, real or simulated.

Lives here: which system call means what on the wire. Must not live here: packets (`wire.py`).

The one theory: nothing above the system calls knows of it. A socket does what it would do, and tells what came of it
before anybody else has his turn; so the order of the packets is that of the calls.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sockrun.commands import Address
from sockrun.network import aborting
from sockrun.network.capturing.keys import KeyLog
from sockrun.network.capturing.wire import Voice, Wire, named
from sockrun.network.system import Socket, System

if TYPE_CHECKING:
    from sockrun.network.capturing.connections import Connection, End
    from sockrun.network.loop import Owner, Task

_DONE = frozenset({0, errno.EISCONN})
_ON_THE_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})
_REFUSED = frozenset({errno.ECONNREFUSED, errno.ENOENT})


class TappedSystem:
    """Satisfies `system.System`."""

    def __init__(self, system: System, wire: Wire, keys: KeyLog) -> None:
        self._system = system
        self._wire = wire
        self._keys = keys
        self.selector: selectors.BaseSelector = _Selector(system.selector)
        self.clock = system.clock
        self.resolve = system.resolve
        self.remove_path = system.remove_path
        self.reserve = system.reserve
        self.release = system.release
        self.bound = system.bound
        self.random_bytes = system.random_bytes
        self.under_way = system.under_way
        self.close = system.close

    def socket(self, family: int, kind: int) -> Socket:
        make = TappedStream if kind == socket.SOCK_STREAM else TappedDatagrams
        return make(self._system.socket(family, kind), self._wire)

    def all_left(self, sock: Any) -> bool:
        return self._system.all_left(sock.plain)

    def belongs(self, sock: Any, task: Task, peer: Address | None = None) -> None:
        sock.tasks[peer] = task

    def key_log(self, owner: Owner) -> str | None:
        """None for a scenario with secrets: its keys would tell them."""
        return self._keys.path() if owner.mask is None else None


class _Selector(selectors.BaseSelector):
    """Knows sockets by what is below them, as the simulated selector does."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.register(getattr(fileobj, "plain", fileobj), events, data)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._selector.modify(getattr(fileobj, "plain", fileobj), events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._selector.unregister(getattr(fileobj, "plain", fileobj))

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        return self._selector.select(timeout)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._selector.get_map()

    def close(self) -> None:
        self._selector.close()


class _Tapped:
    """What both kinds have in common: `plain` is the socket itself, `tasks` those whose bytes it carries."""

    def __init__(self, plain: Socket, wire: Wire) -> None:
        self.plain = plain
        self.tasks: dict[Address | None, Task] = {}
        self._wire = wire
        self.family, self.type = plain.family, plain.type
        self.fileno = plain.fileno
        self.setblocking = plain.setblocking
        self.getsockname = plain.getsockname

    def voice(self, peer: Address | None = None) -> Voice:
        task = self.tasks.get(peer) or self.tasks.get(None)
        return Voice() if task is None else Voice(task.owner.voice(task), task.owner.mask)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self.plain.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        return self.plain.getsockopt(level, option)

    @property
    def name(self) -> Address | None:
        return named(self.plain.getsockname())

    def bind(self, address: Any) -> None:
        self.plain.bind(address)

    # --- what the other kind of socket has ---

    def connect(self, address: Any) -> None:
        self.plain.connect(address)

    def listen(self, backlog: int) -> None:
        self.plain.listen(backlog)

    def accept(self) -> tuple[Any, Any]:
        return self.plain.accept()

    def shutdown(self, how: int) -> None:
        self.plain.shutdown(how)

    def recv(self, size: int) -> bytes:
        return self.recvfrom(size)[0]

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        return self.plain.recvfrom(size)

    def sendto(self, data: bytes, address: Any) -> int:
        return self.plain.sendto(data, address)


class TappedStream(_Tapped):
    """Satisfies `system.Socket`."""

    def __init__(self, plain: Socket, wire: Wire) -> None:
        super().__init__(plain, wire)
        self._to: Address | None = None  # the peer that it turns to
        self._connection: Connection | None = None
        self._end: End | None = None
        self._door: Address | None = None
        self._aborts = False  # closing it sends RST

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        super().setsockopt(level, option, value)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self._aborts = struct.unpack("ii", value) == (1, 0)

    # --- servers ---

    def listen(self, backlog: int) -> None:
        self.plain.listen(backlog)
        self._door = self.name
        if self._door is not None:
            self._wire.open_door(self._door)

    def accept(self) -> tuple[Any, Any]:
        plain, raw = self.plain.accept()
        made = TappedStream(plain, self._wire)
        made.tasks.update(self.tasks)
        local = made.name
        if local is not None:
            inside = self.family != socket.AF_UNIX or _is_own(plain)
            made._connection = self._wire.accept(local, named(raw), inside, self.voice())
            made._end = made._connection.server
        return made, raw

    # --- clients ---

    def connect_ex(self, address: Any) -> int:
        status = self.plain.connect_ex(address)
        self._to = named(address)
        self._settled(status)
        return status

    def getsockopt(self, level: int, option: int) -> int:
        value = self.plain.getsockopt(level, option)
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            self._settled(value)
        return value

    def _settled(self, status: int) -> None:
        """How connecting goes, or has ended."""
        if self._to is None:
            return
        if self._connection is None and status in _DONE | _ON_THE_WAY:
            self._connection = self._wire.ask(self.name, self._to, self.voice())
            self._end = self._connection.client
        if status in _DONE and self._connection is not None:
            self._connection.establish("")
        elif status in _REFUSED and self._connection is not None:
            self._connection.refuse()
        elif status in _REFUSED:
            self._wire.refused(self._to, self.voice())

    # --- bytes ---

    def send(self, data: bytes | memoryview) -> int:
        size = self.plain.send(data)
        if self._connection is not None and self._end is not None:
            self._connection.send(self._end, data[:size], self.voice().words)
        return size

    def recv(self, size: int) -> bytes:
        try:
            data = self.plain.recv(size)
        except ConnectionResetError:
            if self._connection is not None and self._end is not None:
                self._connection.hear_reset(self._end)
            raise
        if self._connection is not None and self._end is not None:
            if data:
                self._connection.receive(self._end, data, self.voice().words)
            else:
                self._connection.hear_end(self._end)
        return data

    # --- the end ---

    def shutdown(self, how: int) -> None:
        self.plain.shutdown(how)
        if how != socket.SHUT_RD and self._connection is not None and self._end is not None:
            self._connection.finish(self._end, self.voice().words)

    def close(self) -> None:
        connection, end = self._connection, self._end
        abort = self._aborts or (connection is not None and not connection.over and aborting.has_unread(self.plain))
        self.plain.close()
        if self._door is not None:
            self._wire.close_door(self._door)
            self._door = None
        if connection is not None and end is not None:
            connection.close(end, self.voice().words, abort=abort)
            self._connection = None


class TappedDatagrams(_Tapped):
    """Satisfies `system.Socket`."""

    def __init__(self, plain: Socket, wire: Wire) -> None:
        super().__init__(plain, wire)
        self._local: Address | None = None
        self._peer: Address | None = None  # that it is connected to
        self._last = b""  # the packet that it sent last

    def bind(self, address: Any) -> None:
        self.plain.bind(address)
        self._named()

    def connect(self, address: Any) -> None:
        self.plain.connect(address)
        self._peer = named(address)
        self._named()

    def connect_ex(self, address: Any) -> int:
        return self.plain.connect_ex(address)

    def _named(self) -> None:
        """It has a name now, or another one."""
        self._wire.silent(self._local)
        self._local = self.name
        self._wire.speaks(self._local)

    def send(self, data: bytes | memoryview) -> int:
        with self._refusals():
            size = self.plain.send(data)
        self._last = self._wire.datagram(self._local, self._peer, data, self.voice(self._peer))
        return size

    def sendto(self, data: bytes, address: Any) -> int:
        to = named(address)
        size = self.plain.sendto(data, address)
        if self._local is None:
            self._named()
        self._wire.datagram(self._local, to, data, self.voice(to))
        return size

    def recvfrom(self, size: int) -> tuple[bytes, Any]:
        with self._refusals():
            data, raw = self.plain.recvfrom(size)
        source = named(raw) if raw else None
        if not self._wire.is_ours(source):
            self._wire.datagram(source, self._local, data, self.voice(source))
        return data, raw

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except ConnectionRefusedError:
            self._wire.undelivered(self._local, self._peer, self._last)
            raise

    def close(self) -> None:
        self.plain.close()
        self._wire.silent(self._local)
        self._local = None


def _is_own(sock: Socket) -> bool:
    """Whether the other end of a unix connection was made by this process (SO_PEERCRED, unix(7))."""
    if not isinstance(sock, socket.socket) or not hasattr(socket, "SO_PEERCRED"):
        return True
    credentials = struct.Struct("3i")
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, credentials.size)
    return bool(credentials.unpack(found)[0] == os.getpid())
