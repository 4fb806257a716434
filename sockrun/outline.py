"""A program in words, as it will be played: what `sockrun show` prints."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from sockrun.commands import Fact
from sockrun.diagnostics import visible
from sockrun.hexdump import brief
from sockrun.program import Block, Include, ProcessProgram, Program, React, Repeat, RoleProgram
from sockrun.values import Operand, Value

LATER = "<computed>"


def outline(program: Program) -> Iterator[str]:
    """The lines that tell a scenario to a person, secrets hidden."""
    lines = _outline(program)
    return lines if program.mask is None else map(program.mask.text, lines)


def _outline(program: Program) -> Iterator[str]:
    yield visible(program.id)
    if program.name:
        yield f"  {visible(program.name)}"
    if program.description:
        yield from wrap(
            visible(" ".join(program.description.split())), 100, initial_indent="  ", subsequent_indent="  "
        )
    yield from _facts(program)
    for process in program.processes.values():
        yield ""
        yield f"  {process.name}: {_process(process)}"
    for role in program.roles.values():
        yield ""
        yield f"  {role.name}: {_role(role)}"
        yield from _steps(role)


def _facts(program: Program) -> Iterator[str]:
    if program.tags:
        yield f"  tags: {', '.join(map(visible, program.tags))}"
    for name, value in program.constants.items():
        yield f"  {name} = {_value(value)}"
    if program.ports:
        yield f"  free ports: {', '.join(program.ports)}"
    for file in program.files:
        yield f"  file: {_operand(file.name)}"
    for certificate in program.certificates:
        yield f"  certificate: {certificate.name}{', whose time is over' if certificate.expired else ''}"
    yield f"  timeout: {program.timeout:g} s"
    if program.expect_failure:
        yield "  it must fail" + (f" with {program.expect_failure!r}" if program.expect_failure is not True else "")


# --- processes ---------------------------------------------------------------------------------


def _process(process: ProcessProgram) -> str:
    parts = [f"runs {' '.join(map(_operand, process.command))}"]
    if process.start_after:
        parts.append("starts after " + " and ".join(map(_fact, process.start_after)))
    if process.service:
        ready = "" if process.ready is None else f", ready by its {process.ready.summary}"
        return ", ".join(parts) + f"{ready}, until all others have ended"
    return ", ".join(parts) + ", and its end is awaited"


# --- roles -------------------------------------------------------------------------------------


def _role(role: RoleProgram) -> str:
    return ", ".join([f"{_protocol(role)} {role.side} {_where(role)}", *_manner(role)])


def _protocol(role: RoleProgram) -> str:
    return f"{role.protocol} datagram" if role.protocol == "unix" and role.datagram else role.protocol


def _where(role: RoleProgram) -> str:
    if role.to is not None:
        return f"to {role.to}"
    preposition = "at" if role.side == "server" else "to"
    if role.path is not None:
        return f"{preposition} {_operand(role.path)}"
    host = "127.0.0.1" if role.host is None else _operand(role.host)
    host = f"[{host}]" if ":" in host else host
    port = "a free port" if role.port is None else _operand(role.port)
    return f"{preposition} {host}, {port}" if role.port is None else f"{preposition} {host}:{port}"


def _manner(role: RoleProgram) -> Iterator[str]:
    """What is not as usual."""
    if role.connections is None:
        yield "any number of connections"
    elif role.connections != 1:
        yield f"{role.connections} connections"
    if role.tls is not None:
        yield "over TLS"
    if role.instances != 1:
        yield f"{role.instances} copies"
    if role.start_after:
        yield "starts after " + " and ".join(map(_fact, role.start_after))
    if not role.listen:
        yield "refuses"
    if role.hold:
        yield "holds its connection"
    if role.allow_unread:
        yield "may leave bytes unread"


def _fact(fact: Fact) -> str:
    return f"the signal {fact.name}" if fact.kind == "signal" else fact.name


# --- steps -------------------------------------------------------------------------------------


def _steps(role: RoleProgram) -> Iterator[str]:
    for index, block in enumerate(role.sequences):
        if len(role.sequences) > 1:
            yield f"    connection {index}"
        yield from _block(block, "    ")
    if role.last:
        yield "    finally"
        yield from _block(role.last, "    ")


def _block(block: Block, indent: str) -> Iterator[str]:
    last = ""
    for step in block:
        place = step.place
        note = f"   # {visible(place.note)}" if place.note else ""
        if place.number != last:  # one step may be several instructions
            yield f"{indent}{place.number:>3}  {visible(place.label)}{note}"
        last = place.number
        if isinstance(step, Repeat | Include):
            yield from _block(step.body, indent + "  ")
        if isinstance(step, React):
            for case in step.cases:
                leave = ", then leave" if case.leave else ""
                yield f"{indent}  {case.place.number:>3}  on {visible(case.place.label)}{leave}"
                yield from _block(case.body, indent + "    ")


def _operand(operand: Operand) -> str:
    constant = operand.constant
    return LATER if constant is None else _value(constant)


def _value(value: Value) -> str:
    if isinstance(value, bytes):
        return visible(value.decode()) if value.isascii() else brief(value)
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, tuple) else str(value)
