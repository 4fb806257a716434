"""A role as a generator: it yields commands, is resumed with events, and knows neither socket nor clock.

`life` is a whole role (start, connect, steps, end), `play` a block of its steps. What a role may know of
others comes through its `Frame`. A step that does not hold raises `StepFailed` (`verdicts.py` has the words);
there is no clean-up in here: where a role is stopped, its `farewell` is played as a generator of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import TypeVar, assert_never, final

from sockrun.commands import (
    Await,
    Close,
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
    Sleep,
    StartTls,
    TimedOut,
)
from sockrun.playing.frame import LONG, Frame
from sockrun.playing.securing import settled
from sockrun.playing.verdicts import (
    check_failed,
    fail_unread,
    handshake,
    nobody_listens,
    nobody_takes,
    refuse,
    settle,
    some_missing,
)
from sockrun.program import (
    AnyOrder,
    Assign,
    Block,
    Case,
    Check,
    Do,
    Include,
    Instruction,
    Make,
    Place,
    React,
    Repeat,
    Secure,
    TlsSettings,
    Wait,
)
from sockrun.records import NamedTuple
from sockrun.values import ExpressionError, NotYet, Value

Role = Generator[Command, Event, None]
T = TypeVar("T")

BREATH = Sleep(0)
BREATHE_EVERY = 1024  # rounds of a repeat after which the others run, even if no step waits


@final
class _Breath(NamedTuple):
    """The others run: a step that nobody wrote."""

    place: Place


# --- a role's life -----------------------------------------------------------------------------


def life(
    frame: Frame,
    block: Block,
    connect: Callable[[Frame], Connect] | None,
) -> Role:
    """Start, connect (clients: `connect` makes the command), play, end."""
    role = frame.role
    if role.start_after and connect is not None:
        yield Await(role.start_after)
    if connect is not None:
        command = yield from _made(connect, frame)
        event = yield command
        _connected(event, frame)
        frame.stage.record(frame.who, None, command, event or frame.turned_away)
        if isinstance(event, Failed):
            frame.fail("step", event.reason, environment=event.environment)
    if role.tls is not None:
        frame.place = Place("", "tls", role.tls.span)
        yield from _secure(role.tls, role.timeout, False, frame)
    yield from play(block, frame)
    yield from farewell(frame)
    event = yield Finish(frame.stage.patience(frame.seat.channel))
    frame.stage.record(frame.who, None, "end", event)
    if isinstance(event, Ended) and event.refusal and not frame.refused:
        frame.fail("refused", nobody_listens(event, frame))
    if isinstance(event, Ended) and event.kind == "tls" and not frame.refused:
        frame.fail("tls", frame.tls_failure)
    unread = event.unread if isinstance(event, Ended | TimedOut) else b""
    left = bool(unread) or (role.datagram and isinstance(event, Ended))  # a datagram may be empty
    if left and not role.allow_unread:
        fail_unread(frame, unread)


def farewell(frame: Frame) -> Role:
    """The steps of `finally`, and the end of all steps."""
    frame.parting = True
    frame.given, frame.rounds = {}, ()
    yield from play(frame.role.last, frame)
    frame.place = None
    yield Done()


def play(block: Block, frame: Frame) -> Role:
    """Play the instructions in order. Raises: StepFailed.

    What is repeated or included is a list of steps on top of the others, and no generator of its own: each
    generator that a command passes through costs a twentieth of a round trip.
    """
    stage, who = frame.stage, frame.who
    loop, record, keep = stage.loop, stage.record, stage.keep
    lists: list[Iterator[Instruction | _Breath]] = [iter(block)]  # those that are not over, the innermost last
    while lists:
        for step in lists[-1]:
            place = frame.place = step.place
            if type(step) is Do:  # `match` would ask with isinstance: a twentieth of a round trip
                for action in step.commands:
                    event = yield action
                    keep((loop.moment, who, place, action, event, frame.rounds))
                    if event is not None:
                        refuse(event, frame)
            elif type(step) is Wait:
                command = step.command
                if command is None:
                    assert step.make is not None
                    command = yield from _made(step.make, frame)
                event = yield command
                if event.__class__ is Match and step.wanted == "bytes":
                    received = frame.received = event[0]  # a name of a named tuple is found three times as slowly
                    if len(received) <= LONG:
                        keep((loop.moment, who, place, command, event, frame.rounds))
                    else:
                        record(who, place, command, event, frame.rounds)
                    if event[1] or step.keep is not None:
                        _bind(event, frame, step.keep)
                else:
                    record(who, place, command, event, frame.rounds)
                    settle(command, event, frame, step.reset_too)
            elif type(step) is Repeat:
                lists.append(chain.from_iterable(_rounds(step, (yield from _made(step.times.evaluate, frame)), frame)))
                break
            elif type(step) is Include:
                lists.append(_included(step, (yield from _given(step, frame)), frame))
                break
            elif type(step) is _Breath:
                yield BREATH
            else:
                yield from _others(step, frame)
        else:
            lists.pop()


def _others(step: Make | Secure | Assign | Check | React | AnyOrder, frame: Frame) -> Role:
    """The steps that are rarer."""
    match step:
        case Make():
            for action in (yield from _made(step.make, frame)):
                if action.__class__ is Connect and frame.tls is not None:
                    yield Close(frame.role.timeout)  # which may have to wait for room for close_notify
                event = yield action
                told = event
                if action.__class__ is Connect:
                    _connected(event, frame)
                    told = event or frame.turned_away
                frame.stage.record(frame.who, frame.place, action, told, frame.rounds)
                if event is not None:
                    refuse(event, frame)
        case Secure():
            yield from _secure(step.settings, step.seconds, step.upgrade, frame)
        case Assign():
            for name, operand in step.variables:
                frame.bind(name, (yield from _made(operand.evaluate, frame)))
        case Check():
            verdict = yield from _made(step.test, frame)
            if isinstance(verdict, Mismatch):
                check_failed(step, verdict, frame)
            if verdict is not None:
                _bind(verdict, frame)
        case React():
            yield from _react(step, frame)
        case AnyOrder():
            yield from _any_order(step, frame)
        case _:
            assert_never(step)


def _connected(event: Event, frame: Frame) -> None:
    if event is None and frame.turned_away is None:
        frame.stage.connected(frame.who, frame.seat.channel)


def _secure(settings: TlsSettings, seconds: float, upgrade: bool, frame: Frame) -> Role:
    """Shake hands, where that is wanted. A handshake that failed is told to the next step, as a refusal is."""
    tls = yield from _made(partial(settled, settings), frame)
    if tls is None:
        return
    event = yield StartTls(tls, seconds, upgrade)
    if isinstance(event, Failed):
        refuse(event, frame)
    facts = frame.tls
    if facts is not None:
        step = frame.place if frame.place and frame.place.number else None
        frame.stage.record(frame.who, step, handshake(facts), None, frame.rounds)


def _rounds(step: Repeat, times: Value, frame: Frame) -> Iterator[Sequence[Instruction | _Breath]]:
    """The steps of each round."""
    if not isinstance(times, int) or isinstance(times, bool):
        frame.fail("step", "the number of rounds is no whole number")
    outer = frame.rounds
    for first in range(0, times, BREATHE_EVERY):
        if first:
            yield (_Breath(step.place),)
        for number in range(first, min(first + BREATHE_EVERY, times)):
            frame.rounds = outer + ((number, times),)  # noqa: RUF005 (unpacking makes a list first)
            yield step.body
    frame.rounds = outer


def _included(step: Include, given: dict[str, Value], frame: Frame) -> Iterator[Instruction]:
    """The steps of the file, with the names that only they see."""
    outer, frame.given = frame.given, given
    yield from step.body
    frame.given = outer


def _given(step: Include, frame: Frame) -> Generator[Command, Event, dict[str, Value]]:
    inner = dict(frame.given)
    for name, operand in step.given:
        inner[name] = yield from _made(operand.evaluate, frame)
    return inner


def _bind(event: Match, frame: Frame, keep: str | None = None) -> None:
    for name, value in event.variables.items():
        frame.bind(name, value)
    if keep is not None:
        frame.bind(keep, event.data)


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


# --- messages that several may take ------------------------------------------------------------


def _react(step: React, frame: Frame) -> Role:
    """Round and round, until a case leaves or the conversation has ended in order."""
    command, record = step.command, frame.stage.record
    while True:
        frame.place = step.place
        event = yield command
        if isinstance(event, Ended) and event.kind in ("fin", "closed-here") and not event.unread:
            record(frame.who, step.place, "leaves react: nothing more will come", None, frame.rounds)
            return
        if not isinstance(event, Match):
            record(frame.who, step.place, command, event, frame.rounds)
            settle(command, event, frame)
            continue
        case = yield from _taker(step.cases, command, event, frame, "no case takes this message")
        yield from play(case.body, frame)
        if case.leave:
            return


def _any_order(step: AnyOrder, frame: Frame) -> Role:
    """Each message closes the first open case that takes it."""
    stage, still_open = frame.stage, list(step.cases)
    until = stage.now() + step.seconds
    while still_open:
        command = step.receive(still_open, max(0.0, until - stage.now()))
        event = yield command
        if isinstance(event, Match):
            no_one = "nothing still open takes this message"
            still_open.remove((yield from _taker(still_open, command, event, frame, no_one)))
            continue
        stage.record(frame.who, step.place, command, event, frame.rounds)
        if isinstance(event, TimedOut):
            some_missing(step, still_open, event, frame)
        settle(command, event, frame)


def _taker(
    cases: Sequence[Case], command: Command, event: Match, frame: Frame, no_one: str
) -> Generator[Command, Event, Case]:
    """The first case that takes the message, its names bound. Raises: StepFailed, which begins with `no_one`."""
    message, record = event.data, frame.stage.record
    refusals: list[tuple[Case, Mismatch | None]] = []
    for case in cases:
        matcher = yield from _made(case.matcher, frame)
        verdict = matcher.judge(message)
        if isinstance(verdict, Match) and (yield from _holds(case, _Trial(frame, message, verdict), frame)):
            frame.received = message
            _bind(verdict, frame)
            record(frame.who, frame.place, command, event, frame.rounds)
            return case
        refusals.append((case, verdict if isinstance(verdict, Mismatch) else None))
    record(frame.who, frame.place, command, Mismatch(no_one, message), frame.rounds)
    nobody_takes(no_one, message, refusals, frame)


def _holds(case: Case, trial: _Trial, frame: Frame) -> Generator[Command, Event, bool]:
    when = case.when
    return when is None or bool((yield from _made(lambda _: when(trial), frame)))


class _Trial:
    """A role's names while a case is tried: the message and its groups are there, and bound only if it takes it."""

    def __init__(self, frame: Frame, message: bytes, match: Match) -> None:
        self._own: dict[str, Value] = {**match.variables, "received": message}
        self._frame = frame
        self.attribute = frame.attribute
        self.now = frame.now
        self.random_bytes = frame.random_bytes

    def name(self, name: str) -> Value:
        return self._own[name] if name in self._own else self._frame.name(name)


# --- servers that start late -------------------------------------------------------------------


def after(facts: Iterable[Fact], then: Callable[[], None]) -> Role:
    """Wait for facts, then call: how a server that starts late begins to listen."""
    yield Await(tuple(facts))
    then()
