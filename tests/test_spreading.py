"""A pack that several workers share is told as if one process had played it, whatever becomes of the workers."""

from __future__ import annotations

import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import sockrun as package
from sockrun.reporters.transcript import transcript
from sockrun.results import Result, Status
from sockrun.spreading.portable import portable
from tests.command_line import COMMAND, FAILS, INVALID, LONG, ROOT, CommandLine
from tests.playing import play

# Ends the worker that plays it: the parent of the keeper beside the program.
KILLS = """
    import os, pathlib, signal
    def parent(pid):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    if FIRST:
        os.kill(parent(os.getppid()), signal.SIGKILL)
        signal.pause()
"""


def killer(folder: Path, *, always: bool) -> str:
    """A scenario whose worker dies when it is played, at the first time or each."""
    mark = folder / "killed"
    first = "True" if always else f"not os.path.exists({str(mark)!r}) and not open({str(mark)!r}, 'w').close()"
    code = textwrap.dedent(KILLS).replace("FIRST", first)
    indented = textwrap.indent(code.strip(), " " * 8)
    return f"""
processes:
  killer:
    command:
      - {sys.executable}
      - -c
      - |-
{indented}
    expect_exit: 0
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def ids(out: str, word: str = "PASS") -> list[str]:
    return sorted(re.findall(rf"^{word} (\S+)", out, re.MULTILINE))


def test_a_pack_gives_the_same_results_with_workers(sockrun: CommandLine) -> None:
    for number in range(20):
        sockrun.passing(f"good{number}.yaml")
    sockrun.write("bad.yaml", FAILS)
    sockrun.write("skipped.yaml", "requires: {command: [there-is-no-such]}\n" + FAILS)
    sockrun.write("wrong.yaml", INVALID)
    alone, shared = sockrun("run", "."), sockrun("run", ".", "--jobs", "2")
    assert shared.status == alone.status == 2
    for word in ("PASS", "FAIL", "SKIP", "INVALID"):
        assert ids(shared.out, word) == ids(alone.out, word)
    last = re.compile(r" in [0-9.]+ s$")
    assert last.sub("", shared.out.strip()).splitlines()[-1] == last.sub("", alone.out.strip()).splitlines()[-1]


def told(out: str) -> str:
    """Without what differs from run to run: times, ports, and the mark of a long pause."""
    return re.sub(r"\b\d+\.\d{3} |:\d{4,5}\b|\d+ m?s\b", "", out).replace("┃", "│")


def test_a_failure_is_told_in_full(sockrun: CommandLine) -> None:
    sockrun.write("bad.yaml", FAILS)
    alone, shared = sockrun("run", "bad.yaml"), sockrun("run", "bad.yaml", "-j", "2")
    first = [line for line in told(alone.out).splitlines() if "accepts" not in line]
    second = [line for line in told(shared.out).splitlines() if "accepts" not in line]
    assert first[:-1] == second[:-1]
    assert shared.status == 1


def test_the_transcript_comes_too(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    assert '> "ping"' in sockrun("run", "good.yaml", "-j", "2", "-v").out


def test_scenarios_with_the_same_fixed_port_never_meet(sockrun: CommandLine) -> None:
    port = free_port()
    for number in range(8):
        sockrun.write(
            f"p{number}.yaml",
            f"roles:\n  s: {{protocol: tcp, side: server, port: {port}, steps: [{{expect: x}}, {{pause: 20ms}}]}}\n"
            "  c: {side: client, to: s, payload: x}\n",
        )
        sockrun.passing(f"free{number}.yaml")
    outcome = sockrun("run", ".", "-j", "4")
    assert outcome.status == 0, outcome.out
    assert "16 passed" in outcome.out


def test_only_what_was_chosen_is_played(sockrun: CommandLine) -> None:
    for number in range(9):
        sockrun.passing(f"good{number}.yaml")
    parts = [sockrun("run", ".", "-j", "2", "--shard", f"{part}/3").out for part in (1, 2, 3)]
    assert [len(ids(part)) for part in parts] == [3, 3, 3]
    assert len({name for part in parts for name in ids(part)}) == 9


def test_the_first_failure_ends_it_where_that_is_wanted(sockrun: CommandLine) -> None:
    sockrun.write("bad.yaml", FAILS)
    sockrun.write("long.yaml", LONG)
    outcome = sockrun("run", ".", "-j", "2", "--fail-fast")
    assert outcome.status == 1
    assert "1 failed" in outcome.out.splitlines()[-1]


# --- workers that die --------------------------------------------------------------------------


def test_what_a_dead_worker_had_is_played_again_and_told_once(sockrun: CommandLine) -> None:
    for number in range(30):
        sockrun.passing(f"good{number:02}.yaml")
    sockrun.write("good15k.yaml", killer(sockrun.folder, always=False))
    outcome = sockrun("run", ".", "-j", "2")
    assert outcome.status == 0, outcome.out
    assert (sockrun.folder / "killed").exists()
    assert Counter(ids(outcome.out)).most_common(1)[0][1] == 1
    assert len(ids(outcome.out)) == 31


def test_who_always_kills_its_worker_is_named_and_no_one_else(sockrun: CommandLine) -> None:
    for number in range(10):
        sockrun.passing(f"good{number:02}.yaml")
    sockrun.write("killer.yaml", killer(sockrun.folder, always=True))
    outcome = sockrun("run", ".", "-j", "2")
    assert outcome.status == 3
    assert len(ids(outcome.out)) == 10
    assert "its worker died 3 times" in outcome.out
    assert "`sockrun run killer.yaml`" in outcome.out


# --- its end -----------------------------------------------------------------------------------

SLEEPS = f"""
processes:
  sleeper: {{command: [{sys.executable}, -c, "import signal; signal.pause()"], expect_exit: 0}}
