"""What a scenario may not do here, told before anything of it starts: hosts and paths that are not allowed.

Hosts that only a running step knows are held by the network when they are used.
"""

from __future__ import annotations

import os

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Network
from sockrun.playing.frame import refusal
from sockrun.playing.workspace import Workspace, inside
from sockrun.program import Program


def check_hosts(program: Program, network: Network) -> None:
    """Hold that every host that the file names may be used in this run. Raises: StepFailed."""
    for role in program.roles.values():
        for host in sorted(role.hosts):
            _admit(role.name, host, network)
    for name, address in program.elsewhere.items():
        if not address.path:
            _admit(name, address.host, network)


def _admit(role: str, host: str, network: Network) -> None:
    try:
        network.admit(host)
    except EnvironmentRefused as error:
        raise refusal(role, error) from None


def check_path(program: Program, address: Address, workspace: Workspace) -> None:
    """Hold that an untrusted file makes no socket outside its folders. Raises: EnvironmentRefused."""
    if not program.untrusted or not address.path or address.host.startswith("@"):
        return
    pack = os.path.dirname(program.source.path) or "."
    if not inside(address.host, workspace.folder(), pack):
        message = f"{address} lies outside of the pack and ${{dir}}, and --untrusted allows no such path"
        raise EnvironmentRefused(message)
