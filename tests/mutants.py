"""Programs in which a step sends something else than the file says: what a slip of the pen makes of a sound scenario.

On programs and not on texts, so that every step of every example has its mutants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from sockrun.commands import Command, Send
from sockrun.program import Block, Do, Include, Instruction, Make, Place, Program, React, Repeat, instructions_in
from sockrun.source import Span

Change = Callable[[Send], list[Command]]
CHANGES: dict[str, Change] = {
    "a missing send": lambda send: [],
    "a byte too many": lambda send: [replace(send, data=send.data + b"!")],
    "a byte too few": lambda send: [replace(send, data=send.data[:-1])],
}


class Mutant(NamedTuple):
    program: Program
    change: str
    role: str
    place: Place


def mutants(program: Program) -> Iterator[Mutant]:
    """Each step that sends, changed in each way."""
    for role in program.roles.values():
        places = {step.place.span: step.place for block in role.sequences for step in instructions_in(block)}
        for span, place in places.items():
            if place.label.startswith(("send", "payload")):
                for name, change in CHANGES.items():
                    sequences = tuple(_block(block, span, change) for block in role.sequences)
                    roles = {**program.roles, role.name: replace(role, sequences=sequences)}
                    yield Mutant(replace(program, roles=roles), name, role.name, place)


def _block(block: Block, span: Span, change: Change) -> Block:
    return tuple(_step(step, span, change) for step in block)


def _step(step: Instruction, span: Span, change: Change) -> Instruction:
    match step:
        case Do() if step.place.span == span:
            return replace(step, commands=tuple(_changed(step.commands, change)))
        case Make() if step.place.span == span:
            make = step.make
            return replace(step, make=lambda scope: list(_changed(tuple(make(scope)), change)))
        case Repeat() | Include():
            return replace(step, body=_block(step.body, span, change))
        case React():
            return replace(step, cases=tuple(replace(one, body=_block(one.body, span, change)) for one in step.cases))
        case _:
            return step


def _changed(commands: tuple[Command, ...], change: Change) -> Iterator[Command]:
    for command in commands:
        yield from change(command) if isinstance(command, Send) else [command]
