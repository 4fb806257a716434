"""`finally`: what a role does in any case, before everything is given back."""

from __future__ import annotations

import socket

import pytest

from sockrun.compiling.loading import load_text
from sockrun.network.kernel import Kernel
from sockrun.playing.parting import PARTING
from sockrun.playing.runner import Runner
from sockrun.results import Result, Status
from tests.peers import client_of, datagrams, failure, pair, passes, play_outside
from tests.playing import both_networks, play, programs, real_sockets

pytestmark = both_networks

LAST = 'finally: [{send: "QUIT\\n"}]'


def done_by(result: Result, role: str) -> list[str]:
    """What the role's `finally` did, by the numbers of its steps."""
    places = [entry.place for entry in result.trace if entry.role == role and entry.place is not None]
    return [place.number for place in places if place.number.startswith("finally")]


def test_it_is_played_behind_the_steps() -> None:
    passes(play(pair('[{expect: "hi QUIT\\n"}]', '[{send: "hi "}]', of_client=LAST)))


def test_without_steps_it_is_all_that_a_role_does() -> None:
    passes(play(pair('[{expect: "QUIT\\n"}]', "[]", of_client=LAST)))


def test_what_fails_in_it_fails_the_role() -> None:
    told = failure(play(pair("[]", "[]", of_client="finally: [{check: 1 == 2}]")), "check")
    assert told.place is not None
    assert (told.role, told.place.number) == ("client", "finally.1")


def test_the_role_that_fails_plays_it_and_so_do_the_others() -> None:
    """The cause stays what it was."""
    text = pair('[{expect: "right"}]', '[{send: "wrong"}, {expect: "x"}]', of_server=LAST, of_client=LAST)
    result = play(text)
    failure(result, "mismatch")
    assert done_by(result, "server") == done_by(result, "client") == ["finally.1"]


@real_sockets("a peer that is no role")
def test_somebody_outside_hears_it_though_the_scenario_has_failed() -> None:
    heard: list[socket.socket] = []
    text = client_of("[{check: 1 == 2}]", LAST)

    def behave(connection: socket.socket) -> None:
        heard.append(connection.dup())

    failure(play_outside(text, behave), "check")
    with heard[0] as connection:
        assert connection.recv(100) == b"QUIT\n"


def test_a_timeout_and_a_deadlock_end_with_it_too() -> None:
    slow = play(pair("[{pause: 10s}]", "[{expect: x, timeout: 20ms}]", of_client=LAST))
    failure(slow, "timeout")
    stuck = play(pair("[{expect: y}]", "[{expect: x}]", of_client=LAST))
    failure(stuck, "deadlock")
    assert done_by(slow, "client") == done_by(stuck, "client") == ["finally.1"]


def test_what_fails_in_it_then_is_shown_and_is_not_the_cause() -> None:
    result = play(pair('[{expect: "right"}]', '[{send: "wrong"}]', of_server="finally: [{check: 3 == 4}]"))
    failure(result, "mismatch")
    shown = [entry.command for entry in result.trace if isinstance(entry.command, str)]
    assert any("fails in 'finally'" in words and "3 == 4" in words for words in shown)


def test_a_role_that_fails_in_it_does_not_begin_it_again() -> None:
    result = play(pair("[]", "[]", of_client="finally: [{signal: a}, {check: 1 == 2}]"))
    failure(result, "check")
    assert done_by(result, "client") == ["finally.1"]


def test_a_role_that_was_in_the_middle_of_it_goes_on() -> None:
    last = "finally: [{signal: parting}, {pause: 40ms}, {signal: parted}]"
    result = play(pair("[{wait: parting}, {check: 1 == 2}]", "[]", of_client=last))
    failure(result, "check")
    assert done_by(result, "client") == ["finally.1", "finally.2", "finally.3"]


def test_who_has_not_begun_or_has_closed_has_nothing_to_end() -> None:
    """What is played in any case is played on a connection."""
    last = "finally: [{signal: parted}]"
    text = pair(
        "[{check: 1 == 2}]", "[]", more=f"  late: {{side: client, to: server, start: {{after: server}}, {last}}}"
    )
    assert done_by(play(text), "late") == []
    closed = play(pair("[{wait: gone}, {check: 1 == 2}]", "[close, {signal: gone}, {pause: 5s}]", of_client=last))
    failure(closed, "check")
    assert done_by(closed, "client") == []


