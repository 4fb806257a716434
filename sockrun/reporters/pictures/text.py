"""A diagram as lines of text: for a terminal of a certain width, in box drawing characters or in plain ASCII.

The one theory: a line is a row of cells. Lifelines stand in fixed columns, arrows lie between two of them, and what is
to be said about a row stands behind all lifelines, on more lines where it is long.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import TextIO

from sockrun.diagnostics import cells, visible
from sockrun.records import NamedTuple
from sockrun.reporters.pictures.diagram import Diagram, Row, Step
from sockrun.reporters.style import Style

TIME = 8  # cells for the time
NOTES = 34  # cells for what is said beside the lifelines, at least
NARROWEST, WIDEST = 12, 44  # cells between two lifelines
LONGEST = 3  # lines of what is said about a row
SILENCE = 0.1  # seconds between two rows from which on the gap is shown
WIDTH = 100  # where there is no terminal
MOST_LINES = 8  # lifelines beside each other


class Signs(NamedTuple):
    """What a diagram is drawn with."""

    line: str
    wait: str
    shaft: str
    dashes: str
    right: str
    left: str
    open_right: str
    open_left: str
    from_left: str
    from_right: str
    crossing: str
    event: str
    failed: str
    end: str
    gap: str
    cut: str
    to: str


BOXES = Signs("│", "┃", "─", "╌", "▶", "◀", "▷", "◁", "├", "┤", "┼", "●", "✗", "┴", "┊", "…", "→")
ASCII = Signs("|", "#", "-", ".", ">", "<", ")", "(", "|", "|", "+", "*", "x", "+", ":", "...", "->")


class Look(NamedTuple):
    """How a diagram is drawn on some stream."""

    width: int = WIDTH
    signs: Signs = BOXES
    style: Style = Style(False)


def look_for(stream: TextIO, style: Style) -> Look:
    """As wide as the terminal, in ASCII where the locale is C or the encoding has no box drawing characters."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if stream.isatty() or "COLUMNS" in os.environ else WIDTH
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(name)), "")
    plain = locale in ("C", "POSIX") or not _can_encode(stream.encoding)
    return Look(width, ASCII if plain else BOXES, style)


def _can_encode(encoding: str) -> bool:
    try:
        "".join(BOXES).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def draw(diagram: Diagram, look: Look) -> list[str] | None:
    """The lines; None where it does not fit."""
    columns = _columns(diagram, look.width)
    return None if columns is None else list(_Canvas(diagram, columns, look).lines())


# --- columns -----------------------------------------------------------------------------------


