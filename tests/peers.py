"""Scenarios of a server and a client in a few words, and peers that are no role, for the tests of the network.

A peer from outside is plain sockets in this process: `behave` is called, from the loop, with each connection it
gets. It may register more with the loop through `Kernel.wake_on`. No thread, no waiting, no race.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from sockrun.compiling.loading import Options
from sockrun.network.kernel import READ_SIZE, Kernel
from sockrun.playing.runner import Runner
from sockrun.results import Failure, Result, Status
from tests.playing import programs, simulated

Behaviour = Callable[[socket.socket], None]


def pair(server: str, client: str, *, of_server: str = "", of_client: str = "", more: str = "", top: str = "") -> str:
    """A TCP scenario: the two step lists in YAML's flow style, more keys of each role, more roles, top-level keys."""
    return f"""
{top}
roles:
  server: {{protocol: tcp, side: server, {of_server + ", " if of_server else ""}steps: {server}}}
  client: {{side: client, to: server, {of_client + ", " if of_client else ""}steps: {client}}}
{more}
"""


def datagrams(server: str, client: str, *, of_server: str = "", of_client: str = "", more: str = "") -> str:
    """The same over UDP."""
    return pair(server, client, of_server=of_server, of_client=of_client, more=more).replace(
        "{protocol: tcp", "{protocol: udp"
    )


def failure(result: Result, kind: str, *told: str) -> Failure:
    """The result's failure, which is of that kind and says these words."""
    assert result.status is Status.FAILED, (result.status, result.reason, result.detail)
    assert result.failure is not None
    assert result.failure.kind == kind, result.reason
    for words in told:
        assert words in result.reason, result.reason
    return result.failure


def passes(result: Result) -> None:
    assert result.passed, (result.status, result.reason, result.detail)


# --- peers from outside ------------------------------------------------------------------------


def client_of(steps: str, keys: str = "") -> str:
    """A client of whoever listens at the port that `play_outside` chooses."""
    return f"""
vars: {{port: 0}}
roles:
  client: {{protocol: tcp, side: client, port: "${{port}}", {keys + ", " if keys else ""}steps: {steps}}}
"""


def play_outside(text: str, behave: Behaviour, *, read_size: int = READ_SIZE) -> Result:
    """Play a scenario whose `${port}` belongs to a TCP server outside."""
    assert not simulated.get(), "nobody is outside of a simulation: the test is @real_sockets"
    network = Kernel(read_size)
    with ExitStack() as open_ones:
        open_ones.callback(network.close)
        server = open_ones.enter_context(socket.create_server(("127.0.0.1", 0)))

        def come() -> None:
            connection, _ = server.accept()
            behave(open_ones.enter_context(connection))

        network.wake_on(server, come)
        options = Options(variables={"port": str(server.getsockname()[1])})
        (result,) = Runner(network).run(programs(text, options))
    return result


def says(data: bytes) -> Behaviour:
    """Sends, and stays connected."""
    return lambda connection: connection.sendall(data)


def says_and_closes(data: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.close()

    return behave


def says_and_resets(data: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        if data:
            connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return behave


def keeps_still(connection: socket.socket) -> None:
    """Neither reads nor writes."""


@contextmanager
def deaf_port() -> Iterator[int]:
    """A TCP port that refuses for as long as the context lasts."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]
