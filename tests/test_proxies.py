"""Proxy roles on real sockets: what passes, each fault as both ends see it, and when nobody can go on."""

from __future__ import annotations

import pytest

from sockrun.compiling.loading import load_text
from sockrun.network.guard import Guard
from sockrun.network.kernel import READ_SIZE
from sockrun.results import Result, Status
from tests.playing import both_networks, example, play, play_all, real_sockets

pytestmark = both_networks

LARGE = "{random: 3000000, seed: 5}"


def scenario(server: str, client: str, network: str = "{}", protocol: str = "tcp", more: str = "") -> str:
    """A client, a proxy and a server; the two ends by their steps, or by several keys."""
    ends = [f"steps: {end}" if end.startswith("[") else end for end in (server, client)]
    return (
        "timeout: 10s\nroles:\n"
        f"  server: {{protocol: {protocol}, side: server, {ends[0]}}}\n"
        f"  link: {{side: proxy, to: server, network: {network}}}\n"
        f"  client: {{side: client, to: link, {ends[1]}}}\n{more}"
    )


def addressed(text: str) -> str:
    """With paths for a server and a proxy that need them."""
    if "unix" not in text:
        return text
    return text.replace("side: server,", 'side: server, path: "${dir}/s",').replace(
        "to: server,", 'to: server, path: "${dir}/p",'
    )


def trace(result: Result) -> str:
    return "\n".join(str(entry.command) for entry in result.trace if entry.role == "link")


PASSES = [
    ("an exchange", '[{expect: "ping"}, {send: "pong"}]', '[{send: "ping"}, {expect: "pong"}]', "{}"),
    ("a half-close", '[{expect: "a"}, expect_close, {send: "b"}]', '[{send: "a"}, shutdown, {expect: "b"}]', "{}"),
    ("a reset of the client", '[{expect: "a"}, expect_reset]', '[{send: "a"}, reset]', "{latency: 5ms}"),
    ("a reset of the server", '[{expect: "a"}, {send: "b"}, reset]',
     '[{send: "a"}, {expect: "b"}, expect_reset]', "{}"),
    ("a long payload both ways", f"[{{send: {LARGE}}}, {{expect: {LARGE}}}]",
     f"[{{expect: {LARGE}}}, {{send: {LARGE}}}]",
     "{latency: 1ms}"),
    ("a changed byte", '[{expect: "abCd"}, {send: "abcd"}]', '[{send: "abcd"}, {expect: "abcd"}]',
     "{corrupt: {at: 2, xor: 0x20}, direction: to_server}"),
    ("a close", '[{expect: "abc"}, expect_close]', '[{send: "abcdef"}, expect_close]', "{close_after: 3}"),
    ("a close before the first byte", "[expect_close]", "[expect_close]", "{close_after: 0}"),
    ("a reset", '[{expect: "abc"}, expect_reset]', '[{send: "abcdef"}, expect_reset]', "{reset_after: 3}"),
    ("a reset before the first byte", "[expect_reset]", "[expect_reset]", "{reset_after: 0}"),
    ("a limit in the other direction", '[{expect: "abc"}, {send: "x"}]', '[{send: "abc"}, {expect: "x"}]',
     "{reset_after: 3, direction: to_client}"),
    ("a bandwidth and jitter", "[{send: {times: 100, of: ab}}]", "[{expect: {times: 100, of: ab}}]",
     "{bandwidth: 50kB/s, jitter: 5ms, seed: 3}"),
]  # fmt: skip


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
@pytest.mark.parametrize(("server", "client", "network"), [row[1:] for row in PASSES], ids=[row[0] for row in PASSES])
def test_both_ends_see_what_the_link_does(server: str, client: str, network: str, read_size: int) -> None:
    if read_size == 1 and LARGE in server:
        pytest.skip("three million reads take long")
    result = play(scenario(server, client, network), read_size=read_size)
    assert result.passed, result.reason


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
def test_the_example_passes_again_and_again(read_size: int) -> None:
    results = play_all(list(example("slow_link")) * 20, read_size=read_size)
    assert [result.reason for result in results if not result.passed] == []


