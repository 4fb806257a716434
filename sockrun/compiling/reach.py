"""Steps that can never be played, since the connection they need is gone.

The one theory: a walk over a role's steps with what is left of its connection. A repeated body is walked
twice, for what its first round leaves is what its second one begins with; a case of `react` may be the first
or never played, so nothing is concluded from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sockrun.compiling.limits import STEPS, Kind, Limit, obstacle
from sockrun.compiling.model import HOLE, Step
from sockrun.diagnostics import Problems
from sockrun.records import NamedTuple

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


def check_reach(steps: Iterable[Step], kind: Kind, problems: Problems) -> None:
    """Report the first step after an end that needs what is gone."""
    _Walk(kind, problems).over(steps, Line())


class _Walk:
    """One walk. It remembers what each round left: repeats in repeats would double the way at every level."""

    def __init__(self, kind: Kind, problems: Problems) -> None:
        self._kind = kind
        self._problems = problems
        self._left: dict[tuple[int, int, int], Line] = {}

    def over(self, steps: Iterable[Step], line: Line) -> Line:
        """What is left of the connection after these steps."""
        for step in steps:
            line = self._past(step, line)
        return line

    def _past(self, step: Step, line: Line) -> Line:
        if step.verb == "repeat":
            return self._round(step, self._round(step, line))
        if step.verb == "include":
            return self.over(step.body, line)
        if step.verb in ("connect", HOLE):  # what a step of a wrong shape means, nobody knows
            return Line()
        if obstacle(step.verb, STEPS.get(step.verb, Limit()), self._kind) is None:
            line = _after(step, self._problems, line)
        for case in step.cases:
            self.over(case.steps, line)
        return line

    def _round(self, step: Step, line: Line) -> Line:
        key = (id(step), id(line.ended), id(line.shut))
        if key not in self._left:
            self._left[key] = self.over(step.body, line)
        return self._left[key]


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
