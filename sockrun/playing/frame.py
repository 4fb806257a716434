"""What a role's steps may know: the names of one copy or connection, and what all roles share.

Lives here: `Frame`, the `Stage` it looks through, and the one exception that a step may raise. Must not live
here: what a step does (`interpreter.py`) and how its end is told (`verdicts.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, Protocol, TypeAlias

from sockrun.commands import Address, Command, Ended, Event
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Channel
from sockrun.network.loop import Loop
from sockrun.program import Place, RoleProgram
from sockrun.results import Failure, FailureKind, Rounds
from sockrun.values import ExpressionError, Value

LONG = 8192  # bytes of a message; of a longer one the trace keeps a part


# What a role did or was told: the loop's moment, who, where, what. `results.Trace` costs three times as much to make.
Entry: TypeAlias = tuple[float, str, Place | None, Command | str, Event, Rounds]


class Stage(Protocol):
    """What the roles of a scenario share."""

    loop: Loop

    def constant(self, name: str) -> Value | None:
        """A var or matrix value, or `dir`."""
        ...

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        """`base.attribute` for a port's name, the environment, another role. Raises NotYet, ExpressionError."""
        ...

    def publish(self, role: str, index: int, name: str, value: Value) -> None:
        """A role's variable has a value: the first one stays, for all others."""
        ...

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        """Keep what happened, with its time."""
        ...

    def keep(self, entry: Entry, /) -> object:
        """The same, of an entry whose bytes are no more than `LONG` or are the program's own."""
        ...

    def connected(self, name: str, channel: Channel | None) -> None:
        """Keep which connection somebody has."""
        ...

    def patience(self, channel: Channel | None) -> float:
        """Seconds that an ended role listens for what nobody took, before the peer's FIN is given up."""
        ...

    def now(self) -> float: ...
    def random_bytes(self, size: int) -> bytes: ...


class Seat(Protocol):
    """Where a role's present connection is found."""

    channel: Channel | None


class StepFailed(Exception):  # noqa: N818 (it says what happened)
    """A step does not hold, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Frame:
    """The names of one copy or connection of a role; satisfies `values.Scope`."""

    __slots__ = (
        "given",
        "index",
        "parting",
        "place",
        "published",
        "received",
        "refused",
        "role",
        "rounds",
        "seat",
        "stage",
        "target",
        "variables",
        "who",
    )

    def __init__(self, role: RoleProgram, name: str, index: int, stage: Stage, seat: Seat) -> None:
        self.role = role
        self.who = name
        self.index = index
        self.stage = stage
        self.seat = seat
        self.variables: dict[str, Value] = {}
        self.given: dict[str, Value] = {}  # by `with`, to the steps of an included file
        self.published: set[str] = set()
        self.received: bytes = b""
        self.rounds: Rounds = ()
        self.place: Place | None = None
        self.target: Address | None = None  # what a client connected to last, as the file says it
        self.refused = False  # a step has expected that, or that TLS fails
        self.parting = False  # its `finally` has begun

    def name(self, name: str) -> Value:
        if name in self.given:
            return self.given[name]
        if name in self.variables:
            return self.variables[name]
        if name == "received":
            return self.received
        if name == "index":
            return self.index
        if name == "round" and self.rounds:
            return self.rounds[-1][0]
        value = self.stage.constant(name)
        if value is None:
            raise ExpressionError(f"{name!r} has no value yet: no step before this one has set it")
        return value

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        if base == "tls":
            return self._of_tls(attribute)
        if base not in ("peer", "local"):
            return self.stage.attribute(base, index, attribute)
        address = getattr(self.seat.channel, base, None)
        if address is None:
            raise ExpressionError(f"there is no {base} yet: nothing is connected, and no datagram has come")
        return _part(address, attribute)

    def _of_tls(self, attribute: str) -> Value:
        facts = self.tls
        if facts is None:
            raise ExpressionError("there is no TLS on this connection")
        if attribute in facts:
            return facts[attribute]
        if "failed" in facts:
            raise ExpressionError(f"TLS has failed: {self.tls_failure}")
        return b""

    @property
    def tls(self) -> Mapping[str, Value] | None:
        """What TLS agreed on on the present connection; None where there is no TLS."""
        found: Mapping[str, Value] | None = getattr(self.seat.channel, "tls", None)
        return found

    @property
    def tls_failure(self) -> str:
        failed = (self.tls or {}).get("failed")
        return failed.decode() if isinstance(failed, bytes) else ""

    @property
    def turned_away(self) -> Ended | None:
        """Why the present connection is none; None where somebody listened."""
        kind = getattr(self.seat.channel, "ended", None)
        return Ended(kind) if kind in ("refused", "no-path") else None

    def now(self) -> float:
        return self.stage.now()

    def random_bytes(self, size: int) -> bytes:
        return self.stage.random_bytes(size)

    def bind(self, name: str, value: Value) -> None:
        self.variables[name] = value
        if name not in self.published:
            self.published.add(name)
            self.stage.publish(self.role.name, self.index, name, value)

    def fail(self, kind: FailureKind, message: str, place: Place | None = None, **more: object) -> NoReturn:
        failure = Failure(kind, self.who, place or self.place, message, rounds=self.rounds, **more)  # type: ignore[arg-type]
        raise StepFailed(failure)


def refusal(who: str, error: EnvironmentRefused, place: Place | None = None, rounds: Rounds = ()) -> StepFailed:
    """What the machine refused, told of the role that asked for it."""
    return StepFailed(Failure("refused", who, place, str(error), environment=True, rounds=rounds))


class Common:
    """The names that belong to no role: constants, and what roles and processes tell; satisfies `values.Scope`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.attribute = stage.attribute
        self.now = stage.now
        self.random_bytes = stage.random_bytes

    def name(self, name: str) -> Value:
        value = self._stage.constant(name)
        if value is None:
            raise ExpressionError(f"{name!r} has no value here: only a role has it")
        return value


def _part(address: Address, attribute: str) -> Value:
    return address.port if attribute == "port" else address.host.encode()
