"""What a scenario `requires` of the machine, and whether it is there: if not, the scenario is skipped."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.addresses import bind, make_socket, resolve
from sockrun.network.interface import Endpoint
from sockrun.program import Program, Requires, SocketOptions

ALSO_SEARCHED = ("/usr/sbin", "/sbin")  # servers live there, and few people have it on their PATH


def unmet(program: Program) -> str | None:
    """Why the scenario cannot be played here, in a few words; None where it can."""
    missing = [why for requirement in _REQUIREMENTS.values() for why in requirement(program.requires)]
    return "; ".join(missing) or None


def _command(requires: Requires) -> Iterator[str]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ALSO_SEARCHED])
    for command in requires.command:
        if shutil.which(command, path=path) is None:
            yield f"there is no command {command!r}"


def _ipv6(requires: Requires) -> Iterator[str]:
    if not requires.ipv6:
        return
    endpoint = Endpoint("udp", True, SocketOptions())
    family, address = resolve(Address("::1"))
    try:
        sock = make_socket(endpoint, family)
        bind(sock, endpoint, address)
    except EnvironmentRefused:
        yield "this machine has no IPv6"
    else:
        sock.close()


def _platform(requires: Requires) -> Iterator[str]:
    if requires.platform and not sys.platform.startswith(requires.platform):
        yield f"it is for {' or '.join(requires.platform)}, and this is {sys.platform}"


def _env(requires: Requires) -> Iterator[str]:
    for name in requires.env:
        if name not in os.environ:
            yield f"the environment variable {name} is not set"


# Each key of `requires`: what of it is missing.
_REQUIREMENTS: dict[str, Callable[[Requires], Iterator[str]]] = {
    "command": _command,
    "ipv6": _ipv6,
    "platform": _platform,
    "env": _env,
}
