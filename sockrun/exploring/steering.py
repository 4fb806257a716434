"""Decisions carried out: the conditions of one simulated run, and what could be decided in it.

Must not live here: which decisions are worth a run (`plans.py`, `orders.py`).

The one theory: what can be decided is counted, whether it is decided or not. So what a run shows (its streams, its
datagrams, its choices) names what may be decided in the next.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Mapping
from functools import partial
from random import Random

from sockrun.exploring.decisions import Apart, Befalls, Cut, Decisions, Ends, Joined, Slow, Stall, Turn
from sockrun.network.simulated.conditions import Fate, Found, How, Ready
from sockrun.network.simulated.owners import owner
from sockrun.records import dataclass, field

DOOR = "socket "  # begins the name of who goes on where that is no role: a connection is accepted
Call = Callable[[], None]


@dataclass(slots=True)
class Step:
    """Somebody went on: `who` of `able`, and what that used. `choice` is its number, where there was a choice.

    `period` is the time between two moments at which something came by itself, or a time had passed; `cause` is the
    step that let it go on, where that is known. `looked`: its socket was found ready, once nobody else could go on.
    """

    who: str
    able: tuple[str, ...]
    choice: int | None
    period: int
    cause: int | None = None
    looked: bool = False
    used: set[object] = field(default_factory=set)


class Steered:
    """Satisfies `network.simulated.conditions.Conditions`.

    `pace` is how long a slow one takes, in seconds. `recorded`: every step is kept, and only one socket at a time is
    said to be ready. `asleep`: whoever goes on in these steps does nothing that was not tried, until somebody uses what
    they would use (`orders.py`); that counts behind the choice `known_until`. `dice` decides what is left open.
    """

    def __init__(
        self,
        decisions: Decisions = (),
        pace: float = 0.0,
        *,
        recorded: bool = False,
        asleep: Mapping[str, Collection[object]] | None = None,
        known_until: int = -1,
        dice: Random | None = None,
    ) -> None:
        self._cuts: dict[int, set[int]] = {}
        self._stalls: set[tuple[int, int]] = set()
        self._apart: set[int | None] = set()
        self._joined: set[int | None] = set()
        self._ends: dict[int, tuple[int, How]] = {}
        self._fates: dict[int, Fate] = {}
        self._turns: dict[int, int] = {}
        self._slow: set[int] = set()
        self._take(decisions)
        self.pace = pace
        self._dice = dice
        self._asleep = {who: set(used) for who, used in (asleep or {}).items()}
        self._known_until = known_until
        self.later: Callable[[float, Call], None] = lambda seconds, call: None
        self.chunks: list[tuple[int, int]] = []  # stream and offset of what arrived in one piece
        self.datagrams = 0
        self.choices = 0
        self.turns: list[str] = []  # who went on, whom a `Slow` could hold back
        self.taken: dict[int, tuple[int, str, tuple[str, ...]]] = {}  # of each choice: index, who, in whose place
        self.steps: list[Step] = []
        self.redundant = False  # nothing that could still go on was new
        self._recorded = recorded
        self._ordered = recorded or bool(self._turns) or dice is not None
        self._period = 0
        self._asked: set[tuple[int, int]] = set()

    def _take(self, decisions: Decisions) -> None:
        for decision in decisions:
            match decision:
                case Cut():
                    self._cuts.setdefault(decision.stream, set()).add(decision.offset)
                case Stall():
                    self._cuts.setdefault(decision.stream, set()).add(decision.offset)
                    self._stalls.add((decision.stream, decision.offset))
                case Apart():
                    self._apart.add(decision.stream)
                case Joined():
                    self._joined.add(decision.stream)
                case Ends():
                    self._ends[decision.stream] = (decision.offset, decision.how)
                case Befalls():
                    self._fates[decision.datagram] = decision.what
                case Turn():
                    self._turns[decision.choice] = decision.index
                case Slow():
                    self._slow.add(decision.turn)

    # --- streams and datagrams ---

    def together(self, stream: int, offset: int, size: int) -> int:
        again = (stream, offset) in self._asked
        self._asked.add((stream, offset))
        if not again:
            self.chunks.append((stream, offset))
        if not self._apart.isdisjoint((None, stream)):
            return 1
        if not self._joined.isdisjoint((None, stream)):
            return size if again else 0
        cuts = self._cuts.get(stream)
        if not cuts:
            return size
        ahead = [cut for cut in cuts if offset < cut < offset + size or (cut == offset and not again and offset)]
        ahead += [0] if (stream, 0) in self._stalls and offset == 0 and not again else []
        return min(ahead) - offset if ahead else size

    def held(self, stream: int, offset: int) -> float:
        return self.pace if (stream, offset) in self._stalls else 0.0

    def ending(self, stream: int) -> tuple[int, How] | None:
        return self._ends.get(stream)

    def fate(self, number: int) -> Fate:
        self.datagrams = number + 1
        return self._fates.get(number, "arrives")

    # --- who goes on ---

    def ready(self) -> Ready:
        return _Queue(self) if self._ordered or self._slow or self._recorded else _Counting(self)

    def used(self, what: object) -> None:
        if self._recorded and self.steps:
            self.steps[-1].used.add(what)

    def in_order(self, found: Found) -> Found:
        if not self._ordered:
            return found
        names = [_name(key.data) or f"{DOOR}{key.fd}" for key, _ in found]
        chosen = found[self.chosen(names)]
        self.used(("socket", chosen[0].fd))
        return [chosen]

    def time_passes(self) -> None:
        """Something has come by itself, or a time is over: nobody can go on before that who did not."""
        self._period += 1

    def chosen(self, names: list[str], causes: list[int | None] | None = None) -> int:
        """The place in `names` of the one that goes on."""
        able = tuple(dict.fromkeys(names))
        index, choice = 0, None
        new = self.choices > self._known_until
        asleep = self._still_asleep() if new else frozenset()
        if len(able) > 1:
            choice = self.choices
            self.choices += 1
            index = self._index(choice, able, asleep)
            self.taken[choice] = (index, able[index], able[:index])
        self.redundant = self.redundant or able[index] in asleep
        place = names.index(able[index])
        if self._recorded:
            cause = causes[place] if causes else None
            self.steps.append(Step(able[index], able, choice, self._period, cause, causes is None))
        return place

    def _index(self, choice: int, able: tuple[str, ...], asleep: Collection[str]) -> int:
        if choice in self._turns:
            return min(self._turns[choice], len(able) - 1)
        if self._dice is not None:
            return self._dice.randrange(len(able))
        return next((index for index, who in enumerate(able) if who not in asleep), 0)

    def _still_asleep(self) -> Collection[str]:
        """Who would use what the last step has used is worth a try again."""
        if self._asleep and self.steps:
            used = self.steps[-1].used
            self._asleep = {who: others for who, others in self._asleep.items() if used.isdisjoint(others)}
        return self._asleep

    def is_slow(self, name: str) -> bool:
        """Whether the one who may go on now has to wait."""
        self.turns.append(name)
        return len(self.turns) - 1 in self._slow


class _Counting(deque[Call]):
    """First come, first served, as the loop has it; who goes on is written down."""

    def __init__(self, steered: Steered) -> None:
        super().__init__()
        self._steered = steered

    def popleft(self) -> Call:
        call = super().popleft()
        if _holdable(call):
            self._steered.is_slow(_name(call) or "")
        return call


class _Queue(deque[Call]):
    """Who goes on is decided. A call that is nobody's keeps its place, and none goes before it that was behind."""

    def __init__(self, steered: Steered) -> None:
        super().__init__()
        self._steered = steered
        self._causes: dict[int, int] = {}  # by the identity of a call that is in the queue
        self._held: set[int] = set()

    def append(self, call: Call) -> None:
        self._caused(call)
        super().append(call)

    def appendleft(self, call: Call) -> None:
        self._caused(call)
        super().appendleft(call)

    def _caused(self, call: Call) -> None:
        if self._steered.steps:
            self._causes[id(call)] = len(self._steered.steps) - 1

    def rotate(self, n: int = 1) -> None:
        """The order is decided otherwise."""

    def popleft(self) -> Call:
        while True:
            call = self._next()
            if not _holdable(call):
                return call
            if id(call) in self._held:
                self._held.discard(id(call))
                return call
            if not self._steered.is_slow(_name(call) or ""):
                return call
            self._held.add(id(call))
            self._steered.later(self._steered.pace, partial(super().append, call))
            if not self:
                return _nothing

    def _next(self) -> Call:
        calls: list[Call] = []
        for call in self:
            if _name(call) is None:
                break
            calls.append(call)
        if not calls:
            call = super().popleft()
            self._causes.pop(id(call), None)
            return call
        names = [_name(call) or "" for call in calls]
        causes = [self._causes.get(id(call)) for call in calls]
        place = self._steered.chosen(names, causes)
        del self[place]
        self._causes.pop(id(calls[place]), None)
        return calls[place]


def _nothing() -> None:
    """Who was to go on is held back."""


def _name(call: object) -> str | None:
    task = owner(call)
    return None if task is None else task.name


def _holdable(call: object) -> bool:
    """Whether it lets a role go on, and only that: what looks for bytes is looked for again in any case."""
    task = owner(call)
    return task is not None and task.name != "" and not hasattr(call, "__self__")
