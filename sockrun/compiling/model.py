"""A scenario as it was written: frozen data, each piece with its place.

Lives here: what the file says once the short forms, `defaults` and references between roles are worked out,
for one combination of the matrix. Must not live here: YAML's shapes (`builder.py`) and what a step does
(`compiler.py`). A step keeps its argument as a node, since only the table of verbs knows what it means.
"""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.program import Protocol, Requires, Side, SocketOptions
from sockrun.records import dataclass, field
from sockrun.source import Node, Span

VERBS = frozenset(
    [
        "send",
        "expect",
        "expect_in_any_order",
        "react",
        "expect_close",
        "expect_reset",
        "expect_refused",
        "expect_silence",
        "expect_tls",
        "close",
        "shutdown",
        "reset",
        "connect",
        "starttls",
        "pause",
        "signal",
        "wait",
        "barrier",
        "set",
        "check",
        "repeat",
        "kill",
        "include",
    ]
)
# What expressions use for something else than variables.
RESERVED = frozenset(["received", "index", "round", "peer", "local", "tls", "dir", "ports", "env", "true", "false"])
HOLE = ""  # the verb of a step whose shape is wrong


@dataclass(frozen=True, slots=True)
class Named:
    """A name that the file mentions, and where it does."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `word` is what the file calls it (`payload` in the short form), `body` and `cases` the steps inside."""

    verb: str
    word: str
    argument: Node | None
    options: Mapping[str, Node]
    span: Span
    keys: Mapping[str, Span] = field(default_factory=dict)
    body: tuple[Step, ...] = ()
    cases: tuple[Case, ...] = ()

    @property
    def inside(self) -> tuple[Step, ...]:
        """All steps one level below."""
        return (*self.body, *(step for case in self.cases for step in case.steps))


@dataclass(frozen=True, slots=True)
class Case:
    """A case of `react`."""

    expect: Node
    when: Node | None
    steps: tuple[Step, ...]
    leave: Node | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A step of the scenario's own `steps`, and the role that does it."""

    role: Named
    step: Step


@dataclass(frozen=True, slots=True)
class Role:
    """A role with its defaults filled in. `keys` has the place of each key, in the role or in `defaults`."""

    name: str
    span: Span
    protocol: Protocol
    side: Side
    keys: Mapping[str, Span]
    datagram: bool = False
    to: Named | None = None
    host: Node | None = None
    port: Node | None = None
    path: Node | None = None
    local_host: Node | None = None
    local_port: Node | None = None
    framing: Node | None = None
    tls: Node | None = None
    network: Node | None = None
    sequences: tuple[tuple[Step, ...], ...] = ((),)
    last: tuple[Step, ...] = ()
    connections: int | None = 1
    instances: int = 1
    start: tuple[Named, ...] = ()
    hold: bool = False
    listen: bool = True
    allow_unread: bool = False
    retry_for: float = 0.0
    timeout: float = 5.0
    socket: SocketOptions = field(default_factory=SocketOptions)

    @property
    def copies(self) -> bool:
        """Whether several conversations run these steps at the same time."""
        return self.instances != 1 or (self.connections != 1 and "connections" in self.keys)


@dataclass(frozen=True, slots=True)
class File:
    """A file to be written: `name` is a text node, `content` a payload."""

    name: Node
    content: Node
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """`names` has every role and process of the file; `complete` is false where one could not be built."""

    name: str
    description: str
    tags: tuple[str, ...]
    span: Span
    roles: Mapping[str, Role]
    names: Mapping[str, Span]
    processes: Mapping[str, Node]
    complete: bool
    timeout: float = 30.0
    requires: Requires = field(default_factory=Requires)
    expect_failure: bool | str = False
    ports: Mapping[str, Span] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    certificates: Node | None = None
    network: Node | None = None
    turns: tuple[Turn, ...] = ()
