"""The verbs: one table from a step's word to the function that makes instructions of it.

Lives here: everything that depends on the kind of a step, but for those that send (`sending.py`) or wait for
the peer (`expecting.py`). Must not live here: what needs more than one role (`checks.py`). A verb's function
reports what is wrong, and is then empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import cast

from sockrun.commands import (
    Address,
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Fact,
    Kill,
    Match,
    Mismatch,
    Receive,
    Reset,
    Shutdown,
    Sleep,
    Tell,
)
from sockrun.compiling.endings import Message
from sockrun.compiling.expecting import (
    ending,
    expect,
    expect_close,
    expect_in_any_order,
    expect_silence,
    whole_messages,
)
from sockrun.compiling.limits import ROLE_KEYS, STEPS, Kind, obstacle
from sockrun.compiling.model import HOLE, RESERVED, Step
from sockrun.compiling.model import Case as WrittenCase
from sockrun.compiling.scalars import Literal as Constant
from sockrun.compiling.scalars import (
    converted,
    converted_if_said,
    operand,
    settled,
    to_bytes,
    to_flag,
    to_natural,
    to_port,
    to_seconds,
    to_text,
)
from sockrun.compiling.securing import expect_tls, starttls, tls_settings
from sockrun.compiling.sending import send
from sockrun.compiling.workshop import Job, Workshop, shortened, written
from sockrun.diagnostics import did_you_mean
from sockrun.expressions import Expression
from sockrun.matching import compile_matcher
from sockrun.program import Assign, Block, Case, Check, Do, Include, Make, Place, React, Repeat, Secure
from sockrun.records import dataclass, replace
from sockrun.source import Node, Span
from sockrun.values import ExpressionError, Operand, Scope, Value


def compile_steps(steps: Sequence[Step], shop: Workshop, prefix: str = "") -> Block:
    """The instructions of a list of steps, numbered from 1."""
    numbered = enumerate(steps, 1)
    return tuple(instruction for k, step in numbered for instruction in compile_step(step, f"{prefix}{k}", shop))


def compile_step(step: Step, number: str, shop: Workshop) -> Block:
    """The instructions of one step; empty, with the problem reported, where it cannot be done."""
    block = _compile_step(step, number, shop)
    if not block:
        shop.gaps.append(step)
    return block


def _compile_step(step: Step, number: str, shop: Workshop) -> Block:
    problems, role = shop.context.problems, shop.role
    if step.verb == HOLE:
        return ()
    if step.verb in STEPS:
        limit = STEPS[step.verb]
        why = obstacle(step.word, limit, Kind(role.protocol, role.side, role.datagram))
        if why:
            problems.error("misplaced-step", why, step.span, hint=limit.instead)
            return ()
    if "framing" in step.options and role.datagram:
        hint = "a datagram is a message already: leave 'framing' out"
        problems.error("misplaced-key", "'framing' is not for datagrams", step.keys["framing"], hint=hint)
    return VERBS[step.verb](Job(step, number, shop))


# --- the connection ----------------------------------------------------------------------------


def _plain(command: Command) -> Callable[[Job], Block]:
    def compile_plain(job: Job) -> Block:
        return (Do(job.place(), (command,)),)

    return compile_plain


def _close(job: Job) -> Block:
    return (Do(job.place(), (Close(job.seconds()),)),)


def _reset(job: Job) -> Block:
    now = job.node.value == "now"
    return (Do(job.place("now" if now else ""), (Reset(now),)),)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client connects to: a role's address, or one that is given."""

    protocol: str
    to: str | None
    host: Operand | None
    port: Operand | None
    path: Operand | None
    retry_for: float

    def __call__(self, scope: Scope) -> tuple[Command, ...]:
        return (Connect(self.address(scope), self.retry_for),)

    @property
    def asked(self) -> str | None:
        """The role whose address it needs."""
        given = self.path is not None if self.protocol == "unix" else None not in (self.host, self.port)
        return None if given else self.to

    def address(self, scope: Scope) -> Address:
        """Raises: NotYet, ExpressionError. The host of a unix role is its path."""
        if self.protocol == "unix":
            return Address(to_text(self._value(self.path, "host", scope)), 0, True)
        host = self._value(self.host, "host", scope)
        return Address(to_text(host), cast(int, self._value(self.port, "port", scope)))

    def _value(self, given: Operand | None, attribute: str, scope: Scope) -> Value:
        if given is not None:
            return given.evaluate(scope)
        if self.to is None:
            raise ExpressionError(f"no {attribute} says where to connect")
        return scope.attribute(self.to, None, attribute)


