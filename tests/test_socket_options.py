"""A role's `socket` options: each reaches the system, and one that the system refuses is named."""

from __future__ import annotations

import pytest

from sockrun.results import Status
from tests.peers import pair, passes
from tests.playing import both_networks, play

pytestmark = both_networks

OPTIONS = [
    "nodelay: false",
    "reuse_address: false",
    "reuse_port: true",
    "linger: 1s",
    "ttl: 5",
    "send_buffer: 4096",
    "receive_buffer: 4096",
    "backlog: 3",
    "max_segment: 500",
]


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("host", ["127.0.0.1", "'::1'"])
def test_a_stream_takes_it(option: str, host: str) -> None:
    keys = f"host: {host}, socket: {{{option}}}"
    passes(play(pair('[{send: "hi"}]', '[{expect: "hi"}]', of_server=keys, of_client=f"socket: {{{option}}}")))


def test_one_that_the_system_refuses_is_named() -> None:
    result = play(pair("[]", "[]", of_server="socket: {max_segment: 5}"))
    assert result.status is Status.REFUSED
    assert "'max_segment' with 5" in result.reason