def test_a_fault_of_one_connection_leaves_the_others_alone() -> None:
    result = play(
        scenario(
            'connections: [[{expect: "one"}], [{expect: "tw"}, expect_reset], [{expect: "three"}]]',
            '[{send: "one"}, expect_close, connect, {send: "two"}, expect_reset, connect, {send: "three"}]',
            "{reset_after: 2, connection: 1}",
        )
    )
    assert result.passed, result.reason


def test_proxies_stand_in_a_row() -> None:
    """The address that each really bound, and how many came, are known by its name."""
    text = scenario(
        '[{expect: "abcd"}, {send: "x"}]',
        '[{send: "abcd"}, {expect: "x"}, {check: "link.connections == 1 and peer.port != link.port != server.port"}]',
    )
    second = "  second: {side: proxy, to: link, network: {segment: 1}}\n"
    result = play(text.replace("to: link,", "to: second,") + second)
    assert result.passed, result.reason


def test_segments_arrive_one_by_one() -> None:
    steps = ", ".join(f"{{expect: {{any: true}}, as: a{n}}}" for n in range(3))
    check = "{check: \"a0 == 'abc' and a1 == 'def' and a2 == 'gh'\"}"
    result = play(scenario('[{send: "abcdefgh"}]', f"[{steps}, {check}]", "{segment: 3, direction: to_client}"))
    assert result.passed, result.reason


def test_a_refused_target_resets_the_client() -> None:
    result = play(scenario("listen: false", "[expect_reset]"))
    assert result.passed, result.reason


OVER_UNIX = [row for row in PASSES if "reset" not in "".join(row[1:])]  # no RST there (unix(7))


@pytest.mark.parametrize("read_size", [READ_SIZE, 1])
@pytest.mark.parametrize(
    ("server", "client", "network"), [row[1:] for row in OVER_UNIX], ids=[row[0] for row in OVER_UNIX]
)
def test_unix_streams_pass_too(server: str, client: str, network: str, read_size: int) -> None:
    if read_size == 1 and LARGE in server:
        pytest.skip("three million reads take long")
    result = play(addressed(scenario(server, client, network, "unix")), read_size=read_size)
    assert result.passed, result.reason


# --- TLS ---------------------------------------------------------------------------------------

GREETING = ['[{expect: "hello"}, {send: "world"}, {expect_close: {notify: required}}]']
GREETING.append('[{expect_tls: {server_name: localhost}}, {send: "hello"}, {expect: "world"}]')


def under_tls(network: str, server: str = GREETING[0], client: str = GREETING[1], protocol: str = "tcp") -> str:
    """Client and server speak TLS; the link between them knows nothing of it."""
    ends = (f"tls: true, steps: {server}", f"tls: {{server_name: localhost}}, steps: {client}")
    return addressed(scenario(*ends, network, protocol))


@pytest.mark.parametrize("protocol", ["tcp", "unix"])
@pytest.mark.parametrize(
    "network", ["{}", "{segment: 1}", "{latency: 3ms, jitter: 2ms}", "{segment: 7, bandwidth: 300kB/s}"]
)
def test_tls_passes_whatever_its_records_are_cut_into(network: str, protocol: str) -> None:
    result = play(under_tls(network, protocol=protocol))
    assert result.passed, result.reason


def test_megabytes_pass_under_tls() -> None:
    steps = (f"[{{expect: {LARGE}}}, {{send: {LARGE}}}]", f"[{{send: {LARGE}}}, {{expect: {LARGE}}}]")
    result = play(under_tls("{latency: 1ms}", *steps))
    assert result.passed, result.reason


def test_starttls_passes() -> None:
    result = play(
        scenario(
            '[{expect: "STARTTLS"}, {send: "go"}, {starttls: true}, {expect: "a"}]',
            '[{send: "STARTTLS"}, {expect: "go"}, {starttls: true}, {send: "a"}]',
            "{segment: 3, latency: 1ms}",
        )
    )
    assert result.passed, result.reason


HELLO = 5 + 4 + 2  # bytes before the random of a ClientHello or ServerHello (RFC 8446 section 5.1 and 4)


