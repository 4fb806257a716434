"""Programs made from a program: the same steps, but what they send arrives in other pieces, or ends too early.

Pure: a program goes in, and another comes out. For networks that cannot be told how to deliver, which is the real one.

The one theory: a sender that waits between two pieces makes its peer read them apart, and one who ends in the middle of
a conversation is an additional client that plays only its beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from sockrun.commands import Close, Command, Fact, Reset, Send, Shutdown, Sleep
from sockrun.program import Block, Do, Include, Instruction, Make, Place, Program, React, Repeat, RoleProgram
from sockrun.records import dataclass, replace
from sockrun.values import Scope

PAUSE = 0.02  # seconds between two pieces: long enough for a program that is not being starved to read the first
ALL_PAUSES = 0.6  # seconds at most between all pieces of a step, whose peer's patience has an end too
APART = 64  # bytes of a step that are sent one by one; the others follow together

End: TypeAlias = Literal["fin", "half-close", "reset", "silence"]
Pieces: TypeAlias = Callable[[bytes], Sequence[bytes]]

ENDINGS: dict[End, tuple[Command, ...]] = {
    "fin": (Close(),),
    "half-close": (Shutdown(),),
    "reset": (Reset(),),
    "silence": (),
}
VISITOR = "visitor"  # the additional client; its name is no role's


@dataclass(frozen=True, slots=True)
class Spot:
    """A step of a role that sends, by its place in the file, and how many bytes that has been."""

    role: str
    place: Place
    size: int


# --- what arrives in other pieces --------------------------------------------------------------


def cut(program: Program, spot: Spot, pieces: Pieces) -> Program:
    """The program, in which that step sends its bytes in pieces, with a pause between any two."""

    def changed(step: Instruction) -> Instruction:
        if step.place.span != spot.place.span:
            return step
        if isinstance(step, Do):
            return replace(step, commands=tuple(_in_pieces(step.commands, pieces)))
        if isinstance(step, Make):
            return replace(step, make=_made_in_pieces(step.make, pieces))
        return step

    role = program.roles[spot.role]
    sequences = tuple(_changed(block, changed) for block in role.sequences)
    return _with_role(program, replace(role, sequences=sequences, last=_changed(role.last, changed)))


def at(offset: int) -> Pieces:
    return lambda data: (data[:offset], data[offset:]) if offset < len(data) else (data,)


def one_by_one(data: bytes) -> Sequence[bytes]:
    first, rest = data[:APART], data[APART:]
    return [*(first[i : i + 1] for i in range(len(first))), *([rest] if rest else [])]


def _in_pieces(commands: Iterable[Command], pieces: Pieces) -> Iterator[Command]:
    for command in commands:
        if not isinstance(command, Send):
            yield command
            continue
        found = pieces(command.data)
        pause = Sleep(min(PAUSE, ALL_PAUSES / len(found)))
        for number, piece in enumerate(found):
            if number:
                yield pause
            yield replace(command, data=piece)


def _made_in_pieces(make: Callable[[Scope], Iterable[Command]], pieces: Pieces) -> Callable[[Scope], Iterable[Command]]:
    """What is evaluated is evaluated before the first command is handed out, as `make` promises."""
    return lambda scope: _in_pieces(make(scope), pieces)


def _changed(block: Block, change: Callable[[Instruction], Instruction]) -> Block:
    """Every step, also those inside of others."""
    return tuple(_inside(change(step), change) for step in block)


def _inside(step: Instruction, change: Callable[[Instruction], Instruction]) -> Instruction:
    if isinstance(step, Repeat | Include):
        return replace(step, body=_changed(step.body, change))
    if isinstance(step, React):
        cases = tuple(replace(case, body=_changed(case.body, change)) for case in step.cases)
        return replace(step, cases=cases)
    return step


# --- what is together --------------------------------------------------------------------------


def joined(program: Program) -> Program:
    """The program, in which what a role sends without waiting in between leaves at once."""
    roles = {
        name: replace(role, sequences=tuple(map(_joined, role.sequences))) if _is_stream(role) else role
        for name, role in program.roles.items()
    }
    return replace(program, roles=roles)


def _joined(block: Block) -> Block:
    found: list[Instruction] = []
    for step in block:
        before = found[-1] if found else None
        if isinstance(step, Do) and isinstance(before, Do) and _sends(step) and _sends(before):
            found[-1] = replace(before, commands=_one(before.commands + step.commands))
        elif isinstance(step, Do) and _sends(step):
            found.append(replace(step, commands=_one(step.commands)))
        else:
            found.append(_inside(step, lambda inner: inner))
    return tuple(found)


def _sends(step: Do) -> bool:
    return all(isinstance(command, Send) for command in step.commands)


def _one(commands: tuple[Command, ...]) -> tuple[Command, ...]:
    sends = [command for command in commands if isinstance(command, Send)]
    return (replace(sends[0], data=b"".join(send.data for send in sends)),)


# --- who ends too early ------------------------------------------------------------------------


def visited(program: Program, role: str, steps: int, sent: int | None, end: End) -> Program:
    """The program, with one more client before all others that plays only so many of the role's steps, and of the
    step behind them, if it sends, so many bytes; and then ends like that."""
    original = program.roles[role]
    block = original.sequences[0]
    beginning: list[Instruction] = list(block[:steps])
    if sent is not None:
        following = block[steps]
        assert isinstance(following, Do)
        beginning.append(replace(following, commands=_only(following.commands, sent)))
    if ENDINGS[end]:
        place = block[min(steps, len(block) - 1)].place
        beginning.append(Do(place, ENDINGS[end]))
    visitor = replace(
        original,
        name=VISITOR,
        sequences=(tuple(beginning),),
        last=(),
        instances=1,
        hold=end == "silence",
        allow_unread=True,
        barriers=frozenset(),
    )
    behind = (Fact("ended", VISITOR),)
    roles = {
        name: replace(one, start_after=one.start_after + behind) if one.side == "client" else one
        for name, one in program.roles.items()
    }
    processes = {
        name: one if one.service else replace(one, start_after=one.start_after + behind)
        for name, one in program.processes.items()
    }
    return replace(program, roles={VISITOR: visitor, **roles}, processes=processes)


def _only(commands: Iterable[Command], size: int) -> tuple[Command, ...]:
    """The first bytes of what they send."""
    kept: list[Command] = []
    for command in commands:
        if isinstance(command, Send):
            command = replace(command, data=command.data[:size])
            size -= len(command.data)
        kept.append(command)
        if size <= 0:
            break
    return tuple(kept)


def _is_stream(role: RoleProgram) -> bool:
    return not role.datagram and role.side != "proxy"


def _with_role(program: Program, role: RoleProgram) -> Program:
    return replace(program, roles={**program.roles, role.name: role})
