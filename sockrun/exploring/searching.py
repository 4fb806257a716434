"""A scenario is played under one condition after the other, until one breaks what is demanded, or all were tried.

Lives here: the order of a search, its budget and its figures. Must not live here: what is tried (`plans.py`,
`orders.py`), what is demanded (`demands.py`), and what is printed (`telling.py`).

The one theory: the kinds take turns, so that a small budget sees something of each.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from math import inf
from random import Random
from typing import Protocol

from sockrun.exploring.decisions import KIND_OF, Decisions, Kind, Turn, token
from sockrun.exploring.demands import broken
from sockrun.exploring.orders import departures, orders
from sockrun.exploring.plans import Attempt, Plan, plans
from sockrun.exploring.shrinking import shrunk
from sockrun.exploring.trials import Stage, Trial, pace
from sockrun.playing.simulation import impossible
from sockrun.program import Program
from sockrun.records import NamedTuple, dataclass, field
from sockrun.results import Result, Status, Trace

SHRINKING = 400  # runs at most, and
SHRINKING_SECONDS = 5.0  # so long, for finding a shorter cause


class Budget(NamedTuple):
    """Whichever is used up first, for each scenario."""

    seconds: float = 10.0
    runs: float = inf


class Played(Protocol):
    """A run that was looked at."""

    @property
    def result(self) -> Result: ...
    @property
    def trace(self) -> Sequence[Trace]: ...


class Found(Protocol):
    """A run that is not as demanded, with its cause in words, and the token that plays it again ("": the plain one)."""

    @property
    def demand(self) -> str: ...
    @property
    def trial(self) -> Played: ...
    def causes(self, program: Program) -> Sequence[str]: ...
    @property
    def token(self) -> str: ...


@dataclass(frozen=True)
class Finding:
    """A run that is not as demanded. `demand` says in what; without decisions it is the plain run that fails."""

    decisions: Decisions
    demand: str
    trial: Trial
    plain: Trial
    found_with: Decisions = ()  # before it was made shorter

    @property
    def token(self) -> str:
        return token(self.decisions)

    def causes(self, program: Program) -> Sequence[str]:
        from sockrun.exploring.wording import cause  # it looks at findings

        return cause(self, program, pace(program))


@dataclass
class Explored:
    """What came of a scenario: `tried` counts runs by kind; `whole` says that everything was tried."""

    program: Program
    skipped: str = ""
    tried: Counter[str] = field(default_factory=Counter)
    whole: bool = False
    sampled: bool = False  # all that was planned was tried, but of some kind there was too much
    interrupted: bool = False
    seconds: float = 0.0
    note: str = ""  # what could not be tried, and why
    finding: Found | None = None

    @property
    def runs(self) -> int:
        return self.tried.total()


Told = Callable[[Explored], None]


class Explores(Protocol):
    def explore(self, program: Program) -> Explored:
        """Search until something is found, the budget is used up, or everything was tried."""
        ...


class Explorer:
    """`told` hears of every run; `interrupted` is asked before each, and now and then in a long one."""

    def __init__(
        self,
        kinds: Collection[Kind],
        budget: Budget,
        seed: int = 0,
        told: Told = lambda explored: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._kinds = kinds
        self._budget = budget
        self._seed = seed
        self._told = told
        self._interrupted = interrupted

    def explore(self, program: Program) -> Explored:
        """Search until something is found, the budget is used up, or everything was tried."""
        explored = Explored(program)
        reason = impossible(program)
        if reason is not None:
            explored.skipped = _not_simulated(reason)
            return explored
        started = time.monotonic()
        self._search(explored, Stage(program, self._seed), started)
        explored.seconds = time.monotonic() - started
        return explored

    def replay(self, program: Program, decisions: Decisions) -> tuple[Finding, bool]:
        """One run under these decisions, and whether something is wrong with it.

        Raises: ValueError, where it cannot be simulated, or a decision names nothing and so changes nothing.
        """
        stage = Stage(program, self._seed)
        reason = impossible(program) or (plain := stage.play()).strayed
        if reason:
            raise ValueError(f"{program.id}: {_not_simulated(reason)}")
        trial = stage.play(decisions) if decisions else plain
        demand = broken(trial, plain) if decisions else None if plain.result.passed else PLAIN_FAILS
        if demand is not None:
            return Finding(decisions, demand, trial, plain), True
        for decision in decisions:
            if not trial.came_up(decision):
                raise ValueError(f"'{decision}' names nothing that happens in {program.id}")
        return Finding(decisions, AS_IT_SHOULD_BE if trial.result.passed else MAY_FAIL, trial, plain), False

    # --- the search ---

    def _search(self, explored: Explored, stage: Stage, started: float) -> None:
        plain = stage.play(interrupted=self._interrupted)
        explored.tried["plain"] += 1
        if plain.strayed:
            explored.skipped = _not_simulated(plain.strayed)
            return
        if plain.result.status is not Status.PASSED:
            explored.interrupted = plain.result.status is Status.INTERRUPTED
            explored.finding = None if explored.interrupted else Finding((), PLAIN_FAILS, plain, plain)
            return
        random = Random(f"explore {self._seed}")
        waiting = plans(stage, plain, self._kinds, random)
        waiting += [orders(stage, random)] if "order" in self._kinds else []
        done: list[Plan] = []
        while waiting:
            for plan in list(waiting):
                attempt = next(plan.attempts, None)
                if attempt is None:
                    waiting.remove(plan)
                    done.append(plan)
                    continue
                if self._over(explored, started):
                    return
                if self._is_found(explored, stage, plain, plan, attempt):
                    return
        explored.whole = all(plan.whole for plan in done)
        explored.sampled = not explored.whole

    def _over(self, explored: Explored, started: float) -> bool:
        explored.interrupted = self._interrupted()
        spent = time.monotonic() - started
        return explored.interrupted or spent >= self._budget.seconds or explored.runs >= self._budget.runs

    def _is_found(self, explored: Explored, stage: Stage, plain: Trial, plan: Plan, attempt: Attempt) -> bool:
        trial = stage.play(attempt.decisions, attempt.steered, self._interrupted)
        if attempt.learn is not None:
            attempt.learn(trial)
        explored.tried[plan.label] += 1
        self._told(explored)
        if broken(trial, plain) is None:
            return False
        decisions = attempt.decisions
        if attempt.steered is not None:
            decisions = (*(one for one in decisions if not isinstance(one, Turn)), *departures(trial))
        explored.finding = self._shortest(stage, plain, decisions)
        return True

    def _shortest(self, stage: Stage, plain: Trial, decisions: Decisions) -> Finding:
        until = time.monotonic() + SHRINKING_SECONDS
        runs = stage.runs + SHRINKING
        kinds = {KIND_OF[type(one)] for one in decisions}

        def fails(candidate: Decisions) -> bool:
            if stage.runs >= runs or time.monotonic() > until or self._interrupted():
                return False
            if not {KIND_OF[type(one)] for one in candidate} <= kinds:
                return False
            return broken(stage.play(candidate), plain) is not None

        shortest = shrunk(decisions, fails, plain)
        trial = stage.play(shortest)
        return Finding(shortest, broken(trial, plain) or "", trial, plain, decisions)


def _not_simulated(reason: str) -> str:
    return f"it cannot be simulated: {reason}; `explore --live` uses real sockets"


PLAIN_FAILS = "it does not pass, though nothing was done to it"
AS_IT_SHOULD_BE = "it is as it should be"
MAY_FAIL = "it fails, as it may where a connection ends early"
