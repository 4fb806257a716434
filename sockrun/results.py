"""What came of a run, as data: reporters read it, nothing writes to it afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, TypeAlias

from sockrun.commands import Address, Command, Event
from sockrun.program import Place, Program
from sockrun.records import NamedTuple, dataclass, field
from sockrun.source import Source, Span
from sockrun.values import Value

FailureKind: TypeAlias = Literal[
    "mismatch",  # bytes that no expectation allows
    "closed",  # the peer ended early
    "reset",
    "refused",  # nobody listens; with `environment`, by the machine
    "tls",  # a handshake that failed, or what came under TLS is no TLS
    "timeout",  # nothing, or too little, within a step's or the scenario's time
    "deadlock",  # everybody waits, and nothing can come
    "unread",  # bytes or datagrams that no step took
    "connection",  # one connection more than asked for
    "check",
    "process",  # a program that ended early, or otherwise than expected
    "step",  # a step that cannot be carried out
    "passed",  # it was expected to fail
]


class Status(StrEnum):
    PASSED = "passed"
    FLAKY = "flaky"  # it did not pass, was played again (`--retries`), and passed
    FAILED = "failed"
    SKIPPED = "skipped"
    REFUSED = "refused"  # by the environment: a port taken, a permission missing
    BUG = "bug"  # of sockrun itself
    INTERRUPTED = "interrupted"


Rounds: TypeAlias = tuple[tuple[int, int], ...]  # of each `repeat` around a step: which from 0, of how many


def step_text(place: Place, rounds: Rounds) -> str:
    """'step 3.1 (round 7 of 10)': rounds count from 1 here, the outermost comes first."""
    told = ", ".join(f"round {number + 1:,} of {times:,}" for number, times in rounds)
    return f"step {place.number}" + (f" ({told})" if told else "")


class Trace(NamedTuple):
    """Something a role did or was told: `seconds` since the scenario's start."""

    seconds: float
    role: str
    place: Place | None
    command: Command | str
    event: Event
    rounds: Rounds = ()


class Party(NamedTuple):
    """Who takes part, as the file has it: a role, a process, or a role that somebody outside plays.

    `kind` is for people: 'tcp server', 'process'. `to` is the role that it turns to.
    """

    name: str
    kind: str
    side: Literal["client", "server", "proxy", "process", "outside"]
    datagram: bool = False
    to: str | None = None


class Connection(NamedTuple):
    """A connection that a role has made or accepted, in the order of the run, or its datagram socket.

    `role` is the copy that has it, as the trace names it. Of a proxy `peer` is who came, and `local` where the
    connection to the target comes from. `listens`: it is none, but where the role listens, or refuses.
    """

    role: str
    local: Address | None
    peer: Address | None
    listens: bool = False


def parties(program: Program) -> tuple[Party, ...]:
    """Processes, and roles, those included that somebody outside plays; each in the file's order."""
    roles = [
        Party(role.name, f"{role.protocol} {role.side}", role.side, role.datagram, role.to)
        for role in program.roles.values()
    ]
    processes = [Party(name, "process", "process") for name in program.processes]
    return (*roles, *(Party(name, "outside", "outside") for name in program.unplayed), *processes)


class Waiting(NamedTuple):
    """What a role was doing when the scenario ended: 'waits for 8 bytes from server'."""

    role: str
    doing: str
    place: Place | None
    rounds: Rounds = ()
    role_span: Span | None = None  # of one that waits at no step

    @property
    def span(self) -> Span | None:
        return self.role_span if self.place is None else self.place.span


@dataclass(frozen=True, slots=True)
class Failure:
    """The cause of a scenario's end.

    `expected` and `received` are the bytes to lay side by side, `offset` the first that differs;
    `values` are those of the names in a check that does not hold; `role_span` is where the role stands, for a
    failure at no step.
    """

    kind: FailureKind
    role: str
    place: Place | None
    message: str
    expected: bytes | None = None
    received: bytes | None = None
    offset: int | None = None
    values: Sequence[tuple[str, Value]] = ()
    environment: bool = False  # the machine is to blame, not the peer
    role_span: Span | None = None
    rounds: Rounds = ()

    @property
    def span(self) -> Span | None:
        return self.role_span if self.place is None else self.place.span


@dataclass(frozen=True, slots=True)
class Result:
    """One scenario's outcome. `reason` says in one line why it did not pass.

    `earlier` are the attempts before this one, none of which passed. A flaky one says of the last of them, in all
    that is not its time, what went wrong.
    """

    id: str
    name: str
    path: str
    tags: tuple[str, ...]
    status: Status
    seconds: float
    reason: str = ""
    failure: Failure | None = None
    waiting: tuple[Waiting, ...] = ()
    unread: tuple[tuple[str, bytes], ...] = ()  # role, bytes that no expectation covered
    output: tuple[tuple[str, bytes], ...] = ()  # process and which of its outputs, the last bytes of it
    trace: Sequence[Trace] = field(default_factory=tuple)
    parties: tuple[Party, ...] = ()
    connections: Sequence[Connection] = ()
    source: Source | None = None  # the file
    detail: str = ""  # a bug's traceback
    earlier: tuple[Result, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status is Status.PASSED


class Unpaired(NamedTuple):
    """A scenario whose roles `validate` could not hold against each other; `reason` is a sentence without full stop."""

    path: str
    id: str
    reason: str


# In this order the first that occurs among many results is the exit status of the whole run.
EXIT_STATUS: dict[Status, int] = {
    Status.INTERRUPTED: 130,
    Status.BUG: 70,
    Status.REFUSED: 3,
    Status.FAILED: 1,
}
