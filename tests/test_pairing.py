"""`validate` finds where the roles of a file do not fit each other, in exactly these words, and opens no socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import sockrun as package
from sockrun.compiling.loading import Options, load, load_text
from sockrun.diagnostics import Diagnostic
from sockrun.pairing import files, verdict
from sockrun.pairing.trying import BYTES, COPIES
from sockrun.program import Program
from sockrun.results import Unpaired
from tests import golden
from tests.command_line import FAILS, ROOT, CommandLine
from tests.mutants import CHANGES, Mutant, mutants
from tests.peers import datagrams
from tests.peers import pair as roles
from tests.playing import SCENARIOS, example
from tests.test_examples import EXAMPLES

UNPAIRED = golden.files("unpaired")
PROCESS = "processes: {one: {command: [sleep, '9']}}\n"


def validated(path: Path) -> list[Diagnostic]:
    return files.validate([path], Options()).diagnostics


def pair(text: str) -> verdict.Paired:
    loaded = load_text(dedent(text), "scenario.yaml")
    assert not loaded.errors
    return verdict.pair(loaded.programs)


def undecided(text: str) -> str:
    """Why nothing can be said of the only scenario of a text."""
    found = pair(text)
    assert found.diagnostics == []
    (one,) = found.unpaired
    return one.reason


def fits(text: str) -> None:
    assert pair(text) == ([], [])


# --- what is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", UNPAIRED, ids=lambda path: path.stem)
def test_what_does_not_fit_is_told_in_these_words(
    path: Path, update_golden: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden.check(path, update_golden, monkeypatch, validated)


@pytest.mark.parametrize("path", UNPAIRED, ids=lambda path: path.stem)
def test_it_is_one_error_in_a_file_that_can_be_played(path: Path) -> None:
    assert load(path).diagnostics == ()
    (found,) = validated(path)
    assert (found.severity, found.code[:5]) == ("error", "pair-")


def test_every_golden_text_has_its_file() -> None:
    assert golden.without_file("unpaired") == set()


def test_a_step_that_is_included_is_shown_in_its_file(tmp_path: Path) -> None:
    (tmp_path / "greet.yaml").write_text('steps: [{send: "hullo"}]\n')
    path = tmp_path / "a.yaml"
    path.write_text(roles("[{include: greet.yaml}]", '[{expect: "hello"}]'))
    (found,) = validated(path)
    assert [span.source.path for span, _ in found.related] == [str(tmp_path / "greet.yaml")]


# --- the examples ---------------------------------------------------------------------------------


def test_every_example_is_clean() -> None:
    found = files.validate(sorted(SCENARIOS.rglob("*.yaml")), Options())
    assert found.diagnostics == []
    assert {one.reason for one in found.unpaired} <= {verdict.PROCESSES}


# What can be changed and is right all the same: nobody hears it, or only its beginning is looked at.
HARMLESS = {
    ("lossy_datagrams", "client", "1"),
    ("refused", "silent", "1"),
    ("slow_link", "server", "1"),
    ("tftp_read", "transfer", "1"),
    ("unix_datagram", "program", "1"),
}
# A line end too few joins it to the next message, whose step is shown; and what is masked cannot be followed.
JOINED = {("ftp_passive", "control_server", "5"), ("line_echo", "client", "1"), ("mock_server", "ann", "2")}


def _mutants(name: str) -> list[Mutant]:
    return list(mutants(example(name)[0]))


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_slip_in_any_step_of_any_example_is_found_with_both_places(name: str, change: str) -> None:
    for mutant in _mutants(name):
        key = (name, mutant.role, mutant.place.number)
        if mutant.change != change or (key in HARMLESS and change != "a missing send"):
            continue
        found = verdict.pair([mutant.program]).diagnostics
        assert len(found) == 1, key
        places = {(span.line, span.column) for span in (found[0].span, *(span for span, _ in found[0].related))}
        assert len(places) > 1 or name == "refused", (key, found[0].message)
        if change != "a missing send" and key not in JOINED:
            assert (mutant.place.span.line, mutant.place.span.column) in places, (key, found[0].message)


def test_every_example_has_a_slip_that_is_found() -> None:
    assert all(any(verdict.pair([one.program]).diagnostics for one in _mutants(name)) for name in EXAMPLES)


# --- what it leaves alone -------------------------------------------------------------------------

NO_SOCKETS = """
import sys

def refuse(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"a socket: {event}")

sys.addaudithook(refuse)
from sockrun.cli import main
sys.argv = ["sockrun", "validate", *sys.argv[1:]]
main()
"""
NO_FILES = """
import os, sys

