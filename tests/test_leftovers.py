"""Nothing is left behind: no process, no listening socket, no folder, on every way out of a run with programs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
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
    print("up", f"PORT={sys.argv[1]}", flush=True)
    time.sleep(600)
"""


FILES = ("cmdline", "environ")  # a process's words and environment (proc(5))
LISTENING = "0A"  # of TCP, in /proc/net/tcp (proc(5))


class Traces:
    """What a run may leave: processes with a mark among their words or in their environment, files, sockets."""

    def __init__(self, folder: Path) -> None:
        self.mark = f"{MARK}-{random.randrange(10**12)}"
        self.scenario = folder / "pack" / "scenario.yaml"
        self.scenario.parent.mkdir(parents=True)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()

    def write(self, programs: dict[str, str], rest: str = "") -> None:
        """A scenario of services, each with the mark and a free port among its words."""
        lines = [f"ports: [{', '.join(f'p_{name}' for name in programs)}]", "processes:"] if programs else []
        for name, code in programs.items():
            words = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code), f"${{ports.p_{name}}}", self.mark]
            lines.append(f"  {name}: {{command: {json.dumps(words)}, ready: {{output: up}}}}")
        self.scenario.write_text("\n".join([*lines, rest]))

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(self.temporary), MARK: self.mark}
        return subprocess.Popen(
            [*COMMAND, "run", "-v", str(self.scenario)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
        )

    def processes(self, *where: str) -> list[int]:
        """Those that still run; what has ended has no words and no environment."""
        return [int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if self._is_ours(pid, *where)]

    def _is_ours(self, pid: str, *where: str) -> bool:
        with suppress(OSError):
            return any(self.mark.encode() in Path("/proc", pid, file).read_bytes() for file in where or FILES)
        return False

    def sockets(self, out: str) -> list[str]:
        """Those that are left of the ports and names that a run has shown, as `PORT=1234`, or that have the mark."""
        ports = set(map(int, re.findall(r"PORT=(\d+)", out)))
        found = {}
        for protocol in ("tcp", "tcp6", "udp", "udp6"):
            for line in _table(protocol):
                port = int(line[1].rpartition(":")[2], 16)
                if port in ports and (line[3] == LISTENING or protocol.startswith("udp")):
                    found[line[9]] = f"{protocol} {port}"
        for line in _table("unix"):
            if any(name in " ".join(line[7:]) for name in (self.mark, str(self.temporary))):
                found[line[6]] = f"unix {line[7]}"
        others = self._sockets_of_others() if found else set()
        return [what for inode, what in found.items() if inode not in others]

    def _sockets_of_others(self) -> set[str]:
        """A port that was given back may be somebody else's by now."""
        found = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                links = [os.readlink(entry) for entry in Path("/proc", pid, "fd").iterdir()]
                if not self._is_ours(pid):
                    found |= {link[8:-1] for link in links if link.startswith("socket:[")}
        return found

    def hold_that_nothing_is_left(self, out: str = "", at_once: bool = True) -> None:
        if not at_once:
            until(lambda: not self.processes() and not list(self.temporary.iterdir()))
        assert self.processes() == []
        assert self.sockets(out) == []
        assert list(self.temporary.iterdir()) == []
        assert [path.name for path in self.scenario.parent.iterdir()] == [self.scenario.name]


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[Traces]:
    found = Traces(tmp_path)
    yield found
    for pid in found.processes():
        os.kill(pid, signal.SIGKILL)


def _table(protocol: str) -> list[list[str]]:
    """The lines of a table of sockets, in columns."""
    with suppress(FileNotFoundError):
        return [line.split() for line in Path("/proc/net", protocol).read_text().splitlines()[1:]]
    return []


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


# Talks for a while, and has all to give back that a scenario can have: `${mark}` is an abstract name.
CHATTERS = """
vars: {{mark: {mark}}}
files: {{greeting.txt: hello}}
roles:
  server:
    protocol: tcp
    side: server
    steps: [{{repeat: 20, steps: [{{expect: "ping"}}, {{pause: 1ms}}, {{send: "pong"}}]}}, {end}]
  client:
    {{side: client, to: server, steps: [{{repeat: 20, steps: [{{send: "ping"}}, {{expect: "pong"}}]}}]}}
  path_server: {{protocol: unix, side: server, path: "${{dir}}/local.sock", unread: allow}}
  path_client: {{side: client, to: path_server, steps: [{{send: "PORT=${{server.port}}"}}]}}
  name_server: {{protocol: unix, datagram: true, side: server, path: "@${{mark}}", connections: any}}
"""
MOMENTS, TOGETHER = 50, 4


def test_after_a_pass_a_failure_and_an_interruption_at_any_moment(tmp_path: Path) -> None:
    """A moment is a line of the transcript, of those that a run shows from its beginning to its end; 0: before it."""
    seed = random.randrange(10**9)
    print("seed:", seed)
    chance = random.Random(seed)
    with ThreadPoolExecutor(TOGETHER) as pool:
        ends = list(pool.map(lambda number: interrupted(tmp_path, number, None, None), range(4)))
        assert [status for status, _ in ends] == [0, 0, 1, 1], ends
        lines = [out.count("\n") for _, out in ends]
        numbers = range(4, 4 + MOMENTS)
        moments = [chance.randrange(lines[number % 4]) for number in numbers]
        signals = [chance.choice((signal.SIGINT, signal.SIGTERM)) for _ in numbers]
        told = list(pool.map(partial(interrupted, tmp_path), numbers, moments, signals))
    begun = [out for (_, out), moment in zip(told, moments, strict=True) if moment]  # before, Python itself complains
    assert [out for out in begun if "Traceback" in out] == []
    assert [out for _, out in told if "bug in sockrun" in out] == []
    assert sum(status == 130 and "1 interrupted" in out for status, out in told) > MOMENTS // 2


def interrupted(folder: Path, number: int, moment: int | None, how: signal.Signals | None) -> tuple[int, str]:
    """Exit status and output of a run of one of four kinds: with programs or without, one that passes or fails."""
    traces = Traces(folder / str(number))
    end = '{check: "1 == 2"}' if number % 4 > 1 else "{pause: 1ms}"
    programs = {"plain": LISTENS, "daemon": DAEMON} if number % 2 else {}
    traces.write(programs, CHATTERS.format(mark=traces.mark, end=end))
    run = traces.start()
    assert run.stdout is not None
    shown = b"".join(run.stdout.readline() for _ in range(moment or 0))
    if how is not None:
        run.send_signal(how)
    status, out = finished(run)
    out = shown.decode() + out
    try:
        traces.hold_that_nothing_is_left(out)
    except AssertionError as error:
        raise AssertionError(f"run {number}, moment {moment}, {how}: {error}\n{out}") from error
    return status, out


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
    (program,) = traces.processes("cmdline")
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
