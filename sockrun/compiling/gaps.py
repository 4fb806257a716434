"""Steps that could not be compiled: what nobody can say for certain without them.

The one theory: 'nothing ever binds it' and 'nobody ever gives it' may be said only where no step is missing that
might. Of a step with a wrong shape (a hole) the words that it has are known: one that knows its verb is judged by it.
"""

from __future__ import annotations

from sockrun.compiling.model import HOLE, VERBS, Step

_BIND = frozenset({"expect", "expect_in_any_order", "react", "set", "repeat", "include"})
_TELL = frozenset({"signal", "barrier", "react", "repeat", "include"})


def may_bind(step: Step) -> bool:
    """Whether the step, or one inside it, may give a variable its value."""
    return _may(step, _BIND)


def may_tell(step: Step) -> bool:
    """Whether the step, or one inside it, may give a signal or be at a barrier."""
    if step.verb != HOLE and step.inside:
        return any(map(may_tell, step.inside))
    return _may(step, _TELL)


def _may(step: Step, verbs: frozenset[str]) -> bool:
    known = VERBS.intersection(step.keys) if step.verb == HOLE else {step.verb}
    return not known or not known.isdisjoint(verbs)
