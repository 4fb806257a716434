"""Roles that start, wait and end together: order, signals, barriers, variables, and how many connections."""

from __future__ import annotations

import pytest

from sockrun.results import Status
from tests.peers import failure, pair, passes
from tests.playing import both_networks, play

pytestmark = both_networks

# --- order -------------------------------------------------------------------------------------


def test_a_role_starts_when_another_has_ended() -> None:
    """The second client connects only when the first has done its steps."""
    text = pair(
        '[{send: "${index}"}]',
        '[{pause: 20ms}, {expect: "0"}]',
        of_server="connections: 2",
        more='  second: {side: client, to: server, start: {after: client}, steps: [{expect: "1"}]}',
    )
    passes(play(text))


def test_a_role_starts_when_a_signal_is_given() -> None:
    text = pair(
        '[{send: "${index}"}]',
        '[{expect: "0"}, {signal: go}]',
        of_server="connections: 2",
        more='  second: {side: client, to: server, start: {after: go}, steps: [{expect: "1"}]}',
    )
    passes(play(text))


def test_a_server_that_starts_late_refuses_until_then() -> None:
    """Its port is held, and its address known, from the beginning."""
    text = pair(
        '[{send: "x"}]',
        '[expect_refused, {signal: go}, {connect: {retry_for: 5s}}, {expect: "x"}]',
        of_server="start: {after: go}",
    )
    passes(play(text))


def test_a_datagram_server_that_starts_late_plays_its_steps_then() -> None:
    text = """
    roles:
      late: {protocol: udp, side: server, start: {after: go}, steps: [{expect: "x"}]}
      client: {side: client, to: late, steps: [{pause: 20ms}, {signal: go}, {pause: 20ms}, {send: "x"}]}
    """
    passes(play(text))


def test_a_held_connection_stays_until_all_others_have_ended() -> None:
    """Without `hold` the idle client would half-close at once, and the server would see it."""
    server = '[{expect_silence: 100ms}, {send: "x"}]'
    passes(play(pair(server, "[{pause: 1ms}]", of_client="hold: true, unread: allow")))
    result = play(pair(server, "[{pause: 1ms}]", of_client="unread: allow"))
    failure(result, "closed", "nothing was to come")


def test_roles_that_all_hold_end_together() -> None:
    passes(play(pair("[]", "[]", of_server="hold: true", of_client="hold: true, instances: 1")))


# --- signals and barriers ----------------------------------------------------------------------


def test_a_signal_is_latched() -> None:
    """Whoever waits for it later goes on at once, and as often as it likes."""
    passes(play(pair('[{signal: [a, b]}, {send: "x"}]', '[{expect: "x"}, {wait: [a, b]}, {wait: a}, {wait: a}]')))


def test_a_barrier_is_cyclic() -> None:
    """Round by round: nobody is a round ahead of another."""
    text = pair(
        '[{repeat: 3, steps: [{expect: "${round}"}, {barrier: all}]}]',
        '[{repeat: 3, steps: [{send: "${round}"}, {barrier: all}]}]',
        of_server="connections: 4",
        of_client="instances: 4",
    )
    passes(play(text))


def test_a_barrier_that_one_has_ended_before_fails_the_others_at_once() -> None:
    for waits, ends in (("server", "client"), ("client", "server")):
        twice, once = "[{barrier: b}, {barrier: b}]", "[{barrier: b}]"
        text = pair(twice, once) if waits == "server" else pair(once, twice)
        result = play(text)
        told = failure(result, "deadlock", f"the barrier 'b' will never open: {ends} has ended before it")
        assert told.role == waits
        assert result.seconds < 4


def test_a_connection_that_names_no_barrier_may_end_before_the_others_are_there() -> None:
    """In a list of step lists each connection has barriers of its own."""
    text = pair(
        "unused",
        "[expect_close, {signal: first}]",
        of_server="connections: [[], [{wait: first}, {pause: 20ms}, {barrier: b}]]",
        more="  second: {side: client, to: server, steps: [{barrier: b}]}",
    ).replace(", steps: unused", "")
    passes(play(text))


# --- variables between roles -------------------------------------------------------------------


def test_a_reader_waits_until_another_roles_variable_is_there() -> None:
    text = pair(
        '[{expect: {regex: "(?P<word>\\\\w+)!"}}, {send: "x"}]',
        '[{pause: 20ms}, {send: "hello!"}, {expect: "x"}]',
        more="  reader: {protocol: udp, side: server, steps: [{check: \"server.word == 'hello'\"}]}",
    )
    passes(play(text))


