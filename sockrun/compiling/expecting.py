"""The steps that wait for the peer: `expect` and its kin. `react` is in `steps.py`, since it has steps inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from sockrun.commands import Address, Matcher, Receive
from sockrun.compiling.endings import Anything, Message, Nothing
from sockrun.compiling.scalars import converted_if_said, settled, to_flag, to_seconds, to_text
from sockrun.compiling.securing import notified
from sockrun.compiling.sending import to_address, to_address_text
from sockrun.compiling.workshop import Job, shortened, written
from sockrun.hexdump import size_text
from sockrun.matching import Expectation, compile_matcher
from sockrun.program import AnyOrder, Block, Case, Check, Place, Wait, Wanted
from sockrun.records import dataclass
from sockrun.values import ExpressionError, Operand, Scope

Framed = Callable[[Matcher], Matcher]  # a matcher of messages becomes one of what is on the wire


def expect(job: Job) -> Block:
    framing, options = job.framing(), job.step.options
    name = options.get("as")
    optional = _optional_seconds(job)
    keep = name is not None or job.shop.keeps or optional is not None
    context = job.context.for_messages(job.role.datagram or framing is not None)
    expectation = compile_matcher(job.node, context, keep=keep)
    if name is not None:
        job.context.bind(str(name.value), name)
    if expectation is None:
        return ()
    make = _Expecting(
        expectation=expectation,
        framed=_itself if framing is None else framing.framed,
        seconds=job.seconds() if optional is None else optional,
        sender=_sender(job),
        optional=optional is not None,
        most_kept=None if name is None or context.message else context.max_message,
    )
    try:
        command = make.constant
    except ExpressionError as error:
        job.context.problems.error("too-large", error.message, job.node.span, hint="leave 'as' out")
        return ()
    bound = None if name is None else str(name.value)
    return (Wait(job.place(expectation.summary), "bytes", command, None if command else make, keep=bound),)


def _itself(matcher: Matcher) -> Matcher:
    return matcher


def _optional_seconds(job: Job) -> float | None:
    """How long an `optional` step waits; it is a timeout, and scaled like one."""
    options = job.step.options
    if "optional" not in options:
        return None
    if "timeout" in options:
        message = "'timeout' stands beside 'optional', which already says how long the step waits"
        job.context.problems.error("misplaced-key", message, job.step.keys["timeout"], hint="leave one of them out")
    return settled(options["optional"], job.context, to_seconds, 0.0) * job.shop.scale


def _sender(job: Job) -> Operand | None:
    if "from" in job.step.options and job.role.protocol != "udp":
        hint = "a stream and a unix socket have one peer: leave 'from' out"
        job.context.problems.error("misplaced-key", "'from' is for udp only", job.step.keys["from"], hint=hint)
    return converted_if_said(job.step.options.get("from"), job.context, to_address_text)


@dataclass(frozen=True, slots=True)
class _Expecting:
    """Makes the `Receive` of an `expect`. `most_kept`: bytes of a stream that a name may have; None: there is none."""

    expectation: Expectation
    framed: Framed
    seconds: float
    sender: Operand | None
    optional: bool
    most_kept: int | None

    @property
    def constant(self) -> Receive | None:
        """The `Receive`, where it needs no scope. Raises: ExpressionError."""
        matcher, sender = self.expectation.constant, None if self.sender is None else self.sender.constant
        if matcher is None or (self.sender is not None and sender is None):
            return None
        return self._receive(matcher, None if sender is None else to_address(to_text(sender)))

    def __call__(self, scope: Scope) -> Receive:
        matcher = self.expectation.evaluate(scope)
        return self._receive(matcher, None if self.sender is None else to_address(to_text(self.sender.evaluate(scope))))

    def _receive(self, matcher: Matcher, sender: Address | None) -> Receive:
        if self.most_kept is not None and getattr(matcher, "forgets", False):
            most = size_text(self.most_kept)
            raise ExpressionError(f"'as' keeps what this takes, and that is more than the {most} that a message holds")
        return Receive(self.framed(matcher), self.seconds, sender=sender, optional=self.optional)


def expect_close(job: Job) -> Block:
    discard = settled(job.node.get("discard"), job.context, to_flag, False)
    reset = settled(job.node.get("reset"), job.context, to_text, "") == "allow"
    matcher = Anything("the close") if discard else Nothing("the close")
    receive = Receive(matcher, job.seconds(), "fin")
    wait = Wait(job.place(), "fin", receive, discard=discard, reset_too=reset)
    if settled(job.node.get("notify"), job.context, to_text, "") == "required":
        return (wait, Check(wait.place, notified, lambda _: []))
    return (wait,)


def ending(wanted: Literal["reset", "refused"], event: str) -> Callable[[Job], Block]:
    def compile_ending(job: Job) -> Block:
        return (Wait(job.place(), wanted, Receive(Nothing(event), job.seconds(), wanted)),)

    return compile_ending


def expect_silence(job: Job) -> Block:
    """The duration is what is asked for, no timeout: it is not scaled."""
    wanted: Wanted = "silence"
    seconds = settled(job.node, job.context, to_seconds, 0.0)
    receive = Receive(Nothing("the end of the silence"), seconds, wanted)
    return (Wait(job.place(written(job.node)), wanted, receive),)


# --- messages that several may take ------------------------------------------------------------


def expect_in_any_order(job: Job) -> Block:
    framed = whole_messages(job)
    spans = [item.span for item in job.node.items]
    found = [compile_matcher(item, job.context.for_messages(True), keep=True) for item in job.node.items]
    known = [expectation for expectation in found if expectation is not None]
    if framed is None or len(known) < len(found):
        return ()
    cases = [
        Case(Place(f"{job.number}.{k}", shortened(one.summary), span), one.evaluate)
        for k, (one, span) in enumerate(zip(known, spans, strict=True), 1)
    ]
    place = job.place(", ".join(one.summary for one in known))
    return (AnyOrder(place, tuple(cases), job.seconds(), _OneOf(framed)),)


@dataclass(frozen=True, slots=True)
class _OneOf:
    """Makes the `Receive` of the next message, told as the ones that are still waited for."""

    framed: Framed

    def __call__(self, cases: Sequence[Case], seconds: float) -> Receive:
        words = " or ".join(case.place.label for case in cases[:3])
        more = f" or {len(cases) - 3} more" if len(cases) > 3 else ""
        return Receive(self.framed(Message(words + more)), seconds)


def whole_messages(job: Job) -> Framed | None:
    """How a matcher of messages is framed; None, with the problem reported, where there are no messages."""
    framing = job.framing()
    if framing is not None:
        return framing.framed
    if job.role.datagram:
        return _itself
    message = f"{job.step.word!r} is about whole messages, and an unframed stream has none"
    hint = "give the role a 'framing', such as 'framing: line'"
    job.context.problems.error("needs-a-message", message, job.step.span, hint=hint)
    return None