def _connect(job: Job) -> Block:
    """Whatever the step does not say is the role's; a new `to` drops the role's own address."""
    role, given, context = job.role, job.node, job.context
    target = given.get("to")
    own = role if target is None else replace(role, host=None, port=None, path=None)
    to = role.to.name if role.to is not None else None
    if target is not None:
        to = settled(target, context, to_text, "")
        if to and to not in job.shop.roles:
            hint = did_you_mean(to, job.shop.roles)
            context.problems.error("unknown-role", f"there is no role {to!r}", target.span, hint=hint)
    for key, span in given.keys.items():
        limit = ROLE_KEYS[key]
        why = obstacle(key, limit, Kind(role.protocol, role.side, role.datagram))
        if why:
            context.problems.error("misplaced-key", why, span, hint=limit.instead)
    host = converted_if_said(given.get("host") or own.host, context, to_bytes)
    if host is not None and isinstance(host.constant, bytes):
        job.shop.hosts.append(to_text(host.constant))
    connecting = Target(
        protocol=role.protocol,
        to=to,
        host=host if host is not None or to is not None else Constant(b"127.0.0.1"),
        port=converted_if_said(given.get("port") or own.port, context, to_port),
        path=converted_if_said(given.get("path") or own.path, context, to_bytes),
        retry_for=settled(given.get("retry_for"), context, to_seconds, role.retry_for),
    )
    place = job.place("" if to is None else f"to {to}")
    settings = tls_settings(given.get("tls") or role.tls, role, context)
    secure = () if settings is None else (Secure(place, settings, job.seconds()),)
    return (Make(place, connecting), *secure)


# --- time, and other roles ---------------------------------------------------------------------


def _pause(job: Job) -> Block:
    duration = converted(job.node, job.context, to_seconds)
    if duration is None:
        return ()
    place = job.place(written(job.node))
    if duration.constant is not None:
        return (Do(place, (Sleep(cast(float, duration.constant)),)),)
    return (Make(place, lambda scope: (Sleep(cast(float, duration.evaluate(scope))),)),)


def _signal(job: Job) -> Block:
    return (Do(job.place(written(job.node)), (Tell(_signals(job)),)),)


def _wait(job: Job) -> Block:
    return (Do(job.place(written(job.node)), (Await(_signals(job)),)),)


def _signals(job: Job) -> tuple[Fact, ...]:
    return tuple(Fact("signal", name) for name in job.names())


def _barrier(job: Job) -> Block:
    return (Do(job.place(written(job.node)), tuple(Barrier(name) for name in job.names())),)


def _kill(job: Job) -> Block:
    signals = {name: settled(node, job.context, to_text, "TERM") for name, node in job.node.mapping.items()}
    place = job.place(", ".join(f"{name} with {signal}" for name, signal in signals.items()))
    started = Await(tuple(Fact("started", name) for name in signals))
    return (Do(place, (started, *(Kill(name, signal) for name, signal in signals.items()))),)


# --- values ------------------------------------------------------------------------------------


def _set(job: Job) -> Block:
    variables = []
    for name, node in job.node.mapping.items():
        job.context.bind(name, Node(name, job.node.keys[name]))
        value = operand(node, job.context)
        if value is not None:
            variables.append((name, value))
    return (Assign(job.place(", ".join(job.node.mapping)), tuple(variables)),)


def _check(job: Job) -> Block:
    if job.node.mapping:
        return _check_value(job)
    expression = job.context.expression(job.node)
    if expression is None:
        return ()
    return (Check(job.place(written(job.node)), _Holds(expression), expression.values),)


@dataclass(frozen=True, slots=True)
class _Holds:
    expression: Expression

    def __call__(self, scope: Scope) -> Mismatch | None:
        return None if self.expression.evaluate(scope) else Mismatch(f"{self.expression.text} does not hold", b"")


def _check_value(job: Job) -> Block:
    value_node, matcher_node = job.node.mapping["value"], job.node.mapping["is"]
    value = operand(value_node, job.context)
    expectation = compile_matcher(matcher_node, job.context.for_messages(True), keep=True)
    if value is None or expectation is None:
        return ()
    shown = written(value_node)
    place = job.place(f"{shown} is {expectation.summary}")
    known = value

    def test(scope: Scope) -> Match | Mismatch:
        verdict = expectation.evaluate(scope).judge(_message(known.evaluate(scope)))
        return verdict._replace(reason=verdict.told("the value")) if isinstance(verdict, Mismatch) else verdict

    return (Check(place, test, lambda scope: [(shown, known.evaluate(scope))]),)


