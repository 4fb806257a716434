"""A load as one page of HTML, with plots over time, that needs no network and no script."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator, Sequence
from importlib.resources import files
from string import Template

from sockrun import __version__
from sockrun.diagnostics import visible
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.summary import doubts, heading, report
from sockrun.loadtest.tables import COLUMNS, rows
from sockrun.loadtest.thresholds import Condition, duration
from sockrun.records import dataclass
from sockrun.reporters.style import Style

WIDTH, HEIGHT, MARGIN = 860, 200, 70  # of a plot, in pixels; the margin is for its numbers
GRID = 4  # lines


@dataclass(frozen=True)
class Plot:
    """`lines`: columns of the table, each with what it is called. `per_second`: they are divided by the interval."""

    title: str
    lines: Sequence[tuple[str, str]]
    of_time: bool = False
    per_second: bool = False


PLOTS = (
    Plot("iterations a second", (("iterations", "passed"), ("failed", "failed")), per_second=True),
    Plot("latency of an iteration", (("p50", "p50"), ("p90", "p90"), ("p99", "p99")), of_time=True),
    Plot("users at the same time", (("users", "users"),)),
)


def page(identity: str, figures: Figures, conditions: Sequence[Condition]) -> str:
    text = "\n".join(report(figures, conditions, Style(False)))
    warnings = "".join(f"<p class=doubt>{_escaped(doubt)}</p>" for doubt in doubts(figures))
    return Template(files(__package__).joinpath("page.html").read_text("utf-8")).substitute(
        title=_escaped(identity),
        heading=_escaped(heading(figures)),
        doubts=warnings,
        plots="".join(_plot(plot, figures) for plot in PLOTS),
        report=_escaped(text),
        about=_escaped(f"sockrun {__version__}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"),
    )


def _escaped(text: str) -> str:
    return html.escape("\n".join(map(visible, text.splitlines())))


def _plot(plot: Plot, figures: Figures) -> str:
    """One plot, as SVG."""
    table = rows(figures)
    columns = [[_value(row, name, plot, figures) for row in table] for name, _ in plot.lines]
    top = max((value for column in columns for value in column), default=0.0) or 1.0
    end = figures.span * max(1, len(table))
    legend = "".join(f"<span class=line{n}>{_escaped(name)}</span>" for n, (_, name) in enumerate(plot.lines))
    drawn = "".join(_line(number, column, top) for number, column in enumerate(columns))
    return (
        f"<h2>{_escaped(plot.title)} <small>{legend}</small></h2>"
        f'<svg viewBox="0 0 {WIDTH + MARGIN} {HEIGHT + 24}" role="img" aria-label="{_escaped(plot.title)}">'
        f"{''.join(_grid(top, end, plot.of_time))}{drawn}</svg>"
    )


def _value(row: Sequence[float], name: str, plot: Plot, figures: Figures) -> float:
    value = row[COLUMNS.index(name)]
    if not plot.per_second:
        return value
    began = row[0]
    return value / max(min(figures.span, figures.seconds - began), 0.1 * figures.span)


def _grid(top: float, end: float, of_time: bool) -> Iterator[str]:
    for number in range(GRID + 1):
        value = top * number / GRID
        shown = duration(value) if of_time else f"{value:,.4g}"
        y = _y(value, top)
        yield f'<line x1="{MARGIN}" x2="{MARGIN + WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{MARGIN - 6}" y="{y + 4:.1f}" text-anchor="end">{shown}</text>'
        x = MARGIN + WIDTH * number / GRID
        anchor = "end" if number == GRID else "middle"
        yield f'<text x="{x:.1f}" y="{HEIGHT + 20}" text-anchor="{anchor}">{duration(end * number / GRID)}</text>'


def _line(number: int, values: Sequence[float], top: float) -> str:
    """Each value over the middle of its interval."""
    width = WIDTH / max(1, len(values))
    points = [(MARGIN + width * (at + 0.5), _y(value, top)) for at, value in enumerate(values)]
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in points) if len(values) < WIDTH / 10 else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<g class="line{number}"><polyline points="{path}"/>{dots}</g>'


def _y(value: float, top: float) -> float:
    return 4 + (HEIGHT - 8) * (1 - value / top)