def refuse(event, arguments):
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if writes or event in ("os.mkdir", "os.remove", "os.rename"):
        raise SystemExit(f"a file: {event} {arguments}")

sys.addaudithook(refuse)
from sockrun.cli import main
sys.argv = ["sockrun", "validate", *sys.argv[1:]]
main()
"""


def _in_a_process(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, check=False)


def test_no_socket_is_opened() -> None:
    """Not for the examples, TLS and IPv6 among them, nor for what does not fit."""
    ended = _in_a_process(NO_SOCKETS, str(SCENARIOS))
    assert (ended.returncode, ended.stderr) == (0, "")
    ended = _in_a_process(NO_SOCKETS, str(UNPAIRED[0].parent))
    assert (ended.returncode, ended.stderr) == (2, "")


def test_no_file_is_written_where_none_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text('files: {a.txt: "text"}\n' + roles('[{send: "x"}]', '[{expect: "x"}]'))
    ended = _in_a_process(NO_FILES, str(path))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1 file, no errors\n", "")


def test_files_that_are_sent_are_there_and_then_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    files_of = 'files: {a.txt: "text"}\n'
    fits(files_of + roles('[{send: {file: "${dir}/a.txt"}}]', '[{expect: "text"}]'))
    (found,) = pair(files_of + roles('[{send: {file: "${dir}/a.txt"}}]', '[{expect: "test"}]')).diagnostics
    assert found.code == "pair-mismatch"
    assert list(tmp_path.iterdir()) == []


def test_run_does_not_pair(sockrun: CommandLine) -> None:
    """What fails in a run fails there in a run's words, with its exit status."""
    sockrun.write("a.yaml", FAILS)
    assert sockrun("run", "a.yaml").status == 1


# --- what it cannot decide ------------------------------------------------------------------------


def test_what_needs_programs_is_left_to_run() -> None:
    assert undecided(PROCESS + roles('[{send: "x"}]', '[{expect: "y"}]')) == verdict.PROCESSES


@pytest.mark.parametrize(
    "text",
    [
        'roles: {server: {protocol: tcp, side: server, expect: "ping", payload: "pong"}}',
        'roles: {server: {protocol: udp, side: server, expect: "ping", payload: "pong"}}',
        'roles: {client: {protocol: tcp, side: client, port: 8080, payload: "ping", expect: "pong"}}',
        'roles: {client: {protocol: udp, side: client, port: 8080, payload: "ping", expect: "pong"}}',
    ],
)
def test_a_role_whose_other_side_is_not_in_the_file_is_left_alone(text: str) -> None:
    assert undecided(text) == verdict.OUTSIDE


def test_what_is_wrong_beside_a_server_for_strangers_is_found() -> None:
    text = """
        roles:
          mock: {protocol: tcp, side: server, expect: "ping", payload: "pong"}
          server: {protocol: tcp, side: server, payload: "a"}
          client: {side: client, to: server, expect: "b"}
    """
    assert [found.code for found in pair(text).diagnostics] == ["pair-mismatch"]


def test_the_network_of_the_file_is_left_out() -> None:
    """On real sockets it has no effect, and chance is nobody's fault."""
    text = "network: {loss: 100%}\n" + datagrams('[{expect: "x"}]', '[{send: "x"}]')
    fits(text)


def test_a_check_of_the_time_is_no_error_where_time_decides() -> None:
    steps = '[{set: {t: "${now()}"}}, {send: "x"}, {expect: "y"}, {check: "now() - t > 0"}]'
    assert undecided(roles('[{expect: "x"}, {send: "y"}]', steps)) == verdict.UNSTEADY


def test_what_is_wrong_at_any_time_is_an_error() -> None:
    steps = '[{set: {t: "${now()}"}}, {send: "x"}, {expect: "y"}, {check: "now() - t > 1000"}]'
    assert [found.code for found in pair(roles('[{expect: "x"}, {send: "y"}]', steps)).diagnostics] == ["pair-check"]


@pytest.mark.parametrize("side", [0, 1])
def test_what_randomness_decides_is_no_error(side: int) -> None:
    server = f'[{{expect: {{length: 1}}, as: coin}}, {{check: "coin[0] % 2 == {side}"}}]'
    assert pair(roles(server, '[{send: "${random_bytes(1)}"}]')).diagnostics == []


def test_a_variable_of_the_environment_that_is_not_here_may_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOCKRUN_WORD", raising=False)
    text = roles('[{expect: "x"}]', '[{send: "${env.SOCKRUN_WORD}"}]')
    assert undecided(text) == "the environment variable SOCKRUN_WORD is not set"
    monkeypatch.setenv("SOCKRUN_WORD", "x")
    fits(text)


