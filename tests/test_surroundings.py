"""A machine that is not kind: each lack is a message and the right status, and nothing is left behind."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import typer

from sockrun.ending import status_of
from tests.command_line import COMMAND, FAILS, INVALID, ROOT, CommandLine, Outcome

SOCKETS = """
roles:
  server: {protocol: tcp, side: server, connections: any, steps: [{expect: "x"}]}
  client: {side: client, to: server, instances: 200, steps: [{send: "x"}]}
"""
# Talks for ever, and has a folder, ports and sockets to give back.
CHATTERS = """
timeout: 10m
ports: [spare]
files: {greeting.txt: hello}
roles:
  server:
    {protocol: tcp, side: server, steps: [{repeat: 1000000, steps: [{expect: "ping"}, {pause: 1ms}, {send: "pong"}]}]}
  client:
    {side: client, to: server, steps: [{repeat: 1000000, steps: [{send: "ping"}, {expect: "pong"}]}]}
  near_server:
    {protocol: unix, side: server, path: "${dir}/local.sock", steps: [{expect: "never"}]}
  near_client: {side: client, to: near_server, steps: [{expect: "never"}]}
"""


def run(
    sockrun: CommandLine,
    *words: str,
    environment: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    stdout: int = subprocess.PIPE,
    prefix: tuple[str, ...] = (),
) -> Outcome:
    """The command as a process of its own; it may end with no traceback."""
    done = subprocess.run(
        [*prefix, *COMMAND, *words],
        cwd=sockrun.folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=before,
        timeout=60,
        check=False,
    )
    out, err = (done.stdout or b"").decode(errors="replace"), done.stderr.decode(errors="replace")
    assert "Traceback" not in out + err, out + err
    return Outcome(done.returncode, out, err)


def bare(**more: str) -> dict[str, str]:
    """An environment with nothing in it but what finds the program."""
    return {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), **more}


# --- open files --------------------------------------------------------------------------------


def limited(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_too_few_open_files_are_told_with_the_numbers_before_anything_starts(sockrun: CommandLine) -> None:
    sockrun.write("many.yaml", SOCKETS)
    status, out, _ = run(sockrun, "run", "many.yaml", "-v", before=limited(20, 20))
    assert status == 3
    assert "the scenario needs 401 sockets at the same time" in out
    assert "(the limit on open files is 20)" in out
    assert "ulimit -n 4" in out
    assert "server" not in out


def test_the_soft_limit_on_open_files_is_raised_to_the_hard_one(sockrun: CommandLine) -> None:
    sockrun.write("many.yaml", SOCKETS)
    status, out, _ = run(sockrun, "run", "many.yaml", before=limited(20, 600))
    assert (status, out.startswith("PASS")) == (0, True)


def test_what_would_not_fit_at_the_same_time_is_played_one_after_the_other(sockrun: CommandLine) -> None:
    for number in range(10):
        sockrun.passing(f"{number}.yaml")
    status, out, _ = run(sockrun, "run", ".", "--repeat", "10", "-q", before=limited(24, 24))
    assert (status, out[:10]) == (0, "100 passed")


# --- where output goes -------------------------------------------------------------------------

FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


@FULL
@pytest.mark.parametrize("option", ["--junit", "--json", "--html"])
def test_a_full_disk_under_a_report_is_status_3(sockrun: CommandLine, option: str) -> None:
    sockrun.passing("a.yaml")
    status, _, err = run(sockrun, "run", "a.yaml", option, "/dev/full")
    assert status == 3
    assert "/dev/full cannot be written: No space left on device" in err


@pytest.mark.parametrize("option", ["--junit", "--json", "--html"])
@pytest.mark.parametrize("where", ["a.yaml/report", "/proc/report", "missing/report", "."])
def test_a_report_where_nothing_can_be_written_is_status_3(sockrun: CommandLine, option: str, where: str) -> None:
    """Below a file, in a folder that takes no files, in none, and in place of a folder."""
    sockrun.passing("a.yaml")
    status, _, err = run(sockrun, "run", "a.yaml", option, where)
    assert status == 3
    assert f"{where} cannot be written: " in err


@pytest.mark.parametrize(
    "words", [["run", "a.yaml"], ["validate", "."], ["list"], ["show", "a.yaml"], ["schema"], ["--help"]]
)
def test_a_closed_standard_output_is_status_3(sockrun: CommandLine, words: list[str]) -> None:
    sockrun.passing("a.yaml")
    status, _, err = run(sockrun, *words, before=lambda: os.close(1))
    assert (status, err) == (3, "sockrun: standard output is closed\n")


def test_a_closed_standard_error_and_input_harm_nothing(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")

    def close() -> None:
        os.close(0)
        os.close(2)

    assert run(sockrun, "run", "a.yaml", before=close).status == 0


# --- where temporary files go ------------------------------------------------------------------

WITH_FOLDER = """
files: {a.txt: hello}
roles:
  server: {protocol: unix, side: server, path: "${dir}/s", steps: [{send: {file: "${dir}/a.txt"}}]}
  client: {side: client, to: server, steps: [{expect: "hello"}]}
