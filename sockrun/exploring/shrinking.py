"""The shortest cause of a failure: the fewest decisions with which it still shows, and the smallest of them.

Must not live here: what counts as a failure.

The one theory is Zeller's delta debugging (IEEE TSE 2002): leave out halves, then smaller parts, as long as what is
left still fails; what cannot be left out is replaced by something smaller that fails as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sockrun.exploring.decisions import Apart, Cut, Decision, Decisions, Ends, Joined
from sockrun.exploring.trials import Trial

Fails = Callable[[Decisions], bool]


def shrunk(decisions: Decisions, fails: Fails, plain: Trial) -> Decisions:
    """`fails` plays them, and may answer no for good when it has been asked too often."""
    decisions = _fewer(decisions, fails)
    for place in range(len(decisions)):
        for smaller in _smaller(decisions[place], plain):
            candidate = (*decisions[:place], smaller, *decisions[place + 1 :])
            if fails(candidate):
                decisions = candidate
                break
    return decisions


def _fewer(decisions: Decisions, fails: Fails) -> Decisions:
    size = max(1, len(decisions) // 2)
    while len(decisions) > 1:
        for start in range(0, len(decisions), size):
            rest = (*decisions[:start], *decisions[start + size :])
            if rest and fails(rest):
                decisions = rest
                break
        else:
            if size == 1:
                break
            size //= 2
            continue
        size = max(1, min(size, len(decisions) // 2))
    return decisions


def _smaller(decision: Decision, plain: Trial) -> Iterator[Decision]:
    """What departs less from the plain run, the smallest first."""
    streams = plain.streams
    match decision:
        case Apart(None):
            for stream in streams:
                yield from (Cut(stream.number, offset) for offset in range(1, stream.size))
            yield from (Apart(stream.number) for stream in streams)
        case Apart(int(number)):
            size = next((stream.size for stream in streams if stream.number == number), 0)
            yield from (Cut(number, offset) for offset in range(1, size))
        case Joined(None):
            yield from (Joined(stream.number) for stream in streams)
        case Ends():
            yield from (Ends(decision.stream, offset, decision.how) for offset in range(decision.offset))
        case _:
            return
