"""Scenarios as pytest's tests, and beside a test's own code. Each pytest is a process of its own, with this plugin."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sockrun.network.ports import Ports
from tests.command_line import FAILS, INVALID, PASSES, ROOT
from tests.test_docs import settled

PLUGIN = ("-p", "sockrun.testing.plugin")
SERVER = 'roles: {server: {protocol: tcp, side: server, expect: "ping\\n", payload: "pong\\n"}}\n'
MATRIX = """
name: says ${word}
matrix: {word: [ping, "::1"]}
roles:
  server: {protocol: tcp, side: server, expect: "ping", payload: "pong"}
  client: {side: client, to: server, payload: "${word}", expect: "pong"}
"""

TAKES_A_WHILE = """
roles:
  server:
    protocol: tcp
    side: server
    port: PORT
    steps: [{expect: "ping"}, {pause: 50ms}, {send: "pong"}]
  client: {side: client, to: server, payload: "ping", expect: "pong"}
"""


@pytest.fixture(autouse=True)
def _only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("CI", raising=False)


def write(pytester: pytest.Pytester, name: str, text: str) -> Path:
    path = pytester.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def passing(pytester: pytest.Pytester, name: str, title: str = "good", tag: str = "smoke") -> Path:
    return write(pytester, name, PASSES.format(name=title, tag=tag))


def run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess(*PLUGIN, *words, timeout=60)


def collected(pytester: pytest.Pytester, *words: str) -> list[str]:
    shown = run(pytester, "--collect-only", "-q", *words)
    return [line for line in shown.outlines if "::" in line]


# --- what is collected -------------------------------------------------------------------------


def test_scenario_files_are_collected_wherever_pytest_looks(pytester: pytest.Pytester) -> None:
    """Those with the ending; one item for each combination; a file of steps has none."""
    passing(pytester, "one.sock.yaml")
    write(pytester, "deep/er/two.sock.yml", MATRIX)
    passing(pytester, "other.yaml")
    write(pytester, "steps.sock.yaml", 'steps: [{send: "hi"}]\n')
    assert collected(pytester) == [
        "deep/er/two.sock.yml::scenario[ping]",
        "deep/er/two.sock.yml::scenario[::1]",
        "one.sock.yaml::scenario",
    ]


def test_all_files_of_the_named_folders_are_collected(pytester: pytest.Pytester) -> None:
    """Beside `testpaths` too, and once, where nothing was named on the command line; else where that leads there."""
    passing(pytester, "scenarios/deep/one.yaml")
    passing(pytester, "tests/two.sock.yaml")
    passing(pytester, "three.sock.yaml")
    pytester.makeini("[pytest]\nsockrun_paths = scenarios\n")
    everything = ["scenarios/deep/one.yaml::scenario", "tests/two.sock.yaml::scenario", "three.sock.yaml::scenario"]
    assert sorted(collected(pytester)) == everything
    assert collected(pytester, "scenarios") == everything[:1]
    assert collected(pytester, "tests") == everything[1:2]
    pytester.makeini("[pytest]\nsockrun_paths = scenarios\ntestpaths = tests\n")
    assert sorted(collected(pytester)) == everything[:2]


def test_a_file_may_include_what_lies_anywhere_below_the_root(pytester: pytest.Pytester) -> None:
    write(pytester, "common/hi.yaml", 'steps: [{send: "hi"}]\n')
    steps = "{protocol: tcp, side: server, steps: [{include: ../common/hi.yaml}]}"
    write(pytester, "tests/a.sock.yaml", f"roles: {{a: {steps}, b: {{side: client, to: a, expect: hi}}}}\n")
    pytester.makeini("[pytest]\n")
    run(pytester, "tests/a.sock.yaml").assert_outcomes(passed=1)


def test_an_invalid_file_is_an_error_as_sockrun_shows_it(pytester: pytest.Pytester) -> None:
    write(pytester, "wrong.sock.yaml", INVALID)
    passing(pytester, "right.sock.yaml")
    shown = run(pytester, "--continue-on-collection-errors")
    shown.assert_outcomes(passed=1, errors=1)
    missing = set(reported(pytester, "wrong.sock.yaml")) - set(shown.outlines)
    assert missing == set()
    assert "Traceback" not in shown.stdout.str()
    shown.stdout.fnmatch_lines("ERROR wrong.sock.yaml - unknown key 'paylod' in 'server'*")


# --- what comes of it --------------------------------------------------------------------------


def reported(pytester: pytest.Pytester, name: str) -> list[str]:
    """What the command shows of a file where there is no room for a diagram, but for the summary."""
    command = [sys.executable, "-m", "sockrun", "run", name]
    narrow = {**os.environ, "COLUMNS": "40"}
    done = subprocess.run(command, cwd=pytester.path, env=narrow, capture_output=True, text=True, timeout=60)
    return settled(done.stdout).splitlines()[:-1]


@pytest.mark.parametrize("words", [[], ["-p", "xdist", "-n", "2"]], ids=["alone", "xdist"])
def test_a_failure_is_shown_as_sockrun_shows_it(pytester: pytest.Pytester, words: list[str]) -> None:
    """Its report, and nothing of Python."""
    write(pytester, "deep/wrong.sock.yaml", FAILS)
    shown = run(pytester, *words)
    shown.assert_outcomes(failed=1)
    lines = settled(shown.stdout.str()).splitlines()
    untimed = {re.sub(r"^( +)N (\w+) ", r"\1N ", line) for line in lines}
    wanted = {re.sub(r"^( +)N (\w+) ", r"\1N ", line) for line in reported(pytester, "deep/wrong.sock.yaml")}
    assert wanted - untimed == set()
    assert ".py" not in "".join(lines[3:])
    assert "Traceback" not in shown.stdout.str()


def test_the_summary_and_junit_say_why(pytester: pytest.Pytester) -> None:
    write(pytester, "wrong.sock.yaml", FAILS)
    shown = run(pytester, "--junit-xml", "report.xml")
    shown.stdout.fnmatch_lines("FAILED wrong.sock.yaml::scenario - byte 1 is 0x6f, not 0x61")
    report = (pytester.path / "report.xml").read_text()
    assert 'message="byte 1 is 0x6f, not 0x61"' in report
    assert "transcript" in report
    assert "\x1b" not in report


def test_what_the_machine_lacks_skips_with_the_reason(pytester: pytest.Pytester) -> None:
    write(pytester, "a.sock.yaml", "requires: {command: [no-such-program]}\n" + SERVER)
    shown = run(pytester, "-rs")
    shown.assert_outcomes(skipped=1)
    shown.stdout.fnmatch_lines("SKIPPED * a.sock.yaml: there is no command 'no-such-program'")


def test_what_the_machine_refuses_is_a_failure_that_says_so(pytester: pytest.Pytester) -> None:
    write(pytester, "a.sock.yaml", SERVER.replace("side: server", "side: server, host: 192.0.2.1"))
    shown = run(pytester)
    shown.assert_outcomes(failed=1)
    shown.stdout.fnmatch_lines("REFUSED a.sock.yaml*")


def test_a_failure_that_is_expected_passes_and_a_pass_fails(pytester: pytest.Pytester) -> None:
    write(pytester, "a.sock.yaml", "expect_failure: byte 1" + FAILS)
    write(pytester, "b.sock.yaml", "expect_failure: true" + PASSES.format(name="x", tag="t"))
    shown = run(pytester)
    shown.assert_outcomes(passed=1, failed=1)
    shown.stdout.fnmatch_lines("FAILED b.sock.yaml::scenario - it was expected to fail, and passed")


# --- which are chosen --------------------------------------------------------------------------


def test_tags_are_marks_that_are_known(pytester: pytest.Pytester) -> None:
    """But for those that mean something else to pytest, or cannot be named."""
    passing(pytester, "a.sock.yaml", tag="slow-one")
    passing(pytester, "b.sock.yaml", tag='skip, xfail, "two words", "a:b", "(", _x')
    passing(pytester, "c.sock.yaml", tag="registered")
    pytester.makeini("[pytest]\nmarkers = registered(why): by hand\n")
    strict = ("--strict-markers", "-W", "error")
    assert collected(pytester, *strict, "-m", "slow-one") == ["a.sock.yaml::scenario"]
    assert collected(pytester, *strict, "-m", "registered") == ["c.sock.yaml::scenario"]
    run(pytester, *strict).assert_outcomes(passed=3)


@pytest.mark.parametrize("text", ["ping", "says", "a.sock", "not good"])
def test_k_finds_names_ids_and_files(pytester: pytest.Pytester, text: str) -> None:
    write(pytester, "a.sock.yaml", MATRIX)
    passing(pytester, "b.sock.yaml")
    found = collected(pytester, "-k", text)
    assert "a.sock.yaml::scenario[ping]" in found
    assert "b.sock.yaml::scenario" not in found


def test_what_failed_is_played_again_and_the_first_failure_ends_it(pytester: pytest.Pytester) -> None:
    """`-x`, `--lf`, and a scenario by its id, whatever its values."""
    write(pytester, "a.sock.yaml", MATRIX)
    write(pytester, "b.sock.yaml", FAILS)
    run(pytester, "-x").assert_outcomes(passed=1, failed=1)
    run(pytester).assert_outcomes(passed=1, failed=2)
    run(pytester, "--lf").assert_outcomes(failed=2)
    run(pytester, "a.sock.yaml::scenario[::1]").assert_outcomes(failed=1)
    run(pytester, "a.sock.yaml::scenario[ping]").assert_outcomes(passed=1)


# --- together with others ----------------------------------------------------------------------


def test_workers_never_share_a_port(pytester: pytest.Pytester) -> None:
    """Neither one that a scenario names as a number, nor a reserved one; tests of Python code keep to that too."""
    with closing(Ports()) as ports:
        port = ports.reserve()
    slow = TAKES_A_WHILE.replace("PORT", str(port))
    for number in range(6):
        write(pytester, f"fixed{number}.sock.yaml", slow)
        write(pytester, f"free{number}.sock.yaml", "ports: [one]\n" + TAKES_A_WHILE.replace("PORT", "${ports.one}"))
    write(pytester, "whole.yaml", slow)
    pytester.makepyfile(
        """
        import socket, pytest
        @pytest.mark.parametrize("n", range(4))
        def test_it(sockrun, n):
            with sockrun.play("whole.yaml", roles=["server"]) as played:
                with socket.create_connection(played.addresses["server"]) as sock:
                    sock.sendall(b"ping")
                    assert sock.recv(9) == b"pong"
        def test_whole(sockrun):
            sockrun.run("whole.yaml")
        """
    )
    run(pytester, "-p", "xdist", "-n", "3").assert_outcomes(passed=17)


def test_a_folder_that_a_test_has_changed_to_changes_nothing(pytester: pytest.Pytester) -> None:
    text = PASSES.format(name="x", tag="t").replace('payload: "pong"', "payload: {file: pong.txt}")
    write(pytester, "z/z.sock.yaml", text)
    write(pytester, "z/pong.txt", "pong")
    write(pytester, "z/z.yaml", text)
    pytester.makepyfile(
        """
        import os, pytest
        @pytest.fixture(scope="session")
        def elsewhere(tmp_path_factory):
            os.chdir(tmp_path_factory.mktemp("elsewhere"))
        def test_it(elsewhere, sockrun):
            sockrun.run("z/z.yaml")
        """
    )
    (python,) = pytester.path.glob("test_*.py")
    run(pytester, python.name, "z").assert_outcomes(passed=2)


def test_ctrl_c_ends_the_run_and_all_that_it_started(pytester: pytest.Pytester) -> None:
    write(
        pytester,
        "a.sock.yaml",
        "processes:\n"
        "  one:\n"
        "    command: [sh, -c, 'echo $$ > ${env.HERE}/pid; kill -INT ${env.PYTEST}; sleep 99']\n"
        "    expect_exit: 0\n"
        "roles: {server: {protocol: tcp, side: server, connections: 0}}\n",
    )
    pytester.makeconftest("import os\nos.environ.update(PYTEST=str(os.getpid()), HERE=os.getcwd())\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PLUGIN],
        cwd=pytester.path,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == pytest.ExitCode.INTERRUPTED, done.stdout
    assert "KeyboardInterrupt" in done.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int((pytester.path / "pid").read_text()), 0)


def test_a_run_without_a_scenario_imports_next_to_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        def test_it():
            ours = {name for name in sys.modules if name.partition(".")[0] in ("sockrun", "yaml", "jsonschema")}
            assert ours == {"sockrun", "sockrun.testing", "sockrun.testing.plugin"}
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_sockrun_never_imports_pytest() -> None:
    program = "import sys, sockrun.background, sockrun.__main__, sockrun.session; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# --- the fixture -------------------------------------------------------------------------------


def test_a_test_plays_a_scenario_beside_its_file_or_in_its_text(pytester: pytest.Pytester) -> None:
    write(pytester, "deep/server.yaml", SERVER)
    write(pytester, "deep/pong.txt", "pong\n")
    write(
        pytester,
        "deep/test_it.py",
        """
