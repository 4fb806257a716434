"""A load from its first server to its last user, in one loop.

Order: the servers' half is set up, as every scenario is; when it is ready the users come; when the last of them has
ended it is given back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sockrun.diagnostics import EnvironmentRefused
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.plan import Plan, Share
from sockrun.loadtest.standing import Standing
from sockrun.loadtest.users import Users
from sockrun.network import open_files
from sockrun.network.guard import Guard
from sockrun.network.kernel import Kernel
from sockrun.network.system import OperatingSystem
from sockrun.playing import needs
from sockrun.program import Program
from sockrun.records import dataclass, replace
from sockrun.results import Result
from sockrun.session import Interrupts, uninterrupted

Told = Callable[[Figures], None]


@dataclass(frozen=True)
class Outcome:
    """`fault`: what ended it early, a server that could not be set up, or a bug of ours."""

    figures: Figures
    fault: Result | None = None
    interrupted: bool = False


class Load:
    """`told` is called with the figures so far, again and again; `interrupts` is in force, and may end it early."""

    def __init__(
        self,
        users: Program,
        servers: Program,
        plan: Plan,
        allow_hosts: Sequence[str] = (),
        interrupts: Interrupts = uninterrupted,
        told: Told = lambda figures: None,
    ) -> None:
        self._users_program, self._servers_program = users, servers
        self._plan = plan
        self._interrupts = interrupts
        self._told = told
        self._figures = Figures()
        self._network = Kernel(guard=Guard(allow_hosts), system=OperatingSystem(precise=True))
        self._ready = self._interrupted = False
        self._ended: list[Result] = []  # the servers' half has
        self._standing = Standing(servers, self._network, self._figures, self._is_ready, self._ended.append)
        self._users: Users | None = None

    def run(self) -> Outcome:
        """Raises: EnvironmentRefused."""
        try:
            with self._interrupts(self._network, self._interrupt):
                self._standing.start()
                self._turn_until(lambda: self._ready or self._over)
                if not self._over:
                    self._play()
                self._standing.stop()
                self._turn_until(lambda: bool(self._ended))
        finally:
            if not self._ended:
                self._standing.abandon()
            self._network.close()
        return self._outcome()

    def _play(self) -> None:
        within = self._standing.surroundings()
        plan = replace(self._plan, users=_users(self._plan, self._users_program, self._servers_program))
        users = self._users = Users(self._users_program, self._network, within, plan, Share(), self._figures)
        users.start()
        self._turn_until(lambda: users.over or bool(self._ended))
        users.measure()
        if not users.over:
            users.interrupt()

    def _turn_until(self, over: Callable[[], bool]) -> None:
        while not over():
            self._network.loop.turn()
            if self._users is not None:
                self._told(self._users.measure())

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


def _users(plan: Plan, users: Program, servers: Program) -> int:
    """How many there are, or may be. Raises: EnvironmentRefused, where there are not enough sockets for them."""
    accepted = sum(role.instances for role in users.roles.values() if not role.datagram) if servers.roles else 0
    each = needs.sockets(users) + accepted
    room = open_files.left()
    if plan.users is None:
        if room < each:
            raise EnvironmentRefused(needs.too_many(each, room, open_files.most()))
        return room // each
    if plan.users * each > room:
        words = f"{plan.users:,} users need {plan.users * each:,} sockets, and only {max(room, 0):,} can be opened"
        enough = open_files.most() + plan.users * each - room
        raise EnvironmentRefused(
            f"{words} (the limit on open files is {open_files.most():,}): raise it with `ulimit -n {enough}`, or take "
            "fewer users"
        )
    return plan.users
