"""How an address is bound: what a server that starts again needs, and a port that the system chose must not have."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

import pytest

from sockrun.commands import Address
from sockrun.network.addresses import bind
from sockrun.network.interface import Endpoint
from sockrun.program import SocketOptions


class Watched(socket.socket):
    """A socket that remembers whether its address might be shared when it was bound (socket(7), SO_REUSEADDR)."""

    shared: bool | None = None

    def bind(self, address: Any, /) -> None:
        self.shared = bool(self.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        super().bind(address)


def bound(port: int, reuse: bool | None = None) -> tuple[bool | None, bool, int]:
    """Whether the address might be shared when it was bound, whether it may be now, and its port."""
    endpoint = Endpoint("tcp", False, SocketOptions(reuse_address=reuse))
    with closing(Watched(socket.AF_INET, socket.SOCK_STREAM)) as sock:
        bind(sock, endpoint, Address("127.0.0.1", port))
        now = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))
        return sock.shared, now, sock.getsockname()[1]


def test_a_port_that_the_system_chooses_is_shared_only_afterwards() -> None:
    """Else Linux may give it to two who do not listen yet, and searches among half as many ports."""
    assert bound(0)[:2] == (False, True)


def test_a_port_that_was_named_may_be_in_time_wait() -> None:
    free = bound(0)[2]
    assert bound(free) == (True, True, free)


@pytest.mark.parametrize("port", [0, None])
def test_nothing_is_shared_against_the_will_of_the_scenario(port: int | None) -> None:
    assert bound(bound(0)[2] if port is None else port, reuse=False)[:2] == (False, False)
