"""What a scenario may not do unless whoever starts it allows it: hosts, strangers' files, long messages, ports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from sockrun.commands import Address
from sockrun.compiling.loading import Options, load_text
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.guard import Guard, is_loopback
from sockrun.network.kernel import Kernel
from sockrun.results import Status
from sockrun.units import size
from tests.command_line import PASSES, CommandLine
from tests.playing import play

BEYOND = [
    "10.0.0.1",
    "0.0.0.0",
    "::",
    "255.255.255.255",
    "127.255.255.255",
    "239.1.2.3",
    "ff02::1",
    "fe80::1",
    "128.0.0.1",
]
LOOPBACK = ["127.0.0.1", "127.9.8.7", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
STRANGER = Options(untrusted=True)


# --- hosts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", LOOPBACK)
def test_loopback_needs_no_permission(host: str) -> None:
    Guard().check(host, Address(host, 1))
    assert is_loopback(host)


@pytest.mark.parametrize("host", [*BEYOND, "::ffff:10.0.0.1"])
def test_what_lies_beyond_loopback_needs_permission(host: str) -> None:
    with pytest.raises(EnvironmentRefused, match=r"is beyond loopback: allow it with `--allow-host "):
        Guard().check(host, Address(host, 1))
    Guard([host]).check(host, Address(host, 1))


def test_an_ipv6_address_is_allowed_in_any_spelling() -> None:
    Guard(["FD00:0::1"]).check("fd00::1", Address("fd00::1", 1))


def test_a_name_counts_by_what_it_resolves_to() -> None:
    Guard().check("localhost", Address("127.0.0.1", 1))
    with pytest.raises(EnvironmentRefused, match=r"^example is beyond loopback \(it resolves to 10\.0\.0\.1\): "):
        Guard().check("example", Address("10.0.0.1", 1))


def test_a_host_that_is_allowed_and_unknown_is_told_when_it_matters() -> None:
    guard = Guard(["no-such-host.invalid"])
    guard.check("127.0.0.1", Address("127.0.0.1", 1))
    with pytest.raises(EnvironmentRefused, match=r"^--allow-host no-such-host\.invalid: the host cannot be resolved"):
        guard.check("10.0.0.1", Address("10.0.0.1", 1))


@pytest.mark.parametrize(
    "role",
    [
        "protocol: tcp, side: server, host: HOST",
        "protocol: tcp, side: server, host: HOST, listen: false",
        "protocol: udp, side: server, host: HOST",
        "protocol: tcp, side: client, host: HOST, port: 9",
        "protocol: udp, side: client, host: HOST, port: 9, payload: x",
        "protocol: udp, side: client, host: 127.0.0.1, port: 9, steps: [{send: x, to: 'HOST:9'}]",
        "protocol: tcp, side: client, host: 127.0.0.1, port: 9, steps: [{connect: {host: HOST}}]",
        "protocol: tcp, side: client, local_host: HOST, host: 127.0.0.1, port: 9",
        "protocol: udp, side: server, host: 127.0.0.1, socket: {multicast_group: HOST}",
    ],
)
def test_a_host_of_the_file_is_refused_before_anything_starts(role: str) -> None:
    result = play(f"""
        roles:
          role: {{{role.replace("HOST", "239.1.2.3")}}}
          other: {{protocol: tcp, side: server, expect: "x"}}
    """)
    assert result.status is Status.REFUSED
    assert result.reason == "239.1.2.3 is beyond loopback: allow it with `--allow-host 239.1.2.3`"
    assert not result.trace


@pytest.mark.parametrize(
    "role",
    [
        "protocol: tcp, host: '${host}', port: 9",
        "protocol: udp, host: '${host}', port: 9, payload: x",
        "protocol: udp, to: echo, steps: [{send: x, to: '${host}:9'}]",
        "protocol: tcp, to: server, steps: [{connect: {host: '${host}'}}]",
        "protocol: tcp, to: server, local_host: '${host}'",
    ],
)
def test_a_host_that_is_computed_is_refused_when_it_is_used(role: str) -> None:
    result = play(f"""
        roles:
          server: {{protocol: tcp, side: server, connections: any, unread: allow, steps: []}}
          echo: {{protocol: udp, side: server, unread: allow, steps: []}}
          first: {{side: client, to: server, steps: [{{set: {{host: "239.1.2.3"}}}}]}}
          role: {{side: client, {role.replace("${host}", "${first.host}")}}}
    """)
    assert (result.status, result.failure is not None) == (Status.REFUSED, True), result.reason
    assert result.reason == "239.1.2.3 is beyond loopback: allow it with `--allow-host 239.1.2.3`"


def test_a_real_server_beyond_loopback_needs_permission(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", PASSES.format(name="x", tag="t"))
    outcome = sockrun("run", "s.yaml", "--real", "server=192.0.2.1:9")
    assert outcome.status == 3
    assert "192.0.2.1 is beyond loopback: allow it with `--allow-host 192.0.2.1`" in outcome.out


def test_hosts_are_allowed_on_the_command_line(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", PASSES.format(name="x", tag="t").replace("side: server", "side: server, host: 0.0.0.0"))
    assert sockrun("run", "s.yaml").status == 3
    assert sockrun("run", "s.yaml", "--allow-host", "192.0.2.1", "--allow-host", "0.0.0.0").status == 0
    assert sockrun("validate", "s.yaml").status == 0


# --- files of strangers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "where",
    [
        "vars: {home: '${env.HOME}'}",
        "secrets: {home: '${env.HOME}'}",
        "name: in ${env.HOME}",
        "matrix: {home: ['${env.HOME}']}",
        "files: {'${env.HOME}': x}",
        "files: {x: '${upper(env.HOME)}'}",
        "defaults: {unread: '${env.HOME}'}",
    ],
)
def test_the_environment_is_hidden_from_an_untrusted_file(where: str) -> None:
    text = f"{where}\nroles: {{server: {{protocol: tcp, side: server, connections: 0}}}}\n"
    loaded = load_text(text, "s.yaml", STRANGER)
    assert not loaded.programs
    assert [d.message for d in loaded.diagnostics] == ["--untrusted allows no 'env'"]
    assert loaded.diagnostics[0].span.line == 1


@pytest.mark.parametrize("step", ["check: env.HOME == 'x'", "send: '${env.HOME}'", "set: {x: '${env.HOME}'}"])
def test_no_step_of_an_untrusted_file_sees_the_environment(step: str) -> None:
    text = f"""
