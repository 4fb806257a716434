"""Roles that somebody else plays: `--real` and `--play`, as a function from a scenario to the program to play.

The one theory: a role that is not played takes with it all that it would have provided: signals, turns in the
scenario's own steps, variables, its place at a barrier, its end. Who needs one of these would wait for ever, so
that it is an error of the file with these swaps, told at its place. Only where a server listens is still known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from math import inf

from sockrun.commands import Address, Await, Barrier, Command, Fact, Receive, Tell
from sockrun.compiling import scalars
from sockrun.compiling.compiler import Compilation, CompiledRole
from sockrun.compiling.context import Context
from sockrun.compiling.sending import to_address
from sockrun.compiling.steps import Target
from sockrun.compiling.swaps import Half, Swaps
from sockrun.diagnostics import Problems, did_you_mean
from sockrun.expressions import Reference
from sockrun.program import Block, Make, Place, Program, RoleProgram, Wait, commands_in, instructions_in
from sockrun.records import dataclass, replace
from sockrun.source import Span
from sockrun.values import Scope

CODE = "swap"


def swap(compilation: Compilation, swaps: Swaps) -> Program:
    """The program with the roles that are left. What they lack is reported to the context's problems."""
    problems, before = compilation.context.problems, len(compilation.context.problems.errors)
    given = _addresses(compilation, swaps, problems)
    if len(problems.errors) > before:
        return compilation.program
    cast = _Cast(compilation, swaps, given)
    if not cast.played and swaps.half is None:
        message = "nobody is left to play: all its roles are played by somebody else"
        problems.error(CODE, message, compilation.scenario.span, hint="leave out one --real")
    elif not cast.played and swaps.half == "users":
        message = "it has no client, so that there is nothing that many users could do"
        problems.error(CODE, message, _start(compilation), hint="write the user's side as a role with `side: client`")
    cast.report(problems)
    program = replace(
        compilation.program, roles=cast.programs, elsewhere=cast.elsewhere, unplayed=cast.unplayed, outside=True
    )
    return program if swaps.half is None else _half(program, swaps.half)


# --- what the command line names ---------------------------------------------------------------


def _addresses(compilation: Compilation, swaps: Swaps, problems: Problems) -> dict[str, Address]:
    """The addresses that were given, by role."""
    found = {}
    for option, name, text in swaps.named:
        one = compilation.roles.get(name)
        if one is None:
            hint = did_you_mean(name, compilation.roles) or f"its roles are {', '.join(compilation.roles)}"
            problems.error(CODE, f"{option} {name}: this scenario has no such role", _start(compilation), hint=hint)
            continue
        wrong = _misuse(option, one.role.side, name in swaps.real and name in swaps.play)
        if wrong is not None:
            problems.error(CODE, f"{option} {name}: {wrong[0]}", one.role.span, hint=wrong[1])
        elif text is not None:
            try:
                found[name] = Address(text, 0, True) if one.role.protocol == "unix" else to_address(text)
            except ValueError as error:
                problems.error(CODE, f"{option} {name}: {error}", one.role.span)
    return found


def _misuse(option: str, side: str, twice: bool) -> tuple[str, str] | None:
    """What is wrong with naming a role like that, and what to do."""
    if twice:
        return "--real and --play exclude each other", "name the role once"
    if option == "--real" and side == "client":
        return "a client has no address to give to others", "let a real client come with --play and the server's name"
    return None


def _start(compilation: Compilation) -> Span:
    span = compilation.scenario.span
    return Span(span.source, span.line, span.column, span.line, span.column + 1)


# --- who is left -------------------------------------------------------------------------------