def test_anothers_variable_is_its_first_value_for_ever() -> None:
    text = pair(
        '[{set: {n: 1}}, {set: {n: 2}}, {send: "${n}"}]',
        '[{expect: "2"}, {check: server.n == 1}]',
    )
    passes(play(text))


def test_a_variable_called_port_does_not_hide_where_a_server_listens() -> None:
    """Nor does one called `connections` hide how many came."""
    text = pair(
        '[{set: {port: 1, connections: 7}}, {send: "x"}]',
        '[{expect: "x"}, {check: server.port == peer.port and server.connections == 1}]',
    )
    passes(play(text))


def test_a_copys_variable_is_told_by_its_index() -> None:
    text = pair(
        '[{set: {n: "${index * 10}"}}, {send: "x"}]',
        '[{expect: "x"}, {check: "server[0].n == 0 and server[1].n == 10"}]',
        of_server="connections: 2",
        of_client="instances: 2",
    )
    passes(play(text))


# --- how many connections ----------------------------------------------------------------------


def test_each_connection_plays_the_steps_at_the_same_time_as_the_others() -> None:
    """The first is answered last."""
    text = pair(
        '[{wait: "go${index}"}, {send: "x"}]'.replace('"go${index}"', "go"),
        '[{signal: there}, {wait: go}, {expect: "x"}]',
        of_server="connections: 3",
        more='  second: {side: client, to: server, steps: [{expect: "x"}]}\n'
        '  third: {side: client, to: server, steps: [{wait: there}, {signal: go}, {expect: "x"}]}',
    )
    passes(play(text))


def test_a_list_of_step_lists_is_played_in_order_of_acceptance() -> None:
    text = pair(
        "unused",
        '[{expect: "first"}, {connect: null}, {expect: "second"}]'.replace("{connect: null}", "connect"),
        of_server='connections: [[{send: "first"}], [{send: "second"}]]',
    ).replace(", steps: unused", "")
    passes(play(text))


@pytest.mark.parametrize("wanted", [0, 1, 3])
def test_one_connection_more_than_asked_for_fails(wanted: int) -> None:
    text = pair(
        "[]",
        "[{expect_close: {reset: allow}}]",
        of_server=f"connections: {wanted}",
        of_client=f"instances: {wanted + 1}",
    )
    words = f"one connection more than the {wanted} asked for" if wanted else "nobody may connect here"
    told = failure(play(text), "connection", words)
    assert told.role == "server"


def test_one_connection_more_is_allowed_where_unread_bytes_are() -> None:
    passes(
        play(
            pair(
                "[]",
                "[{expect_close: {reset: allow}}]",
                of_server="connections: 1, unread: allow",
                of_client="instances: 3",
            )
        )
    )


def test_one_connection_too_few_is_told() -> None:
    failure(play(pair("[]", "[]", of_server="connections: 3")), "deadlock", "1 of 3 came")


def test_any_number_of_connections_may_come() -> None:
    for instances in (1, 7, 100):
        text = pair(
            '[{expect: "x"}, {send: "y"}]',
            '[{send: "x"}, {expect: "y"}]',
            of_server="connections: any",
            of_client=f"instances: {instances}",
        )
        passes(play(text))


def test_of_any_connections_one_that_never_brought_a_byte_is_forgotten() -> None:
    passes(play(pair('[{expect: "x"}]', "[{pause: 20ms}]", of_server="connections: any", of_client="hold: true")))


def test_of_any_connections_one_that_was_begun_is_finished() -> None:
    """The client has ended; the server's answer is still due, and then nobody takes it."""
    text = pair('[{expect: "x"}, {pause: 50ms}, {send: "late"}]', '[{send: "x"}]', of_server="connections: any")
    told = failure(play(text), "unread")
    assert (told.role, told.received) == ("client", b"late")


def test_of_any_connections_one_that_fails_fails_the_scenario() -> None:
    text = pair('[{expect: "x"}]', '[{send: "y"}]', of_server="connections: any", of_client="instances: 3")
    told = failure(play(text), "mismatch")
    assert told.role.startswith("server[")


def test_a_number_of_connections_that_is_zero_lets_nobody_in_and_needs_nobody() -> None:
    text = pair("[]", "[{pause: 1ms}]", of_server="connections: 1") + (
        "  nobody: {protocol: tcp, side: server, connections: 0, steps: []}\n"
    )
    result = play(text)
    assert result.status is Status.PASSED, result.reason
