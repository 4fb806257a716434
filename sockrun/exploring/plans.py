"""What is tried, kind by kind: coarse things first, then each single decision, then some together.

Must not live here: the orders in which roles go on (`orders.py`), which are found from run to run.

The one theory: a plain run shows all that can be decided, so that every single departure from it can be listed. Where
there are too many, some are drawn, always the same for the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from random import Random
from typing import Literal, TypeAlias, TypeVar

from sockrun.exploring.decisions import (
    Apart,
    Befalls,
    Cut,
    Decision,
    Decisions,
    Ends,
    Joined,
    Kind,
    Mishap,
    Slow,
    Slowest,
    Stall,
)
from sockrun.exploring.steering import Steered
from sockrun.exploring.trials import Stage, Trial
from sockrun.network.simulated.conditions import How
from sockrun.program import Faults
from sockrun.records import NamedTuple, dataclass

Label: TypeAlias = Kind | Literal["mixed"]

MOST = 4096  # single decisions of a kind that are all tried; of more, so many are drawn
PAIRS = 256  # of datagrams that something befalls
MIXED = 64  # runs with several decisions, drawn
TOGETHER = 4  # decisions in one of them at most
LIKELY = 0.3  # the largest share of datagrams to which something is made to happen: `network` may say more
HOWS: tuple[How, ...] = ("half-close", "fin", "reset", "silence")

T = TypeVar("T")


class Attempt(NamedTuple):
    """A run to be made. `steered` carries the decisions out where more than them is wanted; `learn` is told of it."""

    decisions: Decisions
    steered: Steered | None = None
    learn: Callable[[Trial], None] | None = None


@dataclass
class Plan:
    """Attempts of one kind. `whole`: with the last of them everything of the kind was tried."""

    label: Label
    attempts: Iterator[Attempt]
    whole: bool = True


def plans(stage: Stage, plain: Trial, kinds: Iterable[Kind], random: Random) -> list[Plan]:
    """A plan for each kind, but for orders of roles, and one for things that come together."""
    found: list[Plan] = []
    singles: list[Decision] = []
    if "split" in kinds:
        cuts = _cuts(plain)
        coarse: list[Decision] = [Apart(), Joined()] if cuts else []
        found.append(_singly("split", coarse, cuts, random))
        singles += cuts
    if "order" in kinds:
        slow = _slow(stage, plain)
        found.append(_singly("order", [], slow, random))
        singles += slow
    if "loss" in kinds:
        fates = _fates(plain, stage.network)
        slowest: list[Decision] = [Slowest()] if stage.network.jitter else []
        found.append(_singly("loss", slowest, fates, random))
        found.append(_pairs(fates, random))
        found.append(_diced(plain, stage.network, random))
        singles += fates
    if "end" in kinds:
        found.append(_singly("end", [], _ends(plain), random))
    if len(singles) > 1:
        found.append(Plan("mixed", _mixed(singles, random), whole=True))
    return found


def _singly(label: Label, coarse: Sequence[Decision], fine: Sequence[Decision], random: Random) -> Plan:
    chosen = _drawn(fine, MOST, random)
    attempts = (Attempt((one,)) for one in [*coarse, *chosen])
    return Plan(label, attempts, whole=len(chosen) == len(fine))


def _drawn(of: Sequence[T], most: int, random: Random) -> Sequence[T]:
    """So many of them, in their order."""
    if len(of) <= most:
        return of
    return [of[index] for index in sorted(random.sample(range(len(of)), most))]


# --- the single decisions ----------------------------------------------------------------------


def _cuts(plain: Trial) -> list[Decision]:
    return [Cut(stream.number, offset) for stream in plain.streams for offset in range(1, stream.size)]


def _slow(stage: Stage, plain: Trial) -> list[Decision]:
    if not stage.pace:
        return []
    stalls: list[Decision] = [Stall(stream, offset) for stream, offset in plain.steered.chunks]
    return [*(Slow(turn) for turn in range(len(plain.steered.turns))), *stalls]


def _fates(plain: Trial, network: Faults) -> list[Decision]:
    what: list[Mishap] = []
    what += ["lost"] if network.loss else []
    what += ["doubled"] if network.duplicate else []
    what += ["late"] if network.reorder or network.jitter else []
    return [Befalls(number, one) for one in what for number in range(plain.steered.datagrams)]


def _ends(plain: Trial) -> Sequence[Decision]:
    found: list[Ends] = []
    streams = [stream for stream in plain.streams if not stream.to_proxy]
    for how in HOWS:
        behind = 0 if how in ("half-close", "fin") else 1  # at its end it half-closes anyway
        for stream in streams:
            found += [Ends(stream.number, offset, how) for offset in range(stream.size + behind)]
    between = {chunk for chunk in plain.steered.chunks if chunk[1]}  # where one thing ends that was sent
    return sorted(found, key=lambda end: (end.stream, end.offset) not in between)


# --- several together --------------------------------------------------------------------------


def _pairs(fates: Sequence[Decision], random: Random) -> Plan:
    count = len(fates) * (len(fates) - 1) // 2
    if count <= PAIRS:
        return Plan("loss", (Attempt(pair) for pair in combinations(fates, 2)))
    return Plan("loss", (Attempt(tuple(random.sample(fates, 2))) for _ in range(PAIRS)), whole=False)


def _diced(plain: Trial, network: Faults, random: Random) -> Plan:
    """As `network` would throw its dice."""
    shares: list[tuple[Mishap, float]] = [
        ("lost", min(LIKELY, network.loss)),
        ("doubled", min(LIKELY, network.duplicate)),
        ("late", min(LIKELY, max(network.reorder, LIKELY if network.jitter else 0.0))),
    ]

    def attempts() -> Iterator[Attempt]:
        for _ in range(MIXED if any(share for _, share in shares) else 0):
            found: dict[int, Decision] = {}
            for number in range(plain.steered.datagrams):
                for what, share in shares:
                    if random.random() < share:
                        found.setdefault(number, Befalls(number, what))
            if found:
                yield Attempt(tuple(found.values()))

    return Plan("loss", attempts())


def _mixed(singles: Sequence[Decision], random: Random) -> Iterator[Attempt]:
    known: set[frozenset[Decision]] = set()
    for _ in range(MIXED):
        size = random.randint(2, min(TOGETHER, len(singles)))
        chosen = random.sample(singles, size)
        if frozenset(chosen) not in known:
            known.add(frozenset(chosen))
            yield Attempt(tuple(chosen))
