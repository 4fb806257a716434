"""Datagram servers: a conversation for each sender, late starts, multicast, broadcast, abstract names."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import pytest

from sockrun.network.guard import Guard
from sockrun.results import Result, Status
from tests.peers import datagrams
from tests.playing import both_networks, play

pytestmark = both_networks

TWO_KINDS = pytest.mark.parametrize("server", ["protocol: udp", "protocol: unix, datagram: true, path: '${dir}/s'"])
ECHO = "[{expect: {any: true}}, {send: '${received}!'}]"


def passes(text: str, guard: Guard | None = None) -> Result:
    result = play(text, guard=guard)
    assert result.status is Status.PASSED, result.reason
    return result


# --- a conversation for each sender ------------------------------------------------------------


@TWO_KINDS
def test_each_sender_has_a_conversation_of_its_own(server: str) -> None:
    passes(f"""
        roles:
          server:
            {{{server}, side: server, connections: 3, steps: [{{expect: {{any: true}}, as: first}}, {{barrier: all}},
              {{send: "${{first}}"}}, {{expect: "bye"}}]}}
          client: {{side: client, to: server, instances: 3, steps: [{{send: "i am ${{index}}"}},
              {{expect: "i am ${{index}}"}}, {{send: "bye"}}]}}
    """)


@TWO_KINDS
def test_a_list_of_step_lists_is_one_for_each_sender_in_order(server: str) -> None:
    passes(f"""
        roles:
          server:
            {{{server}, side: server,
             connections: [[{{expect: "a"}}, {{send: "1"}}], [{{expect: "b"}}, {{send: "2"}}]]}}
          one: {{side: client, to: server, payload: "a", expect: "1"}}
          two: {{side: client, to: server, payload: "b", expect: "2", start: {{after: one}}}}
    """)


@TWO_KINDS
def test_one_sender_more_than_asked_for_fails_the_role(server: str) -> None:
    text = f"""
        roles:
          server: {{{server}, side: server, connections: 2, steps: [{{expect: "x"}}]UNREAD}}
          client: {{side: client, to: server, instances: 3, payload: "x"}}
    """
    result = play(text.replace("UNREAD", ""))
    assert result.failure is not None
    assert (result.status, result.failure.kind, result.failure.role) == (Status.FAILED, "connection", "server")
    assert result.reason.startswith("one sender more than the 2 asked for, ")
    assert result.reason.endswith("; say `connections: 3` or `any`")
    passes(text.replace("UNREAD", ", unread: allow"))


@TWO_KINDS
def test_with_no_connections_nobody_may_send(server: str) -> None:
    text = f"""
        roles:
          server: {{{server}, side: server, connections: 0}}
          client: {{side: client, to: server, steps: [STEP]}}
    """
    result = play(text.replace("STEP", "{send: 'x'}"))
    assert result.failure is not None
    assert (result.failure.kind, result.failure.role) == ("connection", "server")
    assert result.reason.startswith("nobody may send here, and ")
    passes(text.replace("STEP", "{pause: 1ms}"))


@pytest.mark.parametrize("steps", ["[close]", "[]", "[{reset: now}]", "[{send: x}, close]"])
def test_with_no_connections_nobody_may_connect_however_quick(steps: str) -> None:
    result = play(f"""
        roles:
          server: {{protocol: tcp, side: server, connections: 0}}
          client: {{side: client, to: server, steps: {steps}}}
          other: {{protocol: udp, side: server, connections: 0}}
    """)
    assert result.reason.startswith("nobody may connect here, and 127.0.0.1:"), result.reason


def test_a_server_that_nobody_turns_to_passes_with_no_connections() -> None:
    passes("roles: {server: {protocol: tcp, side: server, connections: 0}}")


@TWO_KINDS
def test_any_number_of_senders_is_served_until_the_others_have_ended(server: str) -> None:
    passes(f"""
        roles:
          server: {{{server}, side: server, connections: any, steps: {ECHO}}}
          client: {{side: client, to: server, instances: 20, payload: "x${{index}}", expect: "x${{index}}!"}}
    """)


@TWO_KINDS
def test_what_a_sender_says_after_its_conversation_is_unread(server: str) -> None:
    result = play(f"""
        roles:
          server: {{{server}, side: server, connections: 2, expect: "x"}}
          client: {{side: client, to: server, instances: 2, steps: [{{send: "x"}}, {{send: "more"}}]}}
    """)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.received) == ("unread", b"more")


@TWO_KINDS
def test_after_close_the_same_sender_begins_another_conversation(server: str) -> None:
    passes(f"""
        roles:
          server: {{{server}, side: server, connections: any, steps: [{{expect: "q"}}, {{send: "a"}}, close]}}
          client: {{side: client, to: server, steps: [{{repeat: 5, steps: [{{send: "q"}}, {{expect: "a"}}]}}]}}
    """)


@TWO_KINDS
def test_a_conversation_that_waits_for_what_never_comes_is_told_at_once(server: str) -> None:
    result = play(f"""
        timeout: 20s
        roles:
          server: {{{server}, side: server, connections: 1, timeout: 15s, steps: [{{expect: "a"}}, {{expect: "b"}}]}}
          client: {{side: client, to: server, timeout: 15s, payload: "a", expect: "c"}}
    """)
    assert result.failure is not None
    assert result.failure.kind == "deadlock"
    assert 'server waits for "b" from client' in result.reason


def test_a_thousand_senders_and_as_many_sockets_are_served() -> None:
    passes(f"""
        timeout: 60s
        roles:
          server: {{protocol: udp, side: server, connections: 1000, timeout: 60s, steps: {ECHO}}}
          client: {{side: client, to: server, instances: 1000, timeout: 60s, payload: "${{index}}",
                    expect: "${{index}}!"}}
    """)


# --- a server that starts late, or never -------------------------------------------------------


@TWO_KINDS
@pytest.mark.parametrize("connections", ["", "connections: 2,"])
def test_until_it_starts_a_server_holds_its_address_and_refuses(server: str, connections: str) -> None:
    passes(f"""
        roles:
          server: {{{server}, side: server, {connections} start: {{after: early}}, expect: "x", payload: "y"}}
          early: {{side: client, to: server, steps: [{{send: "x"}}, expect_refused]}}
          late: {{side: client, to: server, start: {{after: early}}, steps: [{{pause: 5ms}}, {{send: "x"}},
                  {{expect: "y"}}]}}
          {"later: {side: client, to: server, payload: x, expect: y, start: {after: late}}" if connections else ""}
    """)


@pytest.mark.parametrize(
    "kind", ["protocol: unix, path: '${dir}/s'", "protocol: unix, datagram: true, path: '${dir}/s'"]
)
def test_a_unix_server_that_never_listens_refuses(kind: str) -> None:
    passes(f"""
        roles:
          server: {{{kind}, side: server, listen: false}}
          client: {{side: client, to: server, steps: [{"{send: x}, " if "datagram" in kind else ""}expect_refused]}}
    """)


def test_a_path_is_given_back_when_its_server_never_started(tmp_path: Path) -> None:
    text = """
        timeout: 50ms
        roles:
          server: {protocol: unix, datagram: true, side: server, path: PATH, start: {after: client}, expect: "x"}
          client: {side: client, to: server, steps: [{pause: 60s}]}
    """.replace("PATH", str(tmp_path / "s"))
    assert play(text).status is Status.FAILED
    assert not list(tmp_path.iterdir())


# --- many at one address -----------------------------------------------------------------------


def test_multicast_reaches_every_member_on_loopback() -> None:
    passes(
        """
        ports: [p]
        defaults:
          protocol: udp
          socket: {multicast_group: 239.255.77.7, multicast_interface: 127.0.0.1, reuse_address: true}
        roles:
          one: {side: server, port: "${ports.p}", steps: [{expect: "who?"}, {send: "one"}]}
          two: {side: server, port: "${ports.p}", steps: [{expect: "who?"}, {send: "two"}]}
          client:
            side: client
            to: one
            socket: {multicast_interface: lo, ttl: 1}
            steps:
              - send: "who?"
              - expect: {one_of: ["one", "two"]}
              - expect: {one_of: ["one", "two"]}
        """,
        guard=Guard(["239.255.77.7"]),
    )


def test_ipv6_multicast_reaches_a_member() -> None:
    """On loopback there is no route for IPv6 groups; with no hops to go nothing leaves the machine either."""
    interface = _interface_for_groups()
    passes(
        f"""
        defaults: {{protocol: udp, socket: {{multicast_group: "ff02::4d:7", multicast_interface: {interface}, ttl: 0}}}}
        roles:
          server: {{side: server, expect: "who?", payload: "me"}}
          client: {{side: client, to: server, payload: "who?", expect: "me"}}
        """,
        guard=Guard(["ff02::4d:7"]),
    )


def _interface_for_groups() -> str:
    """The first one over which IPv6 multicast can be sent and heard: loopback drops what may not leave the machine."""
    for index, name in socket.if_nameindex():
        if name == "lo":
            continue
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 0)
            try:
                sock.sendto(b"", ("ff02::4d:7", 9, 0, index))
            except OSError:
                continue
            return name
    pytest.skip("no interface here has a route for IPv6 multicast")


@pytest.mark.parametrize("bound", ["127.255.255.255", "0.0.0.0"])
def test_broadcast_reaches_a_server_that_answers(bound: str) -> None:
    passes(
        f"""
        roles:
          server: {{protocol: udp, side: server, host: {bound}, expect: "who?", payload: "me"}}
          client: {{protocol: udp, side: client, host: 127.255.255.255, port: "${{server.port}}",
                    socket: {{broadcast: true}}, payload: "who?", expect: "me"}}
        """,
        guard=Guard(["127.255.255.255", "0.0.0.0"]),
    )


def test_without_the_option_a_broadcast_is_refused_by_the_system() -> None:
    result = play(
        """
        roles:
          server: {protocol: udp, side: server, host: 127.255.255.255, unread: allow, steps: []}
          client: {side: client, to: server, payload: "who?"}
        """,
        guard=Guard(["127.255.255.255"]),
    )
    assert (result.status, "socket: {broadcast: true}" in result.reason) == (Status.REFUSED, True), result.reason


def test_an_interface_that_is_not_there_is_named() -> None:
    result = play("""
        roles:
          server: {protocol: udp, side: server, socket: {multicast_interface: nowhere0}, expect: "x"}
          client: {side: client, to: server, payload: "x"}
    """)
    assert (result.status, result.reason) == (Status.REFUSED, "this machine has no interface 'nowhere0'")


# --- names of their own ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["datagram: true", "datagram: false"])
def test_abstract_names_leave_no_file_behind(kind: str) -> None:
    name = f"@sockrun-test-{secrets.token_hex(8)}"
    passes(f"""
        roles:
          server: {{protocol: unix, {kind}, side: server, path: "{name}", expect: "x", payload: "y"}}
          client: {{side: client, to: server, steps: [{{send: "x"}}, {{expect: "y"}},
                    {{check: "peer.host == '{name}'"}}]}}
    """)
    assert not Path(name).exists()


def test_a_datagram_role_is_not_said_to_accept_a_connection() -> None:
    result = play(datagrams('[{expect: "x"}]', '[{send: "x"}]'))
    assert not [entry for entry in result.trace if entry.command == "accept"]
