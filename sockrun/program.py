"""A compiled scenario: what the runner, the interpreter, `show` and the checks work on.

The compiler is the only place that knows the kinds of step; here a role is a tree of few instructions.
Everything that does not depend on received bytes has been decided: commands are made, matchers compiled,
durations are seconds. What still needs values at run time is an `Operand` or a `make` function that
takes the role's scope and may raise `NotYet` (the role then waits and asks again) or `ExpressionError`.
Whatever `make` needs is evaluated before it returns, so that asking again repeats no effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias, final

from sockrun.commands import Address, Barrier, Command, Fact, Match, Matcher, Mismatch, Receive
from sockrun.records import dataclass, field
from sockrun.source import Source, Span
from sockrun.values import Operand, Payload, Scope, Value

if TYPE_CHECKING:
    from sockrun.masking import Mask

Protocol: TypeAlias = Literal["tcp", "udp", "unix"]
Side: TypeAlias = Literal["server", "client", "proxy"]
Heading: TypeAlias = Literal["to_server", "to_client"]
Wanted: TypeAlias = Literal["bytes", "fin", "reset", "refused", "tls", "silence"]


@dataclass(frozen=True, slots=True)
class Place:
    """A step for people: its number in its list ('3', '3.1' inside a repeat), itself in a few words, its place."""

    number: str
    label: str
    span: Span
    note: str | None = None


# --- instructions ------------------------------------------------------------------------------


@final
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


@final
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
class Secure:
    """Shake hands, `seconds` at most, as `settings` say; where they say not to, nothing happens."""

    place: Place
    settings: TlsSettings
    seconds: float
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Assign:
    place: Place
    variables: tuple[tuple[str, Operand], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """`test` answers a mismatch where it does not hold, and may answer a match, whose variables are bound.

    `values` names what the condition looked at.
    """

    place: Place
    test: Callable[[Scope], Match | Mismatch | None]
    values: Callable[[Scope], list[tuple[str, Value]]]


@final
@dataclass(frozen=True, slots=True)
class Repeat:
    place: Place
    times: Operand
    body: Block


@final
@dataclass(frozen=True, slots=True)
class Include:
    """The steps of another file. `given` are the names that only they see, and what they include in turn."""

    place: Place
    given: tuple[tuple[str, Operand], ...]
    body: Block


@dataclass(frozen=True, slots=True)
class Case:
    """One of several that may take a message: its matcher, and `when` on top of it. `leave`: `react` ends after it."""

    place: Place
    matcher: Callable[[Scope], Matcher]
    when: Callable[[Scope], Value] | None = None
    body: Block = ()
    leave: bool = False


@dataclass(frozen=True, slots=True)
class React:
    """Again and again: `command` waits for a message, and the first case that takes it is played."""

    place: Place
    command: Receive
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class AnyOrder:
    """A message for each case, in any order, `seconds` for all. `receive` waits that long for one of those left."""

    place: Place
    cases: tuple[Case, ...]
    seconds: float
    receive: Callable[[Sequence[Case], float], Receive]


Instruction: TypeAlias = Do | Make | Wait | Secure | Assign | Check | Repeat | Include | React | AnyOrder
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
class TlsSettings:
    """What stands under `tls`: `values` has each key but `alpn`; `wanted` is an expression that stands alone."""

    span: Span
    values: Mapping[str, Operand] = field(default_factory=dict)
    alpn: tuple[Operand, ...] = ()
    wanted: Operand | None = None


@dataclass(frozen=True, slots=True)
class CertificateProgram:
    """A certificate that is made for the run, as `${dir}/NAME.pem`, `NAME.key` and `NAME-both.pem`."""

    name: str
    span: Span
    names: tuple[Operand, ...]
    common_name: Operand | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Corrupt:
    """The byte at `at`, counted from 0, is combined with `xor`."""

    at: int
    xor: int


@dataclass(frozen=True, slots=True)
class Faults:
    """What a proxy does to all that passes: seconds, bytes a second, bytes, shares from 0 to 1.

    They hold for one `direction`, and for the connection with that number where one is named.
    """

    latency: float = 0.0
    jitter: float = 0.0
    bandwidth: float | None = None
    segment: int | None = None
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    corrupt: Corrupt | None = None
    close_after: int | None = None
    reset_after: int | None = None
    direction: Heading | Literal["both"] = "both"
    connection: int | None = None
    seed: int = 0
    buffer: int | None = None  # bytes that each end of a simulated connection holds

    def on(self, heading: Heading, number: int) -> Faults:
        """Those that hold that way, for the connection with that number; where none do, the link is a good one."""
        holds = self.direction in ("both", heading) and self.connection in (None, number)
        return self if holds else Faults(seed=self.seed)


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
    to: str | None = None  # the role that a client or proxy connects to
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
    tls: TlsSettings | None = None  # from the first byte on
    network: Faults = field(default_factory=Faults)  # of a proxy
    last: Block = ()  # `finally`
    barriers: frozenset[str] = frozenset()  # the barriers that its steps name
    hosts: frozenset[str] = frozenset()  # those that it names, as far as they are known before it plays

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All its steps, `finally` included."""
        return (*self.sequences, self.last)


