"""The users of a load: each plays the clients of the scenario, again and again, with values of its own.

Facts a reader needs:

- In the open model an iteration is due at its moment, whether a user is idle or not, and its latency counts from
  there: who only counts from when it began hides that it was late ('coordinated omission').
- Time is that of the machine, not the loop's, which forgives when it was held up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from functools import partial
from time import perf_counter, process_time

from sockrun.commands import Command, Event, Sleep
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.meter import Meter, error_name
from sockrun.loadtest.plan import Plan, Share
from sockrun.loadtest.waiting import Waiting
from sockrun.network.interface import Network
from sockrun.playing.scene import Scene
from sockrun.playing.surroundings import Surroundings
from sockrun.program import Program
from sockrun.records import replace
from sockrun.results import Result, Status

TICK = 0.02  # seconds between two looks at how late the loop is
USER, ITERATION = "user", "iteration"


class Users(Waiting):
    """Those of one share. Of `plan.users` nobody is missing: it says how many there may be in the open model, too."""

    def __init__(
        self, program: Program, network: Network, within: Surroundings, plan: Plan, share: Share, figures: Figures
    ) -> None:
        self._program = program
        super().__init__(network.loop)
        self._network = network
        self._within = within
        self._plan = plan
        self._figures = figures
        self._numbers = share.numbers(plan.iterations)  # of the iterations that are left
        self._playing: dict[int, Scene] = {}  # by the number of the user
        self._idle: deque[int] = deque()
        self._newcomers = share.numbers(plan.users)
        self._waiting: deque[tuple[int, float]] = deque()  # iterations that are due, and nobody plays
        self._begun = self._processor = 0.0
        self._ended = False  # no iteration begins any more
        self.fault: Result | None = None  # what the machine refused, or a bug of ours: no load makes sense with it

    def start(self) -> None:
        self._begun, self._processor = perf_counter(), process_time()
        self.wait(self._ticks())
        if self._plan.rate is not None:
            self.wait(self._arrivals())
        else:
            self.wait(self._entrances())

    @property
    def over(self) -> bool:
        return self._ended and not self._playing and not self._waiting

    def interrupt(self) -> None:
        """End all at once; what they were doing counts as unfinished."""
        self._ended = True
        self._waiting.clear()
        for scene in list(self._playing.values()):
            scene.abandon()

    def measure(self) -> Figures:
        """The figures as they are now."""
        self._figures.seconds = perf_counter() - self._begun
        self._figures.busy = process_time() - self._processor
        return self._figures

    # --- when iterations begin ---

    def _ticks(self) -> Generator[Command, Event, None]:
        """How late the loop is: it is asked to come back at a certain moment."""
        while True:
            due = perf_counter() + TICK
            yield Sleep(TICK)
            self._figures.late.add(max(0.0, perf_counter() - due))
            if perf_counter() - self._begun >= self._plan.duration:
                self._ended = True
                self._figures.unfinished += len(self._waiting)
                self._waiting.clear()

    def _arrivals(self) -> Generator[Command, Event, None]:
        """Open model: iterations begin when they are due."""
        for number in self._numbers:
            due = self._begun + self._plan.due(number)
            yield Sleep(max(0.0, due - perf_counter()))
            if self._ended:
                break
            user = self._someone_idle()
            if user is None:
                self._figures.delayed += 1
                self._waiting.append((number, due))
            else:
                self._play(user, number, due)
        self._ended = True

    def _someone_idle(self) -> int | None:
        return self._idle.popleft() if self._idle else next(self._newcomers, None)

    def _entrances(self) -> Generator[Command, Event, None]:
        """Closed model: the users come one after the other, and then go on by themselves."""
        assert self._plan.users is not None
        for user in self._newcomers:
            yield Sleep(max(0.0, self._begun + self._plan.ramp * user / self._plan.users - perf_counter()))
            if self._ended:
                return
            self._next(user)

    def _next(self, user: int) -> None:
        """What the user does now: an iteration that waits, the next one, or nothing."""
        if self._waiting:
            self._play(user, *self._waiting.popleft())
        elif self._ended or self._plan.rate is not None:
            self._idle.append(user)
        elif perf_counter() - self._begun >= self._plan.duration or (number := next(self._numbers, None)) is None:
            self._ended = True
        else:
            self._play(user, number, perf_counter())

    # --- one iteration ---

    def _play(self, user: int, number: int, due: float) -> None:
        meter = Meter(due)
        ended = partial(self._came, user, meter)
        program = self._with_values(user, number)
        scene = Scene(program, self._network, ended, within=self._within, records=meter)
        self._playing[user] = scene
        figures = self._figures
        figures.users = len(self._playing)
        if figures.users > figures.most_users:
            figures.most_users = figures.users
        scene.start()

    def _with_values(self, user: int, number: int) -> Program:
        program = self._program
        if not program.late:
            return program
        values = {USER: user, ITERATION: number, **self._plan.row(number)}
        given = {name: values[name] for name in program.late if name in values}
        return replace(program, constants={**program.constants, **given})

    def _came(self, user: int, meter: Meter, result: Result) -> None:
        """An iteration has ended."""
        self._playing.pop(user, None)
        figures = self._figures
        interval = figures.interval(perf_counter() - self._begun)
        interval.users = max(interval.users, figures.users)
        figures.users = len(self._playing)
        seconds = meter.seconds
        meter.count(figures, result.failure)
        match result.status:
            case Status.PASSED:
                figures.iterations += 1
                figures.latencies.add(seconds)
                interval.iterations += 1
                interval.latencies.add(seconds)
            case Status.INTERRUPTED:
                figures.unfinished += 1
            case Status.FAILED:
                figures.failed += 1
                interval.failed += 1
                figures.error(error_name(result.failure, result.reason))
            case _:
                self.fault = self.fault or result
                self._ended = True
        if not self._ended or self._waiting:
            self.loop.ready.append(partial(self._next, user))