import socket, pytest
def ask(address, question):
    with socket.create_connection(address) as sock:
        sock.sendall(question)
        return sock.recv(9)
def test_path(sockrun):
    with sockrun.play("server.yaml") as played:
        assert ask(played.addresses["server"], b"ping\\n") == b"pong\\n"
def test_text(sockrun):
    with sockrun.play(yaml=open(__file__.replace("test_it.py", "server.yaml")).read().replace(
        '"pong\\\\n"', "{file: pong.txt}")) as played:
        assert ask(played.addresses["server"], b"ping\\n") == b"pong\\n"
def test_both(sockrun):
    with pytest.raises(TypeError, match="either the path"):
        sockrun.play("server.yaml", yaml="roles: {}")
    with pytest.raises(TypeError, match="either the path"):
        sockrun.run()
""",
    )
    run(pytester).assert_outcomes(passed=3)


def test_a_failure_beside_a_test_shows_the_report_and_no_code_of_ours(pytester: pytest.Pytester) -> None:
    write(pytester, "server.yaml", SERVER)
    pytester.makepyfile(
        """
        import socket
        def test_played(sockrun):
            with sockrun.play("server.yaml") as played:
                with socket.create_connection(played.addresses["server"]) as sock:
                    sock.sendall(b"pang\\n")
        def test_run(sockrun):
            sockrun.run("server.yaml", timeout=0.05)
        def test_body(sockrun):
            with sockrun.play("server.yaml") as played:
                assert played is None
        """
    )
    shown = run(pytester)
    shown.assert_outcomes(failed=3)
    shown.stdout.fnmatch_lines(["E *server, step 1: expect*", "E *what each role was doing*"])
    assert "background.py" not in shown.stdout.str()
    assert "fixture.py" not in shown.stdout.str()
    assert "contextlib.py" not in shown.stdout.str()


def test_a_test_is_skipped_where_its_scenario_cannot_be_played(pytester: pytest.Pytester) -> None:
    write(pytester, "server.yaml", "requires: {command: [no-such-program]}\n" + SERVER)
    pytester.makepyfile(
        """
        def test_played(sockrun):
            with sockrun.play("server.yaml"):
                raise AssertionError
        def test_run(sockrun):
            sockrun.run("server.yaml")
            raise AssertionError
        """
    )
    run(pytester).assert_outcomes(skipped=2)


def test_what_a_test_forgets_to_leave_is_ended_with_it(pytester: pytest.Pytester) -> None:
    write(pytester, "server.yaml", SERVER)
    pytester.makepyfile(
        """
        import threading
        def test_one(sockrun):
            sockrun.play("server.yaml").__enter__()
            assert threading.active_count() == 2
        def test_two():
            assert threading.active_count() == 1
        """
    )
    run(pytester, "-W", "error").assert_outcomes(passed=2)
