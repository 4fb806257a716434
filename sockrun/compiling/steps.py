"""The verbs: one table from a step's word to the function that makes instructions of it.

Lives here: everything that depends on the kind of a step, `send` apart (`sending.py`). Must not live here:
what needs more than one role (`checks.py`). A verb's function reports what is wrong, and is then empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

from sockrun.commands import (
    Address,
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Fact,
    Matcher,
    Mismatch,
    Receive,
    Reset,
    Shutdown,
    Sleep,
    Tell,
)
from sockrun.compiling import not_yet
from sockrun.compiling.endings import Anything, Nothing
from sockrun.compiling.limits import STEPS, Kind, obstacle
from sockrun.compiling.model import HOLE, Step
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
from sockrun.compiling.sending import send
from sockrun.compiling.workshop import Job, Workshop
from sockrun.diagnostics import did_you_mean
from sockrun.expressions import Expression
from sockrun.matching import Expectation, compile_matcher
from sockrun.program import Assign, Block, Check, Do, Make, Repeat, Wait, Wanted
from sockrun.source import Node, Span
from sockrun.values import ExpressionError, Operand, Scope, Value

_WITHOUT_CONSEQUENCE = frozenset({"send", "pause", "check"})  # they bind no name and give no signal


def compile_steps(steps: Sequence[Step], shop: Workshop, prefix: str = "") -> Block:
    """The instructions of a list of steps, numbered from 1."""
    numbered = enumerate(steps, 1)
    return tuple(instruction for k, step in numbered for instruction in compile_step(step, f"{prefix}{k}", shop))


def compile_step(step: Step, number: str, shop: Workshop) -> Block:
    """The instructions of one step; empty, with the problem reported, where it cannot be done."""
    block = _compile_step(step, number, shop)
    if not block and step.verb not in _WITHOUT_CONSEQUENCE:
        shop.gaps.append(step)
    return block


def _compile_step(step: Step, number: str, shop: Workshop) -> Block:
    problems, role = shop.context.problems, shop.role
    if step.verb == HOLE:
        return ()
    if not_yet.report("step", {step.verb: step.keys.get(step.verb, step.span)}, problems):
        return ()
    not_yet.report(step.verb, _keys(step), problems)
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


def _keys(step: Step) -> Mapping[str, Span]:
    inner = step.argument.keys if step.argument is not None and step.verb != "expect" else {}
    return {**step.keys, **inner}


# --- waiting for the peer ----------------------------------------------------------------------


def _expect(job: Job) -> Block:
    framing = job.framing()
    name = job.step.options.get("as")
    keep = name is not None or job.shop.keeps
    context = job.context.for_messages(job.role.datagram or framing is not None)
    expectation = compile_matcher(job.node, context, keep=keep)
    if name is not None:
        job.context.bind(str(name.value), name)
    if expectation is None:
        return ()
    framed: Callable[[Matcher], Matcher] = _itself if framing is None else framing.framed
    bound = None if name is None else str(name.value)
    place, seconds = job.place(expectation.summary), job.seconds()
    if expectation.constant is not None:
        return (Wait(place, "bytes", Receive(framed(expectation.constant), seconds), keep=bound),)
    make = _Expecting(expectation, framed, seconds)
    return (Wait(place, "bytes", None, make, keep=bound),)


def _itself(matcher: Matcher) -> Matcher:
    return matcher


@dataclass(frozen=True, slots=True)
class _Expecting:
    """Makes the `Receive` of an `expect` that refers to values."""

    expectation: Expectation
    framed: Callable[[Matcher], Matcher]
    seconds: float

    def __call__(self, scope: Scope) -> Receive:
        return Receive(self.framed(self.expectation.evaluate(scope)), self.seconds)


def _expect_close(job: Job) -> Block:
    discard = settled(job.node.get("discard"), job.context, to_flag, False)
    reset = settled(job.node.get("reset"), job.context, to_text, "") == "allow"
    matcher = Anything("the close") if discard else Nothing("the close")
    receive = Receive(matcher, job.seconds(), "fin")
    return (Wait(job.place(), "fin", receive, discard=discard, reset_too=reset),)


def _ending(wanted: Literal["reset", "refused"], event: str) -> Callable[[Job], Block]:
    def compile_ending(job: Job) -> Block:
        return (Wait(job.place(), wanted, Receive(Nothing(event), job.seconds(), wanted)),)

    return compile_ending


def _expect_silence(job: Job) -> Block:
    """The duration is what is asked for, no timeout: it is not scaled."""
    wanted: Wanted = "silence"
    seconds = settled(job.node, job.context, to_seconds, 0.0)
    receive = Receive(Nothing("the end of the silence"), seconds, wanted)
    return (Wait(job.place(_written(job.node)), wanted, receive),)


# --- the connection ----------------------------------------------------------------------------


def _plain(command: Command) -> Callable[[Job], Block]:
    def compile_plain(job: Job) -> Block:
        return (Do(job.place(), (command,)),)

    return compile_plain


def _reset(job: Job) -> Block:
    now = job.node.value == "now"
    return (Do(job.place("now" if now else ""), (Reset(now),)),)


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a client connects to: a role's address, or one that is given."""

    protocol: str
    to: str | None
    host: Operand | None
    port: Operand | None
    path: Operand | None
    retry_for: float

    def __call__(self, scope: Scope) -> tuple[Command, ...]:
        return (Connect(self.address(scope), self.retry_for),)

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
    host = converted_if_said(given.get("host") or own.host, context, to_bytes)
    connecting = _Target(
        protocol=role.protocol,
        to=to,
        host=host if host is not None or to is not None else Constant(b"127.0.0.1"),
        port=converted_if_said(given.get("port") or own.port, context, to_port),
        path=converted_if_said(given.get("path") or own.path, context, to_bytes),
        retry_for=settled(given.get("retry_for"), context, to_seconds, role.retry_for),
    )
    return (Make(job.place("" if to is None else f"to {to}"), connecting),)


