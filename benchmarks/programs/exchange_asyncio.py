"""On asyncio's protocols: connections that each do round trips of 64 bytes, both ends in one thread.

    python exchange_asyncio.py CONNECTIONS ROUNDS [MODULE]

`MODULE`, as `uvloop`, has the event loop that is used instead of asyncio's own.
Prints the seconds from the listening socket to the last close. A `BufferedProtocol` with 16 kB reads, since
asyncio's own buffer of 256 kB makes it three times slower.
"""

from __future__ import annotations

import asyncio
import sys
import time
from importlib import import_module
from typing import cast

PING, PONG = b"ping" * 16, b"pong" * 16
BATCH = 1_000


class Exchange:
    def __init__(self, connections: int, rounds: int) -> None:
        self.rounds = rounds
        self.open_ends = 2 * connections
        self.over = asyncio.get_running_loop().create_future()

    def server_end(self) -> End:
        return End(self, PING, PONG)

    def client_end(self) -> End:
        return End(self, PONG, PING)

    def ended(self, left: int) -> None:
        self.open_ends -= 1
        if self.over.done():
            return
        if left:
            self.over.set_exception(SystemExit("a connection ended too early or with a wrong message"))
        elif not self.open_ends:
            self.over.set_result(None)


class End(asyncio.BufferedProtocol):
    """One end of a connection: it takes `wanted` and answers, round after round."""

    transport: asyncio.Transport

    def __init__(self, exchange: Exchange, wanted: bytes, answer: bytes) -> None:
        self.exchange, self.wanted, self.answer = exchange, wanted, answer
        self.left = exchange.rounds
        self.buffer = memoryview(bytearray(16384))
        self.filled = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's does not inherit from it
        if self.wanted == PONG:
            self.transport.write(self.answer)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self.buffer[self.filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self.filled += nbytes
        if self.filled < len(self.wanted):
            return
        if self.buffer[: self.filled] != self.wanted:
            self.transport.abort()
            return
        self.filled = 0
        self.took_message()

    def took_message(self) -> None:
        self.left -= 1
        if self.wanted == PING:
            self.transport.write(self.answer)
            if not self.left:
                self.transport.close()
        elif self.left:
            self.transport.write(self.answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self.exchange.ended(self.left)


async def run(connections: int, rounds: int) -> None:
    loop = asyncio.get_running_loop()
    exchange = Exchange(connections, rounds)
    server = await loop.create_server(exchange.server_end, "127.0.0.1", 0, backlog=4096)
    host, port = server.sockets[0].getsockname()
    for begin in range(0, connections, BATCH):  # more would not fit into the listener's queue
        some = min(BATCH, connections - begin)
        await asyncio.gather(*(loop.create_connection(exchange.client_end, host, port) for _ in range(some)))
    await exchange.over
    server.close()
    await server.wait_closed()


def main() -> None:
    connections, rounds = map(int, sys.argv[1:3])
    make = import_module(sys.argv[3]).new_event_loop if sys.argv[3:] else None
    begun = time.perf_counter()
    with asyncio.Runner(loop_factory=make) as runner:
        runner.run(run(connections, rounds))
    print(time.perf_counter() - begun)


if __name__ == "__main__":
    main()
