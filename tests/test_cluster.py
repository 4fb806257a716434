"""A pack played by a Dask cluster: a real scheduler and two real workers, of which one dies."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

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
