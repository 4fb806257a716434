"""`optional`, `from` and `expect_in_any_order`, on real sockets, whole and byte by byte."""

from __future__ import annotations

import pytest

from sockrun.compiling.loading import load_text
from sockrun.network.kernel import READ_SIZE
from sockrun.reporters.transcript import describe
from tests.peers import datagrams, failure, pair, passes
from tests.playing import both_networks, play

pytestmark = both_networks

BYTES = pytest.mark.parametrize("read_size", [READ_SIZE, 1])


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in load_text(text, "test.yaml").diagnostics]


def lines(server: str, client: str) -> str:
    return pair(server, client, of_server="framing: line", of_client="framing: line")


# --- optional ----------------------------------------------------------------------------------


@BYTES
def test_an_optional_expect_takes_what_it_waits_for(read_size: int) -> None:
    server = '[{expect: "greeting", optional: 5s, as: said}, {expect: " name"}, {check: said == \'greeting\'}]'
    passes(play(pair(server, '[{send: "greeting name"}]'), read_size=read_size))


@BYTES
@pytest.mark.parametrize(("other", "next_one"), [("grave", '"grave"'), ("g", '"g"'), ("name", '{contains: "e"}')])
def test_something_else_stays_unread_for_the_next_step(other: str, next_one: str, read_size: int) -> None:
    """On a stream also where it began like the optional one, as when nothing more comes in time."""
    server = f'[{{expect: "greeting", optional: 50ms}}, {{expect: {next_one}}}]'
    passes(play(pair(server, f'[{{send: "{other}"}}, {{pause: 80ms}}]'), read_size=read_size))


@BYTES
def test_a_whole_message_that_is_another_one_stays_unread(read_size: int) -> None:
    server = '[{expect: "250 ok", optional: 5s}, {expect: "500 no"}]'
    passes(play(lines(server, '[{send: "500 no"}]'), read_size=read_size))


def test_nothing_in_that_time_is_no_failure_and_nothing_is_bound() -> None:
    server = "[{set: {said: before}}, {expect: later, optional: 20ms, as: said}, {check: said == 'before'}]"
    passes(play(pair(server, "[{pause: 50ms}]")))


@BYTES
def test_what_is_counted_as_it_comes_is_not_lost_either(read_size: int) -> None:
    server = '[{expect: {length: 200000}, optional: 50ms}, {expect: "abc"}]'
    passes(play(pair(server, '[{send: "abc"}, {pause: 80ms}]'), read_size=read_size))


def test_a_close_or_a_reset_is_seen_by_the_next_step() -> None:
    server = '[{expect: "later", optional: 5s}, expect_close]'
    passes(play(pair(server, "[]")))
    failure(play(pair('[{expect: "a", optional: 5s}, {expect: "b"}]', "[]")), "closed")
    passes(play(pair('[{expect: "a", optional: 5s}, expect_reset]', "[reset]")))


def test_over_datagrams_another_one_stays_in_the_queue() -> None:
    """And whose it is, is not told before it is taken."""
    server = '[{expect: "a", optional: 5s}, {expect: "b"}, {send: "to ${peer.port}"}]'
    passes(play(datagrams(server, '[{send: "b"}, {expect: "to ${local.port}"}]')))


def test_over_datagrams_a_refusal_is_seen_by_the_next_step() -> None:
    """The system tells it once; an optional step leaves it for the one that wants it."""
    text = datagrams("[]", '[{send: "x"}, {expect: "a", optional: 5s}, expect_refused]', of_server="listen: false")
    passes(play(text.replace(", steps: []", "")))


def test_a_role_that_waits_for_something_optional_is_no_deadlock() -> None:
    server, client = '[{expect: "a", optional: 30ms}, {send: "b"}]', '[{expect: "b"}]'
    passes(play(pair(server, client)))
    passes(play(datagrams(f"[{{expect: hi}}, {server[1:]}", f"[{{send: hi}}, {client[1:]}")))


def test_a_timeout_beside_optional_is_one_too_many() -> None:
    assert codes(pair('[{expect: "a", optional: 1s, timeout: 1s}]', "[]")) == ["misplaced-key"]


# --- from --------------------------------------------------------------------------------------

THREE = """
ports: [right]
roles:
  server: {{protocol: udp, side: server, steps: [{{expect: "hi", {keys}}}, {{check: "peer.port == ports.right"}}]}}
  client: {{side: client, to: server, {client}, steps: [{{send: "hi"}}]}}
"""


