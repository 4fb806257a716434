"""A pack played by a Dask cluster: a real scheduler and two real workers, of which one dies."""

from __future__ import annotations

import json
import os
import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import COMMAND, FAILS, ROOT, CommandLine
from tests.test_spreading import ids, killer

pytest.importorskip("distributed", reason="sockrun[dask] is not installed")

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "3"}


class Dask:
    """A scheduler and its workers, as programs of their own. `address` is what `--cluster` takes."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self._folder = folder
        self._ending = ending
        self.address = self._start("scheduler", "--port", "0", until=r"Scheduler at:\s+(tcp://\S+)")

        self.workers: list[subprocess.Popen[str]] = []

    def add_worker(self) -> None:
        words = (self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny")
        self._start("worker", *words, until=r"Registered to:\s+(\S+)")

    def _start(self, what: str, *words: str, until: str) -> str:
        """Start one; what `until` finds in its output says that it is there."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *words, "--no-dashboard"]
        if what == "scheduler":
            command += ["--host", "127.0.0.1"]
        process = subprocess.Popen(
            command, cwd=self._folder, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._ending.enter_context(process)
        self._ending.callback(process.kill)
        if what == "worker":
            self.workers.append(process)
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            found = re.search(until, line)
            if found is not None:
                return found[1]
        raise AssertionError("".join(seen))


@pytest.fixture
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    with ExitStack() as ending:
        dask = Dask(tmp_path_factory.mktemp("dask"), ending)
        dask.add_worker()
        dask.add_worker()
        yield dask


def run(folder: Path, address: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, "run", str(folder), "--cluster", address, "--no-cache"]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)


def test_a_worker_that_dies_loses_nothing_and_nothing_is_counted_twice(sockrun: CommandLine, dask: Dask) -> None:
    for number in range(30):
        sockrun.passing(f"good{number:02}.yaml")
    sockrun.write("bad.yaml", FAILS)
    sockrun.write("killer.yaml", killer(sockrun.folder, always=False))
    outcome = run(sockrun.folder, dask.address)
    assert outcome.returncode == 1, outcome.stdout + outcome.stderr
    assert (sockrun.folder / "killed").exists()
    assert "31 passed, 1 failed" in outcome.stdout.splitlines()[-1]
    assert len(set(ids(outcome.stdout))) == len(ids(outcome.stdout)) == 31
    assert 'expected "pang\\n"' in outcome.stdout


ECHO = """
roles:
  server: {protocol: tcp, side: server, framing: line, steps: [{expect: ping}, {send: pong}]}
  client: {side: client, to: server, framing: line, steps: [{send: ping}, {expect: pong}]}
"""


class Answers(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Answering)
        if self.rfile.readline() == b"ping\n":
            with suppress(OSError):  # a killed worker does not listen
                self.wfile.write(b"pong\n")
            server.count()


class Answering(socketserver.ThreadingTCPServer):
    """A real server, which calls `then` when it has answered so often."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, times: int, then: Callable[[], object]) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self._times = times
        self._then = then
        self.answered = count(1)

    def count(self) -> None:
        if next(self.answered) == self._times:
            self._then()


@contextmanager
def answering(times: int, then: Callable[[], object]) -> Iterator[str]:
    """Its address."""
    with Answering(times, then) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def load(folder: Path, dask: Dask, address: str, *words: str) -> tuple[int, dict[str, Any]]:
    command = [*COMMAND, "load", "echo.yaml", "--real", f"server={address}", "--cluster", dask.address]
    arguments = ["--users", "4", *words, "--json", "load.json"]
    done = subprocess.run([*command, *arguments], cwd=folder, env=ENVIRONMENT, timeout=300, check=False)
    return done.returncode, json.loads((folder / "load.json").read_text())


def test_a_cluster_is_one_load(sockrun: CommandLine, dask: Dask) -> None:
    """Every iteration is played once, by one of two workers."""
    sockrun.write("echo.yaml", ECHO)
    with answering(0, lambda: None) as address:
        status, told = load(sockrun.folder, dask, address, "--iterations", "200")
    assert (status, told["workers"], told["iterations"]["passed"]) == (0, 2, 200)
    assert told["iterations"]["latency"]["count"] == told["steps"]["client 2"]["count"] == 200


def test_an_interruption_ends_the_workers_of_a_load(sockrun: CommandLine, dask: Dask) -> None:
    """They come home with what they have, long before the load would have ended."""
    sockrun.write("echo.yaml", ECHO)
    command = [*COMMAND, "load", "echo.yaml", "--users", "4", "--duration", "300s", "--json", "load.json"]
    started: list[subprocess.Popen[bytes]] = []
    with answering(50, lambda: started[0].terminate()) as address:
        words = ["--real", f"server={address}", "--cluster", dask.address]
        started.append(subprocess.Popen([*command, *words], cwd=sockrun.folder, env=ENVIRONMENT))
        with started[0] as process:
            assert process.wait(timeout=200) == 130
    told = json.loads((sockrun.folder / "load.json").read_text())
    assert told["iterations"]["passed"] >= 49
    assert (told["workers"], told["lost_workers"]) == (2, 0)


def test_a_worker_that_dies_in_a_load_is_told_and_nothing_is_counted_twice(sockrun: CommandLine, dask: Dask) -> None:
    sockrun.write("echo.yaml", ECHO)
    with answering(50, dask.workers[1].kill) as address:
        status, told = load(sockrun.folder, dask, address, "--duration", "4s")
    assert (status, told["workers"], told["lost_workers"]) == (0, 2, 1)
    assert told["iterations"]["passed"] == told["iterations"]["latency"]["count"] > 0


def test_where_no_scheduler_is_that_is_said(sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    outcome = run(sockrun.folder, "tcp://127.0.0.1:1")
    assert outcome.returncode == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in outcome.stderr
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("address", ["nonsense", "tcp://", "http://127.0.0.1:1", "tcp://127.0.0.1"])
def test_what_is_no_address_is_said(address: str, sockrun: CommandLine) -> None:
    sockrun.passing("good.yaml")
    outcome = sockrun("run", "good.yaml", "--cluster", address)
    assert outcome.status == 2
    assert f"{address!r} is no scheduler's address" in outcome.err
