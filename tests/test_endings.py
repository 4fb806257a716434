"""How roles end: LANGUAGE's 'End', 'Reading' and the errors of connections, each rule on real sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sockrun.compiling.loading import Options
from sockrun.network.kernel import READ_SIZE
from sockrun.reporters.transcript import describe
from sockrun.results import Result, Status
from tests.peers import (
    client_of,
    datagrams,
    deaf_port,
    failure,
    keeps_still,
    pair,
    passes,
    play_outside,
    says,
    says_and_closes,
    says_and_resets,
)
from tests.playing import both_networks, play, real_sockets

pytestmark = both_networks

Player = Callable[[str], Result]
BIG = 8_000_000  # bytes; more than the system's buffers hold for one connection


@pytest.fixture(params=[READ_SIZE, 1], ids=["whole", "byte by byte"])
def played(request: pytest.FixtureRequest) -> Player:
    """Plays a scenario, with streams as they come and cut into single bytes."""
    return lambda text: play(text, read_size=request.param)


# --- the end of a role -------------------------------------------------------------------------


def test_a_role_whose_steps_are_done_half_closes_and_reads_on(played: Player) -> None:
    """The client sees the server's FIN, and what it sends behind that is still received: as unread data."""
    text = pair('[{send: "x"}]', '[{expect: "x"}, expect_close, {send: "late"}]')
    told = failure(played(text), "unread", "bytes came that no step took")
    assert (told.role, told.received) == ("server", b"late")


@pytest.mark.parametrize("side", ["server", "client"])
def test_bytes_that_no_step_took_fail_their_role(played: Player, side: str) -> None:
    """Exactly these bytes, whoever ends first."""
    speaks, hears = '[{send: "abc"}]', '[{expect: "a"}]'
    text = pair(hears, speaks) if side == "server" else pair(speaks, hears)
    told = failure(played(text), "unread")
    assert (told.role, told.received) == (side, b"bc")


def test_unread_bytes_that_are_allowed_fail_nobody(played: Player) -> None:
    passes(played(pair('[{send: "abc"}]', '[{expect: "a"}]', of_client="unread: allow")))


def test_bytes_left_at_a_close_of_ones_own_are_unread_too(played: Player) -> None:
    text = pair(
        '[{send: "abc"}, {signal: sent}, {expect_close: {reset: allow}}]',
        '[{wait: sent}, {expect: "a"}, close]',
    )
    told = failure(played(text), "unread")
    assert (told.role, told.received) == ("client", b"bc")


@pytest.mark.parametrize("end", ["close", "reset", "{reset: now}"])
def test_an_end_after_the_last_step_is_no_failure(played: Player, end: str) -> None:
    """However the peer ends, a role that has done its steps has passed."""
    passes(played(pair(f'[{{send: "x"}}, {{wait: done}}, {end}]', '[{expect: "x"}, {signal: done}]')))


def test_a_role_without_steps_passes(played: Player) -> None:
    passes(played(pair("[]", "[]")))


def test_a_large_unread_rest_is_told_with_its_first_bytes() -> None:
    """A peer that sends megabytes behind the last step is drained, and no more than a piece is kept."""
    told = failure(play(pair(f"[{{send: {{random: {BIG}, seed: 1}}}}]", "[]")), "unread")
    assert told.role == "client"
    assert told.received is not None
    assert 0 < len(told.received) <= 2 * READ_SIZE


# --- the end with a peer from outside ----------------------------------------------------------


@real_sockets("a peer that is no role")
def test_an_outside_peer_is_heard_until_its_fin() -> None:
    told = failure(play_outside(client_of('[{expect: "a"}]'), says_and_closes(b"abc")), "unread")
    assert told.received == b"bc"


@real_sockets("a peer that is no role")
def test_an_outside_peer_that_does_not_close_is_heard_for_a_tenth_of_a_second() -> None:
    """What it has sent by then counts, and then its FIN is given up."""
    passes(play_outside(client_of('[{expect: "abc"}]'), says(b"abc")))
    told = failure(play_outside(client_of('[{expect: "a"}]'), says(b"abc")), "unread")
    assert told.received == b"bc"


