"""`react`: a small state machine of messages, on real sockets, whole and byte by byte."""

from __future__ import annotations

import pytest

from sockrun.compiling.loading import load_text
from sockrun.network.kernel import READ_SIZE
from sockrun.reporters.transcript import describe
from sockrun.results import Status
from tests.peers import client_of, datagrams, failure, pair, passes, play_outside, says_and_closes, says_and_resets
from tests.playing import both_networks, play, real_sockets

pytestmark = both_networks

LINES = "framing: line"
CASES = """[
  {expect: {regex: "USER (?P<user>\\\\w+)$"}, steps: [{send: "hello ${user}"}]},
  {expect: {regex: "SUM (?P<left>\\\\d+) (?P<right>\\\\d+)$"}, steps: [{send: "${int(left) + int(right)}"}]},
  {expect: "STOP", steps: [{send: "bye"}], leave: true}]"""


def lines(server: str, client: str, of_server: str = "") -> str:
    keys = ", ".join(filter(None, [LINES, of_server]))
    return pair(server, client, of_server=keys, of_client=LINES)


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
def test_each_message_goes_to_the_first_case_that_takes_it(read_size: int) -> None:
    """In whatever order they come, as often as they come."""
    client = """[{send: "SUM 1 2"}, {expect: "3"}, {send: "USER ann"}, {expect: "hello ann"},
        {send: "SUM 20 22"}, {expect: "42"}, {send: "STOP"}, {expect: "bye"}]"""
    passes(play(lines(f"[{{react: {CASES}}}]", client), read_size=read_size))


def test_of_two_cases_that_take_it_the_first_runs() -> None:
    cases = '[{expect: {prefix: "a"}, steps: [{send: "first"}]}, {expect: "ab", steps: [{send: "second"}]}]'
    passes(play(lines(f"[{{react: {cases}}}]", '[{send: "ab"}, {expect: "first"}]')))


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
def test_leave_ends_it_behind_its_steps_and_what_comes_next_is_for_the_next_step(read_size: int) -> None:
    server = f'[{{react: {CASES}}}, {{expect: "USER bob"}}]'
    passes(play(lines(server, '[{send: "STOP"}, {send: "USER bob"}, {expect: "bye"}]'), read_size=read_size))


def test_a_peer_that_closes_ends_it_and_the_steps_behind_it_are_played() -> None:
    server = f"[{{react: {CASES}}}, expect_close, {{check: user == 'ann'}}]"
    passes(play(lines(server, '[{send: "USER ann"}, {expect: "hello ann"}]')))


def test_a_case_that_closes_the_connection_ends_it() -> None:
    server = '[{react: [{expect: "QUIT", steps: [{send: "bye"}, close]}]}]'
    passes(play(lines(server, '[{send: "QUIT"}, {expect: "bye"}, expect_close]')))


def test_a_message_that_no_case_takes_fails_and_the_cases_are_listed() -> None:
    told = failure(
        play(lines(f"[{{react: {CASES}}}]", '[{send: "NOOP"}]')), "mismatch", "no case takes", "STOP", "USER"
    )
    assert told.role == "server"
    assert told.received == b"NOOP"


def test_the_only_case_tells_what_differs() -> None:
    told = failure(play(lines('[{react: [{expect: "PING"}]}]', '[{send: "PONG"}]')), "mismatch", "no case takes")
    assert (told.expected, told.received, told.offset) == (b"PING", b"PONG", 1)


def test_a_message_that_no_case_takes_is_not_shown_as_taken() -> None:
    result = play(lines('[{react: [{expect: "PING"}]}]', '[{send: "PING"}, {send: "PONG"}]'))
    told = [describe(entry) for entry in result.trace if entry.role == "server"]
    assert told[1:] == ['< "PING"', '! "PONG" came: no case takes this message']


def test_a_peer_that_closes_in_the_middle_of_a_message_fails_it() -> None:
    client = '[{send: "PIN", framing: none}]'
    failure(play(lines('[{react: [{expect: "PING"}]}]', client)), "closed", "in the middle of a line")


@real_sockets("a peer that is no role")
def test_a_reset_is_no_end_in_order() -> None:
    text = client_of('[{react: [{expect: "PING"}]}]', LINES)
    failure(play_outside(text, says_and_resets(b"")), "reset", "the peer reset the connection")
    passes(play_outside(text, says_and_closes(b"PING\n")))


# --- when --------------------------------------------------------------------------------------


def test_when_sees_the_role_s_names_the_message_and_the_groups_of_its_own_case() -> None:
    cases = """[
      {expect: {regex: "(?P<n>\\\\d+)$"}, when: int(n) > limit, steps: [{send: "much"}]},
      {expect: {any: true}, when: received == 'odd', steps: [{send: "odd it is"}]},
      {expect: {any: true}, steps: [{send: "little"}]}]"""
    client = '[{send: "9"}, {expect: much}, {send: "2"}, {expect: little}, {send: odd}, {expect: "odd it is"}]'
    passes(play(lines(f"[{{set: {{limit: 5}}}}, {{react: {cases}}}]", client)))


