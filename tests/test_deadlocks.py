"""The verdict that nobody can go on: at once, only when it is certain, and naming who waits for what from whom."""

from __future__ import annotations

import pytest

from sockrun.network.kernel import READ_SIZE
from sockrun.results import Status
from tests.command_line import CommandLine
from tests.peers import client_of, datagrams, failure, keeps_still, pair, passes, play_outside
from tests.playing import both_networks, play, play_all, programs, real_sockets

pytestmark = both_networks

BIG = "{random: 8000000, seed: 1}"
WAKES = "  third: {protocol: udp, side: server, steps: [{pause: 50ms}, {signal: go}]}"

# a word for the shape, the scenario, and what must be told of it
SHAPES = [
    (
        "two that wait for each other",
        pair('[{expect: "ping"}]', '[{expect: "pong"}]'),
        ['server waits for "ping" from client', 'client waits for "pong" from server'],
    ),
    (
        "both send more than fits",
        pair(f"[{{send: {BIG}}}, {{expect: {BIG}}}]", f"[{{send: {BIG}}}, {{expect: {BIG}}}]"),
        ["server waits for room to send to client, who does not read", "client waits for room to send to server"],
    ),
    (
        "a send that its peer does not read",
        pair(f"[{{send: {BIG}}}, {{signal: sent}}]", f"[{{wait: sent}}, {{expect: {BIG}}}]"),
        ["server waits for room to send to client", "client waits for the signal 'sent'"],
    ),
    (
        "a signal that comes too late",
        pair('[{wait: go}, {send: "x"}]', '[{expect: "x"}, {signal: go}]'),
        ["server waits for the signal 'go'", 'client waits for "x" from server'],
    ),
    (
        "a barrier that one does not reach",
        pair("[{barrier: both}, {send: x}]".replace("x", '"x"'), '[{expect: "x"}, {barrier: both}]'),
        ["server waits at the barrier 'both' (1 of 2 are there)", 'client waits for "x"'],
    ),
    (
        "a connection that nobody makes",
        pair("[]", "[]", of_server="connections: 2"),
        ["server waits for a connection that nobody makes (1 of 2 came)"],
    ),
    (
        "a variable that is bound too late",
        pair('[{expect: "x"}, {set: {n: 1}}]', '[{send: "${server.n}"}, {send: "x"}]'),
        ['server waits for "x"', "client waits for the variable server.n"],
    ),
    (
        "a datagram that was never sent",
        datagrams('[{expect: "x"}, {send: "y"}]', '[{expect: "y"}]'),
        ['server waits for "x" from client', 'client waits for "y" from server'],
    ),
    (
        "one who waits for the other to close",
        pair("[expect_close]", '[{expect: "x"}]'),
        ["server waits for client to close", 'client waits for "x" from server'],
    ),
    (
        "one who waits for the other to reset",
        pair("[expect_reset]", "[expect_close]"),
        ["server waits for client to reset the connection", "client waits for server to close"],
    ),
    (
        "one who starts when the other has ended, who never does",
        pair('[{expect: "x"}]', '[{send: "x"}]', of_client="start: {after: first}").replace(
            "roles:", "roles:\n  first: {protocol: udp, side: server, steps: [{expect: a}]}".replace("a}", '"a"}')
        ),
        ["client waits for first to end", 'first waits for "a"'],
    ),
    (
        "a stream cut in the middle of a message",
        pair('[{send: "abc"}, expect_close]', '[{expect: "abcdef"}]'),
        ["server waits for client to close", 'client waits for "abcdef" from server'],
    ),
]


