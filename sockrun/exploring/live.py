"""What can be tried over real sockets: how the roles' bytes arrive at a program under test, and how peers vanish.

Lives here: which programs are made of one, and which of them a failure comes down to. Must not live here: how they are
made (`rewriting.py`), played and reported.

The one theory: coarse things first, since each costs the start of a program: every byte of a step for itself shows in
one run whether any cut of it matters, and only then the cuts are tried one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from random import Random

from sockrun.commands import Await, Barrier, Command, Connect, Kill, Send, Tell
from sockrun.exploring.decisions import Kind
from sockrun.exploring.rewriting import APART, ENDINGS, End, Spot, at, cut, joined, one_by_one, visited
from sockrun.program import Block, Do, Instruction, Place, Program, RoleProgram
from sockrun.records import dataclass
from sockrun.results import Trace

FAULTS: Sequence[Kind] = ("split", "end")

MOST_CUTS = 64  # of a step's bytes that are tried; of more, some
ALONE: tuple[type[Command], ...] = (Await, Barrier, Tell, Kill, Connect)  # what a visitor must not do


@dataclass(frozen=True, slots=True)
class Variant:
    """`token` names it in another run of the same file; `words` say what is different; `place` is the step."""

    kind: Kind
    token: str
    words: str
    place: Place | None
    program: Program
    finer: Sequence[Variant] = ()  # what may be tried to find a shorter cause


def variants(program: Program, trace: Sequence[Trace], faults: Collection[Kind], seed: int = 0) -> Iterator[Variant]:
    """All that is tried, coarse things first; `trace` is that of a plain run."""
    if "split" in faults:
        spots = list(_spots(program, trace))
        yield from (_apart(program, number, spot, seed) for number, spot in enumerate(spots))
        together = joined(program)
        if together != program:
            yield Variant(
                "split", "joined", "what a role sends without waiting in between leaves at once", None, together
            )
    if "end" in faults:
        yield from _endings(program)
    if "split" in faults:
        for number, spot in enumerate(spots):
            yield from _cuts(program, number, spot, seed)


def guests(program: Program) -> Iterator[Program]:
    """For each client that visitors can come before, the program with one who plays all it may, and ends in order."""
    for role in _visitable(program):
        *_, (steps, _) = ((steps, sent) for steps, sent in _beginnings(role) if sent is None)
        yield visited(program, role.name, steps, None, "fin")


def named(program: Program, trace: Sequence[Trace], token: str, seed: int = 0) -> Variant | None:
    """The variant with that token; None: the file has no such one."""
    for variant in variants(program, trace, FAULTS, seed):
        for one in (variant, *variant.finer):
            if one.token == token:
                return one
    return None


def shrunk(variant: Variant, fails: Callable[[Variant], bool]) -> Variant:
    """The finer one that fails as well, if there is one."""
    return next((finer for finer in variant.finer if fails(finer)), variant)


# --- splits ------------------------------------------------------------------------------------


def _spots(program: Program, trace: Sequence[Trace]) -> Iterator[Spot]:
    """The steps that have sent more than a byte on a stream."""
    found: dict[tuple[str, object], Spot] = {}
    for entry in trace:
        role = program.roles.get(entry.role.partition("[")[0])
        if role is None or role.datagram or entry.place is None or not isinstance(entry.command, Send):
            continue
        key = (role.name, entry.place.span)
        size = max(len(entry.command.data), found[key].size if key in found else 0)
        found[key] = Spot(role.name, entry.place, size)
    return (spot for spot in found.values() if spot.size > 1)


def _apart(program: Program, number: int, spot: Spot, seed: int) -> Variant:
    words = f"what {spot.role} sends in step {spot.place.number} arrives byte by byte"
    if spot.size > APART:
        words = f"what {spot.role} sends in step {spot.place.number} arrives byte by byte, the first {APART} of it"
    finer = tuple(_cuts(program, number, spot, seed))
    return Variant("split", f"bytes-{number}", words, spot.place, cut(program, spot, one_by_one), finer)


def _cuts(program: Program, number: int, spot: Spot, seed: int) -> Iterator[Variant]:
    for offset in _offsets(spot.size, seed):
        words = f"what {spot.role} sends in step {spot.place.number} is cut after byte {offset} of {spot.size}"
        yield Variant("split", f"cut-{number}-{offset}", words, spot.place, cut(program, spot, at(offset)))


def _offsets(size: int, seed: int) -> Sequence[int]:
    every = range(1, size)
    if size <= MOST_CUTS:
        return every
    some = Random(seed).sample(every[1:-1], MOST_CUTS - 2)
    return [1, *sorted(some), size - 1]


# --- ends --------------------------------------------------------------------------------------


def _endings(program: Program) -> Iterator[Variant]:
    """Of each client: a visit before all others that ends behind each step, and in the middle of each that sends."""
    for role in _visitable(program):
        for steps, sent in _beginnings(role):
            for end in ENDINGS:
                yield _visit(program, role, steps, sent, end)


def _visitable(program: Program) -> list[RoleProgram]:
    """The clients whose peers are all outside, so that nobody counts who comes."""
    roles = program.roles.values()
    if any(role.side == "server" and role.listen for role in roles):
        return []
    return [role for role in roles if role.side == "client" and not role.datagram]


def _visit(program: Program, role: RoleProgram, steps: int, sent: int | None, end: End) -> Variant:
    block = role.sequences[0]
    place = block[min(steps, len(block) - 1)].place if block else None
    done = {0: "connects"}.get(steps, f"plays the first {steps} steps of {role.name}")
    half = "" if sent is None else f", sends {sent} bytes of the next"
    how = {
        "fin": "closes",
        "half-close": "half-closes",
        "reset": "resets the connection",
        "silence": "says nothing more, and stays",
    }[end]
    words = f"before the others comes a client that {done}{half}, and {how}"
    token = f"end-{role.name}-{steps}-{'x' if sent is None else sent}-{end}"
    return Variant("end", token, words, place, visited(program, role.name, steps, sent, end))


def _beginnings(role: RoleProgram) -> Iterator[tuple[int, int | None]]:
    block = role.sequences[0]
    for steps in range(len(block) + 1):
        if any(not _harmless(step) for step in block[:steps]):
            return
        yield steps, None
        size = _size(block, steps)
        if size > 1:
            yield steps, size // 2


def _harmless(step: Instruction) -> bool:
    """Whether a visitor may do it, so that nobody but its peer notices."""
    return not (isinstance(step, Do) and any(isinstance(command, ALONE) for command in step.commands))


def _size(block: Block, index: int) -> int:
    """How many bytes the step sends, as far as that is known."""
    step = block[index] if index < len(block) else None
    if not isinstance(step, Do):
        return 0
    return sum(len(command.data) for command in step.commands if isinstance(command, Send))