@pytest.mark.parametrize(("direction", "role"), [("to_server", "server"), ("to_client", "client")])
def test_a_handshake_that_was_changed_on_the_way_fails_at_both_ends(direction: str, role: str) -> None:
    """Each side has seen another random; one finds it out, and tells the other with an alert."""
    network = f"{{corrupt: {{at: {HELLO}, xor: 1}}, direction: {direction}}}"
    steps = {"server": '[{expect: "hello"}]', "client": "[{expect_tls: {failed: .}}]"}
    result = play(under_tls(network, steps["server"], steps["client"]))
    assert result.failure is not None
    assert (result.failure.role, result.failure.kind) == ("server", "tls"), result.reason
    result = play(under_tls(network, "[{expect_tls: {failed: .}}]", "[{expect_tls: {failed: .}}]"))
    assert result.passed, result.reason


def test_a_record_that_was_changed_on_the_way_ends_the_connection_with_a_reason() -> None:
    """TLS knows: what the other side takes is what was sent, or nothing."""
    kilobytes = "{times: 20000, of: x}"
    steps = (f"[{{send: {kilobytes}}}, {{expect_tls: {{alert: bad_record_mac}}}}]", f"[{{expect: {kilobytes}}}]")
    network = "{corrupt: {at: 10000, xor: 1}, direction: to_client}"
    result = play(under_tls(network, *steps))
    assert result.failure is not None
    assert (result.failure.role, result.failure.kind) == ("client", "tls"), result.reason


def test_a_cut_under_tls_is_no_close_notify() -> None:
    result = play(
        under_tls(
            "{close_after: 3000, direction: to_client}",
            "[{send: {times: 20000, of: x}}, expect_close]",
            "[{expect_close: {discard: true, notify: required}}]",
        )
    )
    assert result.failure is not None
    assert "without close_notify" in result.reason


# --- datagrams ---------------------------------------------------------------------------------

DATAGRAMS = [
    ("both ways", '[{expect: "a"}, {send: "b"}]', '[{send: "a"}, {expect: "b"}]', "{latency: 2ms}"),
    ("a loss", "[{expect_silence: 30ms}]", '[{send: "a"}]', "{loss: 100%}"),
    ("a duplicate", '[{expect: "a"}, {expect: "a"}]', '[{send: "a"}]', "{duplicate: 1.0}"),
    ("another order", '[{expect: "b"}, {expect: "a"}]', '[{send: "a"}, {send: "b"}]', "{reorder: 100%}"),
    ("a changed byte", '[{expect: "ab"}, {send: "ab"}]', '[{send: "aB"}, {expect: "ab"}]',
     "{corrupt: {at: 1, xor: 0x20}, direction: to_server}"),
]  # fmt: skip


@pytest.mark.parametrize("protocol", ["udp", "unix, datagram: true"])
@pytest.mark.parametrize(
    ("server", "client", "network"), [row[1:] for row in DATAGRAMS], ids=[row[0] for row in DATAGRAMS]
)
def test_both_ends_see_what_happens_to_datagrams(server: str, client: str, network: str, protocol: str) -> None:
    result = play(addressed(scenario(server, client, network, protocol)))
    assert result.passed, result.reason


@pytest.mark.parametrize("protocol", ["udp", "unix, datagram: true"])
def test_each_client_of_datagrams_gets_its_own_answers(protocol: str) -> None:
    result = play(
        addressed(
            scenario(
                'connections: 3, steps: [{expect: {any: true}}, {send: "${received}"}]',
                'instances: 3, steps: [{send: "${index}"}, {expect: "${index}"}]',
                protocol=protocol,
            )
        )
    )
    assert result.passed, result.reason


def test_a_datagram_that_is_still_under_way_is_unread_in_the_end() -> None:
    """The scenario does not end before a link has handed on what it holds."""
    result = play(scenario('[{expect: "a"}]', '[{send: "a"}]', "{duplicate: 100%, jitter: 100ms}", "udp"))
    assert result.failure is not None
    assert (result.failure.role, result.failure.kind) == ("server", "unread")


@pytest.mark.parametrize("protocol", ["udp", "unix, datagram: true"])
def test_who_waits_behind_a_refusal_of_datagrams_is_told_of_it(protocol: str) -> None:
    """The client itself hears nothing: a proxy cannot pass 'port unreachable' on."""
    text = addressed(scenario("listen: false", '[{send: "a"}, {send: "b"}, {expect: "c"}]', "{latency: 1ms}", protocol))
    result = play(text)
    assert result.failure is not None
    assert (result.failure.role, result.failure.kind) == ("client", "deadlock")
    assert "; behind link nobody listens at " in result.reason
    assert trace(result).count("a datagram is lost: nobody listens at ") == 2


