"""By hand on `selectors`: round trips of 64 bytes over UDP, both ends in one thread.

    python datagrams_selectors.py ROUNDS

Prints the seconds from the first socket to the last close.
"""

from __future__ import annotations

import selectors
import socket
import sys
import time

PING, PONG = b"ping" * 16, b"pong" * 16


class Exchange:
    def __init__(self, rounds: int) -> None:
        self.left = rounds
        self.selector = selectors.DefaultSelector()
        self.server = socket.socket(type=socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))
        self.client = socket.socket(type=socket.SOCK_DGRAM)
        self.client.connect(self.server.getsockname())
        for sock, readable in ((self.server, self.asked), (self.client, self.answered)):
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, readable)

    def asked(self) -> None:
        data, sender = self.server.recvfrom(65536)
        expect(data, PING)
        self.server.sendto(PONG, sender)

    def answered(self) -> None:
        expect(self.client.recv(65536), PONG)
        self.left -= 1
        if self.left:
            self.client.send(PING)

    def run(self) -> None:
        self.client.send(PING)
        while self.left:
            for key, _ in self.selector.select():
                key.data()
        self.selector.close()
        self.server.close()
        self.client.close()


def expect(data: bytes, wanted: bytes) -> None:
    if data != wanted:
        raise SystemExit(f"{data!r} is not {wanted!r}")


def main() -> None:
    (rounds,) = map(int, sys.argv[1:])
    begun = time.perf_counter()
    Exchange(rounds).run()
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
