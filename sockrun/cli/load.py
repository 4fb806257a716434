"""`sockrun load`."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.cli import ci
from sockrun.cli.application import app, examples
from sockrun.cli.files import alone_on_stdout, assignments, make_options, show_line
from sockrun.cli.options import AllowedHosts, ClusterAddress, Jobs, Real, Secrets, Text, Variables
from sockrun.cli.progress_line import on_a_terminal, write_out
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import INTERRUPTED, complain
from sockrun.records import dataclass, field, replace

if TYPE_CHECKING:
    from sockrun.loadtest.data import Data
    from sockrun.loadtest.figures import Figures
    from sockrun.loadtest.halves import Halves, Order
    from sockrun.loadtest.plan import Plan
    from sockrun.loadtest.running import Outcome
    from sockrun.loadtest.thresholds import Condition
    from sockrun.program import Program
    from sockrun.spreading.crews import Crew

FAILED, INVALID = 1, 2
OFTEN = 1.0  # seconds between two pictures of a live screen


Users = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many play at the same time; 1 if neither this nor --rate is said."),
]
Rate = Annotated[
    str | None,
    typer.Option(metavar="R/s", help="Begin so many iterations a second, whether the ones before have ended or not."),
]
Ramp = Annotated[str, typer.Option(metavar="DURATION", help="The time until all users, or the rate, are there.")]
Duration = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long iterations begin; 10s if neither this nor --iterations is said."),
]
Iterations = Annotated[int | None, typer.Option(min=1, metavar="N", help="How many iterations, of all users.")]
DataFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="CSV with a row of values for each iteration; the first line has their names."),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CONDITION",
        help="Status 1 if it holds: 'p99(STEP) > 50ms', 'errors > 0.1%', 'rate < 100' (repeatable).",
    ),
]
HtmlFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write a page with plots over time.")]
CsvFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write a line for each second.")]
FiguresFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write all figures.")]


@app.command(
    cls=SparingCommand,
    epilog=examples(
        "sockrun load scenarios/udp_reverse.yaml --users 10 --duration 30s",
        "sockrun load web.yaml --real server=127.0.0.1:8080 --rate 500/s --fail-if 'p99 > 50ms'",
        "sockrun load login.yaml --data accounts.csv --users 100 --ramp 10s --html load.html",
    ),
)
def load(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The scenario.")],
    users: Users = None,
    rate: Rate = None,
    ramp: Ramp = "0s",
    duration: Duration = None,
    iterations: Iterations = None,
    data: DataFile = None,
    fail_if: FailIf = None,
    text: Text = "",
    var: Variables = None,
    secret: Secrets = None,
    real: Real = None,
    allow_host: AllowedHosts = None,
    jobs: Jobs = "1",
    cluster: ClusterAddress = None,
    html: HtmlFile = None,
    csv: CsvFile = None,
    json: FiguresFile = None,
) -> None:
    """Play a scenario as load.

    Its clients are played by many users at the same time, again and again, its servers once for all of them (or they
    are real ones, with --real). A user's steps may use ${user} and ${iteration}, numbers from 0. Needs `sockrun[load]`.
    """
    from sockrun.compiling.swaps import Swaps
    from sockrun.loadtest import latencies
    from sockrun.loadtest.halves import Order
    from sockrun.network.interrupts import interrupts

    latencies.check()
    reports = {"html": html, "csv": csv, "json": json}
    quiet = _check_reports(reports)
    options = replace(make_options([path], var, secret), swaps=Swaps(assignments("--real", real, "ROLE=ADDRESS")))
    rows = _data(data)
    order = Order(path, options, text, rows.columns)
    halves = _halves(order)
    plan = _with_rows(_plan(users, rate, ramp, duration, iterations), rows, halves.users)
    conditions = _conditions(fail_if, halves.users)
    crew = _crew(jobs, cluster, halves)

    from sockrun.loadtest.running import Load

    screen = Screen(not quiet and on_a_terminal())
    outcome = Load(order, halves, plan, allow_host or (), interrupts, screen.show, crew).run()
    screen.erase()
    _report(halves.users.id, outcome, conditions, reports)
    raise typer.Exit(_status(outcome, conditions))


# --- what was asked for ------------------------------------------------------------------------


def _check_reports(reports: Mapping[str, str | None]) -> bool:
    """Whether one of them has standard output for itself. Raises: EnvironmentRefused, BadParameter."""
    from sockrun.reporters.base import check_folder

    alone = alone_on_stdout(reports)
    for path in filter(None, reports.values()):
        check_folder(path)
    return alone


def _halves(order: Order) -> Halves:
    """Both programs; what is wrong with the file is told here."""
    from sockrun.compiling.loading import find
    from sockrun.diagnostics import EnvironmentRefused, Invalid, render_all
    from sockrun.loadtest.halves import Unfit, halves
    from sockrun.playing.requirements import unmet

    if order.path.is_dir():
        raise typer.BadParameter(
            f"{order.path} is a folder: name the scenario file that is to be played", param_hint="FILE"
        )
    try:
        find([order.path])
    except Invalid as invalid:
        complain(f"{order.path}: {invalid.diagnostics[0].message}")
        raise typer.Exit(INVALID) from None
    found = halves(order)
    if isinstance(found, Unfit):
        if found.errors:
            typer.echo("\n".join(render_all(found.errors)), err=True)
        else:
            complain(f"{order.path} has {_which(found.ids, order.text)}")
        raise typer.Exit(INVALID)
    if found.users.expect_failure:
        complain(f"{order.path} is expected to fail: load makes sense only of what passes")
        raise typer.Exit(INVALID)
    reason = unmet(found.servers)
    if reason is not None:
        raise EnvironmentRefused(f"{order.path} cannot be played here: {reason}")
    return found


def _crew(jobs: str, cluster: str | None, halves: Halves) -> Callable[[], Crew] | None:
    """What makes the workers; None: everything is played here."""
    scheduler, width = ci.scheduler(jobs, cluster), ci.width(jobs)
    if scheduler is not None and (halves.servers.roles or halves.servers.processes):
        words = "workers elsewhere cannot reach servers that are played here: name the real ones with --real"
        raise typer.BadParameter(words, param_hint="--cluster")
    if scheduler is None and width == 1:
        return None
    from sockrun.spreading.crews import Cluster, Household

    return partial(Household, width) if scheduler is None else partial(Cluster, scheduler)


def _which(others: Sequence[str], text: str) -> str:
    if not others:
        return f"no scenario with {text!r} in its id or name"
    return f"{len(others)} scenarios that fit, and one can be loaded: name it with -k, as {', '.join(others)}"


def _plan(users: int | None, rate: str | None, ramp: str, duration: str | None, iterations: int | None) -> Plan:
    from sockrun.loadtest.plan import DURATION, Plan

    each_second = None if rate is None else _rate(rate)
    lasts = inf if duration is None else _seconds("--duration", duration)
    if duration is None and iterations is None:
        lasts = DURATION
    if not lasts:
        raise typer.BadParameter("it must be more than nothing", param_hint="--duration")
    return Plan(
        1 if users is None and each_second is None else users, each_second, _seconds("--ramp", ramp), lasts, iterations
    )


def _with_rows(plan: Plan, data: Data, program: Program) -> Plan:
    from sockrun.loadtest.data import rows

    try:
        return replace(plan, rows=rows(data, program))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None


def _data(path: str | None) -> Data:
    from sockrun.loadtest.data import Data, read

    if path is None:
        return Data()
    try:
        return read(path)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--data") from None
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="--data") from None


def _conditions(given: list[str] | None, program: Program) -> list[Condition]:
    """Those of the command line; where none is about errors, one of them is enough to fail."""
    from sockrun.loadtest.meter import step_names
    from sockrun.loadtest.thresholds import NO_ERRORS, condition

    names = step_names(program)
    try:
        found = [condition(text, names) for text in given or ()]
        return found if any(one.of_errors for one in found) else [*found, condition(NO_ERRORS, names)]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fail-if") from None


def _seconds(option: str, text: str) -> float:
    from sockrun.units import seconds

    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _rate(text: str) -> float:
    try:
        found = float(text.removesuffix("/s"))
    except ValueError:
        found = 0.0
    if not 0 < found < inf:
        raise typer.BadParameter(f"{text!r} is no rate such as 500/s", param_hint="--rate")
    return found


# --- what is said of it ------------------------------------------------------------------------


@dataclass
class Screen:
    """A picture of the figures so far, which is drawn over the one before; only where somebody sees it."""

    wanted: bool
    _drawn: int = 0
    _looked: float = field(default_factory=time.monotonic)

    def show(self, measure: Callable[[], Figures]) -> None:
        now = time.monotonic()
        if not self.wanted or now - self._looked < OFTEN:
            return
        self._looked = now
        from sockrun.loadtest.summary import live
        from sockrun.reporters.style import style_for

        width, height = shutil.get_terminal_size()
        lines = [line[: width - 1] for line in live(measure())][: max(1, height - 1)]
        lines[0] = style_for(sys.stdout)("strong", lines[0])  # once it is cut: the end of a colour must not be
        self.erase()
        write_out("".join(f"{line}\n" for line in lines))
        self._drawn = len(lines)

    def erase(self) -> None:
        if self._drawn:
            write_out(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0


def _report(
    identity: str, outcome: Outcome, conditions: Sequence[Condition], reports: Mapping[str, str | None]
) -> None:
    from sockrun.loadtest import page, tables
    from sockrun.loadtest.summary import report
    from sockrun.reporters import failures
    from sockrun.reporters.base import STDOUT, write_whole
    from sockrun.reporters.style import style_for

    figures = outcome.figures
    makers: Mapping[str, Callable[[], str]] = {
        "html": lambda: page.page(identity, figures, conditions),
        "csv": lambda: tables.as_csv(figures),
        "json": lambda: tables.as_json(identity, figures, conditions),
    }
    for name, path in reports.items():
        if path is not None:
            write_whole(path, makers[name]())
    style = style_for(sys.stdout)
    if STDOUT not in reports.values():
        show_line("\n".join([style("strong", f"load {identity}"), *report(figures, conditions, style)]))
    if outcome.fault is not None:
        typer.echo("\n".join(failures.explain(outcome.fault, style_for(sys.stderr))), err=True)


def _status(outcome: Outcome, conditions: Sequence[Condition]) -> int:
    from sockrun.reporters.base import gravest
    from sockrun.results import EXIT_STATUS

    figures = outcome.figures
    statuses = set()
    if any(one.holds(figures) for one in conditions) or not (figures.iterations or outcome.interrupted):
        statuses.add(FAILED)
    if outcome.interrupted:
        statuses.add(INTERRUPTED)
    if outcome.fault is not None:
        statuses.add(EXIT_STATUS[outcome.fault.status])
    return gravest(statuses)
