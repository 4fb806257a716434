"""A scenario as a sequence diagram without a socket: what `sockrun show --diagram` draws.

Must not live here: what a diagram is, and how it looks (`reporters/pictures/`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sockrun.diagnostics import visible
from sockrun.pairing.trying import Patience, TooMuch, attempt
from sockrun.playing.simulation import impossible
from sockrun.program import Program
from sockrun.reporters.pictures import mermaid, planning, text
from sockrun.reporters.pictures.diagram import Diagram
from sockrun.reporters.pictures.tracing import of_result
from sockrun.results import Status

ROWS = 100  # of a diagram; more than that is cut in the middle


def diagram(program: Program, lines: int = text.MOST_LINES) -> tuple[Diagram, str]:
    """Of the roles played in memory, or, where that cannot be, of their steps; and a line that says which."""
    why = impossible(program)
    if why is None:
        try:
            result = attempt(program, Patience(), traced=True).result
        except TooMuch:
            why = "this is more than is tried here"
        else:
            if result.status in (Status.PASSED, Status.FAILED):
                return of_result(result, lines).shortened(ROWS), "played in memory"
            why = result.reason
    return planning.of_program(program).shortened(ROWS), f"as written, not played: {why}"


def as_text(program: Program, look: text.Look) -> Iterator[str]:
    """The lines of the diagram, or why there are none."""
    drawn, how = diagram(program)
    lines = text.draw(drawn, look)
    yield _name(program)
    yield look.style("dim", f"  {visible(how)}")
    if lines is None:
        names = ", ".join(line.name for line in drawn.lifelines)
        yield f"  {len(drawn.lifelines)} lifelines ({names}) do not fit into {look.width} columns"
    else:
        yield ""
        yield from (f"  {line}" for line in lines)


def _name(program: Program) -> str:
    name = f"{program.id}  {program.name}" if program.name else program.id
    return visible(name if program.mask is None else program.mask.text(name))


def as_mermaid(program: Program) -> Iterator[str]:
    drawn, how = diagram(program, lines=40)
    yield visible(f"%% {_name(program)}: {how}")
    yield from mermaid.write(drawn, "")
