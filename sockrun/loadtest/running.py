"""A load from its first server to its last user, in one loop.

Order: the servers' half is set up, as every scenario is; when it is ready the users come; when the last of them has
ended it is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

from sockrun.diagnostics import EnvironmentRefused
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.halves import Halves, Order
from sockrun.loadtest.plan import Plan, Share
from sockrun.loadtest.shares import Shares
from sockrun.loadtest.standing import Standing
from sockrun.loadtest.users import Users
from sockrun.network import open_files
from sockrun.network.guard import Guard
from sockrun.network.kernel import Kernel
from sockrun.network.precision import PreciseSelector
from sockrun.network.system import OperatingSystem
from sockrun.playing import needs
from sockrun.records import dataclass, replace
from sockrun.results import Result
from sockrun.session import Interrupts, uninterrupted
from sockrun.spreading.crews import Crew

Told = Callable[[Callable[[], Figures]], None]  # who asks pays for it


@dataclass(frozen=True)
class Outcome:
    """`fault`: what ended it early, a server that could not be set up, or a bug of ours."""

    figures: Figures
    fault: Result | None = None
    interrupted: bool = False


class Load:
    """`told` is called with the figures so far, again and again; `interrupts` is in force, and may end it early.

    With `make_crew` workers play the users, each a share of them, and this process the servers.
    """

    def __init__(
        self,
        order: Order,
        halves: Halves,
        plan: Plan,
        allow_hosts: Sequence[str] = (),
        interrupts: Interrupts = uninterrupted,
        told: Told = lambda measure: None,
        make_crew: Callable[[], Crew] | None = None,
    ) -> None:
        self._order, self._halves, self._plan = order, halves, plan
        self._allow_hosts = allow_hosts
        self._interrupts = interrupts
        self._told = told
        self._make_crew = make_crew
        self._figures = Figures()
        self._network = Kernel(guard=Guard(allow_hosts), system=OperatingSystem(PreciseSelector()))
        self._ready = self._interrupted = False
        self._ended: list[Result] = []  # the servers' half has
        servers = halves.servers
        self._standing = Standing(servers, self._network, self._figures, self._is_ready, self._ended.append)
        self._users: Users | Shares | None = None

    def run(self) -> Outcome:
        """Raises: EnvironmentRefused, Bug."""
        try:
            with ExitStack() as ending, self._interrupts(self._network, self._interrupt):
                self._standing.start()
                self._turn_until(lambda: self._ready or self._over)
                if not self._over:
                    self._play(ending)
                self._standing.stop()
                self._turn_until(lambda: bool(self._ended))
        finally:
            if not self._ended:
                self._standing.abandon()
            self._network.close()
        return self._outcome()

    def _play(self, ending: ExitStack) -> None:
        users = self._users = self._made(ending)
        users.start()
        self._turn_until(lambda: users.over or bool(self._ended))
        if not users.over:
            users.interrupt()
            self._turn_until(lambda: users.over)
        self._measure(users)

    def _made(self, ending: ExitStack) -> Users | Shares:
        within = self._standing.surroundings()
        if self._make_crew is None:
            plan = roomy(self._plan, self._halves, 1)
            return Users(self._halves.users, self._network, within, plan, Share(), self._figures)
        crew = self._make_crew()
        ending.callback(crew.close)
        plan = roomy(self._plan, self._halves, crew.width)
        return Shares(self._network.loop, crew, self._order, plan, within, self._allow_hosts)

    def _turn_until(self, over: Callable[[], bool]) -> None:
        while not over():
            self._network.loop.turn()
            if self._users is not None:
                self._told(self._users.measure)

    def _measure(self, users: Users | Shares) -> None:
        """What the servers saw was counted here."""
        found = users.measure()
        if found is not self._figures:
            found.server_errors.update(self._figures.server_errors)
            self._figures = found

    @property
    def _over(self) -> bool:
        return bool(self._ended) or self._interrupted

    def _is_ready(self) -> None:
        self._ready = True

    def _interrupt(self) -> None:
        self._interrupted = True
        if self._users is not None:
            self._users.interrupt()
        self._network.loop.hurry()

    def _outcome(self) -> Outcome:
        fault = next((result for result in self._ended if not result.passed), None)
        fault = fault or (self._users.fault if self._users is not None else None)
        return Outcome(self._figures, fault, self._interrupted)


def roomy(plan: Plan, halves: Halves, workers: int) -> Plan:
    """The plan with the number of users that there are, or may be: workers have their sockets, servers others.

    Raises: EnvironmentRefused, where there are not enough of them.
    """
    room = open_files.left()
    theirs = needs.sockets(halves.users)
    ours = (
        sum(role.instances for role in halves.users.roles.values() if not role.datagram) if halves.servers.roles else 0
    )
    each = theirs + ours if workers == 1 else max(-(-theirs // workers), ours)
    wanted = 1 if plan.users is None else plan.users
    if wanted * each > room:
        who = "1 user" if wanted == 1 else f"{wanted:,} users"
        enough = needs.beyond(wanted * each, room, open_files.most())
        raise EnvironmentRefused(f"{who} would need {wanted * each:,} sockets, and {enough}, or take fewer users")
    return plan if plan.users is not None else replace(plan, users=room // each)