def _message(value: Value) -> bytes:
    try:
        return to_bytes(value)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def _repeat(job: Job) -> Block:
    """`round` has a value inside only: what refers to it there is no business of the names outside."""
    times = converted(job.node, job.context, to_natural)
    inner = replace(job.context, references=[])
    body = compile_steps(job.step.body, job.shop.inside(inner), f"{job.number}.")
    job.context.references.extend(found for found in inner.references if found[0].base != "round")
    return () if times is None else (Repeat(job.place(written(job.node)), times, body),)


def _include(job: Job) -> Block:
    """What `with` names is known to the file's steps only: as constants, or with values that the role has then."""
    node = job.step.options.get("with")
    given = {name: operand(value, job.context) for name, value in (node.mapping if node else {}).items()}
    known = {name: value.constant for name, value in given.items() if value and value.constant is not None}
    others = {name: value for name, value in job.context.constants.items() if name not in given}
    folder = Path(job.step.body[0].span.source.path).parent if job.step.body else None
    inner = replace(job.context, constants={**others, **known}, references=[], binds={}, folder=folder)
    body = compile_steps(job.step.body, job.shop.inside(inner, job.own_timeout()), f"{job.number}.")
    _check_given(job, given, inner.binds)
    for name, span in inner.binds.items():
        job.context.binds.setdefault(name, span)
    outside = (found for found in inner.references if found[0].attribute or found[0].base not in given)
    job.context.references.extend(outside)
    later = tuple((name, value) for name, value in given.items() if value and name not in known)
    return (Include(job.place(written(job.node)), later, body),)


def _check_given(job: Job, given: Iterable[str], binds: Mapping[str, Span]) -> None:
    node = job.step.options.get("with")
    for name in given:
        if node is not None and name in RESERVED:
            message = f"{name!r} cannot be the name of a value: expressions use it for something else"
            job.context.problems.error("reserved-name", message, node.keys[name], hint="choose another name")
        elif node is not None and name in binds:
            message = f"{name!r} is given by 'with', and a step of the file cannot change it"
            related = [(node.keys[name], "given here")]
            hint = "choose another name for one of them"
            job.context.problems.error("name-clash", message, binds[name], hint=hint, related=related)


def _react(job: Job) -> Block:
    """Waits as long as it takes: an idle server has nothing to be late with."""
    framed = whole_messages(job)
    numbered = enumerate(job.step.cases, 1)
    found = [_case(case, f"{job.number}.{k}", job) for k, case in numbered]
    cases = tuple(case for case in found if case is not None)
    if framed is None or len(cases) < len(found):
        return ()
    waited = f"a message that one of {len(cases)} cases takes" if len(cases) > 1 else f"{cases[0].place.label}"
    return (React(job.place(), Receive(framed(Message(waited)), inf), cases),)


def _case(case: WrittenCase, number: str, job: Job) -> Case | None:
    expectation = compile_matcher(case.expect, job.context.for_messages(True), keep=True)
    condition = None if case.when is None else job.context.expression(case.when)
    body = compile_steps(case.steps, job.shop, f"{number}.")
    leave = settled(case.leave, job.context, to_flag, False)
    if expectation is None or (condition is None and case.when is not None):
        return None
    on = "" if case.when is None else f" when {written(case.when)}"
    place = Place(number, shortened(expectation.summary + on), case.expect.span)
    when = None if condition is None else condition.evaluate
    return Case(place, expectation.evaluate, when, body, leave)


VERBS: Mapping[str, Callable[[Job], Block]] = {
    "send": send,
    "expect": expect,
    "expect_in_any_order": expect_in_any_order,
    "expect_close": expect_close,
    "expect_reset": ending("reset", "the reset"),
    "expect_refused": ending("refused", "the refusal"),
    "expect_silence": expect_silence,
    "expect_tls": expect_tls,
    "starttls": starttls,
    "close": _close,
    "shutdown": _plain(Shutdown()),
    "reset": _reset,
    "connect": _connect,
    "pause": _pause,
    "signal": _signal,
    "wait": _wait,
    "barrier": _barrier,
    "kill": _kill,
    "set": _set,
    "check": _check,
    "repeat": _repeat,
    "react": _react,
    "include": _include,
}
