"""A role of a running scenario: its tasks, how far it is, and the addresses that it names.

Must not live here: when a task begins and what its end means for the others (`scene.py`).
"""

from __future__ import annotations

from math import inf

from sockrun.commands import Address, Command, Receive
from sockrun.network.loop import Task
from sockrun.program import Block, React, RoleProgram, barriers_in, instructions_in
from sockrun.values import ExpressionError, Operand, Scope


class Cast:
    """One role of the running scenario."""

    def __init__(self, program: RoleProgram) -> None:
        self.program = program
        self.tasks: dict[Task, None] = {}
        self.begun = 0  # connections accepted, or copies started
        self.ended = 0  # of them, those whose steps are done
        self.left: set[str] = set()  # barriers that those who ended will not come to again
        self.wanted = _wanted(program)  # how many there are to be; None: as many as come
        reacts = any(isinstance(step, React) for block in program.sequences for step in instructions_in(block))
        self._hears_on = reacts and program.datagram and program.side == "server"

    @property
    def over(self) -> bool:
        return self.wanted is not None and self.ended >= self.wanted

    @property
    def left_open(self) -> bool:
        """Whether the others decide when it is over: it serves whoever comes, or nobody can close what it hears."""
        return self.wanted is None or (self._hears_on and self.begun >= self.wanted)

    def hears(self, command: Command | None) -> bool:
        """Whether one who has this command waits for any datagram at all, as long as it takes."""
        return self._hears_on and isinstance(command, Receive) and command.seconds == inf

    def block(self, index: int) -> Block:
        """The steps of that copy or connection; beyond those that were written one by one they begin anew."""
        return self.program.sequences[index % len(self.program.sequences)]

    def barriers(self, index: int) -> frozenset[str]:
        """Those that this copy or connection comes to."""
        return barriers_in(self.block(index)) if len(self.program.sequences) > 1 else self.program.barriers

    def name(self, index: int) -> str:
        return self.program.name if self.wanted == 1 else f"{self.program.name}[{index}]"


def _wanted(role: RoleProgram) -> int | None:
    if role.side == "proxy":
        return 0
    if role.side != "server":
        return role.instances
    if not role.listen:
        return 0
    return 1 if role.datagram and not role.per_sender else role.connections


# --- addresses ---------------------------------------------------------------------------------


def own_address(role: RoleProgram, scope: Scope) -> Address:
    """Where the role binds or connects. Raises: NotYet, ExpressionError."""
    if role.path is not None:
        return Address(_text(role.path, scope), 0, True)
    return _address(role.host, role.port, scope)


def local_address(role: RoleProgram, scope: Scope) -> Address | None:
    """What a client binds before it connects, if it says so. Raises: NotYet, ExpressionError."""
    if role.local_host is None and role.local_port is None:
        return None
    return _address(role.local_host, role.local_port, scope)


def same_place(wanted: Address, bound: Address) -> bool:
    """Whether who connects to `wanted` comes to the server that has bound `bound`."""
    return wanted == bound or (wanted.port == bound.port and not wanted.path and bound.host in ("0.0.0.0", "::"))


def reachable(bound: Address) -> Address:
    """An address that one can connect to: 'any address' is none."""
    if bound.host in ("0.0.0.0", "::"):
        return Address("127.0.0.1" if bound.host == "0.0.0.0" else "::1", bound.port)
    return bound


def _address(host: Operand | None, port: Operand | None, scope: Scope) -> Address:
    return Address("127.0.0.1" if host is None else _text(host, scope), 0 if port is None else _port(port, scope))


def _text(operand: Operand, scope: Scope) -> str:
    value = operand.evaluate(scope)
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def _port(operand: Operand, scope: Scope) -> int:
    value = operand.evaluate(scope)
    port = int(value) if isinstance(value, bytes) and value.isdigit() and len(value) < 6 else value
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ExpressionError(f"{value!r} is no port: a port is a number from 0 to 65535")
    return port