def test_what_the_machine_lacks_may_be_what_makes_it_fail() -> None:
    text = "requires: {command: no-such-command-of-ours}\n" + roles('[{expect: "x"}]', '[{send: "y"}]')
    assert undecided(text) == verdict.REQUIRES
    fits("requires: {command: no-such-command-of-ours}\n" + roles('[{expect: "x"}]', '[{send: "x"}]'))


# --- bounds ---------------------------------------------------------------------------------------

LOOPS = (
    "repeat: 1000, steps: [{repeat: 1000, steps: [{repeat: 1000, steps: [{repeat: 1000, steps: [{set: {x: 1}}]}]}]}]"
)


@pytest.mark.parametrize(
    "text",
    [
        roles(f"[{{{LOOPS}}}]", "[]"),
        roles(f"[{{send: {{times: {BYTES}, of: xx}}}}]", "[{expect_close: {discard: true}}]"),
        roles(
            "[{repeat: 100000000, steps: [{send: x}, {expect: x}]}]",
            "[{repeat: 100000000, steps: [{expect: x}, {send: x}]}]",
        ),
        roles("[]", "[]", of_client=f"instances: {COPIES + 1}"),
        f"files: {{a: {{content: {{times: {BYTES}, of: xx}}}}}}\n"
        + roles('[{send: {file: "${dir}/a"}}]', "[{expect: x}]"),
        "timeout: 1000000000\nroles:\n  server: {protocol: tcp, side: server, listen: false}\n"
        "  client: {side: client, to: server, retry_for: 100000000, expect: x}\n",
    ],
    ids=["rounds", "bytes", "messages", "copies", "files", "attempts"],
)
def test_what_would_take_for_ever_is_given_up_and_said_so(text: str) -> None:
    assert undecided(text) == verdict.TOO_MUCH


def test_what_pauses_for_days_takes_no_time() -> None:
    fits("timeout: 1000000\n" + roles("[{pause: 500000}, {send: x}]", "[{expect: x, timeout: 600000}]"))


# --- the two doors --------------------------------------------------------------------------------


def test_no_pair_leaves_it_out(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    assert sockrun("validate", "--no-pair", "a.yaml") == (0, "1 file, no errors\n", "")
    assert sockrun("validate", "a.yaml").status == 2


def test_what_was_not_decided_is_said(sockrun: CommandLine) -> None:
    for name in ("a.yaml", "b.yaml"):
        sockrun.write(name, PROCESS + roles('[{send: "x"}]', '[{expect: "x"}]'))
    sockrun.write("c.yaml", 'roles: {mock: {protocol: tcp, side: server, payload: "x"}}')
    assert sockrun("validate").out.splitlines() == [
        f"2 files not paired: {verdict.PROCESSES}",
        f"c.yaml not paired: {verdict.OUTSIDE}",
        "3 files, no errors",
    ]
    report = json.loads(sockrun("validate", "--format", "json").out)
    assert report["not_paired"][2] == {"file": "c.yaml", "scenario": "c.yaml", "reason": verdict.OUTSIDE}
    assert json.loads(sockrun("validate", "--no-pair", "--format", "json").out)["not_paired"] == []


def test_tools_get_both_places(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", FAILS)
    (found,) = json.loads(sockrun("validate", "--format", "json").out)["diagnostics"]
    assert (found["code"], found["line"], [other["line"] for other in found["related"]]) == ("pair-mismatch", 10, [4])


def test_from_python_too(sockrun: CommandLine) -> None:
    path = sockrun.write("a.yaml", FAILS)
    told: list[Unpaired] = []
    assert [found.code for found in package.validate(path, unpaired=told.append)] == ["pair-mismatch"]
    assert package.validate(path, pair=False) == []
    mock = sockrun.write("b.yaml", 'roles: {mock: {protocol: tcp, side: server, payload: "x"}}')
    assert (package.validate(mock, unpaired=told.append), len(told)) == ([], 1)


def test_a_secret_is_not_shown(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", "secrets: {password: swordfish}\n" + roles('[{expect: "x"}]', '[{send: "${password}"}]'))
    for words in (["validate"], ["validate", "--format", "json"]):
        assert "swordfish" not in "".join(map(str, sockrun(*words)))


def test_the_same_file_gets_the_same_answer(tmp_path: Path) -> None:
    programs: list[Program] = [one.program for one in _mutants("many_clients")]
    assert [verdict.pair([one]) for one in programs] == [verdict.pair([one]) for one in programs]
