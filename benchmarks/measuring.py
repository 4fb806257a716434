"""Running one program once: where it runs, and what clock it is timed by.

A clock is a function from a command and its surroundings to seconds; the table of workloads names one for
each program. A program that fails ends the benchmark: a wrong answer has no speed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

PROGRAMS = Path(__file__).parent / "programs"
PROJECT = Path(__file__).parent.parent
TIMEOUT = 120  # seconds, for one run of one program


class ProgramError(Exception):
    """A program did not do its work; the text holds its command and what it wrote."""


def environment() -> dict[str, str]:
    """The variables that every program is given: the project is found wherever it runs."""
    found = dict(os.environ) | {"PYTHONPATH": str(PROJECT)}
    found.pop("PYTHONDONTWRITEBYTECODE", None)  # else each run would compile every module anew
    return found


@dataclass(frozen=True)
class Workshop:
    """The temporary folder that programs run in; compiled programs and scenario files lie there."""

    folder: Path

    def build(self) -> bool:
        """Compiles the C programs. Returns False where there is no compiler."""
        compiler = shutil.which("cc")
        if compiler is None:
            return False
        for source in sorted(PROGRAMS.glob("*.c")):
            command = [compiler, "-O2", "-o", str(self.folder / source.stem), str(source)]
            subprocess.run(command, check=True, timeout=TIMEOUT)
        return True

    def run(self, command: Sequence[str]) -> str:
        """What the command prints. Raises: ProgramError."""
        shown = " ".join(command)
        try:
            done = subprocess.run(
                command, cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired as late:
            raise ProgramError(f"{shown}\nhad not ended after {TIMEOUT} s") from late
        if done.returncode != 0:
            raise ProgramError(f"{shown}\nended with {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


Clock: TypeAlias = Callable[[Workshop, Sequence[str]], float]


def whole_process(workshop: Workshop, command: Sequence[str]) -> float:
    """Seconds from the start of the process to its end."""
    begun = time.perf_counter()
    workshop.run(command)
    return time.perf_counter() - begun


def first_time(workshop: Workshop, command: Sequence[str]) -> float:
    """Seconds of the whole process where nothing that an earlier run remembered can help."""
    with tempfile.TemporaryDirectory(dir=workshop.folder) as empty:
        return whole_process(workshop, [*command, "--cache", empty])


def printed(workshop: Workshop, command: Sequence[str]) -> float:
    """The seconds that the program printed: its work without its start-up."""
    return float(workshop.run(command))


def reported(workshop: Workshop, command: Sequence[str]) -> float:
    """The seconds that sockrun's own JSON report gives to its scenario: the work without the start-up."""
    report = workshop.folder / "report.json"
    workshop.run([*command, "--json", str(report)])
    events = [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines()]
    return float(next(event["seconds"] for event in reversed(events) if "seconds" in event))
