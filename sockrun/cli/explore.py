"""`sockrun explore`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.files import INVALID, assignments, find_files, load_files, make_options, nothing_selected, show_line
from sockrun.cli.options import Format, Paths, Real, Secrets, Seed, Tags, Text, Variables
from sockrun.cli.progress_line import ProgressLine
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import BUG, INTERRUPTED, REFUSED, complain
from sockrun.records import replace

if TYPE_CHECKING:
    from sockrun.exploring.decisions import Kind
    from sockrun.exploring.searching import Budget, Explored, Explores, Found
    from sockrun.exploring.telling import Words
    from sockrun.network.interrupts import Wakeable
    from sockrun.program import Program

Faults = Annotated[
    str,
    typer.Option(
        metavar="KINDS",
        help="What is tried, separated by commas: end (a connection ends early), split (how bytes arrive), order (who "
        "goes on first, and how fast), loss (what `network` may do to datagrams). All, if it is not said.",
    ),
]
BudgetText = Annotated[
    str, typer.Option("--budget", metavar="BUDGET", help="For each scenario: a duration (30s, 2m), or '500 runs'.")
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        help="Over real sockets, so that programs under test and --real peers are explored: how bytes arrive (split), "
        "and clients that vanish (end).",
    ),
]
Replay = Annotated[
    str | None, typer.Option(metavar="TOKEN", help="Play one scenario once, as the report of a fault says.")
]


@app.command(
    cls=SparingCommand,
    epilog=examples(
        "sockrun explore",
        "sockrun explore hello.yaml --budget 1m",
        "sockrun explore hello.yaml --faults split,order",
        "sockrun explore hello.yaml --replay cut=0:3",
        "sockrun explore redis.yaml --live",
    ),
)
def explore(
    paths: Paths = None,
    tag: Tags = None,
    text: Text = "",
    live: Live = False,
    real: Real = None,
    faults: Faults = "",
    budget: BudgetText = "",
    seed: Seed = 0,
    replay: Replay = None,
    format: Annotated[Format, typer.Option(help="For people, or for other programs.")] = Format.TEXT,
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Play scenarios in memory under many conditions.

    However bytes are cut on their way and whoever goes on first, the verdict must be the same; and no early end of a
    connection may go unnoticed. The first fault is shown with its shortest cause, and the command that plays it again.
    """
    from sockrun.compiling.swaps import Swaps
    from sockrun.exploring.decisions import KINDS
    from sockrun.exploring.live import FAULTS as LIVE
    from sockrun.exploring.telling import Words
    from sockrun.reporters.style import Style, style_for
    from sockrun.session import Selection

    kinds = _kinds(faults, LIVE if live else KINDS)
    allowed = _budget(budget or ("1m" if live else "10s"))
    if real and not live:
        raise typer.BadParameter("a real peer is no part of a simulation: say --live", param_hint="--real")
    selection = Selection(tuple(tag or ()), text)
    files = find_files(paths)
    swaps = Swaps(assignments("--real", real, "ROLE=ADDRESS"), {})
    loaded = load_files(files, replace(make_options(paths, var, secret), swaps=swaps))
    programs = [program for one in loaded for program in one.programs if selection.takes(program)]
    invalid = sum(bool(one.errors) for one in loaded)
    if not programs:
        if not invalid:
            complain(nothing_selected(selection, files))
        raise typer.Exit(INVALID)
    command = ["sockrun", "explore", *(word for given in var or () for word in ("--var", given))]
    command += [word for given in real or () for word in ("--real", given)]
    command += ["--live"] if live else []
    command += ["--seed", str(seed)] if seed else []
    words = Words(style_for(sys.stdout) if format is Format.TEXT else Style(False), allowed, command)
    exploration = (_Live if live else _Exploration)(words, format, kinds, allowed, seed)
    if replay is not None:
        raise typer.Exit(exploration.replay(programs, replay) or (INVALID if invalid else 0))
    raise typer.Exit(exploration.run(programs, invalid))


