"""The Test Anything Protocol, version 14, written whole when the run has ended.

https://testanything.org/tap-version-14-specification.html. One test point a scenario, and one that is not ok for a file
that cannot be played; what went wrong stands below it as a block of YAML. A run that did not come to its end bails out,
so that no harness takes what is there for all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from sockrun.diagnostics import Diagnostic, render_all, visible
from sockrun.reporters import transcript
from sockrun.reporters.base import Progress, check_folder, write_whole
from sockrun.reporters.failures import explain
from sockrun.reporters.findings import count
from sockrun.reporters.style import Style
from sockrun.results import Result, Status, Trace
from sockrun.source import Span

_OK = frozenset({Status.PASSED, Status.FLAKY, Status.SKIPPED})


class Tap:
    """Satisfies `base.Reporter`."""

    def __init__(self, path: str) -> None:
        check_folder(path)
        self._path = path
        self._progress = Progress()
        self._points = 0
        self._lines: list[str] = []

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        message = diagnostics[0].message if len(diagnostics) == 1 else count(len(diagnostics), "error")
        members = {"message": message, "status": "invalid", **_at(diagnostics[0].span)}
        self._point(False, path, "", _block(members, render_all(diagnostics)))

    def trace(self, scenario: str, entry: Trace) -> None:
        """The transcript comes with the result."""

    def result(self, result: Result) -> None:
        skipped = result.status is Status.SKIPPED
        name = f"{result.id}: {result.name}" if result.name else result.id
        directive = f" # SKIP {_escaped(result.reason)}" if skipped else ""
        self._point(result.status in _OK, name, directive, () if skipped else _diagnostics(result))

    def end(self) -> None:
        progress = self._progress
        plan = f"1..{self._points}" if self._points else "1..0 # SKIP nothing was played"
        ending = [f"Bail out! {_bail_out(progress)}"] if _bail_out(progress) else []
        write_whole(self._path, "\n".join(["TAP version 14", plan, *self._lines, *ending, ""]))

    def _point(self, passed: bool, name: str, directive: str, block: Sequence[str] | Iterator[str]) -> None:
        self._points += 1
        verdict = "ok" if passed else "not ok"
        self._lines += [f"{verdict} {self._points} - {_escaped(name)}{directive}", *block]


def _bail_out(progress: Progress) -> str:
    """Why what is written is not all; empty where it is."""
    if progress.interrupted:
        return "interrupted"
    if progress.broken:
        return f"the run could not be finished (exit status {progress.broken})"
    return "stopped at the first failure" if progress.cut_short else ""


def _diagnostics(result: Result) -> Iterator[str]:
    milliseconds: dict[str, object] = {"duration_ms": round(result.seconds * 1000, 3)}
    if result.status is Status.PASSED:
        return _block(milliseconds, ())
    failure = result.failure
    members = {"message": result.reason, "status": result.status.value, **_at(failure.span if failure else None)}
    if result.earlier:
        members["attempts"] = len(result.earlier) + 1
    lines = [*explain(result, Style(False))]
    if result.trace:
        lines += ["transcript", *transcript.transcript(result.trace)]
    return _block(members | milliseconds, lines)


def _at(span: Span | None) -> dict[str, object]:
    return {} if span is None else {"file": span.source.path, "line": span.line, "column": span.column}


def _block(members: dict[str, object], explanation: Sequence[str]) -> Iterator[str]:
    """YAML, indented by two as the protocol wants; JSON's scalars are YAML's."""
    yield "  ---"
    for name, value in members.items():
        shown = visible(value) if isinstance(value, str) else value
        yield f"  {name}: {json.dumps(shown, ensure_ascii=False)}"
    first, *rest = "\n".join(explanation).strip("\n").split("\n")
    if first:
        yield "  explanation: |"
        yield f"    {visible(first.lstrip()) or '-'}"  # the first line says how far all are indented
        yield from (f"    {visible(line)}".rstrip() for line in rest)
    yield "  ..."


def _escaped(text: str) -> str:
    """For a description or a reason: `#` would begin a directive."""
    return re.sub(r"([\\#])", r"\\\1", visible(text))
