"""By hand on `selectors`: connections that each do round trips of 64 bytes, both ends in one thread.

    python exchange_selectors.py CONNECTIONS ROUNDS

Prints the seconds from the listening socket to the last close.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time
from contextlib import suppress

PING, PONG = b"ping" * 16, b"pong" * 16
BATCH = 256


class End:
    """One end of a connection: it takes `wanted` and answers, `rounds` times.

    The server's end closes first, so that the ports left in TIME_WAIT are not the clients' ephemeral ones.
    """

    def __init__(self, sock: socket.socket, exchange: Exchange, wanted: bytes, answer: bytes, rounds: int):
        self.sock, self.exchange = sock, exchange
        self.wanted, self.answer, self.left = wanted, answer, rounds
        self.unread = b""

    def send(self) -> None:
        if self.sock.send(self.answer) != len(self.answer):
            raise SystemExit("the kernel took only a part of a message")

    def connected(self) -> None:
        self.exchange.selector.modify(self.sock, selectors.EVENT_READ, self.readable)
        self.send()

    def readable(self) -> None:
        data = self.sock.recv(16384)
        if not data:
            self.close()
            return
        self.unread += data
        if len(self.unread) < len(self.wanted):
            return
        if self.unread != self.wanted:
            raise SystemExit(f"{self.unread!r} is not {self.wanted!r}")
        self.unread = b""
        self.took_message()

    def took_message(self) -> None:
        self.left -= 1
        if self.wanted == PING:
            self.send()
            if not self.left:
                self.close()
        elif self.left:
            self.send()

    def close(self) -> None:
        if self.left:
            raise SystemExit("a connection ended too early")
        self.exchange.selector.unregister(self.sock)
        self.sock.close()
        self.exchange.open_ends -= 1


class Exchange:
    def __init__(self, connections: int, rounds: int) -> None:
        self.selector = selectors.DefaultSelector()
        self.rounds = rounds
        self.unconnected = connections
        self.open_ends = 2 * connections
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def connect_some(self) -> None:
        """Never more at a time than the queue of the listener holds: what does not fit is tried a second later."""
        some = min(BATCH, self.unconnected)
        self.unconnected -= some
        for _ in range(some):
            self.connect()

    def connect(self) -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect_ex(self.listener.getsockname())
        end = End(sock, self, PONG, PING, self.rounds)
        self.selector.register(sock, selectors.EVENT_WRITE, end.connected)

    def accept(self) -> None:
        """All that are in the listener's queue."""
        with suppress(BlockingIOError):
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.selector.register(sock, selectors.EVENT_READ, End(sock, self, PING, PONG, self.rounds).readable)

    def run(self) -> None:
        while self.open_ends:
            self.connect_some()
            for key, _ in self.selector.select(0 if self.unconnected else None):
                key.data()
        self.listener.close()
        self.selector.close()


def main() -> None:
    connections, rounds = map(int, sys.argv[1:])
    begun = time.perf_counter()
    Exchange(connections, rounds).run()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
