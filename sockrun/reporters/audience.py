"""Everybody who is told of a run, and how far it is.

Lives here: the order in which reporters begin and end, and what counts. Must not live here: who plays (`session.py`,
`spreading/`). The one theory: whatever ends a run, every report is written, and none tells of one that went well.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from sockrun.diagnostics import Diagnostic, EnvironmentRefused
from sockrun.reporters.base import Progress, Reporter
from sockrun.results import EXIT_STATUS, Result, Status, Trace


class Audience:
    """The reporters of one run. `progress` is kept up to date for them."""

    def __init__(self, reporters: Sequence[Reporter], progress: Progress, fail_fast: bool = False) -> None:
        self._reporters = reporters
        self._fail_fast = fail_fast
        self.progress = progress

    @contextmanager
    def attending(self) -> Iterator[ExitStack]:
        """For the whole run; what is put on the stack is given back before the reports end.

        Raises: EnvironmentRefused, when a report cannot be written.
        """
        with ExitStack() as ending:
            for reporter in reversed(self._reporters):
                ending.callback(reporter.end)
            ending.callback(self._stop_the_clock, time.monotonic())
            ending.enter_context(self._remembering_errors())
            for reporter in self._reporters:
                reporter.begin(self.progress)
            yield ending.enter_context(ExitStack())

    def result(self, result: Result) -> bool:
        """Tell of a result; whether the run is to be cut short.

        After the first failure of `--fail-fast` what else was running does not count.
        """
        if self.progress.cut_short and result.status is Status.INTERRUPTED:
            return False
        self.progress.results[result.status] += 1
        for reporter in self._reporters:
            reporter.result(result)
        cut_short = self._fail_fast and result.status in EXIT_STATUS and not self.progress.interrupted
        self.progress.cut_short |= cut_short
        return cut_short

    def invalid(self, path: str, errors: Sequence[Diagnostic]) -> None:
        self.progress.invalid += 1
        for reporter in self._reporters:
            reporter.invalid(path, errors)

    def trace(self, scenario: str, entry: Trace) -> None:
        for reporter in self._reporters:
            reporter.trace(scenario, entry)

    def _stop_the_clock(self, started: float) -> None:
        self.progress.seconds = time.monotonic() - started

    @contextmanager
    def _remembering_errors(self) -> Iterator[None]:
        try:
            yield
        except EnvironmentRefused:
            self.progress.broken = EXIT_STATUS[Status.REFUSED]
            raise
        except KeyboardInterrupt:
            self.progress.interrupted = True
            raise
        except Exception:
            self.progress.broken = EXIT_STATUS[Status.BUG]
            raise
