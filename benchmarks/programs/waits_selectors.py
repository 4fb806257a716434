"""By hand on `selectors`: many pairs at once, in each of them a server that waits and then greets its client.

    python waits_selectors.py PAIRS SECONDS

The work of as many scenario files, without the files. It is timed as a whole process and prints nothing.
"""

from __future__ import annotations

import heapq
import selectors
import socket
import sys
import time

GREETING = b"hello\n"


class Pairs:
    def __init__(self, pairs: int, wait: float) -> None:
        self.selector = selectors.DefaultSelector()
        self.wait = wait
        self.unfinished = pairs
        self.timers: list[tuple[float, int]] = []
        self.waiting: dict[int, socket.socket] = {}
        for _ in range(pairs):
            self.start_pair()

    def start_pair(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        self.selector.register(listener, selectors.EVENT_READ, self.accept)
        self.selector.register(client, selectors.EVENT_READ, self.read)

    def accept(self, listener: socket.socket) -> None:
        sock, _ = listener.accept()
        self.selector.unregister(listener)
        listener.close()
        heapq.heappush(self.timers, (time.monotonic() + self.wait, sock.fileno()))
        self.waiting[sock.fileno()] = sock

    def read(self, client: socket.socket) -> None:
        data = client.recv(16384)
        if data != GREETING:
            raise SystemExit(f"{data!r} is not {GREETING!r}")
        self.selector.unregister(client)
        client.close()
        self.unfinished -= 1

    def greet_due(self) -> None:
        now = time.monotonic()
        while self.timers and self.timers[0][0] <= now:
            _, fd = heapq.heappop(self.timers)
            with self.waiting.pop(fd) as sock:
                sock.send(GREETING)

    def run(self) -> None:
        while self.unfinished:
            until_due = max(0.0, self.timers[0][0] - time.monotonic()) if self.timers else None
            for key, _ in self.selector.select(until_due):
                key.data(key.fileobj)
            self.greet_due()
        self.selector.close()


def main() -> None:
    pairs, wait = sys.argv[1:]
    Pairs(int(pairs), float(wait)).run()


if __name__ == "__main__":
    main()
