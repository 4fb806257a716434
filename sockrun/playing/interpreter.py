"""A role as a generator: it yields commands, is resumed with events, and knows neither socket nor clock.

`life` is a whole role (start, connect, steps, end), `play` a block of its steps. What a role may know of
others comes through its `Frame`, from the `Stage` that all roles of the scenario share. A step that does
not hold raises `StepFailed`; there is no clean-up in here.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import NoReturn, Protocol, TypeVar, assert_never

from sockrun.commands import (
    Address,
    Await,
    Command,
    Connect,
    Done,
    Ended,
    Event,
    Fact,
    Failed,
    Finish,
    Match,
    Mismatch,
    Receive,
    Sleep,
    TimedOut,
)
from sockrun.hexdump import size_text
from sockrun.network.interface import Channel
from sockrun.program import Assign, Block, Check, Do, Make, Place, Repeat, RoleProgram, Wait
from sockrun.results import Failure, FailureKind
from sockrun.values import ExpressionError, NotYet, Value

Role = Generator[Command, Event, None]
T = TypeVar("T")

BREATH = Sleep(0)
BREATHE_EVERY = 1024  # rounds of a repeat after which the others run, even if no step waits


class Stage(Protocol):
    """What the roles of a scenario share."""

    def constant(self, name: str) -> Value | None:
        """A var or matrix value, or `dir`."""
        ...

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        """`base.attribute` for a port's name, the environment, another role. Raises NotYet, ExpressionError."""
        ...

    def publish(self, role: str, index: int, name: str, value: Value) -> None:
        """A role's variable has a value: the first one stays, for all others."""
        ...

    def record(self, name: str, place: Place | None, command: Command | str, event: Event) -> None:
        """Keep what happened, with its time."""
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
        "index",
        "place",
        "published",
        "received",
        "refused",
        "role",
        "rounds",
        "seat",
        "stage",
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
        self.published: set[str] = set()
        self.received: bytes = b""
        self.rounds: list[int] = []
        self.place: Place | None = None
        self.refused = False  # a step has expected it

    def name(self, name: str) -> Value:
        if name in self.variables:
            return self.variables[name]
        if name == "received":
            return self.received
        if name == "index":
            return self.index
        if name == "round" and self.rounds:
            return self.rounds[-1]
        value = self.stage.constant(name)
        if value is None:
            raise ExpressionError(f"{name!r} has no value yet: no step before this one has set it")
        return value

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        if base not in ("peer", "local"):
            return self.stage.attribute(base, index, attribute)
        address = getattr(self.seat.channel, base, None)
        if address is None:
            raise ExpressionError(f"there is no {base} yet: nothing is connected, and no datagram has come")
        return _part(address, attribute)

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
        raise StepFailed(Failure(kind, self.who, place or self.place, message, **more))  # type: ignore[arg-type]


# --- a role's life -----------------------------------------------------------------------------


def life(
    frame: Frame,
    block: Block,
    connect: Callable[[Frame], Connect] | None,
) -> Role:
    """Start, connect (clients: `connect` makes the command), play, end."""
    role = frame.role
    if role.start_after and (connect is not None or role.datagram):
        yield Await(role.start_after)
    if connect is not None:
        command = yield from _made(connect, frame)
        event = yield command
        frame.stage.record(frame.who, None, command, event)
        if isinstance(event, Failed):
            frame.fail("step", event.reason, environment=event.environment)
    yield from play(block, frame)
    frame.place = None
    yield Done()
    event = yield Finish(frame.stage.patience(frame.seat.channel))
    frame.stage.record(frame.who, None, "end", event)
    if isinstance(event, Ended) and event.kind == "refused" and not frame.refused:
        frame.fail("refused", _nobody_listens(frame))
    unread = event.unread if isinstance(event, Ended | TimedOut) else b""
    left = bool(unread) or (role.datagram and isinstance(event, Ended))  # a datagram may be empty
    if left and not role.allow_unread:
        fail_unread(frame, unread)


def play(block: Block, frame: Frame) -> Role:
    """Play the instructions in order. Raises: StepFailed."""
    record = frame.stage.record
    for step in block:
        place = frame.place = step.place
        match step:
            case Wait():
                command = step.command
                if command is None:
                    assert step.make is not None
                    command = yield from _made(step.make, frame)
                event = yield command
                record(frame.who, place, command, event)
                if event.__class__ is Match and step.wanted == "bytes":
                    frame.received = event.data
                    if event.variables or step.keep is not None:
                        _bind(step, event, frame)
                else:
                    _settle(step, command, event, frame)
            case Do():
                for action in step.commands:
                    event = yield action
                    record(frame.who, place, action, event)
                    if event is not None:
                        _refuse(event, frame)
            case Make():
                for action in (yield from _made(step.make, frame)):
                    event = yield action
                    record(frame.who, place, action, event)
                    if event is not None:
                        _refuse(event, frame)
            case Assign():
                for name, operand in step.variables:
                    frame.bind(name, (yield from _made(operand.evaluate, frame)))
            case Check():
                mismatch = yield from _made(step.test, frame)
                if mismatch is not None:
                    _check_failed(step, mismatch, frame)
            case Repeat():
                yield from _repeat(step, frame)
            case _:
                assert_never(step)


def _repeat(step: Repeat, frame: Frame) -> Role:
    times = yield from _made(step.times.evaluate, frame)
    if not isinstance(times, int) or isinstance(times, bool):
        frame.fail("step", "the number of rounds is no whole number")
    frame.rounds.append(0)
    for frame.rounds[-1] in range(times):
        if frame.rounds[-1] % BREATHE_EVERY == BREATHE_EVERY - 1:
            yield BREATH
        yield from play(step.body, frame)
    frame.rounds.pop()


