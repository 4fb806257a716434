"""What is said of a load on a terminal: while it lasts, and when it has ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from sockrun.diagnostics import visible
from sockrun.hexdump import size_text
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.latencies import Latencies
from sockrun.loadtest.thresholds import Condition, duration
from sockrun.reporters.findings import count
from sockrun.reporters.style import Style

PERCENTILES = (50, 90, 99, 99.9)
HEADINGS = ("count", *(f"p{percent:g}" for percent in PERCENTILES), "max", "mean")
SHOWN = 10  # kinds of errors
BUSY = 0.9  # share of a processor from which on sockrun itself is what holds things up
LATE = 0.5  # share of the median latency that the loop may be late before that matters


def table(figures: Figures) -> Iterator[str]:
    """A line for the iterations, and one for each step."""
    rows = [("iteration", figures.latencies), *figures.steps.items()]
    width = max(len(visible(name)) for name, _ in rows)
    yield " " * width + "".join(f"{heading:>10}" for heading in HEADINGS)
    for name, latencies in rows:
        yield f"{visible(name):<{width}}" + "".join(f"{cell:>10}" for cell in _cells(latencies))


def _cells(latencies: Latencies) -> Iterator[str]:
    yield f"{latencies.count:,}"
    yield from map(duration, latencies.all_at(PERCENTILES))
    yield duration(latencies.most)
    yield duration(latencies.mean)


def heading(figures: Figures) -> str:
    """How much came of it."""
    parts = [
        f"{figures.iterations:,} iterations in {duration(figures.seconds)} ({figures.rate:,.0f}/s)",
        f"{figures.failed:,} failed ({100 * figures.share_failed:.3g}%)",
    ]
    if figures.unfinished:
        parts.append(f"{figures.unfinished:,} unfinished")
    parts.append(f"up to {count(figures.most_users, 'user')}")
    if figures.workers > 1:
        parts.append(f"{figures.workers} workers")
    return ", ".join(parts)


def live(figures: Figures) -> Iterator[str]:
    """What is shown while it lasts."""
    yield f"{heading(figures)}, {figures.users:,} playing now"
    yield from table(figures)


def report(figures: Figures, conditions: Sequence[Condition], style: Style) -> Iterator[str]:
    """What is said at the end."""
    yield style("good" if not figures.failed else "bad", heading(figures))
    yield f"{figures.connections:,} connections, {size_text(figures.sent)} sent, {size_text(figures.received)} received"
    yield ""
    yield from table(figures)
    yield from _errors("errors:", figures.errors, style)
    yield from _errors("what the servers saw go wrong:", figures.server_errors, style)
    warnings = list(doubts(figures))
    if warnings:
        yield ""
        yield from (style("odd", f"warning: {warning}") for warning in warnings)
    if conditions:
        yield ""
    for condition in conditions:
        failed, told = condition.holds(figures), condition.told(figures)
        yield style("bad", "FAIL") + f"  {told}" if failed else style("good", "pass") + f"  not {told}"


def _errors(title: str, errors: Counter[str], style: Style) -> Iterator[str]:
    if not errors:
        return
    yield ""
    yield style("bad", title)
    for kind, times in errors.most_common(SHOWN):
        yield f"{times:>8,}  {visible(kind)}"
    if len(errors) > SHOWN:
        yield f"{'':>8}  and {len(errors) - SHOWN} more kinds"


def doubts(figures: Figures) -> Iterator[str]:
    """Why the figures may say less of what was tested than of who tested it."""
    if not figures.iterations:
        yield "no iteration came to a good end"
    share = figures.busy / figures.seconds / max(1, figures.workers) if figures.seconds else 0.0
    late, median = figures.late.at(99), figures.latencies.at(50)
    if share > BUSY or (figures.iterations and late > LATE * median and share > BUSY / 2):
        yield (
            f"sockrun itself is the bottleneck: it was busy {100 * min(share, 1.0):.0f}% of the time, and its loop "
            f"up to {duration(late)} late (p99), which is in the latencies, too; "
            "take more workers (--jobs auto), or less load"
        )
    if figures.delayed:
        yield f"{count(figures.delayed, 'iteration')} began late, since no user was idle: take more --users"
    if figures.lost:
        yield f"{count(figures.lost, 'worker')} died, and what it had counted is lost"