def test_a_datagram_from_that_address_is_taken() -> None:
    keys, client = 'from: "127.0.0.1:${ports.right}"', 'local_port: "${ports.right}"'
    passes(play(THREE.format(keys=keys, client=client)))
    passes(play(THREE.format(keys='from: "localhost:${ports.right}"', client=client)))


def test_a_datagram_from_another_address_fails_and_both_are_told() -> None:
    text = THREE.format(keys='from: "127.0.0.1:${ports.right}"', client="local_host: 127.0.0.1")
    told = failure(play(text), "mismatch", "a datagram came from 127.0.0.1:", "and not from 127.0.0.1:")
    assert told.received == b"hi"


def test_with_optional_a_datagram_from_another_address_stays_unread() -> None:
    server = '[{expect: hi, from: "127.0.0.1:9", optional: 5s}, {expect: hi}]'
    passes(play(datagrams(server, '[{send: "hi"}]')))


def test_from_is_for_datagrams_and_an_address() -> None:
    assert codes(pair('[{expect: "a", from: "127.0.0.1:9"}]', "[]")) == ["misplaced-key"]
    assert codes(datagrams('[{expect: "a", from: "127.0.0.1:99999"}]', "[]")) == ["bad-value"]


# --- any order ---------------------------------------------------------------------------------

ONE_TWO_THREE = '{expect_in_any_order: ["one", {regex: "tw(?P<o>.)"}, {prefix: "thr"}]}'


@BYTES
@pytest.mark.parametrize("order", [["one", "two", "three"], ["three", "two", "one"], ["two", "three", "one"]])
def test_messages_may_come_in_any_order_and_bind_their_names(order: list[str], read_size: int) -> None:
    sends = ", ".join(f"{{send: {word}}}" for word in order)
    server = f"[{ONE_TWO_THREE}, {{check: o == 'o'}}, {{check: received == '{order[-1]}'}}]"
    passes(play(lines(server, f"[{sends}]"), read_size=read_size))


def test_datagrams_may_come_in_any_order() -> None:
    passes(play(datagrams(f"[{ONE_TWO_THREE}]", '[{send: "two"}, {send: "three"}, {send: "one"}]')))


def test_each_message_goes_to_the_first_matcher_that_is_still_open() -> None:
    server = '[{expect_in_any_order: [{prefix: "a"}, "ab", {prefix: "a"}]}]'
    passes(play(lines(server, '[{send: "ac"}, {send: "ab"}, {send: "ad"}]')))


def test_a_message_that_none_takes_fails_and_shows_the_open_ones() -> None:
    result = play(lines(f"[{ONE_TWO_THREE}]", '[{send: "one"}, {send: "one"}]'))
    told = failure(result, "mismatch", "nothing still open takes this message", "thr")
    assert '"one"' not in result.reason
    assert told.received == b"one"


def test_the_last_open_one_tells_what_differs() -> None:
    told = failure(play(lines('[{expect_in_any_order: ["one", "two"]}]', "[{send: one}, {send: twa}]")), "mismatch")
    assert (told.expected, told.received, told.offset) == (b"two", b"twa", 2)


def test_a_message_that_none_takes_is_not_shown_as_taken() -> None:
    result = play(lines('[{expect_in_any_order: ["one", "two"]}]', "[{send: one}, {send: twa}]"))
    told = [describe(entry) for entry in result.trace if entry.role == "server"]
    assert told[1:] == ['< "one"', '! "twa" came: nothing still open takes this message']


def test_the_timeout_is_for_all_of_them() -> None:
    """Each message comes in time for itself, and all of them too late."""
    server = '[{expect_in_any_order: ["a", "b", "c"], timeout: 60ms}]'
    client = "[{send: a}, {pause: 40ms}, {send: b}, {pause: 40ms}, {send: c}, {pause: 1s}]"
    failure(play(lines(server, client)), "timeout", "2 of 3 messages came within 0.06 s", '"c"')


def test_a_peer_that_ends_early_is_told_with_what_is_open() -> None:
    failure(play(lines('[{expect_in_any_order: ["a", "b"]}]', "[{send: a}]")), "closed", 'before "b" came')


def test_a_deadlock_names_what_is_open() -> None:
    result = play(lines('[{expect_in_any_order: ["a", "b"]}]', "[{send: a}, {expect: c}]"))
    failure(result, "deadlock", 'server waits for "b" from client')
