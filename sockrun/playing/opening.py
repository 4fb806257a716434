"""Every server and proxy of a scenario is bound before anybody connects; those that start late refuse until then.

Must not live here: what happens to a connection that has come (`scene.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Channel, Endpoint, Listener
from sockrun.network.loop import Task
from sockrun.playing.admission import check_hosts, check_path
from sockrun.playing.cast import Cast, own_address
from sockrun.playing.frame import Common, Frame, Seat, refusal
from sockrun.playing.interpreter import after
from sockrun.values import ExpressionError, NotYet

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene

Announce = Callable[[str, Address], None]


def set_the_stage(scene: Scene, seat: Seat, announce: Announce | None) -> None:
    """All that must be there before anybody plays. Raises: EnvironmentRefused, StepFailed, ExpressionError."""
    check_hosts(scene.program, scene.network)
    if scene.within is None:
        for name in scene.program.ports:
            scene.sharing.ports[name] = scene.network.reserve()
    bind_servers(scene, seat, announce)
    if scene.within is None:
        scope = Common(scene)
        scene.securing.prepare(scope)
        for file in scene.program.files:
            scene.workspace.write(file, scope)


def bind_servers(scene: Scene, seat: Seat, announce: Announce | None) -> None:
    """Bind every server; one may name the address of another, so those that wait are tried again.

    Raises: StepFailed; ExpressionError, for addresses that cannot be known now.
    """
    left = [cast for cast in scene.casts.values() if cast.program.side != "client"]
    while left:
        waiting = [cast for cast in left if not _bind(scene, cast, seat, announce)]
        if len(waiting) == len(left):
            names = ", ".join(cast.program.name for cast in waiting)
            raise ExpressionError(f"the address of {names} depends on what is known only later")
        left = waiting


def _bind(scene: Scene, cast: Cast, seat: Seat, announce: Announce | None) -> bool:
    """False: the role's address depends on one that is still to be bound."""
    role = cast.program
    frame = Frame(role, role.name, 0, scene, seat)
    try:
        listener = _listener(scene, cast, own_address(role, frame))
    except NotYet:
        return False
    except ExpressionError as error:
        frame.fail("step", error.message)
    except EnvironmentRefused as error:
        raise refusal(role.name, error) from None
    scene.listeners.append(listener)
    scene.sharing.addresses[role.name] = listener.address
    scene.linked(role.name, listener.address, None, listens=True)
    if announce is not None and scene.program.outside:
        announce(role.name, listener.address)
    if role.start_after:
        starter = Task(scene, role.name, role.name)
        scene.starters.append(starter)
        scene.loop.start(starter, after(role.start_after, listener.listen))
    return True


def _listener(scene: Scene, cast: Cast, address: Address) -> Listener:
    """Raises: EnvironmentRefused."""
    role = cast.program
    endpoint = Endpoint(role.protocol, role.datagram, role.socket, role.per_sender)
    check_path(scene.program, address, scene.workspace)
    if not role.listen:
        return scene.network.hold(endpoint, address)
    door = scene.proxies.door(role) if scene.proxies is not None and role.side == "proxy" else _Door(scene, cast)
    return scene.network.listen(endpoint, address, door, not role.start_after)


class _Door:
    """A server role's `interface.Acceptor`."""

    def __init__(self, scene: Scene, cast: Cast) -> None:
        self._scene = scene
        self._cast = cast
        self.task = Task(scene, cast.program.name, cast.program.name)

    def accepted(self, channel: Channel) -> None:
        self._scene.accepted(self._cast, channel)

    def failed(self, error: Exception) -> None:
        if isinstance(error, EnvironmentRefused):
            error = refusal(self._cast.program.name, error)
        self._scene.failed(None, error)
