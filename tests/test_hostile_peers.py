"""Peers that mean harm, or do it: each is told in time, with bounded memory, and harms no other scenario."""

from __future__ import annotations

import resource
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sockrun.compiling.loading import Options
from sockrun.network.kernel import READ_SIZE, Kernel
from sockrun.playing.runner import Runner
from sockrun.results import Result, Status
from tests.peers import (
    client_of,
    datagrams,
    failure,
    keeps_still,
    pair,
    passes,
    play_outside,
    says,
    says_and_closes,
    says_and_resets,
)
from tests.playing import play, play_all, programs

MEGABYTE = 1_000_000
CONNECTIONS = 5000

# --- bytes without an end ----------------------------------------------------------------------

ENDLESS = '{send: {times: 100000000000, of: "0123456789abcdef"}}'


@contextmanager
def memory_at_most(limit: int) -> Iterator[None]:
    """What Python allocates in between, at its highest, in bytes."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak:,} bytes"


@pytest.mark.parametrize(
    ("framing", "matcher", "told"),
    [
        ("line", '"x"', "16"),
        ('{delimiter: "\\0"}', '"x"', "16"),
        ("none", '{regex: "[0-9a-f]+\\\\n"}', "64"),
        ("none", '{contains: "\\n"}', ""),
    ],
    ids=["line", "delimiter", "regex", "contains"],
)
def test_endless_bytes_without_an_end_are_refused_at_a_limit(framing: str, matcher: str, told: str) -> None:
    """Not at a timeout, and without keeping more than the limit."""
    text = pair(f"[{ENDLESS}]", f"[{{expect: {matcher}, framing: {framing}, timeout: 30s}}]")
    with memory_at_most(100 * MEGABYTE):
        result = play(text)
    told_of = failure(result, "mismatch", told)
    assert told_of.role == "client"


def test_endless_bytes_behind_the_last_step_do_not_go_on_for_ever() -> None:
    """The role has ended, and the scenario's timeout ends the peer; nothing of it is kept."""
    with memory_at_most(20 * MEGABYTE):
        result = play("timeout: 300ms\n" + pair(f"[{ENDLESS}]", "[]"))
    assert result.status is Status.FAILED
    assert "the scenario's timeout of 0.3 s has passed" in result.reason


def test_endless_bytes_delay_nobody_elses_deadline_and_no_deadlock() -> None:
    """One scenario that never stands still is no reason to look at no other."""
    endless = programs("timeout: 1s\n" + pair(f"[{ENDLESS}]", "[]"))
    late = programs(pair("[{pause: 10ms}, {wait: go}, {signal: go}]", '[{expect: "x"}]'))
    results = play_all([*endless, *late])
    assert [result.failure.kind for result in results if result.failure] == ["deadlock", "timeout"]
    assert results[0].seconds < 0.9


def test_a_length_of_gigabytes_takes_no_memory() -> None:
    text = pair(
        "[{send: {times: 20000000, of: 0123456789}}]".replace("0123456789", '"0123456789"'),
        "[{expect: {length: 200000000}}]",
    )
    with memory_at_most(20 * MEGABYTE):
        passes(play(text))


# --- bytes that come slowly --------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["none", "line"])
def test_a_byte_now_and_then_does_not_move_a_deadline(framing: str) -> None:
    """A step's timeout is its whole time, however often the peer says a little."""
    text = pair(
        '[{send: "abcdefghijklmnopqrstuvwxyz0123456789\\n", chunk: 1, every: 20ms}]',
        f'[{{expect: "abcdefghijklmnopqrstuvwxyz0123456789{"" if framing == "line" else chr(92) + "n"}", '
        f"framing: {framing}, timeout: 100ms}}]",
    )
    result = play(text)
    failure(result, "timeout", "within 0.1 s")
    assert 0.1 <= result.seconds < 0.6


def test_a_reset_of_a_slow_peer_is_told_as_that_and_not_as_a_timeout() -> None:
    text = pair('[{send: "abc", chunk: 1, every: 10ms}, reset]', '[{expect: "abcdef", timeout: 3s}]')
    failure(play(text), "reset", "after 3 of 6 bytes")


# --- ends that come early ----------------------------------------------------------------------


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
@pytest.mark.parametrize("data", [b"", b"abc"], ids=["before data", "after data"])
def test_a_reset_in_the_middle_is_told_with_what_came_before(data: bytes, read_size: int) -> None:
    """From a peer outside: whatever came before the reset is still read."""
    result = play_outside(client_of('[{expect: "abcdef"}]'), says_and_resets(data), read_size=read_size)
    told = failure(result, "reset")
    assert (told.received or b"") == data


def test_a_peer_that_closes_at_once_is_told_as_that() -> None:
    failure(play_outside(client_of('[{expect: "abc"}]'), says_and_closes(b"")), "closed", "the peer closed before")
    failure(play_outside(client_of('[{expect: "abc"}]'), says_and_closes(b"a")), "closed", "after 1 of 3 bytes")


def test_a_send_to_a_peer_that_resets_meanwhile_does_not_break_the_role() -> None:
    """Its next step that waits tells of it; what sockrun does has no traceback."""
    steps = '[{repeat: 200, steps: [{send: "0123456789"}, {pause: 100us}]}, expect_reset]'
    passes(play_outside(client_of(steps), says_and_resets(b"")))