@real_sockets("a peer that is no role")
def test_an_outside_peers_reset_after_the_last_step_is_no_failure() -> None:
    passes(play_outside(client_of('[{expect: "abc"}]'), says_and_resets(b"abc")))


@real_sockets("a peer that is no role")
def test_an_outside_peer_that_keeps_still_is_told_at_the_timeout() -> None:
    """It is nobody we know, so it might still go on: no deadlock."""
    result = play_outside(client_of('[{expect: "abc", timeout: 50ms}]'), keeps_still)
    failure(result, "timeout", "nothing came within 0.05 s")


# --- datagrams ---------------------------------------------------------------------------------


def test_a_datagram_that_no_step_took_fails_at_the_end() -> None:
    """Its socket stays open until the scenario ends, so a late one counts as well."""
    text = datagrams('[{expect: "a"}, {signal: done}]', '[{send: "a"}, {wait: done}, {send: "late"}]')
    told = failure(play(text), "unread", "a datagram came that no step took")
    assert (told.role, told.received) == ("server", b"late")


def test_left_datagrams_that_are_allowed_fail_nobody() -> None:
    passes(play(datagrams('[{expect: "a"}]', '[{send: "a"}, {send: "b"}]', of_server="unread: allow")))


def test_an_empty_datagram_that_no_step_took_fails_too() -> None:
    told = failure(play(datagrams('[{expect: "a"}]', '[{send: "a"}, {send: ""}]')), "unread")
    assert told.role == "server"


def test_a_datagram_socket_hears_though_its_steps_are_done() -> None:
    """The server's answer comes after the client's last step: it is the client's, and not refused."""
    text = datagrams('[{expect: "a"}, {wait: done}, {send: "b"}]', '[{send: "a"}, {signal: done}]', of_client="")
    told = failure(play(text), "unread")
    assert (told.role, told.received) == ("client", b"b")


# --- close, reset, and what was sent before ----------------------------------------------------


def test_a_reset_does_not_lose_what_was_sent_before() -> None:
    """All of it is taken by a peer that begins to read late; the reset is seen behind it."""
    text = pair(
        f"[{{send: {{random: {BIG}, seed: 1}}}}, reset]",
        f"[{{pause: 20ms}}, {{expect: {{length: {BIG}}}}}, expect_reset]",
    )
    passes(play(text))


def test_a_reset_behind_bytes_is_seen_behind_them(played: Player) -> None:
    passes(played(pair('[{send: "part"}, reset]', '[{expect: "part"}, expect_reset]')))


def test_a_reset_now_does_not_wait_for_what_was_sent() -> None:
    """What is still in the sender's buffer, because the peer has no room for it, is lost."""
    text = pair(
        "[{send: {random: 60000, seed: 1}}, {reset: now}, {signal: gone}]",
        "[{wait: gone}, {expect: {length: 60000}}]",
        of_server="socket: {send_buffer: 400000}",
        of_client="socket: {receive_buffer: 4096}",
    )
    told = failure(play(text), "reset", "of 60,000 bytes")
    assert told.received


def test_close_is_seen_as_an_orderly_end(played: Player) -> None:
    passes(played(pair('[{send: "x"}, close]', '[{expect: "x"}, expect_close]')))


def test_shutdown_ends_one_direction_only(played: Player) -> None:
    text = pair('[expect_close, {send: "yes"}]', '[shutdown, {expect: "yes"}, expect_close]')
    passes(played(text))


def test_a_fin_in_the_middle_of_what_is_expected_is_told_with_how_far_it_came(played: Player) -> None:
    told = failure(played(pair('[{send: "12345"}, close]', '[{expect: "12345678"}]')), "closed", "after 5 of 8 bytes")
    assert (told.role, told.received) == ("client", b"12345")


def test_a_reset_in_the_middle_of_what_is_expected_is_told_as_that(played: Player) -> None:
    told = failure(played(pair('[{send: "12345"}, reset]', '[{expect: "12345678"}]')), "reset", "5 of 8 bytes")
    assert (told.role, told.received) == ("client", b"12345")


# --- an error of a send ------------------------------------------------------------------------


