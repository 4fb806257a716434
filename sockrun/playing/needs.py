"""How many sockets a scenario has open at the same time, before it is played.

An estimate that is never far too low: a server's connections count as many as there are clients for them, since
one that connects anew has closed the one before.
"""

from __future__ import annotations

from sockrun.program import Program, RoleProgram

FOR_A_PROCESS = 5  # its three pipes, the socket to its keeper, and what it takes to start it


def sockets(program: Program) -> int:
    """At the highest, with all copies and connections there."""
    roles = sum(_of_role(role, program) for role in program.roles.values())
    return len(program.ports) + roles + FOR_A_PROCESS * len(program.processes)


def _of_role(role: RoleProgram, program: Program) -> int:
    if role.side == "proxy":
        return 1 + 2 * max(1, _clients(role, program))
    if role.side != "server":
        return role.instances
    if not role.listen:
        return 2  # TCP and UDP
    return 1 if role.datagram else 1 + _accepted(role, program)


def _accepted(role: RoleProgram, program: Program) -> int:
    clients = _clients(role, program)
    if role.connections is None:
        return clients
    return min(role.connections, clients) if clients else role.connections


def _clients(role: RoleProgram, program: Program) -> int:
    """How many connect to the role; with proxies about, any client may come to it in the end."""
    roles = program.roles.values()
    proxies = any(other.side == "proxy" for other in roles)
    clients = (other for other in roles if other.side == "client")
    return sum(other.instances for other in clients if proxies or other.to == role.name)


def too_many(needed: int, left: int, most: int) -> str:
    """Why a scenario cannot be played, with the numbers."""
    words = f"the scenario needs {needed:,} sockets at the same time"
    return f"{words}, and {beyond(needed, left, most)}, or play fewer `instances` and `connections`"


def beyond(needed: int, left: int, most: int) -> str:
    """How many there are, and how there would be enough."""
    return (
        f"only {max(left, 0):,} can be opened (the limit on open files is {most:,}): "
        f"raise it with `ulimit -n {most + needed - left}`"
    )
