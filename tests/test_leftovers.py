"""Nothing is left behind: no process, no listening socket, no folder, on every way out of a run with programs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sockrun.playing.workspace import Workspace
from tests.command_line import COMMAND, ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what left its group is only found on Linux")

MARK = "SOCKRUN_TEST_MARK"
PATIENCE = 20.0  # seconds
FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; {FOREVER}"
# Leaves its group, its session and its parent, closes what it has inherited, and forgets its environment.
DAEMON = """
    import os, sys, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.close(fd)
            words = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(600)", *sys.argv]
            os.execve(sys.executable, words, {})
        os._exit(0)
    os.wait()
    print("up", flush=True)
    time.sleep(600)
"""
LISTENS = """
    import socket, sys, time
    door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("up", flush=True)
    time.sleep(600)
"""


class Traces:
    """What a run may leave: processes with a mark among their words, folders, sockets that listen."""

    def __init__(self, folder: Path) -> None:
        self.mark = f"{MARK}-{random.randrange(10**12)}"
        self.folder = folder
        self.scenario = folder / "pack" / "scenario.yaml"
        self.scenario.parent.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def write(self, programs: dict[str, str], rest: str = "") -> None:
        """A scenario of services, each with the mark and a free port among its words."""
        lines = [f"ports: [{', '.join(f'p_{name}' for name in programs)}]", "processes:"]
        for name, code in programs.items():
            words = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), f"${{ports.p_{name}}}", self.mark]
            lines.append(f"  {name}: {{command: {json.dumps(words)}, ready: {{output: up}}}}")
        self.scenario.write_text("\n".join([*lines, rest]))

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [*COMMAND, "run", "-v", str(self.scenario)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def processes(self) -> list[int]:
        """Those that still run, zombies included, with the mark or below a keeper of this test's folder."""
        found = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if self.mark.encode() in words:
                found.append(int(name))
        return found

    def hold_that_nothing_is_left(self, at_once: bool = True) -> None:
        if not at_once:
            until(lambda: not self.processes() and not list(self.temporary.iterdir()))
        assert self.processes() == []
        assert list(self.temporary.iterdir()) == []


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Traces]:
    found = Traces(tmp_path)
    yield found
    for pid in found.processes():
        os.kill(pid, signal.SIGKILL)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it took too long"


def plays(run: subprocess.Popen[bytes]) -> None:
    """Read what it shows until its client has begun: its programs are ready then."""
    assert run.stdout is not None
    assert any(b"connects to" in line for line in run.stdout)


def finished(run: subprocess.Popen[bytes]) -> tuple[int, str]:
    out, _ = run.communicate(timeout=60)
    return run.returncode, out.decode()


PROGRAMS = {"plain": LISTENS, "stubborn": STUBBORN, "daemon": DAEMON}
WAITS = "roles: {s: {protocol: tcp, side: server}, c: {side: client, to: s, steps: [{pause: 100s}]}}"
FAILS = "roles: {s: {protocol: tcp, side: server}, c: {side: client, to: s, steps: [{check: '1 == 2'}]}}"


def test_after_a_pass(traces: Traces) -> None:
    traces.write(PROGRAMS)
    status, out = finished(traces.start())
    assert status == 0, out
    traces.hold_that_nothing_is_left()


def test_after_a_failure(traces: Traces) -> None:
    traces.write(PROGRAMS, FAILS)
    status, out = finished(traces.start())
    assert status == 1, out
    traces.hold_that_nothing_is_left()


def test_one_that_ignores_its_stop_is_killed(traces: Traces) -> None:
    traces.write({"stubborn": STUBBORN})
    status, out = finished(traces.start())
    assert status == 0, out
    assert "stubborn was ended by KILL" in " ".join(out.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_after_an_interruption_in_mid_play(traces: Traces, number: signal.Signals) -> None:
    traces.write(PROGRAMS, WAITS)
    run = traces.start()
    plays(run)
    run.send_signal(number)
    status, out = finished(run)
    assert status == 130, out
    traces.hold_that_nothing_is_left()


def test_after_a_second_interruption(traces: Traces) -> None:
    """The second one does not wait for programs that ignore the first."""
    traces.write(PROGRAMS, WAITS)
    run = traces.start()
    assert run.stdout is not None
    for line in run.stdout:
        if b"connects to" in line:
            run.send_signal(signal.SIGINT)
        if b"is stopped with" in line:
            break
    run.send_signal(signal.SIGINT)
    status, out = finished(run)
    assert status == 130, out
    traces.hold_that_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("seed", range(4))
def test_after_an_interruption_at_any_moment(traces: Traces, number: signal.Signals, seed: int) -> None:
    traces.write({"plain": LISTENS, "daemon": DAEMON}, WAITS)
    run = traces.start()
    moment = random.Random(seed).uniform(0.15, 0.8)
    deadline = time.monotonic() + moment
    until(lambda: time.monotonic() > deadline)
    run.send_signal(number)
    finished(run)
    traces.hold_that_nothing_is_left()


def test_after_sockrun_itself_was_killed(traces: Traces) -> None:
    """Nobody is there to end anything but the keepers, who do it soon."""
    traces.write(PROGRAMS, WAITS)
    run = traces.start()
    plays(run)
    run.kill()
    run.wait()
    assert run.stdout is not None
    run.stdout.close()
    traces.hold_that_nothing_is_left(at_once=False)


def test_a_keeper_that_is_killed_takes_its_program_with_it(traces: Traces) -> None:
    """And the scenario is told that the program has ended."""
    traces.write({"plain": LISTENS}, WAITS)
    run = traces.start()
    plays(run)
    (program,) = traces.processes()
    keeper = int(Path(f"/proc/{program}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(keeper, signal.SIGKILL)
    status, out = finished(run)
    assert status == 1
    assert "plain was ended by KILL while it was still needed" in out
    traces.hold_that_nothing_is_left(at_once=False)


def test_the_folder_goes_though_somebody_who_is_dying_still_writes_into_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What comes between the emptying and the removal makes the latter fail, twice here."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    workspace = Workspace()
    folder = Path(workspace.folder())
    late = [folder / "first", folder / "second"]
    remove = os.rmdir

    def rmdir(path: str, *, dir_fd: int | None = None) -> None:
        if late:
            late.pop().write_text("late")
        remove(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", rmdir)
    workspace.remove()
    assert late == []
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_vanishes_under_the_removal_does_not_save_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    workspace = Workspace()
    folder = Path(workspace.folder())
    for name in ("a", "b", "c"):
        (folder / name).write_text(name)
    unlink = os.unlink
    vanishing = [True]

    def vanished(path: str, *, dir_fd: int | None = None) -> None:
        unlink(path, dir_fd=dir_fd)
        if vanishing:
            vanishing.pop()
            raise FileNotFoundError(path)

    monkeypatch.setattr(os, "unlink", vanished)
    workspace.remove()
    assert list(tmp_path.iterdir()) == []
