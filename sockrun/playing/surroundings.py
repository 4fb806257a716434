"""What the servers' half of a scenario has made and its users' half needs: addresses, ports, a folder, certificates.

Lives here: only what can be sent to another process. The one theory: who plays users alone makes none of it anew, so
that many users cost no more than their connections.
"""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.commands import Address
from sockrun.network.interface import TlsKey
from sockrun.playing.workspace import Workspace
from sockrun.records import dataclass, field


@dataclass
class Surroundings:
    """`here`: the servers are played by this process, in the same loop.

    `contexts` are OpenSSL's, which belong to one process and are not sent to another.
    """

    addresses: Mapping[str, Address] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)
    folder: str = ""
    here: bool = False
    contexts: dict[TlsKey, object] = field(default_factory=dict)

    def workspace(self) -> Workspace:
        return Borrowed(self.folder)


class Borrowed(Workspace):
    """The folder of another scene, who also removes it."""

    def __init__(self, folder: str) -> None:
        self._path = folder

    def folder(self) -> str:
        return self._path

    def remove(self) -> None: ...