roles:
  server: {{protocol: tcp, side: server, expect: "x"}}
  client: {{side: client, to: server, steps: [{{repeat: 1, steps: [{{{step}}}]}}]}}
"""
    assert [d.code for d in load_text(text, "s.yaml", STRANGER).diagnostics] == ["untrusted"]


def test_text_about_the_environment_is_only_text() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, expect: "env.HOME $${env.HOME}"}
          client: {side: client, to: server, payload: "env.HOME $${env.HOME}"}
    """
    assert play(text, options=STRANGER, guard=Guard(untrusted=True)).passed


@pytest.mark.parametrize(("wanted", "told"), [("{env: [HOME]}", "env"), ("{file: /etc/passwd}", "file")])
def test_an_untrusted_file_learns_nothing_by_what_it_requires(wanted: str, told: str) -> None:
    """Whether it is skipped would tell whether a variable or a file is there."""
    text = f"requires: {wanted}\nroles: {{one: {{protocol: udp, side: server}}}}"
    (found,) = load_text(text, "s.yaml", STRANGER).diagnostics
    assert (found.message, found.span.line) == (f"--untrusted allows no '{told}' in 'requires'", 1)


def test_an_untrusted_file_starts_no_process() -> None:
    text = "processes: {x: {command: [id]}}\nroles: {server: {protocol: tcp, side: server, connections: 0}}\n"
    assert "--untrusted allows no processes" in [d.message for d in load_text(text, "s.yaml", STRANGER).diagnostics]


def test_an_included_file_is_trusted_no_more(tmp_path: Path) -> None:
    from sockrun.compiling.loading import load

    (tmp_path / "steps.yaml").write_text("steps: [{send: '${env.HOME}'}]\n")
    path = tmp_path / "s.yaml"
    path.write_text("""
roles:
  server: {protocol: tcp, side: server, expect: "x"}
  client: {side: client, to: server, steps: [{include: steps.yaml}]}
""")
    assert [d.code for d in load(path, STRANGER).diagnostics] == ["untrusted"]
    assert not load(path).diagnostics


