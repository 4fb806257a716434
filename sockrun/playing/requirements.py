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
from sockrun.program import Program, SocketOptions

ALSO_SEARCHED = ("/usr/sbin", "/sbin")  # servers live there, and few people have it on their PATH


def unmet(program: Program) -> str | None:
    """Why the scenario cannot be played here, in a few words; None where it can."""
    missing = [why for requirement in _REQUIREMENTS.values() for why in requirement(program)]
    return "; ".join(missing) or None


def _command(program: Program) -> Iterator[str]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ALSO_SEARCHED])
    for command in program.requires.command:
        if shutil.which(command, path=path) is None:
            yield f"there is no command {command!r}"


def _ipv6(program: Program) -> Iterator[str]:
    if not program.requires.ipv6:
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


def _root(program: Program) -> Iterator[str]:
    if program.requires.root and os.geteuid() != 0:
        yield "it has to be played by root"


def _platform(program: Program) -> Iterator[str]:
    wanted = program.requires.platform
    if wanted and not sys.platform.startswith(wanted):
        yield f"it is for {' or '.join(wanted)}, and this is {sys.platform}"


def _env(program: Program) -> Iterator[str]:
    for name in program.requires.env:
        if name not in os.environ:
            yield f"the environment variable {name} is not set"


def _file(program: Program) -> Iterator[str]:
    """A relative path is meant from the scenario's folder, as everywhere in a file."""
    folder = os.path.dirname(program.source.path)
    for path in program.requires.file:
        if not os.path.exists(os.path.join(folder, path)):
            yield f"there is no file {path}"


def _module(program: Program) -> Iterator[str]:
    """Of sockrun's own Python. Nothing is imported: only a module inside a package would need that."""
    from importlib.util import find_spec

    for name in program.requires.module:
        try:
            found = find_spec(name) is not None
        except ValueError:  # `__main__`, and what has no specification
            found = False
        if not found:
            yield f"there is no Python module {name!r}"


# Each key of `requires`: what of it is missing.
_REQUIREMENTS: dict[str, Callable[[Program], Iterator[str]]] = {
    "command": _command,
    "ipv6": _ipv6,
    "root": _root,
    "platform": _platform,
    "env": _env,
    "file": _file,
    "module": _module,
}