"""


@pytest.mark.parametrize("folder", ["/nowhere/at/all", "/proc", "a.yaml"])
def test_a_folder_for_temporary_files_that_takes_none_is_status_3(sockrun: CommandLine, folder: str) -> None:
    sockrun.write("a.yaml", WITH_FOLDER)
    status, out, _ = run(sockrun, "run", "a.yaml", environment=bare(TMPDIR=folder))
    assert status == 3
    assert f"no temporary folder can be made in {folder}" in out


def test_a_scenarios_folder_is_removed(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", WITH_FOLDER)
    folder = Path("t")
    (sockrun.folder / folder).mkdir()
    status, out, _ = run(sockrun, "run", "a.yaml", environment=bare(TMPDIR=str(sockrun.folder / folder)))
    assert (status, list((sockrun.folder / folder).iterdir())) == (0, []), out


# --- who asks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["run", "."], ["run", "-v", "."], ["validate", "."], ["list"], ["show", "ü.yaml"], ["--help"]]
)
def test_a_plain_locale_shows_what_it_can(sockrun: CommandLine, words: list[str]) -> None:
    """Names that its encoding does not have are escaped; nothing breaks."""
    text = FAILS.replace("name: wrong answer", "name: größer als €, 日本, \U0001f600")
    sockrun.write("ü.yaml", text.replace('"ping\\n"', '"pïng\\n"'))
    sockrun.write("é.yaml", INVALID.replace("paylod", "päylod"))
    plain = bare(LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert run(sockrun, *words, environment=plain).status in (0, 1, 2)
    assert run(sockrun, *words, environment=plain | {"PYTHONIOENCODING": "ascii"}).status in (0, 1, 2)


def test_nothing_but_a_path_is_needed_in_the_environment(sockrun: CommandLine) -> None:
    sockrun.write("a.yaml", WITH_FOLDER)
    assert run(sockrun, "run", "a.yaml", environment=bare()).status == 0


def test_a_folder_that_is_gone_is_told(sockrun: CommandLine, tmp_path: Path) -> None:
    """The one in which the command is called."""
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ["sh", "-c", f'cd {gone} && rmdir {gone} && exec "$@"', "sh"]
    status, _, err = run(sockrun, "run", prefix=tuple(words))
    assert status in (2, 3)
    assert err


# --- no IPv6 -----------------------------------------------------------------------------------

IPV6 = """
REQUIRES
roles:
  server: {protocol: tcp, side: server, host: "::1", expect: "ping", payload: "pong"}
  client: {side: client, to: server, payload: "ping", expect: "pong"}
"""


def without_network() -> tuple[str, ...]:
    """A new network name space, whose loopback is down: no address can be bound there but 'any'."""
    words = ("unshare", "-n")
    if shutil.which("unshare") is None or subprocess.run([*words, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no network name space can be made here")
    return (*words, "sh", "-c", 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; exec "$@"', "sh")


def test_where_there_is_no_ipv6_what_requires_it_is_skipped_and_else_refused(sockrun: CommandLine) -> None:
    prefix = without_network()
    sockrun.write("a.yaml", IPV6.replace("REQUIRES", "requires: {ipv6: true}"))
    sockrun.write("b.yaml", IPV6.replace("REQUIRES", ""))
    status, out, _ = run(sockrun, "run", "a.yaml", prefix=prefix)
    assert (status, "this machine has no IPv6" in out) == (0, True), out
    status, out, _ = run(sockrun, "run", "b.yaml", prefix=prefix)
    assert (status, "REFUSED" in out) == (3, True), out


def test_a_unix_path_that_is_too_long_for_the_system_says_so(sockrun: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    text = """
    roles:
      server: {protocol: unix, side: server, path: "${dir}/local.sock", payload: "x"}
      client: {side: client, to: server, expect: "x"}
    """
    sockrun.write("path.yaml", text)
    status, out, _ = run(sockrun, "run", "path.yaml", environment=bare(TMPDIR=str(folder)))
    assert status == 3
    assert "bytes long, and the system takes 107: choose a shorter path" in out


# --- signals (see test_leftovers.py for those in mid-play) --------------------------------------


def _listens_to_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def start(sockrun: CommandLine, folder: Path, *words: str, python: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *python, "-m", "sockrun", *words],
        cwd=sockrun.folder,
        env=bare(TMPDIR=str(folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_listens_to_signals,
    )


def interrupted() -> None:
    raise KeyboardInterrupt


def interrupted_while_words_are_read() -> None:
    """typer takes the interrupt and ends without a word."""
    app = typer.Typer()
    app.command()(interrupted)
    app([])


@pytest.mark.parametrize("command", [interrupted, interrupted_while_words_are_read])
def test_an_interrupt_that_no_command_handles_is_told(
    capsys: pytest.CaptureFixture[str], command: Callable[[], None]
) -> None:
    assert status_of(command) == 130
    assert capsys.readouterr().err == "sockrun: interrupted\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_it_is_loading_ends_it_with_a_word(
    sockrun: CommandLine, tmp_path: Path, number: signal.Signals
) -> None:
    """The moment is an import, of those that come after the command has begun."""
    sockrun.write("chatters.yaml", CHATTERS)
    for moment in random.Random(number).choices(range(1, 40), k=8):
        with start(sockrun, tmp_path, "run", "chatters.yaml", python=("-X", "importtime")) as process:
            assert process.stderr is not None
            begun = any("typer" in line for line in process.stderr)
            assert begun
            for _ in range(moment):
                process.stderr.readline()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        assert process.returncode == 130, (moment, err)
        assert "Traceback" not in err
        assert "sockrun: interrupted" in err or "1 interrupted" in out
