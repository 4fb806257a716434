"""Which of the scenarios that were asked for are played: those that failed last time, and one shard of several.

Must not live here: what is remembered of earlier runs, and where (`remembering.py`).

The one theory of shards: each machine computes the whole division and takes its own part of it. It depends on nothing
but the scenarios and their weights, so that all come to the same division, and each scenario is in exactly one part.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from statistics import mean

from sockrun.program import Program
from sockrun.records import NamedTuple

Key = Callable[[Program], str]


class Shard(NamedTuple):
    """Part `number`, from 1, of `total`."""

    number: int
    total: int


class Choice(NamedTuple):
    """What is played, and what is said of how it was chosen."""

    programs: Sequence[Program]
    words: str


def shard(text: str) -> Shard:
    """`2/5`. Raises: ValueError, with what is wrong with it."""
    number, slash, total = text.partition("/")
    if not (slash and number.isascii() and number.isdigit() and total.isascii() and total.isdigit()):
        raise ValueError(f"{text!r} is not I/N, as in 2/5")
    found = Shard(int(number[:9]), int(total[:9]))
    if not 1 <= found.number <= found.total:
        raise ValueError(f"{text!r} has no such part: they are numbered from 1 to N")
    return found


def failed_last(
    programs: Sequence[Program], failed: Collection[str], keys: Callable[[Program], Sequence[str]]
) -> Choice:
    """Those that did not pass when they were played last; all of them where that is none."""
    found = [program for program in programs if any(key in failed for key in keys(program))]
    if not found:
        return Choice(programs, "no failure is remembered among these scenarios: all are played")
    return Choice(found, f"last failed: {len(found)} of {len(programs)} scenarios")


def part(programs: Sequence[Program], wanted: Shard, durations: Mapping[str, float], key: Key) -> Choice:
    """One shard of them. `durations` (seconds) are those of earlier runs, by key."""
    keys = [key(program) for program in programs]
    weights = weigh(keys, durations)
    parts = divide(keys, weights, wanted.total)
    mine = [program for program, number in zip(programs, parts, strict=True) if number == wanted.number]
    plan = sha256("\n".join(f"{name} {number}" for name, number in sorted(zip(keys, parts, strict=True))).encode())
    words = f"shard {wanted.number} of {wanted.total}: {len(mine)} of {len(programs)} scenarios"
    return Choice(mine, f"{words} (plan {plan.hexdigest()[:8]}, the same in every shard)")


def weigh(keys: Sequence[str], durations: Mapping[str, float]) -> list[int]:
    """Milliseconds, at least 1; one that was never timed weighs as much as the mean of those that were."""
    known = [durations[key] for key in keys if key in durations]
    unknown = mean(known) if known else 0.0
    return [max(1, round(durations.get(key, unknown) * 1000)) for key in keys]


def divide(keys: Sequence[str], weights: Sequence[int], total: int) -> list[int]:
    """The part of each, from 1: the heaviest first, each into the part that is the lightest so far.

    The result does not depend on the order in which they are given. (Graham, 'Bounds on Multiprocessing Timing
    Anomalies', 1969: no part is a third longer than it need be.)
    """
    from heapq import heapify, heapreplace

    loads = [(0, number) for number in range(1, min(total, max(1, len(keys))) + 1)]
    heapify(loads)
    parts = [0] * len(keys)
    order = sorted(range(len(keys)), key=lambda index: (-weights[index], keys[index], index))
    for index in order:
        load, number = loads[0]
        parts[index] = number
        heapreplace(loads, (load + weights[index], number))
    return parts