@pytest.mark.parametrize(
    ("client", "what"),
    [
        ("protocol: tcp, host: 127.0.0.1, port: 9", "127.0.0.1:9"),
        ("protocol: udp, host: 127.0.0.1, port: 9, payload: x", "127.0.0.1:9"),
        ("protocol: unix, path: /run/docker.sock, payload: x", "/run/docker.sock"),
        ("to: server, steps: [{connect: {port: 9}}]", "127.0.0.1:9"),
        ("to: echo, steps: [{send: x, to: '127.0.0.1:9'}]", "127.0.0.1:9"),
    ],
)
def test_an_untrusted_file_talks_to_its_own_roles_only(client: str, what: str) -> None:
    text = f"""
        roles:
          server: {{protocol: tcp, side: server, connections: any, unread: allow, steps: []}}
          echo: {{protocol: udp, side: server, unread: allow, steps: []}}
          client: {{side: client, {client}}}
    """
    result = play(text, options=STRANGER, guard=Guard(untrusted=True))
    assert result.status is Status.REFUSED
    assert result.reason == f"{what} is no role's address, and --untrusted allows no other"


def test_an_untrusted_file_may_do_all_that_stays_among_its_roles() -> None:
    text = """
        files: {hello: "x"}
        roles:
          tcp: {protocol: tcp, side: server, expect: "x"}
          udp: {protocol: udp, side: server, expect: "x", payload: "y"}
          unix: {protocol: unix, path: "${dir}/s", side: server, expect: "x"}
          abstract: {protocol: unix, path: "@sockrun-test-${hex(random_bytes(8))}", side: server, listen: false}
          deaf: {protocol: tcp, side: server, listen: false}
          one: {side: client, to: tcp, payload: {file: "${dir}/hello"}}
          two: {side: client, to: udp, steps: [{send: "x", to: "127.0.0.1:${udp.port}"}, {expect: "y"}]}
          three: {side: client, to: unix, payload: "x"}
          four: {side: client, to: deaf, steps: [expect_refused]}
    """
    result = play(text, options=STRANGER, guard=Guard(untrusted=True))
    assert result.passed, result.reason


def test_an_untrusted_file_makes_no_socket_outside_its_folders(tmp_path: Path) -> None:
    text = f"roles: {{server: {{protocol: unix, path: {tmp_path}/s, side: server, connections: 0}}}}"
    result = play(text, options=STRANGER)
    assert result.status is Status.REFUSED
    assert "lies outside of the pack and ${dir}" in result.reason
    assert play(text).passed


@pytest.mark.parametrize("name", ["../", "/tmp/"])
def test_no_file_is_written_outside_of_the_scenarios_folder(name: str) -> None:
    result = play(f"""
        ports: [p]
        files: {{"${{'{name}' if ports.p else ''}}outside": "x"}}
        roles: {{server: {{protocol: tcp, side: server, connections: 0}}}}
    """)
    assert (result.status, "would lie outside of ${dir}" in result.reason) == (Status.FAILED, True), result.reason


def test_untrusted_is_an_option_of_the_command_line(sockrun: CommandLine) -> None:
    sockrun.write("good.yaml", PASSES.format(name="x", tag="t"))
    sockrun.write("bad.yaml", PASSES.format(name="${env.HOME}", tag="t"))
    assert sockrun("run", "good.yaml", "--untrusted").status == 0
    outcome = sockrun("run", "bad.yaml", "--untrusted")
    assert (outcome.status, "--untrusted allows no 'env'" in outcome.out) == (2, True)


# --- long messages -----------------------------------------------------------------------------

LONG = """
    roles:
      server: {protocol: tcp, side: server, framing: FRAMING, unread: allow, expect: {any: true}}
      client: {side: client, to: server, framing: FRAMING, payload: {times: 100, of: "x"}}
"""


@pytest.mark.parametrize("framing", ["line", "{length_prefix: '!H'}", "{delimiter: '|'}"])
def test_no_message_is_longer_than_it_may_be(framing: str) -> None:
    text = LONG.replace("FRAMING", framing)
    assert play(text, options=Options(max_message=100)).passed
    result = play(text, options=Options(max_message=99))
    assert result.failure is not None
    assert (result.failure.role, "99 bytes" in result.reason) == ("server", True), result.reason


