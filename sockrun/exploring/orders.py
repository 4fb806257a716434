"""Every order in which roles may go on, but only one of those that nobody can tell apart.

Lives here: which order is tried next, from what the runs so far have shown. Must not live here: how an order is carried
out, and what a step uses (`steering.py`).

The one theory is that of dynamic partial-order reduction with source sets and sleep sets (Flanagan and Godefroid, POPL
2005; Abdulla and others, POPL 2014): two steps that use nothing in common may change places without anybody's noticing.
So another order is worth a run only where two steps race: they use the same thing, neither has led to the other, and
the second could have come first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from sockrun.exploring.decisions import Decisions, Turn
from sockrun.exploring.plans import Attempt, Plan
from sockrun.exploring.steering import Steered, Step
from sockrun.exploring.trials import Stage, Trial
from sockrun.records import dataclass, field

MOST = 512  # orders that are tried one after the other
MOST_STEPS = 256  # of a run that is looked at for races: of longer ones orders are drawn
DRAWN = 64  # orders, where they were too many

Used = set[object]


@dataclass(slots=True)
class Node:
    """A choice on the way of the last run. `done` and `asleep`: who need not go first here, and what they used."""

    able: tuple[str, ...]
    who: str
    asleep: dict[str, Used]
    done: dict[str, Used] = field(default_factory=dict)
    wanted: list[str] = field(default_factory=list)


def orders(stage: Stage, random: Random) -> Plan:
    """All orders, one by one, if they are not too many."""
    plan = Plan("order", iter(()))
    plan.attempts = _attempts(plan, Tree(), stage, random)
    return plan


def _attempts(plan: Plan, tree: Tree, stage: Stage, random: Random) -> Iterator[Attempt]:
    for _ in range(MOST):
        steered = tree.following(stage.pace)
        if steered is None:
            break
        yield Attempt(tree.decisions, steered, tree.learn)
    if tree.large or tree.following(stage.pace) is not None:
        plan.whole = False
        for _ in range(DRAWN):
            yield Attempt((), Steered((), stage.pace, dice=Random(random.random())))


def departures(trial: Trial) -> Decisions:
    """The choices of a run that were not the first in line: with them alone it runs the same."""
    found = tuple(Turn(choice, index) for choice, (index, _, _) in trial.steered.taken.items() if index)
    return found or (Turn(0, 0),)


class Tree:
    """The choices of the last run, and what is still to be tried at each. `large`: a run was too long for that."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.decisions: Decisions = ()
        self.large = False
        self._begun = False
        self._known = -1  # the choice that the next run changes

    def following(self, pace: float) -> Steered | None:
        """The next run; None: there is none left."""
        if not self._begun:
            return Steered((), pace, recorded=True)
        while self.nodes:
            node = self.nodes[-1]
            wanted = [who for who in node.wanted if who not in node.done and who not in node.asleep]
            if wanted:
                node.who = wanted[0]
                self._known = len(self.nodes) - 1
                turns = ((choice, one.able.index(one.who)) for choice, one in enumerate(self.nodes))
                self.decisions = tuple(Turn(choice, index) for choice, index in turns if index)
                asleep = {**node.asleep, **node.done}
                return Steered(self.decisions, pace, recorded=True, asleep=asleep, known_until=self._known)
            self.nodes.pop()
        return None

    def learn(self, trial: Trial) -> None:
        """A run has shown what its steps use, and so which of them race."""
        self._begun = True
        steps = trial.steered.steps
        self._grow(steps, trial.steered.redundant)
        if len(steps) > MOST_STEPS:
            self.large = True
        elif not trial.steered.redundant:
            for index, who in _races(steps):
                self._want(steps[index], who)

    def _grow(self, steps: Sequence[Step], redundant: bool) -> None:
        """Put down the choices of the run behind the one that was changed."""
        asleep: dict[str, Used] = {}
        behind = self._known < 0
        for step in steps:
            if step.choice is not None and step.choice == self._known and not behind:
                node = self.nodes[self._known]
                asleep = {**node.asleep, **node.done}
                node.done[step.who] = step.used
                behind = True
                if redundant:
                    return
            elif step.choice is not None and behind:
                node = Node(step.able, step.who, dict(asleep), {step.who: step.used})
                self.nodes.append(node)
            asleep = {who: used for who, used in asleep.items() if used.isdisjoint(step.used)}

    def _want(self, step: Step, candidates: Sequence[str]) -> None:
        if step.choice is None:
            return
        node = self.nodes[step.choice]
        known = {*node.wanted, *node.done, *node.asleep}
        if known.isdisjoint(candidates):
            node.wanted.append(candidates[0])


def _races(steps: Sequence[Step]) -> Iterator[tuple[int, Sequence[str]]]:
    """Steps in whose place others could have gone on, so that a later one comes before them; and these others."""
    before: list[int] = []  # of each step those that have led to it, as bits
    for later, step in enumerate(steps):
        led = 0
        tied = [index for index in range(later) if _tied(steps[index], index, step)]
        for index in tied:
            led |= before[index] | 1 << index
        before.append(led)
        for index in tied:
            earlier = steps[index]
            if earlier.choice is None or earlier.period != step.period or earlier.who == step.who:
                continue
            if step.looked and not earlier.looked:
                continue  # sockets are looked at when all others have gone on
            if step.cause == index or any(before[other] >> index & 1 for other in tied if other > index):
                continue
            candidates = _first(steps, before, index, later)
            if candidates:
                yield index, candidates


def _tied(earlier: Step, index: int, later: Step) -> bool:
    return earlier.who == later.who or later.cause == index or not earlier.used.isdisjoint(later.used)


def _first(steps: Sequence[Step], before: Sequence[int], index: int, later: int) -> list[str]:
    """Who could go on in the place of the step at `index`, on the way to an order in which the later one is first."""
    way = [at for at in range(index + 1, later + 1) if at == later or not before[at] >> index & 1]
    mask = sum(1 << at for at in way)
    begins = (steps[at].who for at in way if not before[at] & mask)
    return [who for who in dict.fromkeys(begins) if who in steps[index].able and who != steps[index].who]
