"""What is wrong with a file is told at its place, all at once, and in exactly these words."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from sockrun.compiling.loading import load, load_text
from sockrun.diagnostics import Diagnostic
from tests import golden

INVALID = golden.files("invalid")
SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))


def diagnose(text: str) -> list[Diagnostic]:
    return list(load_text(dedent(text), "scenario.yaml").diagnostics)


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in diagnose(text) if diagnostic.severity == "error"]


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_file_is_told_in_these_words(
    path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.check(path, update_golden, monkeypatch)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_an_invalid_file_has_no_program(path: Path) -> None:
    assert load(path).programs == ()


def test_every_golden_text_has_its_file() -> None:
    assert golden.without_file("invalid") == set()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_an_example_compiles_without_a_warning(path: Path) -> None:
    loaded = load(path)
    assert loaded.diagnostics == ()
    assert loaded.programs


def test_a_fixed_port_may_be_shared_by_protocols_and_by_hosts() -> None:
    text = """
        roles:
          one: {protocol: tcp, side: server, port: 12321}
          two: {protocol: udp, side: server, port: 12321}
          three: {protocol: tcp, side: server, port: 12321, host: 127.0.0.2}
          four: {protocol: tcp, side: server, port: 0}
          five: {protocol: tcp, side: server, port: 0}
    """
    assert codes(text) == []


def test_two_servers_that_ask_for_it_share_a_port() -> None:
    text = """
        roles:
          one: {protocol: udp, side: server, port: 12321, socket: {reuse_port: true}}
          two: {protocol: udp, side: server, port: 12321, socket: {reuse_port: true}}
    """
    assert codes(text) == []


def test_a_barrier_of_copies_needs_nobody_else() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, connections: 2}
          client: {side: client, to: server, instances: 2, steps: [{barrier: here}]}
    """
    assert codes(text) == []


def test_nothing_is_called_unbound_where_its_binding_could_not_be_compiled() -> None:
    text = """
        roles:
          server:
            protocol: tcp
            side: server
            framing: line
            steps:
              - expect: {regex: "(?P<name>"}
              - send: "${name}"
          other: {protocol: udp, side: client, port: 9, payload: "${server.name}"}
    """
    assert "unbound-name" not in codes(text)


def test_round_has_a_value_in_a_repeat_inside_a_repeat() -> None:
    text = """
        roles:
          server:
            protocol: tcp
            side: server
            steps:
              - repeat: 2
                steps:
                  - repeat: 2
                    steps:
                      - send: "${round}"
                  - send: "${round}"
    """
    assert codes(text) == []


def test_a_close_at_the_end_of_a_repeated_body_is_fine_where_it_connects_first() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, connections: any, expect: "x"}
          client:
            side: client
            to: server
            steps:
              - send: "x"
              - close
              - repeat: 2
                steps:
                  - connect
                  - send: "x"
                  - close
    """
    assert codes(text) == []


def test_a_signal_may_start_a_role() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, connections: 2}
          one: {side: client, to: server, steps: [{signal: go}]}
          two: {side: client, to: server, start: {after: go}}
    """
    assert codes(text) == []


def test_a_network_in_defaults_is_for_proxies_only() -> None:
    text = """
        defaults: {network: {latency: 5ms}}
        roles: {server: {protocol: tcp, side: server}, link: {side: proxy, to: server}}
    """
    assert codes(text) == []


def test_hosts_that_are_not_known_yet_are_not_taken_for_the_same() -> None:
    text = """
        roles:
          one: {protocol: tcp, side: server, port: 80, host: "${env.ONE}"}
          two: {protocol: tcp, side: server, port: 80, host: "${env.TWO}"}
    """
    assert codes(text) == []


def test_what_several_combinations_find_is_told_once() -> None:
    text = """
        matrix: {n: [1, 2, 3]}
        roles:
          server: {protocol: tcp, side: server, payload: "${nothing}"}
    """
    assert codes(text) == ["unbound-name"]


def test_other_combinations_are_checked_too() -> None:
    text = """
        matrix: {port: [80, 90]}
        roles:
          one: {protocol: tcp, side: server, port: 90}
          two: {protocol: tcp, side: server, port: "${port}"}
    """
    assert codes(text) == ["same-address"]


@pytest.mark.parametrize(
    "role",
    [
        "port: 99999",
        "host: 5",
        "framing: lin, steps: [{expect_in_any_order: [a, b]}, {expect: {suffix: x}}]",
        "tls: 7, steps: [{expect_tls: {version: TLSv1.3}}]",
        "payload: 42, expect: {regx: '(?P<name>.)'}",
        "expect: {regx: '(?P<name>.)'}, payload: '${name}'",
        "steps: [{expect: 5, as: name}, {send: '${name}'}]",
        "steps: [close, {conect: null}, {expect: x}]",
        "steps: [{signl: go}]",
        "start: {aftr: nobody}",
        "paylod: x",
        "connections: many, steps: [{barrier: alone}]",
    ],
)
def test_what_a_mistake_hides_is_not_told_as_another_one(role: str) -> None:
    """No error follows only from what was left out for another."""
    text = f"""
roles:
  one: {{protocol: tcp, side: server, {role}}}
  two: {{side: client, to: one, start: {{after: go}}, steps: [{{wait: go}}]}}
"""
    if "signl" not in role and "conect" not in role and "paylod" not in role and "many" not in role:
        text = text.replace("start: {after: go}, steps: [{wait: go}]", "steps: []")
    codes = [found.code for found in load_text(text, "s.yaml").errors]
    assert len(codes) == (2 if "payload: 42" in role else 1), codes


@pytest.mark.parametrize("protocol", ["udp", "unix, datagram: true, path: '${dir}/s'"])
@pytest.mark.parametrize("client", ["retry_for: 2s", "steps: [{connect: {retry_for: 2s}}]"])
def test_only_a_stream_is_tried_again(protocol: str, client: str) -> None:
    """A datagram socket is connected whether or not somebody listens there."""
    text = f"""
        roles:
          server: {{protocol: {protocol}, side: server}}
          client: {{side: client, to: server, {client}}}
    """
    (found,) = diagnose(text)
    assert (found.code, "'retry_for' is not for datagrams" in found.message) == ("misplaced-key", True)


@pytest.mark.parametrize(
    ("role", "step", "told"),
    [
        ("protocol: tcp", "path: x.sock", "'path' is not for tcp"),
        ("protocol: udp", "path: x.sock", "'path' is not for udp"),
        ("protocol: udp", "tls: true", "'tls' is not for udp"),
        ("protocol: unix, path: x.sock", "host: 127.0.0.1", "'host' is not for unix"),
        ("protocol: unix, path: x.sock", "port: 9", "'port' is not for unix"),
    ],
)
def test_a_connect_says_no_address_of_another_protocol(role: str, step: str, told: str) -> None:
    """Else the client would silently connect to where it was."""
    text = f"""
        roles:
          server: {{{role}, side: server, connections: any}}
          client: {{side: client, to: server, steps: [{{connect: {{{step}}}}}]}}
    """
    (found,) = diagnose(text)
    assert (found.code, found.message) == ("misplaced-key", told)
