"""What the page is told of a scenario: its diagram, the file that it came from, and what went wrong, as JSON has it.

What is not said is not there: of a row without bytes no bytes.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any, TypeAlias

from sockrun.diagnostics import visible
from sockrun.reporters import failures
from sockrun.reporters.pictures.diagram import Diagram, Row, Step
from sockrun.reporters.pictures.tracing import of_result
from sockrun.reporters.style import Style
from sockrun.results import Result, Status
from sockrun.source import Source, Span

Told: TypeAlias = dict[str, Any]

LIFELINES = 12  # beside each other
ROWS = 300  # of a diagram; more than that is cut in the middle
BYTES = 2048  # of a row


class Files:
    """The texts of files, each once; steps are places in them."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, str]] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def place(self, span: Span) -> list[int]:
        """The file's number, from 0; line and column, from 1, of the step's first character and behind its last."""
        return [self._number(span.source), span.line, span.column, span.end_line, span.end_column]

    def _number(self, source: Source) -> int:
        key = source.path, source.text
        if key not in self._numbers:
            self._numbers[key] = len(self.told)
            self.told.append({"path": visible(source.path), "text": source.text})
        return self._numbers[key]


def scenario(result: Result, files: Files) -> Told:
    """All that is shown of one."""
    found: Told = {
        "id": visible(result.id),
        "name": visible(result.name),
        "tags": list(map(visible, result.tags)),
        "status": result.status.value,
        "seconds": round(result.seconds, 6),
    }
    if result.status is Status.SKIPPED:
        return {**found, "why": visible(result.reason)}
    if result.status is not Status.PASSED:
        found["why"] = "\n".join(failures.explain(result, Style(False)))
    if result.earlier:
        found["attempts"] = len(result.earlier) + 1
    if result.trace:
        found |= _diagram(of_result(result, LIFELINES).shortened(ROWS), files)
    return found


def _diagram(diagram: Diagram, files: Files) -> Told:
    return {
        "lines": [[visible(line.name), visible(line.kind)] for line in diagram.lifelines],
        "rows": [_row(row, files) for row in diagram.rows],
        "waits": [[wait.line, wait.first, wait.last, round(wait.seconds, 6), wait.failed] for wait in diagram.waits],
    }


def _row(row: Row, files: Files) -> Told:
    told = {
        "kind": row.kind,
        "state": row.state,
        "by": row.by,
        "to": row.to,
        "via": row.via,
        "also": list(row.also),
        "words": visible(row.words),
        "note": visible(row.note),
        "step": _step(row.step, files),
        "taken": None if row.taken is None else _step(row.taken, files),
        "data": None if row.data is None else b64encode(row.data[:BYTES]).decode(),
        "size": None if row.data is None or len(row.data) <= BYTES else len(row.data),
    }
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _step(step: Step, files: Files) -> Told:
    told: Told = {"seconds": round(step.seconds, 6), "who": visible(step.who), "number": str(step)}
    if step.place is not None:
        told["label"] = visible(step.place.label)
        told["at"] = files.place(step.place.span)
    return told
