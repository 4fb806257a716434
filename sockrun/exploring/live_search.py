"""The search over real sockets: several variants of a scenario at a time, until one does not pass.

Must not live here: which variants there are (`live.py`), and what is printed (`telling.py`).

The one theory: what fails once on real sockets may be the machine's fault. Only what fails twice is a finding.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from sockrun.exploring.decisions import Kind
from sockrun.exploring.live import Variant, guests, named, shrunk, variants
from sockrun.exploring.searching import AS_IT_SHOULD_BE, PLAIN_FAILS, Budget, Explored, Told
from sockrun.network.kernel import Kernel
from sockrun.playing.runner import Runner
from sockrun.program import Program
from sockrun.records import dataclass, replace
from sockrun.results import Result, Status, Trace

LOOKS = 3  # a finer variant counts as failing if one of so many runs does: its pieces may be read as one
TOGETHER = 4  # scenarios, each with its programs: more would keep each other from being on time
OTHERWISE = "it fails, and passes where nothing happens"


@dataclass(frozen=True)
class LiveTrial:
    result: Result
    trace: Sequence[Trace]


@dataclass(frozen=True)
class LiveFinding:
    """A variant that does not pass, though the plain scenario does; without one it is the plain one that fails."""

    variant: Variant | None
    demand: str
    trial: LiveTrial

    def causes(self, program: Program) -> list[str]:
        return [] if self.variant is None else [self.variant.words]

    @property
    def token(self) -> str:
        return "" if self.variant is None else self.variant.token


class LiveExplorer:
    """`network` is the way in for signals; `stop` ends what runs."""

    def __init__(
        self,
        network: Kernel,
        faults: Collection[Kind],
        budget: Budget,
        seed: int = 0,
        told: Told = lambda explored: None,
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._network = network
        self._faults = faults
        self._budget = budget
        self._seed = seed
        self._told = told
        self._interrupted = interrupted
        self._runner: Runner | None = None

    def stop(self) -> None:
        if self._runner is not None:
            self._runner.stop()

    def explore(self, program: Program) -> Explored:
        """Search until something is found, the budget is used up, or everything was tried."""
        explored = Explored(program)
        started = time.monotonic()
        plain = self._alone(program)
        explored.tried["plain"] += 1
        if not plain.result.passed:
            explored.interrupted = self._interrupted()
            skipped = plain.result.status is Status.SKIPPED
            explored.skipped = plain.result.reason if skipped else ""
            explored.finding = None if explored.interrupted or skipped else LiveFinding(None, PLAIN_FAILS, plain)
        else:
            self._search(explored, plain.trace, started)
        explored.seconds = time.monotonic() - started
        return explored

    def replay(self, program: Program, token: str) -> tuple[LiveFinding, bool]:
        """One run of the variant with that token, and whether it fails. Raises: ValueError, there is no such one."""
        plain = self._alone(program)
        variant = named(program, plain.trace, token, self._seed)
        if variant is None:
            raise ValueError(f"{token!r} names nothing that is tried with {program.id}")
        trial = self._alone(variant.program)
        wrong = not trial.result.passed
        return LiveFinding(variant, OTHERWISE if wrong else AS_IT_SHOULD_BE, trial), wrong

    # --- the search ---

    def _search(self, explored: Explored, trace: Sequence[Trace], started: float) -> None:
        faults = set(self._faults)
        if "end" in faults and not all(map(self._holds, guests(explored.program))):
            explored.interrupted = self._interrupted()
            if explored.interrupted:
                return
            faults.remove("end")
            explored.note = "no 'end', since it passes only for who comes first"
        left = variants(explored.program, trace, faults, self._seed)
        while batch := list(islice(left, TOGETHER)):
            if self._over(explored, started):
                return
            failed = self._failed(batch)
            explored.interrupted = self._interrupted()
            if explored.interrupted:
                return
            explored.tried += Counter(variant.kind for variant in batch)
            self._told(explored)
            for variant in failed:
                if self._fails(variant):
                    explored.finding = self._finding(shrunk(variant, self._may_fail))
                    return
        explored.whole = True

    def _over(self, explored: Explored, started: float) -> bool:
        spent = time.monotonic() - started
        return spent >= self._budget.seconds or explored.runs >= self._budget.runs

    def _failed(self, batch: Sequence[Variant]) -> list[Variant]:
        """Those that do not pass, in their order."""
        named_so = [replace(variant.program, id=str(number)) for number, variant in enumerate(batch)]
        results = {result.id: result for result in self._play(named_so)}
        passed = {number for number, result in results.items() if result.passed}
        return [variant for number, variant in enumerate(batch) if str(number) not in passed]

    def _fails(self, variant: Variant) -> bool:
        return not self._alone(variant.program).result.passed

    def _may_fail(self, variant: Variant) -> bool:
        return any(self._fails(variant) for _ in range(LOOKS))

    def _holds(self, program: Program) -> bool:
        return any(self._alone(program).result.passed for _ in range(2))

    def _finding(self, variant: Variant) -> LiveFinding:
        return LiveFinding(variant, OTHERWISE, self._alone(variant.program))

    def _alone(self, program: Program) -> LiveTrial:
        trace: list[Trace] = []
        (result,) = self._play([program], lambda _, entry: trace.append(entry))
        return LiveTrial(result, trace)

    def _play(
        self, programs: Sequence[Program], watcher: Callable[[str, Trace], None] | None = None
    ) -> Iterator[Result]:
        self._runner = Runner(self._network, parallel=TOGETHER, watcher=watcher)
        try:
            yield from self._runner.run(programs)
        finally:
            self._runner.close()
