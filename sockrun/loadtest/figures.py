"""What a load came to, while it lasts and afterwards; those of several workers add up.

Lives here: numbers, and nothing of how they are shown. Durations are in seconds.
"""

from __future__ import annotations

from collections import Counter

from sockrun.loadtest.latencies import Latencies
from sockrun.records import dataclass, field, replace

KINDS = 100  # of errors that are told apart: a message may hold what is new in each
OTHERS = "others, of more kinds than are told apart"
INTERVALS = 600  # that are kept; of a longer load each of them is longer


def _coarse() -> Latencies:
    return Latencies(2)


@dataclass
class Interval:
    """What happened in a piece of the time: `users` is the most that played at the same time."""

    users: int = 0
    iterations: int = 0
    failed: int = 0
    latencies: Latencies = field(default_factory=_coarse)

    def add(self, other: Interval) -> None:
        self.iterations += other.iterations
        self.failed += other.failed
        self.latencies.merge(other.latencies)


@dataclass
class Figures:
    """`iterations` came to a good end, `failed` did not, `unfinished` were ended by whoever ended the load.

    `delayed`: due, and no user was idle. `late`: how late the loop itself was, whenever it was looked at. `busy`:
    processor time. `errors` by what they are, those of servers beside those of users.
    """

    seconds: float = 0.0
    users: int = 0  # that play now
    most_users: int = 0
    iterations: int = 0
    failed: int = 0
    unfinished: int = 0
    delayed: int = 0
    connections: int = 0
    sent: int = 0
    received: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    steps: dict[str, Latencies] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    server_errors: Counter[str] = field(default_factory=Counter)
    late: Latencies = field(default_factory=Latencies)
    busy: float = 0.0
    workers: int = 1
    lost: int = 0  # workers that died, and with them what they had counted since they were last heard of
    span: float = 1.0  # of an interval
    intervals: list[Interval] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Iterations a second that came to a good end."""
        return self.iterations / self.seconds if self.seconds else 0.0

    @property
    def share_failed(self) -> float:
        ended = self.iterations + self.failed
        return self.failed / ended if ended else 0.0

    def step(self, name: str) -> Latencies:
        found = self.steps.get(name)
        if found is None:
            found = self.steps[name] = Latencies()
        return found

    def error(self, kind: str) -> None:
        _count(self.errors, kind)

    def server_error(self, kind: str) -> None:
        _count(self.server_errors, kind)

    def interval(self, seconds: float) -> Interval:
        """The one that this moment is in."""
        while seconds >= INTERVALS * self.span:
            self._widen()
        number = int(seconds / self.span)
        while len(self.intervals) <= number:
            self.intervals.append(Interval(self.users))
        return self.intervals[number]

    def _widen(self) -> None:
        """Each two become one."""
        self.span *= 2
        for one, other in zip(self.intervals[::2], self.intervals[1::2], strict=False):
            one.add(other)
            one.users = max(one.users, other.users)
        del self.intervals[1::2]

    def without_intervals(self) -> Figures:
        """What is said of them while the load lasts."""
        return replace(self, intervals=[])

    def merge(self, other: Figures) -> None:
        """Add what another worker has counted at the same time."""
        self.seconds = max(self.seconds, other.seconds)
        for name in SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.latencies.merge(other.latencies)
        self.late.merge(other.late)
        self.errors.update(other.errors)
        self.server_errors.update(other.server_errors)
        for name, latencies in other.steps.items():
            self.step(name).merge(latencies)
        while self.span < other.span:
            self._widen()
        for number, interval in enumerate(other.intervals):
            own = self.interval(number * other.span)
            own.users += interval.users
            own.add(interval)


def _count(errors: Counter[str], kind: str) -> None:
    errors[kind if kind in errors or len(errors) < KINDS else OTHERS] += 1


# What simply adds up.
SUMS = (
    "users",
    "most_users",
    "iterations",
    "failed",
    "unfinished",
    "delayed",
    "connections",
    "sent",
    "received",
    "busy",
    "workers",
    "lost",
)


def merged(all_of_them: list[Figures]) -> Figures:
    """Those of several workers as if there were one."""
    whole = Figures(workers=0)
    for one in all_of_them:
        whole.merge(one)
    return whole