@real_sockets("a peer that is no role")
def test_nobody_waits_long_for_it() -> None:
    """A last step that nobody lets go on ends the scenario at once; with somebody outside after its timeout."""
    result = play(pair('[{expect: "right"}]', '[{send: "wrong"}]', of_client='finally: [{expect: "bye"}]'))
    failure(result, "mismatch")
    assert result.seconds < PARTING
    outside = play_outside(client_of("[{check: 1 == 2}]", "finally: [{expect: bye, timeout: 30ms}]"), lambda _: None)
    failure(outside, "check")
    assert outside.seconds < PARTING


def test_all_of_it_is_bounded_whatever_its_steps_want() -> None:
    """A pause has no timeout of its own."""
    result = play(pair('[{expect: "right"}]', '[{send: "wrong"}]', of_client="finally: [{pause: 60s}]"))
    failure(result, "mismatch")
    assert PARTING <= result.seconds < 10


def test_every_connection_and_copy_plays_its_own() -> None:
    text = pair('[{expect: "QUIT\\n"}]', "[]", of_server="connections: 5", of_client=f"instances: 5, {LAST}")
    passes(play(text))


def test_it_is_played_over_datagrams() -> None:
    passes(play(datagrams('[{expect: "hi"}, {expect: "QUIT\\n"}]', '[{send: "hi"}]', of_client=LAST)))
    result = play(datagrams('[{expect: "hi"}, {check: 1 == 2}]', '[{send: "hi"}, {expect: x}]', of_client=LAST))
    failure(result, "check")
    assert done_by(result, "client") == ["finally.1"]


def test_what_was_on_its_way_to_the_steps_does_not_disturb_it() -> None:
    """A send that was in the middle is over; what the peer then sends is for `finally`."""
    text = pair(
        "[{expect: {length: 1000}}, {check: 1 == 2}]",
        "[{send: {random: 50000000}}]",
        of_client="finally: [{signal: parted}]",
    )
    result = play(text)
    failure(result, "check")
    assert done_by(result, "client") == ["finally.1"]


def test_an_expected_failure_is_one_with_it() -> None:
    passes(play(pair('[{expect: "right"}]', '[{send: "wrong"}]', of_client=LAST, top="expect_failure: true")))


# --- interrupted -------------------------------------------------------------------------------


def interrupted(text: str, times: int) -> Result:
    """Play until the first trace entry, then press Ctrl-C so often."""
    network = Kernel()
    pressed: list[int] = []

    def watch(*entry: object) -> None:
        if not pressed:
            pressed.append(times)
            for _ in range(times):
                network.loop.ready.append(runner.stop)

    runner = Runner(network, watcher=watch)
    try:
        (result,) = runner.run(programs(text))
        assert not network.selector.get_map()
    finally:
        network.close()
    return result


WAITING = pair("[{expect: x}]", "[{signal: begun}, {pause: 5s}]", of_client=LAST)


@real_sockets("a loop of its own")
def test_ctrl_c_ends_with_it() -> None:
    result = interrupted(WAITING, 1)
    assert result.status is Status.INTERRUPTED
    assert done_by(result, "client") == ["finally.1"]


@real_sockets("a loop of its own")
def test_ctrl_c_twice_ends_without_it() -> None:
    result = interrupted(WAITING, 2)
    assert result.status is Status.INTERRUPTED
    assert done_by(result, "client") == []


@real_sockets("a loop of its own")
def test_closing_the_runner_gives_everything_back_at_once() -> None:
    """As a program does that will not turn the loop again."""
    network = Kernel()
    runner = Runner(network)
    playing = runner.run([*programs(WAITING), *programs(pair("[]", "[]"))])
    assert next(playing).passed
    runner.close()
    assert not network.selector.get_map()
    (result,) = playing
    assert result.status is Status.INTERRUPTED
    assert done_by(result, "client") == []
    network.close()


# --- files that cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize("steps", ["[{barrier: b}]", "[{repeat: 2, steps: [{barrier: b}]}]"])
def test_a_barrier_is_no_step_of_it(steps: str) -> None:
    text = pair("[{barrier: b}]", "[{barrier: b}]", of_client=f"finally: {steps}")
    assert [diagnostic.code for diagnostic in load_text(text, "test.yaml").diagnostics] == ["misplaced-step"]


def test_its_names_and_signals_are_checked_like_others() -> None:
    text = pair("[{wait: parted}]", "[]", of_client="finally: [{signal: parted}, {send: '${nobody}'}]")
    assert [diagnostic.code for diagnostic in load_text(text, "test.yaml").diagnostics] == ["unbound-name"]


def test_what_is_wrong_in_it_hides_nothing_else() -> None:
    text = pair("[{send: '${neither}'}]", "[]", of_client="finally: [{sned: x}]")
    codes = {diagnostic.code for diagnostic in load_text(text, "test.yaml").diagnostics}
    assert len(codes) == 2, codes