SEND_INTO_A_CLOSED_CONNECTION = '[{expect: "bye"}, {wait: gone}, {send: "a"}, {send: "b"}, {send: "c"}, WAITS]'


@pytest.mark.parametrize(
    ("waits", "kind"),
    [("expect_reset", None), ('{expect: "x"}', "reset"), ("expect_close", "reset")],
)
def test_the_error_of_a_send_is_kept_for_the_next_step_that_waits(played: Player, waits: str, kind: str | None) -> None:
    """The sends themselves pass, as they do when nobody looks."""
    client = SEND_INTO_A_CLOSED_CONNECTION.replace("WAITS", waits)
    result = played(pair('[{send: "bye"}, {reset: now}, {signal: gone}]', client))
    if kind is None:
        passes(result)
    else:
        told = failure(result, kind)
        assert told.place is not None
        assert told.place.number == "6"


def test_unread_bytes_come_before_the_error_of_a_send(played: Player) -> None:
    """What the peer said before it closed is still taken, though a send has failed in the meantime."""
    client = SEND_INTO_A_CLOSED_CONNECTION.replace('{expect: "bye"}, ', "")
    client = client.replace("WAITS", '{expect: "bye"}, expect_reset')
    passes(played(pair('[{send: "bye"}, reset, {signal: gone}]', client)))


# --- nobody listens ----------------------------------------------------------------------------


@real_sockets("an address of no role")
def test_a_refused_tcp_client_expects_it_or_fails() -> None:
    with deaf_port() as port:
        options = Options(variables={"port": str(port)})
        passes(play(client_of("[expect_refused]"), options=options))
        failure(play(client_of('[{expect: "x"}]'), options=options), "refused", f"nobody listens at 127.0.0.1:{port}")
        failure(play(client_of("[]"), options=options), "refused", "nobody listens")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_held_port_refuses(protocol: str) -> None:
    """`listen: false` over TCP and UDP alike."""
    text = f"""
    roles:
      nobody: {{protocol: tcp, side: server, listen: false}}
      client: {{protocol: {protocol}, side: client, port: "${{nobody.port}}", steps: [STEPS]}}
    """
    send = '{send: "x"}, ' if protocol == "udp" else ""
    passes(play(text.replace("STEPS", send + "expect_refused")))
    failure(play(text.replace("STEPS", send + '{expect: "y"}')), "refused", "nobody listens")


@real_sockets("an address of no role")
@pytest.mark.parametrize("datagram", ["true", "false"])
def test_a_unix_path_that_nobody_has_bound_refuses(tmp_path: Path, datagram: str) -> None:
    send = '{send: "x"}, ' if datagram == "true" else ""
    passes(
        play(f"""
        roles:
          client:
            {{protocol: unix, datagram: {datagram}, side: client, path: {tmp_path}/none, steps: [{send}expect_refused]}}
        """)
    )


@real_sockets("an address of no role")
@pytest.mark.parametrize("datagram", ["true", "false"])
def test_a_unix_path_that_is_not_there_is_told_as_that(tmp_path: Path, datagram: str) -> None:
    """One that is there and refuses is another mistake."""
    send = '{send: "x"}, ' if datagram == "true" else ""
    path = tmp_path / "none"
    text = f"""
        roles:
          client:
            {{protocol: unix, datagram: {datagram}, side: client, path: {path}, steps: [{send}{{expect: y}}]}}
    """
    result = play(text)
    failure(result, "refused", f"nobody listens at {path} (no such path)")
    assert any("no such path" in describe(entry) for entry in result.trace)
    kind = socket.SOCK_DGRAM if datagram == "true" else socket.SOCK_STREAM
    with socket.socket(socket.AF_UNIX, kind) as left_behind:
        left_behind.bind(str(path))
    failure(play(text), "refused", f"nobody listens at {path} (connection refused)")


@real_sockets("a peer that is no role")
def test_a_refusal_that_was_expected_and_does_not_come_fails() -> None:
    result = play_outside(client_of("[{expect_refused: null, timeout: 50ms}]"), keeps_still)
    failure(result, "timeout", "was to be refused")