"""


@contextmanager
def running(folder: Path, jobs: int) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A run, and the processes below it once all its scenarios play."""
    for number in range(jobs * 4):
        (folder / f"sleeps{number}.yaml").write_text(SLEEPS)
    command = [*COMMAND, "run", ".", "--jobs", str(jobs), "--timeout", "60s", "--no-cache"]
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=-1, stderr=-1
    ) as process:
        try:
            below: list[int] = []
            while sum(b"signal.pause" in words(pid) for pid in below) < jobs * 4:
                assert process.poll() is None
                below = descendants(process.pid)
            yield process, below
        finally:
            process.kill()


def words(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(folder.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, ()))
    return found[1:]


def gone(pids: list[int]) -> bool:
    return not any(words(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with running(tmp_path, 2) as (process, below):
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in out
        assert "Traceback" not in out + err
        while not gone(below):
            pass


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, 2) as (process, below):
        process.kill()
        process.communicate(timeout=60)
        while not gone(below):
            pass


# --- from Python, and elsewhere ----------------------------------------------------------------


def test_any_executor_will_do(sockrun: CommandLine) -> None:
    for number in range(6):
        sockrun.passing(f"good{number}.yaml")
    with ThreadPoolExecutor(3) as executor:
        results = package.run(sockrun.folder, executor=executor, jobs=3)
    assert [result.status for result in results] == [Status.PASSED] * 6


def test_worker_processes_from_python(sockrun: CommandLine) -> None:
    for number in range(6):
        sockrun.passing(f"good{number}.yaml")
    assert len(package.run(sockrun.folder, jobs=2)) == 6


def test_workers_are_given_files_and_no_programs(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    with pytest.raises(TypeError, match="name the files"):
        package.run(package.load("good.yaml"), jobs=2)


@pytest.mark.parametrize(
    "text",
    [
        "roles:\n  s: {protocol: tcp, side: server, steps: [{expect: {regex: a+b}}, {send: x}]}\n"
        "  c: {side: client, to: s, steps: [{send: aab}, {expect: {length: 1}}, {expect: no}]}\n",
        "roles:\n  s: {protocol: tcp, side: server, steps: [{expect: {length: 100}}, {pause: 1ms}, {signal: go}]}\n"
        "  c: {side: client, to: s, steps: [{send: {random: 100}}, {wait: go}, {check: 1 == 2}]}\n",
    ],
)
def test_what_is_sent_home_reads_the_same(text: str) -> None:
    result = play(text)
    assert result.failure is not None
    copy: Result = pickle.loads(pickle.dumps(portable(result)))
    assert transcript(copy.trace) == transcript(result.trace)
    assert copy.reason == result.reason


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--jobs", "0"], "'0' is no number of workers, and not auto"),
        (["--jobs", "many"], "'many' is no number of workers, and not auto"),
        (["--jobs", "2", "--play", "server"], "--play awaits somebody here"),
        (["--jobs", "2", "--cluster", "tcp://127.0.0.1:1"], "--jobs and --cluster exclude each other"),
    ],
)
def test_what_makes_no_sense_is_said(sockrun: CommandLine, words: list[str], told: str) -> None:
    sockrun.passing("good.yaml")
    outcome = sockrun("run", "good.yaml", *words)
    assert outcome.status == 2
    assert told in outcome.err