def _made(make: Callable[[Frame], T], frame: Frame) -> Generator[Command, Event, T]:
    """What `make` gives, once all that it asks of other roles is there."""
    while True:
        try:
            return make(frame)
        except NotYet as missing:
            waited = Await((Fact(missing.kind, missing.name),))  # type: ignore[arg-type]
        except ExpressionError as error:
            frame.fail("step", error.message)
        yield waited


# --- verdicts ----------------------------------------------------------------------------------


def _part(address: Address, attribute: str) -> Value:
    return address.port if attribute == "port" else address.host.encode()


def _bind(step: Wait, event: Match, frame: Frame) -> None:
    for name, value in event.variables.items():
        frame.bind(name, value)
    if step.keep is not None:
        frame.bind(step.keep, event.data)


def _settle(step: Wait, command: Receive, event: Event, frame: Frame) -> None:
    """Hold any event but the usual one against what the step wants."""
    if isinstance(event, Failed):
        _refuse(event, frame)
    if isinstance(event, TimedOut) and step.wanted == "silence":
        return
    if isinstance(event, Ended) and not event.unread:
        if event.kind == step.wanted:
            frame.refused = event.kind == "refused"
            return
        if step.wanted == "fin" and step.reset_too and event.kind == "reset":
            return
    if isinstance(event, Mismatch):
        _mismatch(step, event, frame)
    if isinstance(event, Ended):
        _ended(step, command, event, frame)
    assert isinstance(event, TimedOut)
    _timed_out(step, command, event, frame)


INSTEAD: dict[str, str] = {
    "fin": "the peer was to close",
    "reset": "the peer was to reset the connection",
    "refused": "the connection was to be refused",
    "silence": "nothing was to come",
}


def _mismatch(step: Wait, event: Mismatch, frame: Frame) -> NoReturn:
    reason = event.reason
    if step.wanted != "bytes":
        reason = f"{INSTEAD[step.wanted]}, but {_bytes(event.received)} came"
    frame.fail("mismatch", reason, expected=event.expected, received=event.received, offset=event.offset)


def _ended(step: Wait, command: Receive, event: Ended, frame: Frame) -> NoReturn:
    how = {
        "fin": "the peer closed",
        "reset": "the peer reset the connection",
        "refused": _nobody_listens(frame),
        "closed-here": "the connection is closed: this role closed it before",
    }[event.kind]
    kinds: dict[str, FailureKind] = {"fin": "closed", "reset": "reset", "refused": "refused"}
    kind = kinds.get(event.kind, "step")
    if step.wanted == "bytes":
        how += _how_far(command, event.unread)
    elif event.kind == step.wanted:
        how += f" behind {_bytes(event.unread)} that no step took"
    elif event.kind != "closed-here":
        how = f"{INSTEAD[step.wanted]}, but {how}"
    frame.fail(kind, how, received=event.unread)


def _nobody_listens(frame: Frame) -> str:
    channel = frame.seat.channel
    peer = f" at {channel.peer}" if channel is not None and channel.peer else ""
    return f"nobody listens{peer} (connection refused)"


def fail_unread(frame: Frame, unread: bytes) -> NoReturn:
    """The role's connection is over, and bytes are left."""
    what = "a datagram" if frame.role.datagram else "bytes"
    frame.fail("unread", f"{what} came that no step took", received=unread)


def _timed_out(step: Wait, command: Receive, event: TimedOut, frame: Frame) -> NoReturn:
    within = f"within {event.seconds:g} s"
    if step.wanted != "bytes":
        frame.fail("timeout", f"{INSTEAD[step.wanted]}, but {within} it did not", received=event.unread)
    if not event.unread:
        frame.fail("timeout", f"nothing came {within}; waited for {command.matcher.summary}")
    progress = _how_far(command, event.unread).strip()
    frame.fail("timeout", f"{progress} {within}; waited for {command.matcher.summary}", received=event.unread)


def _how_far(command: Receive, unread: bytes) -> str:
    """' after 5 of 8 bytes', ' in the middle of a line: ...', ' before it sent 8 bytes'."""
    matcher = command.matcher
    progress = getattr(matcher, "progress", None)
    if unread and progress is not None:
        return f" {progress(unread)}"
    size = getattr(matcher, "size", None)
    if unread and size:
        return f" after {len(unread)} of {_bytes(size)}"
    if unread:
        return f" after {_bytes(unread)}, in the middle of {matcher.summary}"
    return f" before {matcher.summary} came"


def _bytes(data: bytes | int) -> str:
    return size_text(data if isinstance(data, int) else len(data))


def _refuse(event: Event, frame: Frame) -> NoReturn:
    if isinstance(event, Failed):
        frame.fail("step", event.reason, environment=event.environment)
    if isinstance(event, Ended):
        frame.fail("step", "the connection is closed")
    frame.fail("step", "the step cannot be carried out")


def _check_failed(step: Check, mismatch: Mismatch, frame: Frame) -> NoReturn:
    frame.fail(
        "check",
        mismatch.reason,
        expected=mismatch.expected,
        received=mismatch.received,
        offset=mismatch.offset,
        values=tuple(step.values(frame)),
    )


def after(facts: Iterable[Fact], then: Callable[[], None]) -> Role:
    """Wait for facts, then call: how a server that starts late begins to listen."""
    yield Await(tuple(facts))
    then()
