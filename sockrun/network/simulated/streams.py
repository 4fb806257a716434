"""Simulated TCP and unix stream sockets: listening, connecting, sending, and every way to end.

Facts that are kept, of Linux:

- Bytes that came before a RST are read before it is told; behind a FIN it is EPIPE and not ECONNRESET (tcp_reset).
- Closing a socket with unread bytes in it sends RST, and so does an answer to what comes for a closed one
  (RFC 9293 section 3.10.7.1).
- A listener's queue holds `backlog` and one more; for who comes then the handshake is tried again after a second
  (tcp(7), RFC 6298), and a unix socket gets EAGAIN.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from typing import Any

from sockrun.network.simulated.pipes import Pipe
from sockrun.network.simulated.sockets import READ, WRITE, MemorySocket, fail
from sockrun.network.simulated.world import World

AGAIN = 1.0  # seconds until a handshake is tried again


class StreamSocket(MemorySocket):
    kind = socket.SOCK_STREAM

    def __init__(self, world: World, family: int, number: int) -> None:
        super().__init__(world, family, number)
        self.peer: StreamSocket | None = None
        self._to: tuple[str, int] = ("", 0)  # the peer's name
        self._listening = False
        self._backlog = 0
        self._waiting: deque[StreamSocket] = deque()  # connections to be accepted
        self._connecting = False
        self._established = False
        self._shut = False  # FIN is out
        self._dead = False  # RST came or went
        self._had_fin = False  # FIN came
        self._in: Pipe | None = None
        self._out: Pipe | None = None

    def shares(self, other: MemorySocket) -> bool:
        """TCP shares an address with nobody who listens there (socket(7))."""
        listening = isinstance(other, StreamSocket) and (self._listening or other._listening)
        return super().shares(other) and not listening

    # --- servers ---

    def listen(self, backlog: int) -> None:
        self._listening, self._backlog = True, backlog
        self.world.used(self.where)

    def accept(self) -> tuple[Any, Any]:
        if not self._waiting:
            fail(errno.EAGAIN)
        sock = self._waiting.popleft()
        self.world.used(self.where)
        return sock, sock.raw(*sock._to)

    @property
    def _crowded(self) -> bool:
        return len(self._waiting) > self._backlog

    # --- clients ---

    def connect_ex(self, address: Any) -> int:
        if self._established:
            return errno.EISCONN
        if self._connecting:
            return errno.EALREADY
        self._to = self.taken_apart(address)
        self.name_for(self._to[0])
        if self.family == socket.AF_UNIX:
            return self._connect_unix()
        self._connecting = True
        self.world.later(self.world.faults.latency, self._ask)
        if self._connecting:
            return errno.EINPROGRESS
        return self.told_error()

    def _listener(self) -> StreamSocket | None:
        host, port = self._to
        where = (self.kind, host if self.family == socket.AF_UNIX else port)
        there = self.world.at_address(self.family, where, host)
        return next((one for one in there if isinstance(one, StreamSocket) and one._listening), None)

    def _connect_unix(self) -> int:
        listener = self._listener()
        if listener is None:
            self.world.used((self.kind, self._to[0]))
            return self.nobody_at(self._to[0]) or errno.ECONNREFUSED
        if listener._crowded:
            return errno.EAGAIN
        listener._take(self)
        self._established = True
        return 0

    def _ask(self) -> None:
        """SYN has arrived."""
        if self.closed:
            return
        listener = self._listener()
        if listener is None:
            self.world.used((self.kind, self._to[1]))
            self.world.later(self.world.faults.latency, self._refused)
        elif listener._crowded:
            self.world.after(AGAIN, self._ask)
        else:
            listener._take(self)
            self.world.later(self.world.faults.latency, self._connected)

    def _refused(self) -> None:
        self._connecting = False
        self.failed(errno.ECONNREFUSED)

    def _connected(self) -> None:
        self._connecting, self._established = False, True
        self.touch()

    def _take(self, client: StreamSocket) -> None:
        """Make the listener's end of a connection."""
        server = StreamSocket(self.world, self.family, self.world.next_number())
        server.options = dict(self.options)
        server.host, server.port = client._to if self.family != socket.AF_UNIX else (self.host, 0)
        server._to = (client.host, client.port)
        server._established = True
        server.peer, client.peer = client, server
        number = next(self.world.connections)
        client._out = server._in = there = client._pipe(2 * number, server)
        server._out = client._in = back = server._pipe(2 * number + 1, client)
        there.back, back.back = back, there
        self.world.pipes += [there, back]
        self.world.used(self.where)
        self._waiting.append(server)
        self.touch()

    def _pipe(self, number: int, receiver: StreamSocket) -> Pipe:
        sizes = (self._size(socket.SO_SNDBUF), receiver._size(socket.SO_RCVBUF))
        ends = ((self.host, self.port), (receiver.host, receiver.port))
        return Pipe(self.world, number, sizes, (receiver._came, self.touch), ends)

    def _size(self, option: int) -> int:
        return self.option(option) or self.world.buffer

    # --- bytes ---

    def _came(self) -> None:
        """Bytes, or an end, have arrived."""
        pipe = self._in
        assert pipe is not None
        if pipe.end == "reset":
            if not self._dead and not self.closed:
                self._die(errno.ECONNRESET if not self._had_fin else errno.EPIPE)
        elif self.closed and (pipe.end is None or pipe.inbox):
            self._answer_with_reset()
        self._had_fin = pipe.end == "fin"
        self.touch()

    def _die(self, code: int) -> None:
        self._dead = True
        self._error = code

    def _answer_with_reset(self) -> None:
        """Somebody sends to a socket that is closed."""
        if self._out is not None and not self._dead:
            self._dead = True
            self._out.abort()

    def recv(self, size: int) -> bytes:
        pipe = self._in
        if pipe is None:
            fail(errno.ENOTCONN)
        data = pipe.read(size)
        if not data:
            self.raise_error()
            if pipe.end is None and not self._dead:
                fail(errno.EAGAIN)
        return data

    def send(self, data: bytes | memoryview) -> int:
        self.raise_error()
        if self._out is None:
            fail(errno.ENOTCONN if self.family == socket.AF_UNIX else errno.EPIPE)
        gone = self.family == socket.AF_UNIX and self.peer is not None and self.peer.closed
        if self._dead or self._shut or gone:
            fail(errno.EPIPE)
        size = self._out.write(data)
        if not size and data:
            fail(errno.EAGAIN)
        return size

    def shutdown(self, how: int) -> None:
        if self._out is None or ((self._dead or self._over) and self.family != socket.AF_UNIX):
            fail(errno.ENOTCONN)
        if not self._shut and not self._dead:
            self._shut = True
            self._out.finish()

    @property
    def _over(self) -> bool:
        """Whether both directions have ended in order."""
        return self._shut and self._in is not None and self._in.end is not None

    def all_left(self) -> bool:
        return self._out is None or self._dead or self._out.left

    # --- the end ---

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        for waiting in self._waiting:
            waiting._abort()
            waiting.close()
        if self._in is not None and self._out is not None and not self._dead:
            if self._in.inbox or self.aborts:
                self._abort()
            elif not self._shut:
                self._out.finish()
        if self._in is not None:
            self._in.close()

    def _abort(self) -> None:
        if self._out is not None and not self._dead:
            self._dead = True
            self._out.abort()

    def ready(self) -> int:
        if self._listening:
            return READ if self._waiting else 0
        if self._error:
            return READ | WRITE
        if self._in is None or self._out is None or not self._established:
            return 0
        readable = self._in.inbox or self._in.end or self._dead
        writable = self._dead or not self._out.full
        return (READ if readable else 0) | (WRITE if writable else 0)
