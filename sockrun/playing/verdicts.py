"""What an event means for the step that waited: nothing, or a failure and the words for it.

Lives here: every sentence about a step that does not hold. Must not live here: what a step does next
(`interpreter.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from sockrun.commands import Address, Ended, Event, Failed, Mismatch, Receive, TimedOut
from sockrun.hexdump import size_text
from sockrun.playing.frame import Frame
from sockrun.program import AnyOrder, Case, Check, RoleProgram
from sockrun.results import FailureKind
from sockrun.values import Value


def settle(command: Receive, event: Event, frame: Frame, reset_too: bool = False) -> None:
    """Hold any event but the usual one against what the step wants; `reset_too`: a reset is as good as a close."""
    if isinstance(event, Failed):
        refuse(event, frame)
    if command.optional:
        return
    if isinstance(event, TimedOut) and command.expects == "silence":
        return
    if isinstance(event, Ended) and not event.unread:
        if event.meets(command.expects):
            frame.refused = command.expects in ("refused", "tls")
            return
        if reset_too and event.kind == "reset":
            return
    if isinstance(event, Mismatch):
        _mismatch(command, event, frame)
    if isinstance(event, Ended):
        _ended(command, event, frame)
    assert isinstance(event, TimedOut)
    _timed_out(command, event, frame)


INSTEAD: dict[str, str] = {
    "fin": "the peer was to close",
    "reset": "the peer was to reset the connection",
    "refused": "the connection was to be refused",
    "tls": "TLS was to fail",
    "silence": "nothing was to come",
}


def _mismatch(command: Receive, event: Mismatch, frame: Frame) -> NoReturn:
    reason = event.told("what came")
    if command.expects != "bytes":
        reason = f"{INSTEAD[command.expects]}, but {_bytes(event.received)} came"
    frame.fail("mismatch", reason, expected=event.expected, received=event.received, offset=event.offset)


def _ended(command: Receive, event: Ended, frame: Frame) -> NoReturn:
    how = {
        "fin": "the peer closed",
        "reset": "the peer reset the connection",
        "refused": nobody_listens(event, frame),
        "no-path": nobody_listens(event, frame),
        "tls": frame.tls_failure,
        "closed-here": "the connection is closed: this role closed it before",
    }[event.kind]
    kinds: dict[str, FailureKind] = {"fin": "closed", "reset": "reset", "tls": "tls"}
    kind: FailureKind = "refused" if event.refusal else kinds.get(event.kind, "step")
    if event.kind == "tls":
        pass  # that says it all
    elif command.expects == "bytes":
        how += _how_far(command, event.unread)
    elif event.meets(command.expects):
        how += f" behind {_bytes(event.unread)} that no step took"
    elif event.kind != "closed-here":
        how = f"{INSTEAD[command.expects]}, but {how}"
    frame.fail(kind, how, received=event.unread)


def nobody_listens(event: Ended, frame: Frame) -> str:
    channel = frame.seat.channel
    peer = f" at {channel.peer}" if channel is not None and channel.peer else ""
    return f"nobody listens{peer} ({'no such path' if event.kind == 'no-path' else 'connection refused'})"


def fail_unread(frame: Frame, unread: bytes) -> NoReturn:
    """The role's connection is over, and bytes are left."""
    what = "a datagram" if frame.role.datagram else "bytes"
    frame.fail("unread", f"{what} came that no step took", received=unread)


def _timed_out(command: Receive, event: TimedOut, frame: Frame) -> NoReturn:
    within = f"within {event.seconds:g} s"
    if command.expects != "bytes":
        frame.fail("timeout", f"{INSTEAD[command.expects]}, but {within} it did not", received=event.unread)
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
        return f" after {len(unread):,} of {size:,} bytes"
    if unread:
        return f" after {_bytes(unread)}, in the middle of {matcher.summary}"
    return f" before {matcher.summary} came"


def _bytes(data: bytes | int) -> str:
    return size_text(data if isinstance(data, int) else len(data))


def refuse(event: Event, frame: Frame) -> NoReturn:
    if isinstance(event, Failed):
        kind: FailureKind = "tls" if frame.tls_failure else "step"
        frame.fail(kind, event.reason, environment=event.environment)
    if isinstance(event, Ended):
        frame.fail("step", "the connection is closed")
    frame.fail("step", "the step cannot be carried out")


def check_failed(step: Check, mismatch: Mismatch, frame: Frame) -> NoReturn:
    frame.fail(
        "check",
        mismatch.reason,
        expected=mismatch.expected,
        received=mismatch.received,
        offset=mismatch.offset,
        values=tuple(step.values(frame)),
    )


# --- messages that several may take ------------------------------------------------------------


def nobody_takes(
    no_one: str, message: bytes, refusals: Sequence[tuple[Case, Mismatch | None]], frame: Frame
) -> NoReturn:
    """`refusals`: each case, and what its matcher said; None where its `when` does not hold."""
    told = "; ".join(case.place.label + ("" if why else " (its 'when' does not hold)") for case, why in refusals)
    only = refusals[0][1] if len(refusals) == 1 else None
    if only is None:
        frame.fail("mismatch", f"{no_one}: {told}", received=message)
    reason = f"{no_one}: {told}: {only.told('it')}"
    frame.fail("mismatch", reason, expected=only.expected, received=message, offset=only.offset)


def some_missing(step: AnyOrder, still_open: Sequence[Case], event: TimedOut, frame: Frame) -> NoReturn:
    """The time of an `expect_in_any_order` is over."""
    came = f"{len(step.cases) - len(still_open)} of {len(step.cases)} messages came within {step.seconds:g} s"
    waited = " and ".join(case.place.label for case in still_open)
    frame.fail("timeout", f"{came}; still waited for {waited}", received=event.unread)


def handshake(facts: Mapping[str, Value]) -> str:
    """What came of a TLS handshake, as a line of the transcript."""
    failed = facts.get("failed")
    if isinstance(failed, bytes):
        return f"! {failed.decode()}"
    agreed = [facts[name] for name in ("version", "cipher", "alpn")]
    return "speaks " + ", ".join(fact.decode() for fact in agreed if isinstance(fact, bytes) and fact)


# --- between roles -----------------------------------------------------------------------------


def one_too_many(role: RoleProgram, wanted: int, peer: Address | None) -> str:
    who = "sender" if role.datagram else "connection"
    if not wanted:
        return f"nobody may {'send' if role.datagram else 'connect'} here, and {peer or 'somebody'} did"
    whence = f", {peer}" if role.datagram else f", from {peer}"
    return f"one {who} more than the {wanted} asked for{whence}; say `connections: {wanted + 1}` or `any`"


def barrier_lost(name: str, role: str) -> str:
    return f"the barrier {name!r} will never open: {role} has ended before it"
