"""Steps of a program by their numbers, and programs in which some of them are others.

Pure: a program goes in, and another comes out.

The one theory: a step is known by its role and its number among all the steps of that role, those inside of others
included. That number is the same in all programs of a file, whatever the matrix gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeAlias

from sockrun.program import Block, Include, Instruction, Program, React, Repeat, RoleProgram, instructions_in
from sockrun.records import NamedTuple, replace


class Site(NamedTuple):
    role: str
    number: int


Rewrite: TypeAlias = Callable[[Site, Instruction], Instruction]
Alter: TypeAlias = Callable[[Instruction], Instruction]


def sites(program: Program) -> Iterator[tuple[Site, Instruction]]:
    """Every step of every role."""
    for role in program.roles.values():
        steps = (step for block in role.blocks for step in instructions_in(block))
        yield from ((Site(role.name, number), step) for number, step in enumerate(steps))


def rewritten(program: Program, rewrite: Rewrite) -> Program:
    """The program with each step as `rewrite` gives it, which leaves the steps inside of it as they are."""
    return replace(program, roles={name: _role(role, rewrite) for name, role in program.roles.items()})


def altered(program: Program, site: Site, alter: Alter) -> Program:
    """The program with that one step changed."""

    def rewrite(here: Site, step: Instruction) -> Instruction:
        return alter(step) if here == site else step

    role = _role(program.roles[site.role], rewrite)
    return replace(program, roles={**program.roles, site.role: role})


def _role(role: RoleProgram, rewrite: Rewrite) -> RoleProgram:
    numbers = count()

    def changed(block: Block) -> Block:
        return tuple(inside(rewrite(Site(role.name, next(numbers)), step)) for step in block)

    def inside(step: Instruction) -> Instruction:
        if isinstance(step, Repeat | Include):
            return replace(step, body=changed(step.body))
        if isinstance(step, React):
            return replace(step, cases=tuple(replace(case, body=changed(case.body)) for case in step.cases))
        return step

    return replace(role, sequences=tuple(map(changed, role.sequences)), last=changed(role.last))
