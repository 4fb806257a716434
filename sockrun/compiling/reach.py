"""Steps that can never be played, since the connection they need is gone.

The one theory: a walk over a role's steps with what is left of its connection. A repeated body is walked
twice, for what its first round leaves is what its second one begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sockrun.compiling.limits import STEPS, Kind, Limit, obstacle
from sockrun.compiling.model import Step
from sockrun.diagnostics import Problems

_CLOSERS: Mapping[str, str] = {
    "close": "closed",
    "reset": "reset",
    "expect_reset": "reset by the peer",
    "expect_refused": "refused",
}
_RECEIVERS = frozenset({"expect", "expect_in_any_order", "react", "expect_close", "expect_reset", "expect_silence"})
_SENDERS = frozenset({"send", "shutdown"})
_NEEDY = _RECEIVERS | _SENDERS | {"close", "reset", "starttls", "expect_tls"}


class Line(NamedTuple):
    """What is left of a connection: the step that ended it, the step that ended its sending side."""

    ended: Step | None = None
    shut: Step | None = None


FRESH = Line()


def check_reach(steps: Iterable[Step], kind: Kind, problems: Problems, line: Line = FRESH) -> Line:
    """Report the first step after an end that needs what is gone; what is left of the connection after."""
    for step in steps:
        if step.verb == "repeat":
            line = check_reach(step.body, kind, problems, line)
            line = check_reach(step.body, kind, problems, line)
        elif step.verb == "connect":
            line = Line()
        elif obstacle(step.verb, STEPS.get(step.verb, Limit()), kind) is None:
            line = _after(step, problems, line)
    return line


def _after(step: Step, problems: Problems, line: Line) -> Line:
    if line.ended is not None and step.verb in _NEEDY:
        how = _CLOSERS[line.ended.verb]
        message = f"{step.word!r} is never reached: the connection has been {how}"
        hint = "say 'connect' before it, or leave it out"
        related = [(line.ended.span, f"{how} here")]
        problems.error("never-reached", message, step.span, hint=hint, related=related)
        return Line()
    if line.shut is not None and step.verb in _SENDERS:
        message = f"{step.word!r} comes after 'shutdown', which ended what this side sends"
        related = [(line.shut.span, "ended here")]
        problems.error("never-reached", message, step.span, hint="move 'shutdown' behind it", related=related)
        return Line()
    if step.verb in _CLOSERS:
        return Line(ended=step)
    return Line(shut=step) if step.verb == "shutdown" else line
