"""A diagram as text that Mermaid draws, as GitHub and GitLab do (https://mermaid.js.org/syntax/sequenceDiagram.html).

The one theory: in a text `;` ends a statement and `#` begins an entity, so every character that could mean something is
written as an entity of its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sockrun.diagnostics import visible
from sockrun.reporters.pictures.diagram import Diagram, Row

_MEANINGFUL = re.compile(r"[^\w \".,:()/'=?+*!-]")


def write(diagram: Diagram, title: str) -> list[str]:
    """The lines of the diagram."""
    return [
        "sequenceDiagram",
        *([f"    title {_text(title)}"] if title else []),
        *(f"    participant p{n} as {_text(line.name)}" for n, line in enumerate(diagram.lifelines)),
        *(f"    {line}" for row in diagram.rows for line in _row(row, len(diagram.lifelines))),
    ]


def _row(row: Row, lifelines: int) -> Iterator[str]:
    """Nothing for the end of a lifeline: here they all go on to the bottom."""
    if row.kind == "end":
        return
    if row.by is None or row.kind == "cut":
        over = "p0" if lifelines < 2 else f"p0,p{lifelines - 1}"
        yield f"Note over {over}: {_text(row.note)}"
    elif row.to is None:
        failed = "✗ " if row.state == "failed" else ""
        yield f"Note over p{row.by}: {failed}{_text(row.note)}"
    else:
        dashes = "--" if row.kind == "control" else "-"
        tip = "x" if row.state else ">>" if row.kind == "bytes" else ")"
        yield f"p{row.by}{dashes}{tip}p{row.to}: {_text(row.words) or row.kind}"


def _text(text: str) -> str:
    return _MEANINGFUL.sub(lambda found: f"#{ord(found[0])};", visible(text)).strip()
