"""What every reporter is told, and where its text goes.

The one theory: writing may fail at any moment (a full disk, a closed pipe), and it fails in one place: a
`Target` turns the system's errors into `EnvironmentRefused`, which ends the run with exit status 3.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

from sockrun.diagnostics import Diagnostic, EnvironmentRefused, ReaderGone
from sockrun.records import dataclass, field
from sockrun.results import EXIT_STATUS, Result, Status, Trace

STDOUT = "-"


@dataclass
class Progress:
    """How far a run is. The session keeps it up to date; `seconds` is known at the end."""

    files: int = 0
    repeat: int = 1
    seed: int | None = None  # of a simulated run
    read: int = 0  # files
    selected: int = 0  # scenarios, the repetitions not counted
    chosen: int | None = None  # scenarios, where that is known before the first is played
    left_out: int = 0  # scenarios that are selected and not played here: those of other shards
    invalid: int = 0  # files
    results: Counter[Status] = field(default_factory=Counter)
    cut_short: bool = False  # by --fail-fast
    interrupted: bool = False
    broken: int = 0  # the exit status for what ended the run, where that was no scenario
    seconds: float = 0.0

    @property
    def done(self) -> int:
        return self.results.total()

    @property
    def expected(self) -> int:
        """How many results there will be: a guess until all files are read."""
        if self.chosen is not None:
            return max(self.done, self.chosen * self.repeat)
        per_file = self.selected / self.read if self.read else 1.0
        return max(self.done, round(per_file * self.files) * self.repeat)

    @property
    def exit_status(self) -> int:
        """Of all that went wrong the gravest: the first in 130, 70, 2, 3, 1."""
        statuses = {EXIT_STATUS[status] for status in self.results if status in EXIT_STATUS}
        statuses.add(self.broken)
        if self.interrupted:
            statuses.add(130)
        if self.invalid or not (self.selected or self.left_out):
            statuses.add(2)
        return gravest(statuses)


def gravest(statuses: set[int]) -> int:
    """The exit status of a run to which all of these apply."""
    return next((status for status in (130, 70, 2, 3, 1) if status in statuses), 0)


class Reporter(Protocol):
    """Is told of a run as it happens. Each method raises EnvironmentRefused where its text cannot be written."""

    def begin(self, progress: Progress) -> None:
        """The run starts; `progress` stays up to date until its end."""
        ...

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        """A file cannot be played."""
        ...

    def trace(self, scenario: str, entry: Trace) -> None:
        """A role of the scenario with this id has done something (only where all of it is wanted: `-v`)."""
        ...

    def result(self, result: Result) -> None:
        """A scenario has ended, or was skipped."""
        ...

    def end(self) -> None:
        """Nothing more will come."""
        ...


# --- where text goes ---------------------------------------------------------------------------


class Target:
    """A stream that is written line by line as things happen; `name` is what people call it."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self.stream = stream
        self._name = name

    def write(self, text: str) -> None:
        """Write and show it at once. Raises: EnvironmentRefused."""
        with writing(self._name):
            try:
                self.stream.write(text)
                self.stream.flush()
            except BrokenPipeError as error:
                if self.stream is sys.stdout:
                    raise ReaderGone(f"{self._name} cannot be written: {error.strerror}") from None
                raise

    def close(self) -> None:
        """Close it, unless it is standard output. Raises: EnvironmentRefused."""
        if self.stream is not sys.stdout:
            with writing(self._name):
                self.stream.close()


def open_target(path: str) -> Target:
    """A file that is emptied, or standard output for `-`. Raises: EnvironmentRefused."""
    if path == STDOUT:
        return Target(sys.stdout, "standard output")
    with writing(path):
        return Target(open(path, "w", encoding="utf-8", errors="backslashreplace"), path)


def write_whole(path: str, content: str | bytes) -> None:
    """Write a file so that nobody ever sees half of it. Raises: EnvironmentRefused.

    What is no regular file (a pipe, /dev/stderr) is written directly, since it must not be replaced.
    """
    if path == STDOUT:
        open_target(path).write(content if isinstance(content, str) else content.decode("utf-8", "backslashreplace"))
        return
    with writing(path):
        real = os.path.realpath(path)
        if os.path.exists(real) and not stat.S_ISREG(os.stat(real).st_mode):
            _write(real, content)
            return
        draft = f"{real}.{os.getpid()}.tmp"
        try:
            _write(draft, content)
            os.replace(draft, real)
        except OSError:
            with suppress(OSError):
                os.unlink(draft)
            raise


def append_whole(path: str, text: str) -> None:
    """Add to a file that others write to as well, in one piece. Raises: EnvironmentRefused."""
    with writing(path), open(path, "a", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)


def check_folder(path: str) -> None:
    """Find out before the run whether a report can be written after it. Raises: EnvironmentRefused."""
    folder = os.path.dirname(os.path.realpath(path))
    if path != STDOUT and not os.path.isdir(folder):
        raise EnvironmentRefused(f"{path} cannot be written: there is no folder {folder}")
    if path != STDOUT and os.path.isdir(path):
        raise EnvironmentRefused(f"{path} cannot be written: it is a folder")
    if path != STDOUT and not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise EnvironmentRefused(f"{path} cannot be written: permission denied")


def _write(path: str, content: str | bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace"))


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Tell the system's refusal to write as what it is. Raises: EnvironmentRefused."""
    try:
        yield
    except OSError as error:
        raise EnvironmentRefused(f"{name} cannot be written: {error.strerror or error}") from None