class _Exploration:
    """Scenarios one after the other, with what is said of each, and the exit status."""

    def __init__(self, words: Words, format: Format, kinds: Sequence[Kind], budget: Budget, seed: int) -> None:
        from sockrun.network.interrupts import Glance

        self._words = words
        self._text = format is Format.TEXT
        self._kinds = kinds
        self._budget = budget
        self._seed = seed
        self._glance = Glance()
        self._door: Wakeable = self._glance
        self._stopped = False
        self._place = (0, 0)
        self._line = ProgressLine(self._text)

    def run(self, programs: Sequence[Program], invalid: int) -> int:
        """Explore them all."""
        from sockrun.exploring.telling import as_json, summary
        from sockrun.network.interrupts import interrupts
        from sockrun.reporters.style import style_for

        started = time.monotonic()
        done: list[Explored] = []
        with interrupts(self._door, self._stop):
            explorer = self._explorer()
            for place, program in enumerate(programs, 1):
                self._place = (place, len(programs))
                done.append(self._explored(explorer, program))
                if self._text:
                    self._line.erase()
                    show_line("\n".join(self._words.explored(done[-1])))
                if self._interrupted():
                    break
        if self._text:
            left, seconds = len(programs) - len(done), time.monotonic() - started
            show_line(summary(done, left, invalid, seconds, style_for(sys.stdout)))
        else:
            show_line(as_json(done, self._words))
        return self._status(done, invalid)

    def replay(self, programs: Sequence[Program], token: str) -> int:
        """One run of the only scenario that is selected."""
        from sockrun.exploring.searching import Explored
        from sockrun.exploring.telling import as_json

        if len(programs) != 1:
            raise typer.BadParameter(f"it plays one scenario, and {len(programs)} are selected: choose one with -k")
        (program,) = programs
        try:
            finding, wrong = self._played_again(program, token)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--replay") from None
        explored = Explored(program, finding=finding if wrong else None)
        if self._text:
            show_line("\n".join(self._words.replayed(program, finding, wrong)))
        else:
            show_line(as_json([explored], self._words))
        return self._status([explored], 0)

    def _played_again(self, program: Program, token: str) -> tuple[Found, bool]:
        """Raises: ValueError, where the token is none, or none of this scenario."""
        from sockrun.exploring.decisions import decided
        from sockrun.exploring.searching import Explorer

        return Explorer((), self._budget, self._seed).replay(program, decided(token))

    def _explorer(self) -> Explores:
        from sockrun.exploring.searching import Explorer

        return Explorer(self._kinds, self._budget, self._seed, self._told, self._interrupted)

    def _explored(self, explorer: Explores, program: Program) -> Explored:
        from sockrun.exploring.searching import Explored as Made
        from sockrun.playing.requirements import unmet

        reason = unmet(program)
        return explorer.explore(program) if reason is None else Made(program, reason)

    def _status(self, done: Sequence[Explored], invalid: int) -> int:
        from sockrun.reporters.base import gravest
        from sockrun.results import Status

        of_a_status = {Status.BUG: BUG, Status.REFUSED: REFUSED}
        results = [explored.finding.trial.result for explored in done if explored.finding is not None]
        found = {of_a_status.get(result.status, 1) for result in results}
        found |= {INVALID} if invalid else set()
        found |= {INTERRUPTED} if self._stopped else set()
        return gravest(found)

    # --- while it runs ---

    def _stop(self) -> None:
        self._stopped = True

    def _interrupted(self) -> bool:
        self._glance.look()
        return self._stopped

    def _told(self, explored: Explored) -> None:
        from sockrun.exploring.telling import progress

        self._line.show(lambda: progress(explored, *self._place))


class _Live(_Exploration):
    """Over real sockets, whose selector hears of signals by itself."""

    def __init__(self, words: Words, format: Format, kinds: Sequence[Kind], budget: Budget, seed: int) -> None:
        from sockrun.exploring.live_search import LiveExplorer
        from sockrun.network.kernel import Kernel

        super().__init__(words, format, kinds, budget, seed)
        self._door = network = Kernel()
        self._live = LiveExplorer(network, kinds, budget, seed, self._told, self._interrupted)

    def _explorer(self) -> Explores:
        return self._live

    def _played_again(self, program: Program, token: str) -> tuple[Found, bool]:
        return self._live.replay(program, token)

    def _stop(self) -> None:
        super()._stop()
        self._live.stop()

    def _interrupted(self) -> bool:
        return self._stopped


# --- what was given ----------------------------------------------------------------------------


def _kinds(text: str, possible: Sequence[Kind]) -> Sequence[Kind]:
    wanted = [part.strip() for part in text.split(",")] if text else possible
    wrong = next((part for part in wanted if part not in possible), None)
    if wrong is not None:
        raise typer.BadParameter(f"{wrong!r} is none of {', '.join(possible)}", param_hint="--faults")
    return [kind for kind in possible if kind in wanted]


def _budget(text: str) -> Budget:
    from sockrun.exploring.searching import Budget as Made
    from sockrun.units import seconds

    number, runs, rest = text.replace(" ", "").partition("run")
    try:
        if runs and rest in ("", "s") and int(number) > 0:
            return Made(float("inf"), int(number))
        found = seconds(text)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise typer.BadParameter(f"{text!r} is no budget: say 30s, 2m or '500 runs'", param_hint="--budget")
    return Made(found)