class _Cast:
    """The roles that are played, the others, and what those lack who are played."""

    def __init__(self, compilation: Compilation, swaps: Swaps, given: Mapping[str, Address]) -> None:
        self._compilation = compilation
        self._swaps = swaps
        self._given = given
        roles = compilation.roles
        self.played = {name: one for name, one in roles.items() if self._takes(name, one.program)}
        self._gone = {name: one for name, one in roles.items() if name not in self.played}
        half = self._gone if swaps.half == "users" else ()
        self._beside = {name for name in half if name not in swaps.real}  # whose addresses are known when it plays
        self.elsewhere = {name: address for name in self._gone if (address := self._address_of(name)) is not None}
        self.programs = {name: self._program(one.program) for name, one in self.played.items()}

    def _takes(self, name: str, role: RoleProgram) -> bool:
        other = self._swaps.half is not None and (role.side == "client") != (self._swaps.half == "users")
        return name in (self._swaps.play or self._compilation.roles) and name not in self._swaps.real and not other

    @property
    def unplayed(self) -> dict[str, Span]:
        """Where the others stand."""
        return {name: one.role.span for name, one in self._gone.items()}

    def _address_of(self, name: str) -> Address | None:
        """Where a server that is not played listens: as given for it, or for its client, or by the file."""
        for client in self.played:
            if self.played[client].program.to == name and client in self._given:
                return self._given[client]
        if name in self._given:
            return self._given[name]
        return None if name in self._beside else _in_the_file(self._gone[name].program)

    def _is_known(self, name: str | None) -> bool:
        """Whether somebody else plays it, and it is known where, or will be."""
        return name in self.elsewhere or name in self._beside

    def _program(self, role: RoleProgram) -> RoleProgram:
        if role.side == "client":
            if self._is_known(role.to):  # also where the file repeats the server's address
                return replace(role, host=None, port=None, path=None)
            return _at(role, self._given[role.name]) if role.name in self._given else role
        if role.name in self._given:
            role = _at(role, self._given[role.name])
        return replace(role, sequences=tuple(map(_patient, role.sequences))) if role.datagram else role

    # --- what is missing ---

    def report(self, problems: Problems) -> None:
        for span, what, by in self._missing():
            who = " and ".join(repr(name) for name in by)
            related = [(self._gone[name].role.span, "not played") for name in by]
            why, hint = "nobody plays that role", "play it too, with --play"
            if self._swaps.half is not None:
                why = "under load clients and servers know each other only by what they send"
                hint = "let the one send it to the other"
                related = [(self._gone[name].role.span, "the other side") for name in by]
            problems.error(CODE, f"{what}, which only {who} could provide, and {why}", span, hint=hint, related=related)

    def _missing(self) -> Iterator[tuple[Span, str, list[str]]]:
        """The place, what is wanted there, and the roles that would have given it."""
        for one in self.played.values():
            yield from self._missing_address(one)
            yield from self._missing_connects(one)
            yield from self._missing_starts(one)
            yield from self._missing_facts(one)
            yield from self._missing_names(one.context.references)
            yield from self._missing_values(one.context)
        yield from self._missing_names(self._compilation.context.references)
        yield from self._missing_values(self._compilation.context)

    def _missing_values(self, context: Context) -> Iterator[tuple[Span, str, list[str]]]:
        """Values that each iteration of a user has, and a server is to know."""
        if self._swaps.half != "servers":
            return
        for reference, span in context.references:
            if reference.attribute is None and reference.base in context.late and reference.base not in context.binds:
                yield span, f"this needs {reference.base}, which each user has for itself", list(self._gone)

    def _missing_address(self, one: CompiledRole) -> Iterator[tuple[Span, str, list[str]]]:
        role = self.programs[one.role.name]
        if role.side != "server" and role.to in self._gone and not self._is_known(role.to):
            what = f"{role.name!r} connects to the address of {role.to!r} (or say --play {role.name}=HOST:PORT)"
            yield one.role.span, what, [str(role.to)]

    def _missing_connects(self, one: CompiledRole) -> Iterator[tuple[Span, str, list[str]]]:
        """Of those that a step names itself: the role's own target is told of the role."""
        for instruction in (each for block in one.program.blocks for each in instructions_in(block)):
            if isinstance(instruction, Make) and isinstance(instruction.make, Target):
                to = instruction.make.asked
                if to in self._gone and not self._is_known(to) and to != one.program.to:
                    yield instruction.place.span, f"this connects to the address of {to!r}", [str(to)]

    def _missing_starts(self, one: CompiledRole) -> Iterator[tuple[Span, str, list[str]]]:
        for named in one.role.start:
            if named.name in self._gone:
                yield named.span, f"{one.role.name!r} starts after {named.name!r}", [named.name]
            elif lost := self._lost(Fact("signal", named.name)):
                yield named.span, f"{one.role.name!r} starts after the signal {named.name!r}", lost

    def _missing_facts(self, one: CompiledRole) -> Iterator[tuple[Span, str, list[str]]]:
        for place, command in _commands(one):
            if isinstance(command, Await):
                for fact in command.facts:
                    if lost := self._lost(fact):
                        yield place.span, _FACTS[fact.kind](fact.name), lost
            elif isinstance(command, Barrier) and (lost := self._lost_barrier(command.name, one)):
                yield place.span, f"this waits at the barrier {command.name!r}", lost

    def _missing_names(self, references: Collection[tuple[Reference, Span]]) -> Iterator[tuple[Span, str, list[str]]]:
        for reference, span in references:
            base, attribute = reference.base, reference.attribute
            known = self._is_known(base) and attribute in ("host", "port")
            if attribute is not None and base in self._gone and not known:
                yield span, f"this needs {base}.{attribute}", [base]

    def _lost(self, fact: Fact) -> list[str]:
        """The roles that would have told a fact, where none of them is played."""
        tellers = [name for name, one in self._compilation.roles.items() if _tells(one, fact)]
        return [] if any(name in self.played for name in tellers) else tellers

    def _lost_barrier(self, name: str, own: CompiledRole) -> list[str]:
        """The roles that would have been at a barrier, where nobody else is left."""
        others = [
            role for role, one in self._compilation.roles.items() if name in one.program.barriers and one is not own
        ]
        alone = not own.role.copies and not any(role in self.played for role in others)
        return others if alone else []


