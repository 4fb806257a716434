"""What GitHub shows of a run: annotations on the lines of files, and the summary of the job.

Annotations are workflow commands on standard output, `::error file=...,line=...::message`
(https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands), with paths from the workspace:
GitHub knows no others. They are written when the run has ended, behind the terminal's lines. The summary is Markdown,
added to the file that `GITHUB_STEP_SUMMARY` names, where there is one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from sockrun.diagnostics import Diagnostic, visible
from sockrun.reporters.base import Progress, Target, append_whole
from sockrun.reporters.failures import in_short
from sockrun.reporters.style import Style
from sockrun.reporters.terminal import summary
from sockrun.results import EXIT_STATUS, Result, Status, Trace
from sockrun.source import Span

ROWS = 200  # of the summary: GitHub takes a megabyte
_LONGEST = 300  # of a reason in the summary


class GitHub:
    """Satisfies `base.Reporter`."""

    def __init__(self, target: Target, environment: Mapping[str, str]) -> None:
        self._target = target
        self._workspace = os.path.realpath(environment.get("GITHUB_WORKSPACE") or ".")
        self._summary = environment.get("GITHUB_STEP_SUMMARY")
        self._progress = Progress()
        self._annotations: list[str] = []
        self._rows: list[tuple[str, str, str, str]] = []

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        for found in diagnostics:
            message = f"{found.message}\n{found.hint}" if found.hint else found.message
            self._annotate("error", f"{path} is invalid", found.span, [message])
            self._rows.append(("invalid", path, self._place(found.span), found.message))

    def trace(self, scenario: str, entry: Trace) -> None:
        """Nobody watches."""

    def result(self, result: Result) -> None:
        if result.status not in EXIT_STATUS and result.status is not Status.FLAKY:
            return
        span = result.failure.span if result.failure else None
        name = f"{result.id}: {result.name}" if result.name else result.id
        flaky = result.status is Status.FLAKY
        title = f"{name} {'is flaky' if flaky else _VERDICTS[result.status]}"
        self._annotate("warning" if flaky else "error", title, span, in_short(result), result.path)
        self._rows.append((result.status.value, name, self._place(span, result.path), result.reason))

    def end(self) -> None:
        if self._annotations:
            self._target.write("".join(f"{line}\n" for line in self._annotations))
        if self._summary:
            append_whole(self._summary, self._markdown())

    # --- annotations ---

    def _annotate(self, level: str, title: str, span: Span | None, message: Iterable[str], path: str = "") -> None:
        where = {"file": self._path(span.source.path if span else path)}
        if span is not None:
            where |= {"line": str(span.line), "col": str(span.column)}
            if span.line == span.end_line:
                where["endColumn"] = str(max(span.column, span.end_column - 1))
        where["title"] = visible(title)
        properties = ",".join(f"{name}={_property(value)}" for name, value in where.items())
        self._annotations.append(f"::{level} {properties}::{_data(chr(10).join(message))}")

    def _path(self, path: str) -> str:
        """From the workspace, for what lies in it."""
        real = os.path.realpath(path)
        inside = os.path.commonpath([real, self._workspace]) == self._workspace
        return os.path.relpath(real, self._workspace) if inside else path

    def _place(self, span: Span | None, path: str = "") -> str:
        return f"{self._path(span.source.path)}:{span.line}" if span else self._path(path)

    # --- the summary of the job ---

    def _markdown(self) -> str:
        progress = self._progress
        lines = [f"### sockrun: {summary(progress, Style(False))}", ""]
        if self._rows:
            lines += ["| | scenario | where | why |", "| --- | --- | --- | --- |"]
            lines += [f"| {' | '.join(map(_cell, row))} |" for row in self._rows[:ROWS]]
            lines += [""]
        if len(self._rows) > ROWS:
            lines += [f"... and {len(self._rows) - ROWS:,} more", ""]
        return "\n".join(lines) + "\n"


_VERDICTS = {
    Status.FAILED: "failed",
    Status.REFUSED: "was refused by the machine",
    Status.BUG: "was stopped by a bug in sockrun",
    Status.INTERRUPTED: "was interrupted",
}


def _data(text: str) -> str:
    """The toolkit's own escaping of a message: the runner undoes nothing else."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """A text for a table of Markdown, none of its characters taken for a mark."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return re.sub(r"([\\`*_{}\[\]<>|~#&$@!])", r"\\\1", visible(short))