@pytest.mark.parametrize("read_size", [READ_SIZE, 4096], ids=["whole", "in pieces"])
@pytest.mark.parametrize(("text", "told"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_a_deadlock_is_told_at_once_with_who_waits_for_what(text: str, told: list[str], read_size: int) -> None:
    result = play(text, read_size=read_size)
    failure(result, "deadlock", "nobody can go on", *told)
    assert result.seconds < 4  # steps wait 5 s, and the scenario 30


def test_the_reports_names_what_each_role_is_doing() -> None:
    result = play(SHAPES[0][1])
    assert [(who.role, who.doing) for who in result.waiting] == [
        ("server", 'waits for "ping" from client'),
        ("client", 'waits for "pong" from server'),
    ]
    assert result.failure is not None
    assert result.failure.place is not None
    assert result.failure.place.label == 'expect "ping"'


@pytest.mark.parametrize("protocol", ["unix", "unix, datagram: true"])
def test_a_deadlock_over_unix_sockets_is_told_too(protocol: str) -> None:
    result = play(f"""
    roles:
      server: {{protocol: {protocol}, side: server, path: "${{dir}}/s", steps: [{{expect: "a"}}]}}
      client: {{side: client, to: server, steps: [{{expect: "b"}}]}}
    """)
    failure(result, "deadlock", 'server waits for "a" from client')


@pytest.mark.parametrize(
    "server",
    ['[{expect: "y"}, {wait: never}, {signal: never}]', '[shutdown, {expect: "y"}, {wait: never}, {signal: never}]'],
)
def test_a_deadlock_among_any_connections_is_told_too(server: str) -> None:
    """Though the roles with a number of connections have done their steps, or have even ended."""
    result = play(pair(server, '[{send: "y"}]', of_server="connections: any"))
    failure(result, "deadlock", "the signal 'never'")
    assert result.seconds < 4


def test_a_deadlock_does_not_touch_the_other_scenarios() -> None:
    stuck = programs(SHAPES[0][1]) * 20
    fine = programs(pair('[{pause: 50ms}, {send: "x"}]', '[{expect: "x"}]')) * 20
    results = play_all([program for both in zip(stuck, fine, strict=True) for program in both])
    assert sum(result.passed for result in results) == 20
    assert sum(result.status is Status.FAILED for result in results) == 20


# --- no deadlock -------------------------------------------------------------------------------

# a word for what is pending, and the scenario, which passes
PENDING = [
    ("a pause", pair('[{pause: 50ms}, {send: "x"}]', '[{expect: "x"}]')),
    ("another role's pause", pair('[{wait: go}, {send: "x"}]', '[{expect: "x"}]', more=WAKES)),
    ("a silence", pair('[{expect_silence: 50ms}, {send: "x"}]', '[{expect: "x"}]')),
    ("an interval between chunks", pair('[{send: "abcdef", chunk: 1, every: 10ms}]', '[{expect: "abcdef"}]')),
    (
        "a client that tries again",
        pair('[{send: "x"}]', '[{expect: "x"}]', of_client="retry_for: 5s", of_server="start: {after: go}") + WAKES,
    ),
    ("bytes on their way", pair(f"[{{send: {BIG}}}]", f"[{{expect: {BIG}}}]")),
    (
        "a connection that is not accepted yet",
        pair('[{send: "x"}]', '[{expect: "x"}]', of_client="instances: 50", of_server="connections: 50"),
    ),
    (
        "a large message over a unix socket",
        "roles:\n"
        f'  server: {{protocol: unix, side: server, path: "${{dir}}/s", steps: [{{send: {BIG}}}]}}\n'
        "  client: {side: client, to: server, steps: [{expect: {length: 8000000}}]}\n",
    ),
]


@pytest.mark.parametrize("read_size", [READ_SIZE, 4096], ids=["whole", "in pieces"])
@pytest.mark.parametrize("text", [row[1] for row in PENDING], ids=[row[0] for row in PENDING])
def test_no_deadlock_is_told_while_something_is_pending(text: str, read_size: int) -> None:
    passes(play(text, read_size=read_size))


@real_sockets("a peer that is no role")
def test_no_deadlock_is_told_where_somebody_outside_takes_part() -> None:
    result = play_outside(client_of('[{expect: "x", timeout: 50ms}]'), keeps_still)
    failure(result, "timeout", "nothing came within 0.05 s")


def test_a_busy_loop_sees_no_deadlock_that_is_none() -> None:
    """Hundreds of exchanges at the same time, none of which stands still."""
    exchange = pair(
        '[{repeat: 20, steps: [{expect: "ping"}, {send: "pong"}]}]',
        '[{repeat: 20, steps: [{send: "ping"}, {expect: "pong"}]}]',
    )
    results = play_all(programs(exchange) * 300, read_size=3)
    assert [result.reason for result in results if not result.passed] == []


def test_a_connection_that_was_made_is_not_called_missing() -> None:
    """The client fails before the server has accepted it."""
    result = play(pair('[{expect: "x"}]', '[{check: "1 == 2"}]'))
    doing = {who.role: who.doing for who in result.waiting}
    assert "nobody" not in doing["server"]


def test_a_server_that_waits_for_a_connection_is_shown_at_its_place(sockrun: CommandLine) -> None:
    """In a deadlock, and beside whoever runs into the scenario's timeout."""
    sockrun.write("deadlock.yaml", pair("[]", "[]", of_server="connections: 2"))
    sleeper = "roles:\n  other: {protocol: udp, side: server, steps: [{pause: 60s}]}\n"
    late = pair("[]", "[]", of_server="connections: 2", top="timeout: 50ms").replace("roles:\n", sleeper)
    sockrun.write("late.yaml", late)
    out = sockrun("run", "deadlock.yaml", "late.yaml").out
    lines = [line for line in out.splitlines() if line.startswith("    server  ") and "a connection" in line]
    assert {line.rpartition("   ")[2] for line in lines} == {"deadlock.yaml:4", "late.yaml:5"}