def test_retry_for_tries_again_until_somebody_listens() -> None:
    """The server begins to listen only when the client has been refused a while."""
    text = pair(
        '[{send: "x"}]',
        '[{expect: "x"}]',
        of_server="start: {after: late}",
        of_client="retry_for: 5s",
        more="  other: {protocol: tcp, side: server, steps: [{pause: 50ms}, {signal: late}]}\n"
        "  another: {side: client, to: other, steps: [expect_close]}",
    )
    passes(play(text))


@real_sockets("an address of no role")
def test_retry_for_gives_up_in_the_end() -> None:
    with deaf_port() as port:
        options = Options(variables={"port": str(port)})
        text = client_of('[{expect: "x"}]', "retry_for: 50ms")
        result = play(text, options=options)
    failure(result, "refused", "nobody listens")
    assert result.seconds >= 0.05


# --- connecting anew ---------------------------------------------------------------------------


def test_connect_closes_in_order_and_connects_anew(played: Player) -> None:
    text = pair(
        '[{send: "${index}"}, expect_close]',
        '[{expect: "0"}, connect, {expect: "1"}]',
        of_server="connections: 2",
    )
    passes(played(text))


def test_connect_does_not_lose_unread_bytes_in_silence(played: Player) -> None:
    text = pair(
        '[{send: "ab"}, {signal: sent}, {expect_close: {reset: allow}}]',
        '[{expect: "a"}, {wait: sent}, connect]',
        of_server="connections: 2",
    )
    told = failure(played(text), "unread")
    assert (told.role, told.received) == ("client", b"b")


def test_connect_may_go_to_another_server() -> None:
    text = pair(
        '[{send: "one"}]',
        '[{expect: "one"}, {connect: {to: other}}, {expect: "two"}]',
        more='  other: {protocol: tcp, side: server, steps: [{send: "two"}]}',
    )
    passes(play(text))


# --- reading and back-pressure -----------------------------------------------------------------


def test_a_peer_that_does_not_read_gives_back_pressure() -> None:
    """A large send is done only when the peer has begun to read, which it does after a pause."""
    text = pair(
        f"[{{send: {{random: {BIG}, seed: 1}}}}, {{signal: sent}}]",
        f"[{{pause: 50ms}}, {{expect: {{length: {BIG}}}}}, {{wait: sent}}]",
    )
    result = play(text)
    passes(result)
    assert result.seconds >= 0.05


@real_sockets("a peer that is no role")
def test_a_send_to_an_outside_peer_that_does_not_read_fails_at_its_timeout() -> None:
    steps = f"[{{send: {{random: {BIG}, seed: 1}}, timeout: 50ms}}]"
    told = failure(play_outside(client_of(steps), keeps_still), "step", "the peer does not read")
    assert told.role == "client"


def test_a_silence_is_broken_by_a_byte_a_close_and_a_reset() -> None:
    """And holds where nothing comes."""
    for broken in ('{send: "x"}', "close", "reset"):
        result = play(pair(f"[{broken}]", "[{expect_silence: 100ms}]"))
        assert result.status is Status.FAILED, broken
    passes(play(pair("[{expect_silence: 50ms}]", "[expect_close]")))


# --- other families ----------------------------------------------------------------------------


def test_streams_over_unix_sockets_end_the_same_way(played: Player) -> None:
    for path in ("${dir}/server.sock", "@sockrun-test-${index}"):
        text = f"""
        roles:
          server: {{protocol: unix, side: server, path: "{path}", steps: [{{expect: "ping"}}, {{send: "pong"}}]}}
          client: {{side: client, to: server, steps: [{{send: "ping"}}, {{expect: "pong"}}, expect_close]}}
        """
        passes(played(text))


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_ipv6_works(protocol: str) -> None:
    text = f"""
    requires: {{ipv6: true}}
    roles:
      server: {{protocol: {protocol}, side: server, host: "::1", expect: "ping", payload: "pong"}}
      client: {{side: client, to: server, payload: "ping", expect: "pong"}}
    """
    result = play(text)
    if result.status is Status.REFUSED:
        pytest.skip(result.reason)
    passes(result)
