"""The runs of an audit, and what comes of them.

Lives here: which mutants are tried, in which order, and for how long. Must not live here: what they are
(`expectations.py`, `sendings.py`) and how it is told (`telling.py`, `report.py`).

The one theory: the scenarios of a file are one test. A change that one combination of its matrix notices is noticed;
so what has been noticed once is not tried again. Coarse changes come first, since nothing finer has to be tried where
nobody notices those; the others come in an order at random, so that a budget that ends leaves a fair sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from random import Random

from sockrun.auditing.expectations import Mutant, Unreached, expectations
from sockrun.auditing.matchers import Key
from sockrun.auditing.probe import Probe
from sockrun.auditing.sendings import is_sent, sendings
from sockrun.auditing.sites import Site, altered
from sockrun.auditing.telling import Outcome, holes, vague
from sockrun.diagnostics import Diagnostic
from sockrun.network.interrupts import Glance
from sockrun.playing.requirements import unmet
from sockrun.playing.simulation import Simulation, impossible
from sockrun.program import Program
from sockrun.records import NamedTuple, dataclass, field
from sockrun.results import Result, Status

BUDGET = 10.0  # seconds for one file
TURNS = 200_000  # of the loop, in one run


class Tally(NamedTuple):
    """`total` changes there are, `noticed` of `tried` were noticed."""

    total: int = 0
    tried: int = 0
    noticed: int = 0

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where nothing was tried."""
        return self.noticed / self.tried if self.tried else 0.0