def test_a_case_whose_condition_does_not_hold_binds_nothing() -> None:
    """Not for the role, and not for others, who would have the value for ever."""
    cases = """[
      {expect: {regex: "(?P<word>\\\\w+)$"}, when: word == 'right', leave: true}, {expect: {any: true}}]"""
    server = f"[{{set: {{word: before}}}}, {{react: {cases}}}, {{check: word == 'right'}}]"
    passes(play(lines(server, '[{send: "wrong"}, {send: "right"}]')))
    waits = '[{check: server.word == "right"}]'
    text = lines(f"[{{react: {cases}}}]", '[{send: "wrong"}, {send: "right"}]') + (
        f"  other: {{side: client, to: helper, steps: {waits}}}\n  helper: {{protocol: tcp, side: server, steps: []}}\n"
    )
    passes(play(text))


def test_a_condition_that_does_not_hold_is_told_beside_its_case() -> None:
    text = lines("[{react: [{expect: 'a', when: 1 == 2}, {expect: 'b'}]}]", '[{send: "a"}]')
    failure(play(text), "mismatch", "'when' does not hold")


def test_a_condition_may_wait_for_another_role_s_variable() -> None:
    server = "[{react: [{expect: 'a', when: client.key == 'k', steps: [{send: ok}]}]}]"
    passes(play(lines(server, '[{send: "a"}, {pause: 20ms}, {set: {key: k}}, {expect: ok}]')))


# --- time --------------------------------------------------------------------------------------


def test_idling_has_no_timeout() -> None:
    """The role's timeout is far over when the message comes, and again when the end does."""
    client = '[{pause: 60ms}, {send: "STOP"}, {expect: bye}, {pause: 60ms}]'
    passes(
        play(
            lines(f"[{{react: {CASES}}}, expect_close]", client, of_server="timeout: 30ms").replace(
                "expect_close", "{expect_close: {}, timeout: 5s}"
            )
        )
    )


def test_a_react_that_nobody_can_end_is_told_as_a_deadlock_at_once() -> None:
    server, client = f"[{{react: {CASES}}}]", '[{expect: "welcome"}]'
    result = play(lines(server, client))
    failure(result, "deadlock", "server waits for a message that one of 3 cases takes from client", '"welcome"')
    assert result.seconds < 5


def test_every_connection_reacts_on_its_own() -> None:
    client = '[{send: "USER u${index}"}, {expect: "hello u${index}"}, {send: "STOP"}, {expect: bye}]'
    text = pair(
        f"[{{react: {CASES}}}]", client, of_server=f"{LINES}, connections: 8", of_client=f"{LINES}, instances: 8"
    )
    passes(play(text))


# --- datagrams ---------------------------------------------------------------------------------

ECHO = '[{react: [{expect: {regex: "say (?P<what>.*)"}, steps: [{send: "${what}"}]}, {expect: "end", leave: true}]}]'


def test_over_datagrams_it_answers_whoever_sent() -> None:
    text = datagrams(ECHO, '[{send: "say ${index}"}, {expect: "${index}"}]', of_client="instances: 5")
    passes(play(text))


def test_a_datagram_server_that_reacts_is_over_when_the_others_have_ended() -> None:
    """Nobody can close it; the steps behind it are played, and what came last has been taken."""
    server = ECHO.removesuffix("]") + ", {check: what == 'b'}]"
    client = '[{send: "say a"}, {expect: a}, {send: "say b"}]'
    passes(play(datagrams(server, client, of_client="unread: allow")))
    wrong = ECHO.removesuffix("]") + ", {check: what == 'c'}]"
    failure(play(datagrams(wrong, client)), "check")


def test_a_datagram_server_leaves_too_and_what_comes_then_is_unread() -> None:
    passes(play(datagrams(ECHO, '[{send: "end"}]')))
    failure(play(datagrams(ECHO, '[{send: "end"}, {send: "say a"}]')), "unread")


def test_a_datagram_client_that_waits_for_more_is_a_deadlock() -> None:
    """It began the conversation, so it has to know when it is over."""
    result = play(datagrams('[{expect: hi}, {send: "one"}]', '[{send: hi}, {react: [{expect: "one"}]}]'))
    failure(result, "deadlock", "client waits for")


# --- files that cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize("verb", ['react: [{expect: "a"}]', 'expect_in_any_order: ["a", "b"]'])
def test_an_unframed_stream_has_no_messages_for_it(verb: str) -> None:
    (found,) = load_text(pair(f"[{{{verb}}}]", "[]"), "test.yaml").diagnostics
    assert found.code == "needs-a-message"
    assert found.hint is not None
    assert "framing" in found.hint


def test_names_inside_the_cases_are_checked() -> None:
    text = lines("[{react: [{expect: 'a', when: nobody == 1, steps: [{send: '${neither}'}]}]}]", "[]")
    found = [diagnostic.message for diagnostic in load_text(text, "test.yaml").diagnostics]
    assert found == ["nothing ever binds 'nobody'", "nothing ever binds 'neither'"]


def test_what_a_case_waits_for_signals_and_barriers_counts() -> None:
    """They are found inside the cases as anywhere."""
    server = "[{react: [{expect: 'a', steps: [{signal: seen}, {barrier: here}]}]}]"
    passes(play(lines(server, '[{send: "a"}, {wait: seen}, {barrier: here}]')))
    (found,) = load_text(lines("[{react: [{expect: 'a', steps: [{wait: never}]}]}]", "[]"), "test.yaml").diagnostics
    assert found.code == "signal-never-given"


def test_a_failing_step_of_a_case_is_told_with_its_number() -> None:
    result = play(lines("[{react: [{expect: 'a', steps: [{pause: 0}, {check: 1 == 2}]}]}]", '[{send: "a"}]'))
    told = failure(result, "check")
    assert told.place is not None
    assert told.place.number == "1.1.2"
    assert result.status is Status.FAILED
