"""What playing a file in memory says about the file: diagnostics, or why it says nothing.

Lives here: what counts, and what does not. Must not live here: how it is played (`trying.py`), and the words
(`wording.py`).

The one theory: an error is told only where every machine would find it. What depends on processes, on strangers, on
the machine, on the time or on chance is left to `run`; and where it passes, it may depend on whatever it likes.
"""

from __future__ import annotations

from collections.abc import Sequence

from sockrun.diagnostics import Diagnostic, Problems, in_order
from sockrun.pairing.trying import SLOWER, Patience, TooMuch, Tried, attempt
from sockrun.pairing.wording import told
from sockrun.playing.requirements import unmet
from sockrun.program import Program
from sockrun.records import NamedTuple, replace
from sockrun.results import Failure, Result, Status, Unpaired

PROCESSES = "programs take part that only `run` starts"
OUTSIDE = "a peer takes part that is none of the roles"
REQUIRES = "the machine lacks what is required"
UNSTEADY = "what happens depends on the time or on chance"
TOO_MUCH = "this is more than is tried here"
MORE_SEEDS = range(1, 9)  # enough for a coin to fall on its other side


class Paired(NamedTuple):
    diagnostics: list[Diagnostic]
    unpaired: list[Unpaired]


def pair(programs: Sequence[Program]) -> Paired:
    """Play the programs of a file against themselves, one for each combination of its matrix."""
    patience = Patience()
    problems = Problems()
    unpaired: list[Unpaired] = []
    failed: dict[tuple[object, ...], list[tuple[Program, Diagnostic]]] = {}
    for program in programs:
        found = _judged(program, patience)
        if isinstance(found, str):
            unpaired.append(Unpaired(program.source.path, program.id, found))
        elif found is not None:
            failed.setdefault((found.code, found.span), []).append((program, found))
    problems.found.extend(_of_combinations(same, len(programs)) for same in failed.values())
    return Paired(in_order(problems.found), unpaired)


def _of_combinations(same: list[tuple[Program, Diagnostic]], combinations: int) -> Diagnostic:
    """What was found at one place. Unless all combinations of the matrix have just the same, the first is named."""
    program, found = same[0]
    if len(same) == combinations and len({one.message for _, one in same}) == 1:
        return found
    more = f" and {len(same) - 1:,} more" if len(same) > 1 else ""
    which = f" (with {program.id.removeprefix(program.source.path)}{more})"
    return replace(found, message=found.message + which)


def _judged(program: Program, patience: Patience) -> Diagnostic | str | None:
    """What is wrong with it, or why that cannot be told; None: the roles fit each other."""
    if program.processes:
        return PROCESSES
    if program.outside:
        return OUTSIDE
    try:
        tried = attempt(program, patience)
        result = tried.result
        if result.status is Status.PASSED:
            return None
        why = _undecided(program, tried, patience)
    except TooMuch:
        return TOO_MUCH
    if why is not None:
        return why
    found = told(program, result, tried.ledger)
    return found if program.mask is None else program.mask.diagnostic(found)


def _undecided(program: Program, tried: Tried, patience: Patience) -> str | None:
    """Why its failing says nothing. Raises: TooMuch."""
    result = tried.result
    if tried.strayed:
        return OUTSIDE
    if result.status is Status.REFUSED:
        return result.reason
    if result.status is not Status.FAILED:
        return f"sockrun has a bug, which `run --simulate` shows: {result.reason}"
    if _waits_for_strangers(program, tried):
        return OUTSIDE
    if tried.lacks is not None:
        return f"the environment variable {tried.lacks} is not set"
    if _lacks(program):
        return REQUIRES
    if tried.unsteady:
        others = [attempt(program, patience, seed, SLOWER).result for seed in MORE_SEEDS]
        if any(_kind_of(other) != _kind_of(result) for other in others):
            return UNSTEADY
    return None


def _waits_for_strangers(program: Program, tried: Tried) -> bool:
    """Whether it stands still, and no role connects to some server: that is there for `--play`."""
    failure = tried.result.failure
    if failure is None or failure.kind not in ("deadlock", "timeout"):
        return False
    roles = program.roles.values()
    if any(role.side == "client" and role.to is None for role in roles):
        return False  # whom it would have connected to, nobody can tell
    servers = {role.name for role in roles if role.side == "server" and role.listen}
    return bool(servers - {role.to for role in roles} - tried.ledger.visited)


def _lacks(program: Program) -> bool:
    """Whether the machine lacks something. IPv6 is there in memory, and to look for it opens a socket."""
    return unmet(replace(program, requires=replace(program.requires, ipv6=False))) is not None


def _kind_of(result: Result) -> tuple[object, ...]:
    failure: Failure | None = result.failure
    return (result.status, None if failure is None else (failure.kind, failure.role, failure.span))
