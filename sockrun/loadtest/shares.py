"""A load that several workers share: each plays every n-th user and iteration, and all begin at the same moment.

Lives here: what a worker is given and gives back, and how that becomes one. Must not live here: where workers come from
(`spreading/crews.py`).
"""

from __future__ import annotations

import pickle
import time
import traceback
from collections.abc import Generator, Sequence

from sockrun.commands import Command, Event, Sleep
from sockrun.diagnostics import EnvironmentRefused
from sockrun.loadtest.figures import Figures, merged
from sockrun.loadtest.halves import Order, users_half
from sockrun.loadtest.plan import Plan, Share
from sockrun.loadtest.users import Users
from sockrun.loadtest.waiting import Waiting
from sockrun.network.guard import Guard
from sockrun.network.kernel import Kernel
from sockrun.network.loop import Loop
from sockrun.network.precision import PreciseSelector
from sockrun.network.system import OperatingSystem
from sockrun.playing.surroundings import Surroundings
from sockrun.records import dataclass, field, replace
from sockrun.results import Result
from sockrun.session import Interrupts
from sockrun.spreading.crews import Crew, Say
from sockrun.spreading.portable import portable
from sockrun.spreading.spread import Bug

LOOK = 0.1  # seconds between two looks at how far the workers are
SAYS = 1.0  # seconds between two words of a worker
TOO_LATE = 10.0  # seconds: who begins so late was not meant to any more


@dataclass(frozen=True)
class Part:
    """What one worker plays. `begins`: seconds since the epoch, on clocks that are set alike."""

    order: Order
    plan: Plan
    share: Share
    within: Surroundings
    allow_hosts: Sequence[str]
    begins: float


@dataclass
class Came:
    """What came of it. `refused` is what the machine refuses, `bug` a traceback."""

    figures: Figures = field(default_factory=Figures)
    fault: Result | None = None
    refused: str = ""
    bug: str = ""


def play(part: Part, say: Say, interrupts: Interrupts) -> Came:
    """In a worker. Raises nothing: what goes wrong is in what comes back."""
    came = Came()
    try:
        _play(part, came, say, interrupts)
    except EnvironmentRefused as error:
        came.refused = str(error)
    except Exception:
        came.bug = traceback.format_exc()
    return came


def _play(part: Part, came: Came, say: Say, interrupts: Interrupts) -> None:
    program = users_half(part.order)
    if time.time() - part.begins > TOO_LATE:
        raise EnvironmentRefused("a worker came when the load had begun long ago")
    network = Kernel(guard=Guard(part.allow_hosts), system=OperatingSystem(PreciseSelector()))
    try:
        users = Users(program, network, part.within, part.plan, part.share, came.figures)
        with interrupts(network, users.interrupt):
            time.sleep(max(0.0, part.begins - time.time()))
            users.start()
            said = time.monotonic()
            while not users.over:
                network.loop.turn()
                if time.monotonic() - said >= SAYS:
                    said = time.monotonic()
                    say(pickle.dumps(users.measure().without_intervals()))
        users.measure()
        came.fault = None if users.fault is None else portable(users.fault)
    finally:
        network.close()


class Shares(Waiting):
    """The same to the starter as `Users` that it plays itself."""

    def __init__(
        self, loop: Loop, crew: Crew, order: Order, plan: Plan, within: Surroundings, allow_hosts: Sequence[str]
    ) -> None:
        super().__init__(loop)
        assert plan.users is not None
        self._crew = crew
        self._width = min(crew.width, plan.users)  # nobody is given iterations and no user to play them
        there = replace(order, path=order.path.absolute())  # a worker's folder may be another one
        self._part = Part(there, plan, Share(), replace(within, here=False, contexts={}), allow_hosts, 0.0)
        self._came: dict[int, Came | None] = {}
        self._said: dict[int, bytes] = {}
        self._stopped = False
        self.fault: Result | None = None

    def start(self) -> None:
        begins = time.time() + self._crew.lead
        shares = [Share(index, self._width) for index in range(self._width)]
        self._crew.begin(play, [replace(self._part, share=share, begins=begins) for share in shares])
        self.wait(self._looks())

    def _looks(self) -> Generator[Command, Event, None]:
        while not self.over:
            yield Sleep(LOOK)
            self._said = self._crew.said()
            for number, came in self._crew.ended().items():
                if number not in self._came:
                    self._take(number, came)

    def _take(self, number: int, came: Came | None) -> None:
        """Raises: EnvironmentRefused, Bug."""
        self._came[number] = came
        if came is None:
            return
        if came.bug:
            raise Bug(came.bug)
        if came.refused:
            raise EnvironmentRefused(came.refused)
        if came.fault is not None and self.fault is None:
            self.fault = came.fault
            self.interrupt()

    @property
    def over(self) -> bool:
        return len(self._came) == self._width

    def interrupt(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._crew.stop()

    def measure(self) -> Figures:
        """What all have come to, or said last."""
        return merged([self._of(number) for number in range(self._width)])

    def _of(self, number: int) -> Figures:
        came = self._came.get(number)
        if came is not None:
            return came.figures
        said = self._said.get(number)
        figures: Figures = Figures() if said is None else pickle.loads(said)
        return replace(figures, lost=1) if number in self._came else figures
