"""What TLS needs of a scenario: certificates in its folder, paths made whole, and who trusts whom.

Must not live here: OpenSSL (`network/tls.py`) and how certificates are made (`network/authority.py`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from sockrun.commands import Address, StartTls, Tls
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Reply, TlsEnd, TlsKey
from sockrun.network.loop import Task
from sockrun.playing.frame import Frame, StepFailed
from sockrun.playing.workspace import inside
from sockrun.program import CertificateProgram, TlsSettings
from sockrun.records import replace
from sockrun.results import Failure
from sockrun.values import ExpressionError, Scope, Value

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene

AUTHORITY = "ca.pem"  # in the scenario's folder
LOCALHOST = "localhost"  # the name of whoever is reached over a path
LOCAL_NAMES = (LOCALHOST, "127.0.0.1", "::1")
VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


def settled(settings: TlsSettings, scope: Scope) -> Tls | None:
    """The settings with their values; None where TLS is not wanted. Raises: NotYet, ExpressionError."""
    if settings.wanted is not None and not _flag(settings.wanted.evaluate(scope)):
        return None
    given: dict[str, str | bool] = {}
    for key, operand in settings.values.items():
        value = operand.evaluate(scope)
        given[key] = _flag(value) if key == "verify" else _text(value)
    for key in ("min_version", "max_version"):
        if given.get(key, VERSIONS[0]) not in VERSIONS:
            raise ExpressionError(f"{given[key]!r} is no version of TLS: one of {', '.join(VERSIONS)}")
    protocols = tuple(_text(operand.evaluate(scope)) for operand in settings.alpn)
    return Tls(alpn=protocols, **given)  # type: ignore[arg-type]


def _flag(value: Value) -> bool:
    words = {b"true": True, b"false": False, True: True, False: False}
    if not isinstance(value, bytes | bool) or value not in words:
        raise ExpressionError(f"{value!r} is neither true nor false")
    return words[value]


def _text(value: Value) -> str:
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


class Securing:
    """One running scenario's TLS."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._contexts: dict[TlsKey, object] = {} if scene.within is None else scene.within.contexts
        self._names = {certificate.name for certificate in scene.program.certificates}

    def prepare(self, scope: Scope) -> None:
        """Write the scenario's certificates into its folder.

        Raises: EnvironmentRefused, StepFailed (the same, with a place), ExpressionError.
        """
        wanted = self._scene.program.authority
        if wanted is None:
            return
        from sockrun.network import authority

        try:
            own = authority.authority_pem()
        except EnvironmentRefused as error:
            failure = Failure("refused", "", None, str(error), environment=True, role_span=wanted)
            raise StepFailed(failure) from None
        self._write(AUTHORITY, own)
        for certificate in self._scene.program.certificates:
            self._make(certificate, scope)

    def _make(self, certificate: CertificateProgram, scope: Scope) -> None:
        from sockrun.network import authority

        names = tuple(_text(name.evaluate(scope)) for name in certificate.names)
        common = None if certificate.common_name is None else _text(certificate.common_name.evaluate(scope))
        try:
            issued = authority.issue(names or (() if common else LOCAL_NAMES), common, certificate.expired)
        except ValueError as error:
            raise ExpressionError(f"the certificate {certificate.name!r} cannot be made: {error}") from None
        self._write(f"{certificate.name}.pem", issued.certificate)
        self._write(f"{certificate.name}.key", issued.key)
        self._write(f"{certificate.name}-both.pem", issued.key + issued.certificate)

    def _write(self, name: str, content: bytes) -> None:
        path = Path(self._scene.workspace.folder(), name)
        try:
            path.write_bytes(content)
            path.chmod(0o644 if name.endswith(".pem") and "-both" not in name else 0o600)
        except OSError as error:
            raise EnvironmentRefused(f"{path} cannot be written: {error.strerror}") from None

    def start(self, task: Task, frame: Frame, command: StartTls) -> Reply:
        """Shake hands on the task's connection. Raises: EnvironmentRefused."""
        tls = self._with_paths(command.tls)
        if frame.role.side == "server":
            end = self._server(task)
        else:
            end, tls = self._client(frame), self._trusting(tls)
        return self._scene.network.start_tls(task, replace(command, tls=tls), end, self._contexts)

    def _server(self, task: Task) -> TlsEnd:
        local = task.channel.local if task.channel is not None else None
        names = dict.fromkeys(LOCAL_NAMES)
        if local is not None and not local.path:
            names[_without_zone(local)] = None
        return TlsEnd(True, identity=tuple(names))

    def _client(self, frame: Frame) -> TlsEnd:
        program, target = self._scene.program, frame.target
        name = LOCALHOST if target is None or target.path else _without_zone(target)
        return TlsEnd(False, name=name, own=program.authority is not None, system=self._scene.outsiders)

    def _trusting(self, tls: Tls) -> Tls:
        """Where the servers are played by another process, its authority stands in their folder."""
        within = self._scene.within
        if within is None or within.here or self._scene.program.authority is None or tls.ca is not None:
            return tls
        return replace(tls, ca=os.path.join(within.folder, AUTHORITY))

    # --- paths ---

    def _with_paths(self, tls: Tls) -> Tls:
        return replace(
            tls,
            cert=self._path("cert", tls.cert),
            key=self._path("key", tls.key),
            ca=self._path("ca", tls.ca),
            client_ca=self._path("client_ca", tls.client_ca),
        )

    def _path(self, key: str, value: str | None) -> str | None:
        """The file that is meant: by a name of `certificates`, or a path from the scenario's own place on."""
        if value is None:
            return None
        folder = self._scene.workspace.folder
        if value in self._names:
            suffix = {"cert": "-both.pem", "key": ".key"}.get(key, ".pem")
            return os.path.join(folder(), value + suffix)
        source = os.path.dirname(self._scene.program.source.path) or "."
        path = os.path.join(source, value)
        if self._scene.program.untrusted and not inside(path, folder(), source):
            message = f"{path} lies outside of the pack and ${{dir}}, and --untrusted allows no such file"
            raise EnvironmentRefused(message)
        return path


def _without_zone(address: Address) -> str:
    return address.host.partition("%")[0]