def test_a_peer_that_never_reads_costs_no_more_than_its_own_timeout() -> None:
    send = '{send: {times: 1000000, of: "0123456789"}, timeout: 100ms}'
    with memory_at_most(20 * MEGABYTE):
        result = play_outside(client_of(f"[{send}]"), keeps_still)
    failure(result, "step", "the peer does not read")


def test_one_that_connects_and_says_nothing_is_told_at_once() -> None:
    """Among roles it is a deadlock; `hold` keeps it connected."""
    failure(play(pair('[{expect: "x"}]', "[{wait: never}, {signal: never}]", of_client="hold: true")), "deadlock")
    failure(play(pair('[{expect: "x"}]', "[]", of_client="hold: true")), "deadlock", 'server waits for "x" from client')


def test_answers_that_nobody_asked_for_are_unread() -> None:
    told = failure(
        play_outside(client_of("[{send: hello}]".replace("hello", '"hello"')), says(b"spam" * 1000)), "unread"
    )
    assert told.received is not None
    assert told.received.startswith(b"spamspam")


# --- datagrams ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "told"), [("12345678", "is 8 bytes long, not 16"), ("1234567890123456789012345", "is 25 bytes long")]
)
def test_a_datagram_of_another_length_is_a_mismatch_at_once(sent: str, told: str) -> None:
    """Half of it, and more than it: a datagram is never waited for in parts, and never cut."""
    text = datagrams("[{expect: {length: 16}}]", f'[{{send: "{sent}"}}]')
    told_of = failure(play(text), "mismatch", told)
    assert told_of.received == sent.encode()


def test_half_a_message_in_each_of_two_datagrams_is_no_message() -> None:
    text = datagrams('[{expect: "12345678"}]', '[{send: "1234"}, {send: "5678"}]')
    told = failure(play(text), "mismatch")
    assert told.received == b"1234"


def test_the_largest_datagram_is_taken_whole() -> None:
    text = datagrams("[{expect: {length: 65507}}]", "[{send: {random: 65507, seed: 1}}]")
    passes(play(text))


@pytest.mark.parametrize("last", ["expect_refused", '{expect: "d", timeout: 3s}'])
def test_a_refusal_in_the_middle_of_a_conversation_is_told(last: str) -> None:
    """ICMP 'port unreachable', because whoever answered once is gone."""
    steps = f'[{{send: "a"}}, {{expect: "b"}}, {{send: "c"}}, {last}]'
    network = Kernel()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, client = peer.recvfrom(100)
            peer.sendto(b"b", client)
            network.selector.unregister(peer)
            peer.close()

        network.wake_on(peer, answer)
        options = Options(variables={"port": str(peer.getsockname()[1])})
        (result,) = Runner(network).run(programs(client_of(steps).replace("tcp", "udp"), options))
    network.close()
    if last == "expect_refused":
        passes(result)
    else:
        failure(result, "refused", "nobody listens at 127.0.0.1:")


# --- very many ---------------------------------------------------------------------------------


def needs_open_files(wanted: int) -> None:
    """sockrun raises the limit by itself, as far as it may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < wanted:
        pytest.skip(f"no more than {most} files may be open here")


@pytest.mark.parametrize("connections", [str(CONNECTIONS), "any"])
def test_thousands_of_connections_at_one_server_role(connections: str) -> None:
    """Each is served, all at the same time, with little memory for each."""
    text = pair(
        '[{expect: "ping"}, {barrier: all}, {send: "pong"}]'
        if connections != "any"
        else '[{expect: "ping"}, {send: "pong"}]',
        '[{send: "ping"}, {barrier: all}, {expect: "pong"}]'
        if connections != "any"
        else '[{send: "ping"}, {expect: "pong"}]',
        of_server=f"connections: {connections}, timeout: 60s",
        of_client=f"instances: {CONNECTIONS}, timeout: 60s",
        top="timeout: 2m",
    )
    needs_open_files(2 * CONNECTIONS + 100)
    with memory_at_most(CONNECTIONS * 2 * 8000):
        passes(play(text))


def test_thousands_of_connections_more_than_asked_for_end_at_the_first() -> None:
    text = pair("[]", "[{expect_close: {reset: allow}}]", of_client="instances: 1000")
    failure(play(text), "connection")


# --- beside the others -------------------------------------------------------------------------


def backtracks() -> str:
    return pair(
        '[{send: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}, {expect_close: {reset: allow}}]',
        '[{expect: {regex: "(a|aa|a?a)+(a*)*c"}}]',
    )


def test_a_pattern_that_backtracks_for_ever_is_stopped() -> None:
    result = play(backtracks())
    assert result.status is Status.FAILED, result
    assert result.failure is not None
    assert result.failure.role == "client"


def test_a_pattern_that_backtracks_for_ever_harms_no_other_scenario() -> None:
    """Fifty others, with short timeouts, go on in the same loop, and all of them pass."""
    exchange = pair(
        '[{repeat: 5, steps: [{expect: "ping"}, {pause: 5ms}, {send: "pong"}]}]',
        '[{repeat: 5, steps: [{send: "ping"}, {expect: "pong", timeout: 90ms}]}]',
    )
    results = play_all([*programs(exchange) * 25, *programs(backtracks()) * 3, *programs(exchange) * 25])
    assert [_words(result) for result in results if result.status is Status.FAILED] == ["client"] * 3
    assert sum(result.passed for result in results) == 50


def _words(result: Result) -> str:
    assert result.failure is not None
    return result.failure.role if result.failure.kind != "timeout" else result.reason
