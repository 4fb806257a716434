"""A compiled scenario: what the runner, the interpreter, `show` and the checks work on.

The compiler is the only place that knows the kinds of step; here a role is a tree of few instructions.
Everything that does not depend on received bytes has been decided: commands are made, matchers compiled,
durations are seconds. What still needs values at run time is an `Operand` or a `make` function that
takes the role's scope and may raise `NotYet` (the role then waits and asks again) or `ExpressionError`.
Whatever `make` needs is evaluated before it returns, so that asking again repeats no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sockrun.commands import Barrier, Command, Fact, Mismatch, Receive
from sockrun.source import Source, Span
from sockrun.values import Operand, Payload, Scope, Value

Protocol: TypeAlias = Literal["tcp", "udp", "unix"]
Side: TypeAlias = Literal["server", "client", "proxy"]
Wanted: TypeAlias = Literal["bytes", "fin", "reset", "refused", "silence"]


@dataclass(frozen=True, slots=True)
class Place:
    """A step for people: its number in its list ('3', '3.1' inside a repeat), itself in a few words, its place."""

    number: str
    label: str
    span: Span
    note: str | None = None


# --- instructions ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Do:
    """Yield these commands; any event but None fails the step."""

    place: Place
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Make:
    """Yield the commands that `make` gives; any event but None fails the step."""

    place: Place
    make: Callable[[Scope], Iterable[Command]]


@dataclass(frozen=True, slots=True)
class Wait:
    """Yield a `Receive` and hold its event against `wanted`.

    `command` is None where `make` has to be asked. `keep`: the variable that what was taken is bound to.
    `discard`: unread bytes before a close are thrown away; `reset_too`: a reset is taken for a close.
    """

    place: Place
    wanted: Wanted
    command: Receive | None
    make: Callable[[Scope], Receive] | None = None
    keep: str | None = None
    discard: bool = False
    reset_too: bool = False


@dataclass(frozen=True, slots=True)
class Assign:
    place: Place
    variables: tuple[tuple[str, Operand], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """`test` answers None where it holds, else a mismatch; `values` names what the condition looked at."""

    place: Place
    test: Callable[[Scope], Mismatch | None]
    values: Callable[[Scope], list[tuple[str, Value]]]


@dataclass(frozen=True, slots=True)
class Repeat:
    place: Place
    times: Operand
    body: Block


Instruction: TypeAlias = Do | Make | Wait | Assign | Check | Repeat
Block: TypeAlias = tuple[Instruction, ...]


# --- roles and scenarios -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """Socket options as the role says them; None leaves the system's default (sizes in bytes, linger in seconds)."""

    nodelay: bool = True
    reuse_address: bool | None = None
    reuse_port: bool = False
    linger: float | None = None
    ttl: int | None = None
    send_buffer: int | None = None
    receive_buffer: int | None = None
    backlog: int | None = None
    broadcast: bool = False
    multicast_group: str | None = None
    multicast_interface: str | None = None
    max_segment: int | None = None
    connected: bool = True


@dataclass(frozen=True, slots=True)
class RoleProgram:
    """One role. `sequences` has one block that every connection or copy runs, or, where `connections` was
    a list of step lists, a block for each connection in order of acceptance."""

    name: str
    span: Span
    protocol: Protocol
    side: Side
    sequences: tuple[Block, ...]
    datagram: bool = False  # messages instead of a stream: udp, or unix with `datagram: true`
    host: Operand | None = None
    port: Operand | None = None
    path: Operand | None = None
    to: str | None = None  # the server role that a client connects to
    local_host: Operand | None = None
    local_port: Operand | None = None
    socket: SocketOptions = field(default_factory=SocketOptions)
    connections: int | None = 1  # None: any number
    per_sender: bool = False  # a UDP server with `connections`: one conversation for each sender's address
    instances: int = 1
    start_after: tuple[Fact, ...] = ()
    hold: bool = False
    listen: bool = True
    allow_unread: bool = False
    retry_for: float = 0.0  # seconds
    timeout: float = 5.0  # seconds, for a step that names none
    last: Block = ()  # `finally`
    barriers: frozenset[str] = frozenset()  # the barriers that its steps name


@dataclass(frozen=True, slots=True)
class FileProgram:
    """A file to be written into the scenario's folder before anything starts; `mode` in octal as chmod(1) takes it."""

    name: Operand
    content: Payload
    span: Span
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be there, else the scenario is skipped."""

    command: tuple[str, ...] = ()
    ipv6: bool = False
    platform: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """One scenario with one combination of its matrix. `id` is `path[matrix values]`."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    source: Source
    span: Span
    roles: Mapping[str, RoleProgram]
    timeout: float = 30.0  # seconds
    requires: Requires = field(default_factory=Requires)
    expect_failure: bool | str = False  # a str: a piece of the message that is wanted
    constants: Mapping[str, Value] = field(default_factory=dict)  # vars and this combination of the matrix
    ports: tuple[str, ...] = ()
    files: tuple[FileProgram, ...] = ()

    @property
    def fixed_ports(self) -> frozenset[tuple[str, int]]:
        """The (protocol, port) pairs that its servers name as numbers: such scenarios must not overlap."""
        found = set()
        for role in self.roles.values():
            port = role.port.constant if role.port is not None and role.side == "server" else None
            if isinstance(port, int) and port:
                found.add((role.protocol, port))
        return frozenset(found)


def barriers_in(block: Block) -> frozenset[str]:
    """The names of the barriers in a block and the blocks inside it."""
    names: set[str] = set()
    for instruction in block:
        if isinstance(instruction, Do):
            names.update(command.name for command in instruction.commands if isinstance(command, Barrier))
        elif isinstance(instruction, Repeat):
            names.update(barriers_in(instruction.body))
    return frozenset(names)
