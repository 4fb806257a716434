"""A file's programs, played in memory within narrow bounds: the file may be anybody's.

Lives here: the bounds, and what a run has asked for that is another thing on another day. Must not live here: what a
result means (`verdict.py`).

The one theory: whoever plays takes turns, sends bytes and goes round loops. All three are counted, and the clock is
looked at as often, so that there is no file that keeps this busy. What is over the bounds is neither right nor wrong.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from sockrun.network.simulated.conditions import Plain, Ready
from sockrun.pairing.ledger import Ledger
from sockrun.playing.simulation import LOOK, Simulation
from sockrun.program import (
    Block,
    Case,
    Check,
    Faults,
    Include,
    Instruction,
    Place,
    Program,
    React,
    Repeat,
    RoleProgram,
)
from sockrun.records import NamedTuple, dataclass, replace
from sockrun.results import Result
from sockrun.values import ExpressionError, Payload, Scope, Value

MOVES = 200_000  # turns of roles and of the loop, pieces sent and rounds, in one scenario
BYTES = 64 * 1024 * 1024  # sent in one scenario, or written into its files
COPIES = 2_000  # of all its clients
SECONDS = 2.0  # of the processor, for a file, with all combinations of its matrix
SLOWER = Faults(latency=0.001)  # a network on which time passes, unlike on the plain one


class TooMuch(BaseException):
    """It is over the bounds. No `Exception`: nobody on its way may take it for a failure of the scenario."""


class Tried(NamedTuple):
    """`unsteady`: it has asked for the time or for randomness; `lacks`: for a variable that is not there.

    `strayed`: for somebody who is none of its roles.
    """

    result: Result
    ledger: Ledger
    unsteady: bool
    lacks: str | None
    strayed: bool


class Patience:
    """What is left of a file's time: the processor's, so that a busy machine decides nothing."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._until = time.thread_time() + seconds

    def check(self) -> None:
        """Raises: TooMuch."""
        if time.thread_time() > self._until:
            raise TooMuch


def attempt(
    program: Program, patience: Patience, seed: int = 0, faults: Faults | None = None, *, traced: bool = False
) -> Tried:
    """Play it. Its files are written only where it asks for its folder. Raises: TooMuch."""
    if sum(role.instances for role in program.roles.values()) > COPIES:
        raise TooMuch
    bounds = _Bounds(patience)
    bounded = replace(
        program,
        network=faults or Faults(),
        roles={name: _bounded(role, bounds) for name, role in program.roles.items()},
        files=tuple(replace(file, content=_BoundedContent(file.content, bounds)) for file in program.files),
    )
    tried, asked = _play(replace(bounded, files=()), bounds, seed, traced)
    if "dir" in asked and program.files:
        return _play(bounded, bounds, seed, traced)[0]
    return tried


def _play(program: Program, bounds: _Bounds, seed: int, traced: bool) -> tuple[Tried, set[str]]:
    """The second is what it has asked for, by the name that expressions know."""
    simulation = Simulation(program, seed, bounds, traced=traced)
    asked = _Asked(simulation)
    ledger = Ledger(simulation.scene)
    try:
        result = simulation.run(bounds.look)
    finally:
        simulation.scene.abandon()
        simulation.network.close()
    ledger.close()
    unsteady, strayed = bool({"now", "random"} & asked.names), bool(simulation.scene.strayed)
    return Tried(result, ledger, unsteady, asked.lacks, strayed), asked.names


class _Asked:
    """Listens to what roles ask their stage for."""

    def __init__(self, simulation: Simulation) -> None:
        self.names: set[str] = set()
        self.lacks: str | None = None
        scene = simulation.scene
        scene.constant = partial(self._constant, scene.constant)
        scene.attribute = partial(self._attribute, scene.attribute)
        scene.now = partial(self._now, scene.now)  # type: ignore[method-assign]
        scene.random_bytes = partial(self._random_bytes, scene.random_bytes)  # type: ignore[method-assign]

    def _now(self, answer: Callable[[], float]) -> float:
        self.names.add("now")
        return answer()

    def _random_bytes(self, answer: Callable[[int], bytes], size: int) -> bytes:
        self.names.add("random")
        return answer(size)

    def _constant(self, answer: Callable[[str], Value | None], name: str) -> Value | None:
        self.names.add(name)
        return answer(name)

    def _attribute(
        self, answer: Callable[[str, int | None, str], Value], base: str, index: int | None, attribute: str
    ) -> Value:
        try:
            return answer(base, index, attribute)
        except ExpressionError:
            if base == "env":
                self.lacks = attribute
            raise


# --- bounds ------------------------------------------------------------------------------------


class _Bounds(Plain):
    """The plain conditions, counted."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._moves = MOVES
        self._bytes = BYTES

    def look(self) -> bool:
        """Where only time passes nobody moves; asked whether it is to be interrupted. Raises: TooMuch."""
        self.move(LOOK)
        return False

    def move(self, moves: int = 1) -> None:
        """Raises: TooMuch."""
        self._moves -= moves
        if self._moves < 0:
            raise TooMuch
        self._patience.check()

    def take(self, size: int) -> None:
        """Raises: TooMuch."""
        self._bytes -= size
        if self._bytes < 0:
            raise TooMuch
        self.move()

    def together(self, stream: int, offset: int, size: int) -> int:
        self.take(size)
        return size

    def ready(self) -> Ready:
        return _Queue(self)


class _Queue(deque[Callable[[], None]]):
    def __init__(self, bounds: _Bounds) -> None:
        super().__init__()
        self._bounds = bounds

    def popleft(self) -> Callable[[], None]:
        self._bounds.move()
        return super().popleft()


@dataclass(frozen=True, slots=True)
class _BoundedContent:
    """Satisfies `values.Payload`."""

    content: Payload
    bounds: _Bounds

    @property
    def constant(self) -> bytes | None:
        return self.content.constant

    @property
    def size(self) -> int | None:
        return self.content.size

    @property
    def summary(self) -> str:
        return self.content.summary

    def evaluate(self, scope: Scope) -> bytes:
        return self.content.evaluate(scope)

    def pieces(self, scope: Scope) -> Iterator[bytes]:
        for piece in self.content.pieces(scope):
            self.bounds.take(len(piece))
            yield piece


def _bounded(role: RoleProgram, bounds: _Bounds) -> RoleProgram:
    """The role, in which every round of a loop is a move."""
    sequences = tuple(_counted(block, bounds) for block in role.sequences)
    return replace(role, sequences=sequences, last=_counted(role.last, bounds))


def _counted(block: Block, bounds: _Bounds) -> Block:
    return tuple(_with_counted(step, bounds) for step in block)


def _with_counted(step: Instruction, bounds: _Bounds) -> Instruction:
    match step:
        case Repeat():
            return replace(step, body=(_count(step.place, bounds), *_counted(step.body, bounds)))
        case Include():
            return replace(step, body=_counted(step.body, bounds))
        case React():
            return replace(step, cases=tuple(_with_counted_body(case, bounds) for case in step.cases))
        case _:
            return step


def _with_counted_body(case: Case, bounds: _Bounds) -> Case:
    return replace(case, body=_counted(case.body, bounds))


def _count(place: Place, bounds: _Bounds) -> Check:
    def test(_: Scope) -> None:
        bounds.move()

    return Check(place, test, lambda _: [])