_FACTS: Mapping[str, Callable[[str], str]] = {
    "signal": lambda name: f"this waits for the signal {name!r}",
    "turn": lambda name: f"this waits for step {name} of the scenario",
}


def _commands(one: CompiledRole) -> Iterator[tuple[Place, Command]]:
    for block in one.program.blocks:
        yield from commands_in(block)


def _tells(one: CompiledRole, fact: Fact) -> bool:
    return any(isinstance(command, Tell) and fact in command.facts for _, command in _commands(one))


# --- one half, for load --------------------------------------------------------------------------


def _half(program: Program, half: Half) -> Program:
    """Users start no processes; servers serve whoever comes, as long as somebody comes."""
    if half == "users":
        return replace(program, processes={})
    services = {name: process for name, process in program.processes.items() if process.service}
    return replace(program, roles={name: _serving(role) for name, role in program.roles.items()}, processes=services)


def _serving(role: RoleProgram) -> RoleProgram:
    if role.side != "server" or not role.listen:
        return role
    return replace(role, connections=None, per_sender=role.datagram, hold=False)


# --- one role ----------------------------------------------------------------------------------


_EVERYWHERE = {b"0.0.0.0": b"127.0.0.1", b"::": b"::1"}  # who listens on all addresses is reached at this one


def _in_the_file(role: RoleProgram) -> Address | None:
    """A server's address, where the file itself says all of it."""
    if role.side == "client":
        return None
    if role.protocol == "unix":
        path = role.path.constant if role.path else None
        return Address(path.decode(), 0, True) if isinstance(path, bytes) else None
    host = role.host.constant if role.host else b"127.0.0.1"
    port = role.port.constant if role.port else None
    if not isinstance(host, bytes) or not isinstance(port, int) or not port:
        return None
    return Address(_EVERYWHERE.get(host, host).decode(), port)


def _at(role: RoleProgram, address: Address) -> RoleProgram:
    """The role with this address instead of its own."""
    host = scalars.Literal(address.host.encode())
    if address.path:
        return replace(role, path=host)
    return replace(role, host=host, port=scalars.Literal(address.port))


def _patient(block: Block) -> Block:
    """Over datagrams nobody connects: the first one may take as long as a connection."""
    if not block or not isinstance(block[0], Wait) or block[0].wanted != "bytes":
        return block
    first = block[0]
    command, make = first.command, first.make
    if command is not None:
        return (replace(first, command=replace(command, seconds=inf)), *block[1:])
    assert make is not None
    return (replace(first, make=_Patient(make)), *block[1:])


@dataclass(frozen=True, slots=True)
class _Patient:
    make: Callable[[Scope], Receive]

    def __call__(self, scope: Scope) -> Receive:
        return replace(self.make(scope), seconds=inf)
