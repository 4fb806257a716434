"""A sequence diagram as data: lifelines beside each other, rows below each other, and bars for who waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sockrun.program import Place
from sockrun.records import NamedTuple, dataclass, replace
from sockrun.results import Rounds, step_text

Kind = Literal[
    "bytes",  # an arrow: a datagram, or bytes of a stream
    "control",  # an arrow: a connection is made, half-closed, closed, reset
    "event",  # something that concerns one lifeline
    "end",  # lifelines end here: those in `also` too
    "cut",  # rows that are left out
]
State = Literal[
    "",
    "failed",  # here it went wrong
    "lost",  # what was sent and never taken
    "refused",  # nobody listens there, which may be as wanted
]


class Lifeline(NamedTuple):
    name: str
    kind: str  # for people: 'tcp server', 'process'


class Step(NamedTuple):
    """A step of somebody: `None` for what is no step, such as a client's first connection."""

    seconds: float
    who: str
    place: Place | None
    rounds: Rounds = ()

    def __str__(self) -> str:
        return step_text(self.place, self.rounds) if self.place is not None and self.place.number else ""


@dataclass(slots=True)
class Row:
    """`by`, `to` and `via` are numbers of lifelines; without `by` it concerns all.

    `words` stand on an arrow, `note` says it in a sentence. `step` is that of who acts, `taken` that of who receives.
    """

    kind: Kind
    step: Step
    by: int | None = None
    to: int | None = None
    via: int | None = None
    words: str = ""
    note: str = ""
    data: bytes | None = None
    taken: Step | None = None
    state: State = ""
    also: tuple[int, ...] = ()


class Wait(NamedTuple):
    """Somebody waited between these two rows; `seconds` long."""

    line: int
    first: int
    last: int
    seconds: float
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Diagram:
    """`timed`: it was played, so that the seconds of its rows are some."""

    lifelines: Sequence[Lifeline]
    rows: Sequence[Row]
    waits: Sequence[Wait] = ()
    timed: bool = True

    def shortened(self, limit: int) -> Diagram:
        """The beginning and the end, with a row between them that says how many are left out."""
        left_out = len(self.rows) - limit
        if left_out <= 0:
            return self
        head, tail = limit // 2, limit - limit // 2
        cut = Row("cut", self.rows[head].step, note=f"{left_out:,} rows are left out")
        rows = [*self.rows[:head], cut, *self.rows[-tail:]]

        def moved(row: int) -> int:
            return row if row < head else max(head, row - left_out + 1)

        waits = [wait._replace(first=moved(wait.first), last=moved(wait.last)) for wait in self.waits]
        return replace(self, rows=rows, waits=[wait for wait in waits if wait.last > wait.first])