def test_a_refusal_that_has_passed_is_not_told() -> None:
    """The server begins to listen, and answers."""
    server = 'start: {after: go}, steps: [{expect: "b"}, {send: "c"}]'
    client = '[{send: "a"}, {pause: 20ms}, {signal: go}, {pause: 1ms}, {send: "b"}, {expect: "c"}, {expect: "d"}]'
    result = play(scenario(server, client, "{}", "udp"))
    assert result.failure is not None
    assert result.failure.kind == "deadlock", result.reason
    assert "nobody listens" not in result.reason
    assert "a datagram is lost" in trace(result)


# --- when nobody can go on ---------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_deadlock_is_told_at_once_and_names_the_real_ends(protocol: str) -> None:
    result = play(scenario('[{expect: "x"}, {send: "y"}]', '[{expect: "y"}]', "{latency: 1ms}", protocol))
    assert result.failure is not None
    assert result.failure.kind == "deadlock", result.reason
    assert 'client waits for "y" from server' in result.reason
    assert result.seconds < 4


def test_ends_that_send_without_reading_are_a_deadlock() -> None:
    """However much a system's buffers would grow to."""
    big = "{random: 6000000, seed: 1}"
    small = "socket: {send_buffer: 65536, receive_buffer: 65536}"
    ends = f"{small}, steps: [{{send: {big}}}, {{expect: {big}}}]"
    result = play(scenario(ends, ends).replace("side: proxy,", f"side: proxy, {small},"))
    assert result.failure is not None
    assert result.failure.kind == "deadlock", result.reason


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_what_a_link_holds_is_no_deadlock(protocol: str) -> None:
    """The server has taken what the link held before anybody is told off."""
    client = '[{send: "x"}, {expect: "y"}, {signal: go}]'
    result = play(scenario('[{expect: "x"}, {wait: go}]', client, "{latency: 80ms}", protocol))
    assert result.failure is not None
    assert result.failure.kind == "deadlock"
    assert "server waits for the signal 'go'" in result.reason


def test_the_transcript_says_what_the_link_did() -> None:
    result = play(scenario('[{expect: "abc"}]', '[{send: "abcdef"}, {expect: "x"}]', "{reset_after: 3}"))
    assert result.status is Status.FAILED
    assert "cuts connection 0 with RST after 3 bytes to server" in trace(result)


# --- what makes no sense -----------------------------------------------------------------------

WRONG = [
    ("tcp", "loss: 10%", "'loss' is not for a stream"),
    ("tcp", "duplicate: 10%", "'duplicate' is not for a stream"),
    ("tcp", "reorder: 10%", "'reorder' is not for a stream"),
    ("udp", "segment: 3", "'segment' is not for datagrams"),
    ("udp", "reset_after: 3", "'reset_after' is not for datagrams"),
    ("udp", "close_after: 3", "'close_after' is not for datagrams"),
]


@pytest.mark.parametrize(("protocol", "fault", "told"), WRONG, ids=[f"{row[0]} {row[1]}" for row in WRONG])
def test_a_fault_that_cannot_happen_there_is_an_error_with_a_hint(protocol: str, fault: str, told: str) -> None:
    loaded = load_text(scenario("steps: []", "steps: []", f"{{{fault}}}", protocol), "test.yaml")
    (error,) = [found for found in loaded.diagnostics if found.severity == "error"]
    assert error.message == told
    assert error.hint


def test_a_proxy_needs_a_target() -> None:
    loaded = load_text("roles: {link: {protocol: tcp, side: proxy, port: 0}}", "test.yaml")
    assert [found.code for found in loaded.diagnostics if found.severity == "error"] == ["no-target"]


@real_sockets("nothing leaves a simulation")
def test_a_proxy_listens_beyond_loopback_only_where_that_is_allowed() -> None:
    text = scenario('[{expect: "x"}]', '[{send: "x"}]').replace("side: proxy,", "side: proxy, host: 0.0.0.0,")
    assert play(text).status is Status.REFUSED
    assert play(text, guard=Guard(["0.0.0.0"])).passed