@dataclass(frozen=True)
class Audit:
    """What came of one file: how many changes of its expectations were noticed, and of the bytes that it sends.

    `holes` are those that nobody noticed, each with its place: of expectations first, then bytes that nobody looks at.
    `untried` says which bytes are left out because there are too many, `reasons` why scenarios of the file were not
    audited; `failing`: one of them does not pass unchanged.
    """

    path: str
    expectations: Tally
    bytes: Tally
    holes: tuple[Diagnostic, ...] = ()
    untried: tuple[str, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()  # ids, and why
    failing: bool = False
    interrupted: bool = False
    audited: bool = True  # whether any of its scenarios was

    @property
    def score(self) -> float:
        """The share of the changes of expectations that were noticed, from 0 to 1; 0 where it expects nothing."""
        return self.expectations.share

    @property
    def cut_short(self) -> bool:
        """Whether not all was tried."""
        return any(tally.tried < tally.total for tally in (self.expectations, self.bytes))


class Progress(NamedTuple):
    """How far the audit of a file is: of `total` changes so many were tried, or need not be."""

    path: str
    done: int
    total: int


class Stopped(Exception):  # noqa: N818
    """Somebody wants the audit to end."""


class Looked(NamedTuple):
    """A program, and what its run unchanged has shown."""

    program: Program
    probe: Probe


@dataclass
class _Findings:
    """What is known of the changes of a file, by their keys."""

    mutants: dict[Key, list[tuple[Looked, Mutant]]] = field(default_factory=dict)
    unreached: dict[Key, tuple[Looked, Unreached]] = field(default_factory=dict)
    outcomes: dict[Key, Outcome] = field(default_factory=dict)

    def add(self, looked: Looked) -> None:
        for found in expectations(*looked):
            if isinstance(found, Unreached):
                self.unreached.setdefault(found.key, (looked, found))
            else:
                self.mutants.setdefault(found.key, []).append((looked, found))
        for sending in sendings(*looked):
            self.mutants.setdefault(sending.key, []).append((looked, sending))

    def settle(self) -> None:
        """What one of the scenarios has reached is reached."""
        reached = {key[:end] for key in self.mutants for end in range(len(key) + 1)}
        for key, (looked, found) in self.unreached.items():
            if key not in reached:
                self.outcomes[key] = Outcome(
                    key, looked.program, found.place, found.words, noticed=False, reached=False
                )

    def in_order(self) -> Iterator[Key]:
        """Coarse changes first."""
        coarse = {key for key in self.mutants if self._has_finer(key)}
        fine = [key for key in self.mutants if key not in coarse]
        Random(0).shuffle(fine)
        yield from sorted(coarse, key=len)
        yield from fine

    def _has_finer(self, key: Key) -> bool:
        return any(len(other) > len(key) and other[: len(key)] == key for other in self._near(key))

    def _near(self, key: Key) -> Iterable[Key]:
        if not self._by_site:
            by_site = sorted(self.mutants, key=lambda one: str(one[:2]))
            self._by_site.update({site: list(keys) for site, keys in groupby(by_site, key=lambda one: one[:2])})
        return self._by_site[key[:2]]

    _by_site: dict[Key, list[Key]] = field(default_factory=dict)

    def tally(self, *, sent: bool) -> Tally:
        """Of the bytes that were sent, or of all else."""
        found = [outcome for key, outcome in self.outcomes.items() if is_sent(key) == sent]
        wanted = (key for key in self.mutants if is_sent(key) == sent and key not in self.outcomes)
        left = sum(not self.hidden(key) for key in wanted)
        return Tally(len(found) + left, len(found), sum(outcome.noticed for outcome in found))

    def hidden(self, key: Key) -> bool:
        """Whether nobody has noticed a coarser change."""
        coarser = (self.outcomes.get(key[:end]) for end in range(2, len(key)))
        return any(outcome is not None and not outcome.noticed for outcome in coarser)


class Auditor:
    """Audits files one after the other. `budget` is seconds for each. `door` is the way in for signals; `told` hears of
    each change that is to be tried."""

    def __init__(self, budget: float = BUDGET, told: Callable[[Progress], None] = lambda progress: None) -> None:
        self.door = Glance()
        self._budget = budget
        self._told = told
        self._stopped = False

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True

    def close(self) -> None:
        self.stop()
        self.door.close()

    def run(self, programs: Iterable[Program]) -> Iterator[Audit]:
        """One for each file, in their order; the programs of a file stand together."""
        for path, of_file in groupby(programs, key=lambda program: program.source.path):
            audit = self._file(path, list(of_file))
            yield audit
            if audit.interrupted:
                return

    # --- one file ---

    def _file(self, path: str, programs: Sequence[Program]) -> Audit:
        until = time.monotonic() + self._budget
        findings = _Findings()
        reasons: list[tuple[str, str]] = []
        failing = audited = interrupted = False
        try:
            for program in programs:
                reason = unmet(program) or impossible(program)
                if reason is not None:
                    reasons.append((program.id, reason))
                    continue
                probe = Probe()
                simulation = Simulation(probe.planted(program), watcher=probe.trace, turns=TURNS)
                result = self._result(simulation)
                if simulation.strayed:
                    reasons.append((program.id, simulation.strayed))
                    continue
                if not result.passed:
                    failing = True
                    reasons.append((program.id, f"it does not pass to begin with: {result.reason}"))
                    continue
                audited = True
                probe.ended(result)
                if program.expect_failure is True:
                    vaguely = vague(program)
                    findings.outcomes[vaguely.key] = vaguely
                else:
                    findings.add(Looked(program, probe))
            findings.settle()
            self._try_all(path, findings, until)
        except Stopped:
            interrupted = True
        return Audit(
            path,
            findings.tally(sent=False),
            findings.tally(sent=True),
            holes=tuple(holes(findings.outcomes.values())),
            untried=tuple(_untried(findings)),
            reasons=tuple(reasons),
            failing=failing,
            interrupted=interrupted,
            audited=audited,
        )

    def _try_all(self, path: str, findings: _Findings, until: float) -> None:
        for done, key in enumerate(findings.in_order()):
            self._told(Progress(path, done, len(findings.mutants)))
            if findings.hidden(key):
                continue
            if time.monotonic() > until:
                return
            looked, first = findings.mutants[key][0]
            noticed = any(self._notices(other.program, mutant) for other, mutant in findings.mutants[key])
            findings.outcomes[key] = Outcome(
                key, looked.program, first.place, first.words, noticed=noticed, spot=first.spot
            )

    def _notices(self, program: Program, mutant: Mutant) -> bool:
        mutants = (altered(program, mutant.site, alter) for alter in mutant.alters)
        return any(not self._result(Simulation(other, turns=TURNS)).passed for other in mutants)

    def _result(self, simulation: Simulation) -> Result:
        """Raises: Stopped; RuntimeError, where sockrun cannot cope with the change."""
        self._look()
        result = simulation.run(self._interrupted)
        self._look()
        if result.status is Status.BUG:
            raise RuntimeError(result.detail)
        return result

    def _interrupted(self) -> bool:
        self.door.look()
        return self._stopped

    def _look(self) -> None:
        if self._interrupted():
            raise Stopped


def _untried(findings: _Findings) -> Iterator[str]:
    """Where the bytes are too many."""
    tried: dict[Site, int] = {}
    sizes: dict[Site, tuple[int, str]] = {}
    for (looked, mutant), *_ in findings.mutants.values():
        if is_sent(mutant.key):
            site = mutant.site
            tried[site] = tried.get(site, 0) + 1
            sizes[site] = (looked.probe.sizes[site], mutant.place.number)
    for site, (size, number) in sizes.items():
        if tried[site] < size:
            yield f"{tried[site]:,} of the {size:,} bytes that {site.role} sends in step {number}"
