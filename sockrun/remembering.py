"""What one run leaves for the next: how long each scenario took, which did not pass, and which texts are right.

These are two small files in a folder of its own, `.sockrun_cache` where the command was given. The one theory: nothing
depends on them. Each is written whole or not at all; one that cannot be read, or written, is told in one line and is
otherwise as good as none.

A line of `runs` is `0.012 KEY` or `failed KEY`, in Python's `unicode_escape`: each run reads and writes it, and JSON
takes longer to load than a small scenario to play.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import isfinite

from sockrun.diagnostics import Diagnostic, EnvironmentRefused
from sockrun.program import Program
from sockrun.reading.shapes import SIZE, Shapes
from sockrun.records import dataclass, field
from sockrun.reporters.base import Progress, write_whole
from sockrun.results import EXIT_STATUS, Result, Status, Trace

_FILE = "runs"
_SHAPES = "shapes"  # digests, one behind the other
_FIRST_LINE = b"sockrun remembers 1"
_FAILED = "failed"
_GONE_BAD = frozenset(EXIT_STATUS) - {Status.INTERRUPTED}  # an interrupted one has shown nothing


@dataclass
class Remembered:
    """By key (`key_of`): seconds; and the scenarios, or invalid files, that did not pass."""

    durations: dict[str, float] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


def key_of(path: str, name: str = "") -> str:
    """A scenario's id, or a file, with its path from where the command was given, however the path was written."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(".")) + name.removeprefix(path)


def key(program: Program) -> str:
    return key_of(program.source.path, program.id)


def keys(program: Program) -> tuple[str, str]:
    """Its own, and that under which its file stands while that is invalid."""
    return key(program), key_of(program.source.path)


class Memory:
    """The file of a folder. `warn` is told once, in a sentence, when it is of no use."""

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self._folder = folder
        self._path = os.path.join(folder, _FILE)
        self._shapes = os.path.join(folder, _SHAPES)
        self._warn = warn
        self._warned = False

    def load(self) -> Remembered:
        """What is known; nothing, where there is no file, or one that is no such file."""
        try:
            with open(self._path, "rb") as stream:
                return _read(stream.read())
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            self._useless(f"cannot be read: {error.strerror or error}")
        except ValueError:
            self._useless("is damaged: what it remembered is lost")
        return Remembered()

    def save(self, remembered: Remembered) -> None:
        timed = (f"{seconds:.3f} {key}" for key, seconds in sorted(remembered.durations.items()))
        failed = (f"{_FAILED} {key}" for key in sorted(remembered.failed))
        lines = [_FIRST_LINE, *(line.encode("unicode_escape") for line in (*timed, *failed))]
        self._write(self._path, b"".join(line + b"\n" for line in lines))

    def shapes(self, version: str) -> Shapes:
        """The texts that are known to be right, by this version of sockrun."""
        try:
            with open(self._shapes, "rb") as stream:
                data = stream.read()
        except OSError:
            return Shapes(version)  # if it is there and cannot be read, the other file cannot either, and tells it
        return Shapes(version, (data[at : at + SIZE] for at in range(0, len(data) - SIZE + 1, SIZE)))

    def keep(self, shapes: Shapes) -> None:
        learned = shapes.learned()
        if learned is not None:
            self._write(self._shapes, b"".join(sorted(learned)))

    def _write(self, path: str, content: str | bytes) -> None:
        try:
            os.makedirs(self._folder, exist_ok=True)
            ignored = os.path.join(self._folder, ".gitignore")
            if not os.path.exists(ignored):
                write_whole(ignored, "# Made by sockrun: what it remembers between runs.\n*\n")
            write_whole(path, content)
        except OSError as error:
            self._useless(f"cannot be written: {error.strerror or error}")
        except EnvironmentRefused as refused:
            self._useless(str(refused).removeprefix(f"{path} "))

    def _useless(self, why: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"warning: {self._path} {why}")


def _read(data: bytes) -> Remembered:
    """Raises: ValueError, where it is no such file."""
    first, *lines = data.splitlines()
    found = Remembered()
    if first != _FIRST_LINE:
        raise ValueError
    for line in lines:
        word, space, key = line.decode("unicode_escape").partition(" ")
        if not space:
            raise ValueError
        if word == _FAILED:
            found.failed.add(key)
        else:
            found.durations[key] = float(word)
    if not all(isfinite(seconds) and seconds >= 0 for seconds in found.durations.values()):
        raise ValueError
    return found


class Rememberer:
    """Satisfies `reporters.base.Reporter`: adds a run to what is known. `timed`: its durations count too."""

    def __init__(self, memory: Memory, timed: bool = True) -> None:
        self._memory = memory
        self._timed = timed
        self._durations: dict[str, float] = {}
        self._passed: set[str] = set()
        self._failed: set[str] = set()
        self._valid: set[str] = set()

    def begin(self, progress: Progress) -> None: ...

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self._failed.add(key_of(path))

    def trace(self, scenario: str, entry: Trace) -> None: ...

    def result(self, result: Result) -> None:
        file = key_of(result.path)
        key = file + result.id.removeprefix(result.path)
        if result.status in _GONE_BAD:
            self._failed.add(key)
        elif result.status in (Status.PASSED, Status.FLAKY):
            self._passed.add(key)
            self._durations[key] = result.seconds
        self._valid.add(file)

    def end(self) -> None:
        if not (self._failed or self._passed):
            return
        known = self._memory.load()
        if self._timed:
            known.durations |= self._durations
        known.failed = (known.failed - self._passed - self._valid) | self._failed
        self._memory.save(known)
