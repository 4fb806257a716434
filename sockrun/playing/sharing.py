"""What the roles of a running scenario share: facts, barriers, variables, ports, addresses.

Satisfies `interpreter.Stage` but for the clock and the trace. A fact, once told, stays; a variable of a role
is, for the others, the first value it ever had. Tasks that wait are woken through `wake`, never run from
in here.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable

from sockrun.commands import Address, Await, Fact
from sockrun.network.interface import PENDING, Reply
from sockrun.network.loop import Task
from sockrun.program import Program, RoleProgram, barriers_in
from sockrun.values import ExpressionError, NotYet, Value


class Sharing:
    """One running scenario's shared state."""

    def __init__(self, program: Program, wake: Callable[[Task], None], folder: Callable[[], str]) -> None:
        self._program = program
        self._wake = wake
        self._folder = folder
        self._facts: set[Fact] = set()
        self._waiting: dict[Fact, list[Task]] = defaultdict(list)
        self._variables: dict[tuple[str, int | None, str], Value] = {}
        self._at_barrier: dict[str, list[Task]] = defaultdict(list)
        self.ports: dict[str, int] = {}
        self.addresses: dict[str, Address] = dict(program.elsewhere)  # and what the servers really bound
        self.connections: dict[str, int] = defaultdict(int)  # accepted so far, by role
        self.of_process: Callable[[str, str], Value] | None = None
        self.used: Callable[[object], None] = lambda what: None  # told what each task changes or looks at

    # --- facts ---

    def tell(self, facts: tuple[Fact, ...]) -> None:
        for fact in facts:
            self.used(fact)
            if fact not in self._facts:
                self._facts.add(fact)
                for task in self._waiting.pop(fact, ()):
                    self._go_on(task)

    def wait(self, task: Task, command: Await) -> Reply:
        for fact in command.facts:
            self.used(fact)
        missing = [fact for fact in command.facts if fact not in self._facts]
        if not missing:
            return None
        self._waiting[missing[0]].append(task)
        return PENDING

    def _go_on(self, task: Task) -> None:
        """One of the facts the task waits for is there: wait for the next, or go on."""
        if isinstance(task.command, Await) and self.wait(task, task.command) is None:
            self._wake(task)

    def missing(self, facts: tuple[Fact, ...]) -> list[Fact]:
        return [fact for fact in facts if fact not in self._facts]

    # --- barriers ---

    def arrive(self, task: Task, name: str) -> Reply:
        """The task is at the barrier: the last one lets all go on (and may come again)."""
        self.used(("barrier", name))
        there = self._at_barrier[name]
        there.append(task)
        if len(there) < self.participants(name):
            return PENDING
        self._at_barrier[name] = []
        for other in there:
            if other is not task:
                self._wake(other)
        return None

    def at_barrier(self, name: str) -> list[Task]:
        self.used(("barrier", name))
        return self._at_barrier[name]

    def participants(self, name: str) -> int:
        """How many copies and connections name the barrier."""
        return sum(_copies(role, name) for role in self._program.roles.values() if name in role.barriers)

    # --- names ---

    def constant(self, name: str) -> Value | None:
        if name == "dir":
            return self._folder().encode()
        return self._program.constants.get(name)

    def publish(self, role: str, index: int, name: str, value: Value) -> None:
        self._variables.setdefault((role, index, name), value)
        self._variables.setdefault((role, None, name), value)
        self.tell((Fact("variable", f"{role}[{index}].{name}"), Fact("variable", f"{role}.{name}")))

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        if base == "ports" and attribute in self.ports:
            return self.ports[attribute]
        if base == "env":
            return _environment(attribute)
        if base in self._program.processes and self.of_process is not None:
            return self.of_process(base, attribute)
        if base not in self._program.roles and base not in self.addresses:
            raise ExpressionError(f"{base}.{attribute} has no value")
        return self._of_role(base, index, attribute)

    def _of_role(self, role: str, index: int | None, attribute: str) -> Value:
        if attribute == "connections":
            self.used(("connections", role))
            return self.connections[role]
        if attribute in ("host", "port") and role in self.addresses:
            address = self.addresses[role]
            return address.port if attribute == "port" else address.host.encode()
        if attribute in ("host", "port") and self._program.roles[role].side == "server":
            raise NotYet("bound", role)
        value = self._variables.get((role, index, attribute))
        if value is not None:
            return value
        raise NotYet("variable", f"{role}.{attribute}" if index is None else f"{role}[{index}].{attribute}")


def _copies(role: RoleProgram, barrier: str) -> int:
    if role.side != "server" or (role.datagram and not role.per_sender):
        return role.instances
    if len(role.sequences) > 1:
        return sum(barrier in barriers_in(block) for block in role.sequences)
    return role.connections or 0


def _environment(name: str) -> Value:
    value = os.environ.get(name)
    if value is None:
        raise ExpressionError(f"the environment variable {name} is not set")
    return os.fsencode(value)