@dataclass(frozen=True, slots=True)
class FileProgram:
    """A file to be written into the scenario's folder before anything starts; `mode` in octal as chmod(1) takes it."""

    name: Operand
    content: Payload
    span: Span
    mode: int | None = None


def file_name(value: Value) -> str:
    """The name of a file, of what its text came to."""
    return os.fsdecode(value) if isinstance(value, bytes) else str(value)


@dataclass(frozen=True, slots=True)
class Ready:
    """When a process counts as started: one of these; `after` is in seconds, `output` judges all that it wrote."""

    summary: str
    port: Operand | None = None
    protocol: Literal["tcp", "udp"] = "tcp"
    path: Operand | None = None
    output: Callable[[Scope], Matcher] | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class ProcessProgram:
    """A program that takes part. `ends` are the exit statuses (negative: a signal's number is not known before it
    runs, so it stands as its name) that it may end with, () for any; None: a service, which is stopped.

    `timeout` (seconds) is for being ready, and for the end where that is awaited; None: the scenario's.
    `kept`: which of its outputs are wanted whole. `marks`: where its keys that expect something stand, by key.
    """

    name: str
    span: Span
    command: tuple[Operand, ...]
    setup: tuple[tuple[Operand, ...], ...] = ()
    ready: Ready | None = None
    start_after: tuple[Fact, ...] = ()
    stop: str = "TERM"
    stdin: Payload | None = None
    stdin_open: bool = False
    ends: tuple[int | str, ...] | None = None
    expect: Mapping[str, Callable[[Scope], Matcher]] = field(default_factory=dict)  # by `stdout` and `stderr`
    expect_files: tuple[tuple[Operand, Callable[[Scope], Matcher], Span], ...] = ()  # the span is the name's
    marks: Mapping[str, Span] = field(default_factory=dict)
    timeout: float | None = None
    env: tuple[tuple[str, Operand], ...] = ()
    cwd: Operand | None = None
    user: Operand | None = None
    user_if_root: bool = False  # `user` is for root alone: who is not root stays who they are
    kept: frozenset[str] = frozenset()

    @property
    def service(self) -> bool:
        return self.ends is None


@dataclass(frozen=True, slots=True)
class Requires:
    """What must be there, else the scenario is skipped."""

    command: tuple[str, ...] = ()
    ipv6: bool = False
    root: bool = False
    platform: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    file: tuple[str, ...] = ()
    module: tuple[str, ...] = ()


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
    constants: Mapping[str, Value] = field(default_factory=dict)  # vars, secrets, this combination of the matrix
    late: Mapping[str, Value] = field(default_factory=dict)  # constants to come, each with a value of its kind
    mask: Mask | None = None  # hides the secrets, where there are any
    ports: tuple[str, ...] = ()
    files: tuple[FileProgram, ...] = ()
    certificates: tuple[CertificateProgram, ...] = ()
    authority: Span | None = None  # for what certificates are signed: the first of those, or a server that names none
    processes: Mapping[str, ProcessProgram] = field(default_factory=dict)
    network: Faults = field(default_factory=Faults)  # how the simulated one behaves
    outside: bool = False  # whether somebody takes part who is no role or process of it
    elsewhere: Mapping[str, Address] = field(default_factory=dict)  # server roles that somebody outside plays
    unplayed: Mapping[str, Span] = field(default_factory=dict)  # where the roles stand that are not played
    untrusted: bool = False  # it may touch nothing but its pack, its folder, and its own roles

    @property
    def fixed_ports(self) -> frozenset[tuple[str, int]]:
        """The (protocol, port) pairs that it names as numbers to be listened on: such scenarios must not overlap."""
        found = set()
        for role in self.roles.values():
            port = role.port.constant if role.port is not None and role.side != "client" else None
            if isinstance(port, int) and port:
                found.add((role.protocol, port))
        for process in self.processes.values():
            port = process.ready.port.constant if process.ready is not None and process.ready.port is not None else None
            if isinstance(port, int) and process.ready is not None:
                found.add((process.ready.protocol, port))
        return frozenset(found)


def blocks_inside(instruction: Instruction) -> tuple[Block, ...]:
    """The blocks that an instruction may play."""
    if isinstance(instruction, Repeat | Include):
        return (instruction.body,)
    return tuple(case.body for case in instruction.cases) if isinstance(instruction, React) else ()


def instructions_in(block: Block) -> Iterator[Instruction]:
    """Every instruction of a block, and of the blocks inside it."""
    for instruction in block:
        yield instruction
        for inside in blocks_inside(instruction):
            yield from instructions_in(inside)


def commands_in(block: Block) -> Iterator[tuple[Place, Command]]:
    """Every command that is made once, in a block and the blocks inside it, with the step it belongs to."""
    for instruction in instructions_in(block):
        if isinstance(instruction, Do):
            yield from ((instruction.place, command) for command in instruction.commands)


def barriers_in(block: Block) -> frozenset[str]:
    """The names of the barriers in a block and the blocks inside it."""
    return frozenset(command.name for _, command in commands_in(block) if isinstance(command, Barrier))