# --- time, and other roles ---------------------------------------------------------------------


def _pause(job: Job) -> Block:
    duration = converted(job.node, job.context, to_seconds)
    if duration is None:
        return ()
    place = job.place(_written(job.node))
    if duration.constant is not None:
        return (Do(place, (Sleep(cast(float, duration.constant)),)),)
    return (Make(place, lambda scope: (Sleep(cast(float, duration.evaluate(scope))),)),)


def _signal(job: Job) -> Block:
    return (Do(job.place(_written(job.node)), (Tell(_signals(job)),)),)


def _wait(job: Job) -> Block:
    return (Do(job.place(_written(job.node)), (Await(_signals(job)),)),)


def _signals(job: Job) -> tuple[Fact, ...]:
    return tuple(Fact("signal", name) for name in job.names())


def _barrier(job: Job) -> Block:
    return (Do(job.place(_written(job.node)), tuple(Barrier(name) for name in job.names())),)


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
    return (Check(job.place(_written(job.node)), _Holds(expression), expression.values),)


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
    shown = _written(value_node)
    place = job.place(f"{shown} is {expectation.summary}")
    known = value

    def test(scope: Scope) -> Mismatch | None:
        verdict = expectation.evaluate(scope).judge(_message(known.evaluate(scope)))
        return verdict if isinstance(verdict, Mismatch) else None

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
    return () if times is None else (Repeat(job.place(_written(job.node)), times, body),)


def _written(node: Node | None) -> str:
    """A step's argument in a few words, as the file writes it."""
    if node is None or node.value is None:
        return ""
    if isinstance(node.value, tuple):
        return ", ".join(_written(item) for item in node.value)
    return str(node.value)


VERBS: Mapping[str, Callable[[Job], Block]] = {
    "send": send,
    "expect": _expect,
    "expect_close": _expect_close,
    "expect_reset": _ending("reset", "the reset"),
    "expect_refused": _ending("refused", "the refusal"),
    "expect_silence": _expect_silence,
    "close": _plain(Close()),
    "shutdown": _plain(Shutdown()),
    "reset": _reset,
    "connect": _connect,
    "pause": _pause,
    "signal": _signal,
    "wait": _wait,
    "barrier": _barrier,
    "set": _set,
    "check": _check,
    "repeat": _repeat,
}