def _columns(diagram: Diagram, width: int) -> list[int] | None:
    """The cell of each lifeline, or None where they need more room than there is."""
    names = [cells(visible(line.name)) for line in diagram.lifelines]
    if not names or len(names) > MOST_LINES:
        return None
    least = [max(NARROWEST, (one + other) // 2 + 3) for one, other in pairwise(names)]
    first = TIME + 1 + names[0] // 2
    room = width - NOTES - first - names[-1] // 2
    if sum(least) > room:
        return None
    gaps = _widened(least, _wishes(diagram, least), room)
    return [first + sum(gaps[:number]) for number in range(len(names))]


def _wishes(diagram: Diagram, least: Sequence[int]) -> list[int]:
    """How far apart lifelines should be, so that what is written between them fits."""
    wanted = list(least)
    for row in diagram.rows:
        if row.by is None or row.to is None or row.by == row.to:
            continue
        one, other = sorted((row.by, row.to))
        share = -(-(cells(row.words) + 6) // (other - one))
        for gap in range(one, other):
            wanted[gap] = max(wanted[gap], min(share, WIDEST))
    return wanted


def _widened(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    gaps = list(least)
    for _ in range(room - sum(gaps)):
        behind = max(range(len(gaps)), key=lambda gap: wanted[gap] - gaps[gap], default=None)
        if behind is None or wanted[behind] <= gaps[behind]:
            break
        gaps[behind] += 1
    return gaps


# --- lines -------------------------------------------------------------------------------------


class _Canvas:
    def __init__(self, diagram: Diagram, columns: Sequence[int], look: Look) -> None:
        self._diagram = diagram
        self._columns = columns
        self._look = look
        self._signs = look.signs
        names = diagram.lifelines
        self._notes = columns[-1] + max(3, cells(visible(names[-1].name)) // 2 + 2)
        self._ended: set[int] = set()
        self._waiting: list[set[int]] = [set() for _ in range(len(diagram.rows) + 1)]
        for wait in diagram.waits:  # a bar stands between two rows
            for row in range(wait.first + 1, wait.last + 1):
                self._waiting[row].add(wait.line)

    def lines(self) -> Iterator[str]:
        yield self._names()
        before: float | None = None
        for number, row in enumerate(self._diagram.rows):
            seconds = row.step.seconds
            if before is not None and seconds - before >= SILENCE:
                yield self._line({}, self._waiting[number], f"{self._signs.gap} {_span(seconds - before)}", dim=True)
            before = max(seconds, before or 0.0)
            yield from self._row(number, row)

    def _names(self) -> str:
        line = ""
        for column, lifeline in zip(self._columns, self._diagram.lifelines, strict=True):
            name = visible(lifeline.name)
            start = column - cells(name) // 2
            line += " " * (start - cells(line)) + name
        return self._look.style("strong", line)

    def _row(self, number: int, row: Row) -> Iterator[str]:
        waiting = self._waiting[number]
        if row.kind == "cut":
            yield self._line({}, waiting, f"{self._signs.cut} {row.note}", dim=True)
            return
        marks = self._marks(row, waiting)
        room = max(20, self._look.width - self._notes)
        said = visible(self._said(row))
        first, *more = wrap(
            said, room, max_lines=LONGEST, placeholder=f" {self._signs.cut}", break_on_hyphens=False
        ) or [""]
        time = f"{row.step.seconds:7.3f} " if self._diagram.timed else ""
        yield self._line(marks, waiting, first, row, time)
        after = self._waiting[number + 1] & waiting
        if row.kind == "end":
            self._ended.update((row.by or 0, *row.also))
        for text in more:
            yield self._line({}, after, text, row)

    def _said(self, row: Row) -> str:
        """What is written beside a row: a sentence where there is one, and the steps."""
        own, other = self._step(row.step, row.by), self._step(row.taken, row.to)
        steps = f"{own} {self._signs.to} {other}".strip() if other else own
        if row.state == "lost":
            never = "never taken" if row.taken is None else "not all of it taken"
            steps = f"{steps}, {never}" if steps else never
        return "   ".join(text for text in (row.note, steps) if text)

    def _step(self, step: Step | None, line: int | None) -> str:
        """With the copy's name, where several share the lifeline."""
        if step is None:
            return ""
        shared = line is not None and " x " in self._diagram.lifelines[line].name
        return " ".join(text for text in (step.who if shared else "", str(step)) if text)

    def _marks(self, row: Row, waiting: set[int]) -> dict[int, str]:
        """What stands where, from its first cell on, beside plain lifelines."""
        signs, columns = self._signs, self._columns
        if row.by is None:
            return {}
        if row.kind == "end":
            return {columns[line]: signs.end for line in (row.by, *row.also)}
        if row.to is None or row.to == row.by:
            return {columns[row.by]: signs.failed if row.state == "failed" else signs.event}
        start, stop = columns[row.by], columns[row.to]
        left, right = min(start, stop) + 1, max(start, stop) - 1
        dashed = row.kind == "control"
        shaft = signs.dashes if dashed else signs.shaft
        rightwards = stop > start
        head = (signs.open_right, signs.open_left) if dashed else (signs.right, signs.left)
        tip = signs.failed if row.state else head[0 if rightwards else 1]
        words = _fitted(visible(row.words), right - left - 4, signs.cut)
        text = f" {words} " if words else ""
        free = right - left - cells(text)
        before = free // 2
        if row.via is not None:  # so that it is seen that the arrow goes through
            half = abs(columns[row.via] - start) - 1 - cells(text)
            before = before if half < 2 else half // 2 if rightwards else free - half + half // 2
        body = shaft * before + text + shaft * (free - before)
        marks = {left: body + tip if rightwards else tip + body}
        marks[start] = signs.from_left if rightwards else signs.from_right
        if row.via is not None and columns[row.via] not in (start, stop):
            marks |= self._crossed(marks, left, columns[row.via])
        return marks

    def _crossed(self, marks: dict[int, str], left: int, column: int) -> dict[int, str]:
        """The arrow goes through a proxy."""
        body, at = marks[left], column - left
        if (
            cells(body) != len(body)
            or not 0 < at < len(body)
            or body[at] not in (self._signs.shaft, self._signs.dashes)
        ):
            return {}
        return {left: body[:at] + self._signs.crossing + body[at + 1 :]}

    def _line(
        self,
        marks: dict[int, str],
        waiting: set[int],
        note: str,
        row: Row | None = None,
        time: str = "",
        dim: bool = False,
    ) -> str:
        lifelines = {
            column: self._signs.wait if number in waiting else self._signs.line
            for number, column in enumerate(self._columns)
            if number not in self._ended
        }
        line, width = f"{time:<{TIME}}", TIME
        for column, text in sorted({**lifelines, **marks}.items()):
            if column < width:
                continue  # an arrow lies over it
            line += " " * (column - width) + text
            width = column + cells(text)
        if note:
            line += " " * (self._notes - width) + note
        return self._painted(line.rstrip(), row, dim)

    def _painted(self, line: str, row: Row | None, dim: bool) -> str:
        if row is not None and row.state:
            return self._look.style({"failed": "bad", "lost": "odd"}.get(row.state, "dim"), line)
        return self._look.style("dim", line) if dim else line


def _fitted(words: str, room: int, cut: str) -> str:
    """The words, or their beginning where they are too long."""
    if cells(words) <= room:
        return words
    while words and cells(words) > room - len(cut):
        words = words[:-1]
    return words + cut if words else ""


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
