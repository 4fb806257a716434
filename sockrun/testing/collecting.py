"""Scenario files as pytest's files, and each combination of a matrix as one of its items.

Must not live here: which files are meant (`plugin.py`). What is shown is the command line's, word for word.

The one theory: a scenario is read and played from the folder in which pytest was started, whatever tests have
made the current one, so that paths in messages are what `sockrun run` shows there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from sockrun import api
from sockrun.background import ScenarioFailed
from sockrun.compiling.loading import Options, load_scenario
from sockrun.diagnostics import Invalid, visible
from sockrun.network.turns import turn
from sockrun.playing.requirements import unmet
from sockrun.program import Program
from sockrun.records import NamedTuple
from sockrun.reporters import terminal
from sockrun.reporters.style import Style
from sockrun.testing.plugin import FOLDERS

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

NAME = "scenario"
_MARK = re.compile(r"[A-Za-z]\w*([-.]\w+)*")  # what `-m` can name, and the registration can hold
# Marks to which pytest gives a meaning of its own; a tag is only a word.
_PYTESTS = frozenset({"filterwarnings", "parametrize", "skip", "skipif", "usefixtures", "xfail"})


class ScenarioFile(pytest.File):
    """A file of scenarios; one that has only steps has none."""

    def collect(self) -> Iterator[ScenarioItem]:
        folders = (self.config.rootpath, *self.config.getini(FOLDERS))
        here = self.config.invocation_params.dir
        path = self.path.relative_to(here) if self.path.is_relative_to(here) else self.path
        with chdir(here):
            loaded = load_scenario(path, Options(folders=folders))
        if loaded.errors:
            raise Invalid(loaded.errors)
        for program in loaded.programs:
            name = NAME + visible(program.id[len(program.source.path) :])
            # Said here, since pytest takes what it makes of a name for one without parameters, and `--lf` forgets it.
            yield ScenarioItem.from_parent(self, name=name, nodeid=f"{self.nodeid}::{name}", program=program)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str | TerminalRepr:
        error = excinfo.value
        if not isinstance(error, Invalid):
            return super().repr_failure(excinfo)
        first = error.diagnostics[0]
        path, line = first.span.source.path, first.span.line
        return _shown(lambda style: terminal.invalid(path, error.diagnostics, style), Crash(path, line, first.message))


class ScenarioItem(pytest.Item):
    """A scenario with one combination of its matrix."""

    def __init__(self, *, program: Program, **others: object) -> None:
        super().__init__(**others)  # type: ignore[arg-type]
        self._program = program
        self.extra_keyword_matches.update((program.name, *program.tags))
        for tag in program.tags:
            self._mark(tag)
        reason = unmet(program)
        if reason is not None:
            self.add_marker(pytest.mark.skip(reason=reason))

    def _mark(self, tag: str) -> None:
        """A tag is a mark, which is made known, so that `--strict-markers` has nothing against it."""
        if not _MARK.fullmatch(tag) or tag in _PYTESTS:
            return
        known = (re.split("[:(]", line)[0].strip() for line in self.config.getini("markers"))
        if tag not in known:
            self.config.addinivalue_line("markers", f"{tag}: a tag of sockrun scenarios")
        self.add_marker(tag)

    def runtest(self) -> None:
        ports = (port for _, port in self._program.fixed_ports)
        with turn(ports), chdir(self.config.invocation_params.dir):
            (result,) = api.run(self._program)
        if not result.passed:
            raise ScenarioFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str | TerminalRepr:
        error = excinfo.value
        if not isinstance(error, ScenarioFailed):
            return super().repr_failure(excinfo)
        (result,) = error.results
        span = (result.failure and result.failure.span) or self._program.span
        return _shown(
            lambda style: terminal.in_full(result, style), Crash(span.source.path, span.line, visible(result.reason))
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self._program.span.line - 1, visible(self._program.id)


# --- what pytest shows -------------------------------------------------------------------------


class Crash(NamedTuple):
    """Where and why, in a line: for pytest's summary."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


class _Shown:
    """Instead of a traceback; has what pytest asks of its own TerminalRepr, whose home is private."""

    def __init__(self, lines: Callable[[Style], Iterable[str]], crash: Crash) -> None:
        self._lines = lines
        self.reprcrash = crash

    def toterminal(self, tw: pytest.TerminalReporter) -> None:
        for line in self._lines(Style(tw.hasmarkup)):
            tw.line(line)

    def __str__(self) -> str:
        return "\n".join(self._lines(Style(False)))


def _shown(lines: Callable[[Style], Iterable[str]], crash: Crash) -> TerminalRepr:
    return cast("TerminalRepr", _Shown(lines, crash))