def test_a_search_on_a_stream_ends_at_the_limit() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, unread: allow, expect: {contains: "end"}}
          client: {side: client, to: server, payload: {join: [{times: 100, of: "x"}, "end"]}}
    """
    assert play(text, options=Options(max_message=200)).passed
    assert play(text, options=Options(max_message=50)).status is Status.FAILED


@pytest.mark.parametrize(
    ("expect", "payload"),
    [
        ('{hex: "78 * 65 6e 64"}', '{join: [{times: 100, of: "x"}, "end"]}'),
        ("{regex: 'x+end'}", '{join: [{times: 100, of: "x"}, "end"]}'),
        ('{hex: "{100}"}', '{times: 100, of: "x"}'),
        ("{struct: '!100s', fields: {all: any}}", '{times: 100, of: "x"}'),
        ("{length: 100}, as: all", '{times: 100, of: "x"}'),
        ('{length: "${100 + index}"}, as: all', '{times: 100, of: "x"}'),
        ("{any: true}, framing: {length_prefix: u24}", '{join: [{hex: "000064"}, {times: 100, of: "x"}]}'),
        (
            "{any: true}, framing: {header: {struct: '!I', length: 0}}",
            '{join: [{hex: "00000064"}, {times: 100, of: x}]}',
        ),
        ("{any: true}, framing: {size: 100}", '{times: 100, of: "x"}'),
        ("{any: true}, framing: close", '{times: 100, of: "x"}'),
    ],
)
def test_nothing_that_an_expectation_keeps_is_longer_than_a_message_may_be(expect: str, payload: str) -> None:
    """Whatever says how long it is; most of it is told before anything is played."""
    text = f"""
        roles:
          server: {{protocol: tcp, side: server, unread: allow, steps: [{{expect: {expect}}}]}}
          client: {{side: client, to: server, payload: {payload}}}
    """
    assert play(text, options=Options(max_message=200)).passed
    errors = load_text(dedent(text), "test.yaml", Options(max_message=50)).errors
    if errors:
        (error,) = errors
        assert error.span.line == 3, "the server is told"
        told = error.message
    else:
        result = play(text, options=Options(max_message=50))
        assert result.failure is not None
        assert (result.failure.role, result.failure.kind in ("mismatch", "step")) == ("server", True)
        told = result.failure.message
    assert "50" in told


def test_what_is_counted_and_not_kept_has_no_limit() -> None:
    text = """
        roles:
          server: {protocol: tcp, side: server, expect: {length: 100}}
          client: {side: client, to: server, payload: {times: 100, of: "x"}}
    """
    assert play(text, options=Options(max_message=50)).passed


@pytest.mark.parametrize(("text", "expected"), [("64kB", 64_000), ("16MiB", 16 << 20), ("100", 100), ("1.5 KiB", 1536)])
def test_sizes_are_read_as_people_write_them(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["0", "0.5B", "-1", "16 apples", "1MB/s", ""])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 64kB or 16MiB"):
        size(text)


def test_the_limit_is_an_option_of_the_command_line(sockrun: CommandLine) -> None:
    sockrun.write("s.yaml", LONG.replace("FRAMING", "line"))
    assert sockrun("run", "s.yaml", "--max-message", "1kB").status == 0
    assert sockrun("run", "s.yaml", "--max-message", "64B").status == 1
    assert sockrun("run", "s.yaml", "--max-message", "none").status == 2


# --- ports that no two runs share --------------------------------------------------------------

HOLDER = """
from sockrun.network.kernel import Kernel
kernel = Kernel()
print(*[kernel.reserve() for _ in range(500)], flush=True)
input()
"""


def test_two_runs_at_the_same_time_never_share_a_port() -> None:
    command = [sys.executable, "-c", HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        theirs = {int(port) for port in other.stdout.readline().split()}
        kernel = Kernel()
        ours = [kernel.reserve() for _ in range(500)]
        kernel.close()
        other.communicate("\n")
    assert len(theirs) == len(set(ours)) == 500
    assert theirs.isdisjoint(ours)


def test_a_port_that_was_given_back_may_be_had_again() -> None:
    one, other = Kernel(), Kernel()
    ports = [one.reserve() for _ in range(100)]
    for port in ports:
        one.release(port)
    assert len({other.reserve() for _ in range(100)}) == 100
    one.close()
    other.close()
