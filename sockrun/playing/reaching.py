"""How a client gets to the one it wants to speak to: which address that is, and whether somebody outside is there.

Must not live here: binding servers (`opening.py`), and what an address is made of (`cast.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sockrun.commands import Address, Close, Connect, Failed
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interface import Endpoint, Reply
from sockrun.network.loop import Task
from sockrun.playing.cast import local_address, own_address, reachable, same_place
from sockrun.playing.frame import Frame
from sockrun.playing.verdicts import fail_unread
from sockrun.playing.workspace import inside as lies_in
from sockrun.values import ExpressionError

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene


def target(scene: Scene, frame: Frame) -> Connect:
    """What a client does first. Raises: NotYet, ExpressionError."""
    role = frame.role
    if role.to is None or role.port is not None or role.path is not None:
        return Connect(own_address(role, frame), role.retry_for)
    return Connect(reachable(scene.sharing.addresses[role.to]), role.retry_for)


def connect(scene: Scene, task: Task, command: Connect) -> Reply:
    """Connect a client; whoever listens at an address of no role is somebody outside."""
    frame = scene.frames.get(task)
    if frame is None:
        assert scene.proxies is not None
        return scene.proxies.connect(task, command)
    role = frame.role
    if task.channel is not None:
        task.channel.close(task, Close())
        if task.channel.unread and not role.allow_unread:
            fail_unread(frame, task.channel.unread)
    frame.target = command.to
    inside = _is_inside(scene, command.to)
    if scene.sealed and not inside:
        scene.strayed = f"{command.to} is no role's address"
        return Failed(f"{scene.strayed}, and nobody else takes part in a simulation", environment=True)
    scene.outsiders = scene.outsiders or not inside
    scene.closed_world = scene.closed_world and inside
    try:
        local = local_address(role, frame)
    except ExpressionError as error:
        frame.fail("step", error.message)
    endpoint = Endpoint(role.protocol, role.datagram, role.socket)
    return scene.network.connect(task, endpoint, command, local, inside)


def _is_inside(scene: Scene, to: Address) -> bool:
    """Whether a role hears there; where nobody else takes part also that nobody does."""
    for known in (to, _numeric(scene, to)):
        if any(same_place(known, address) for address in _own_addresses(scene)):
            return True
    if to.path:
        return scene.sealed and lies_in(to.host, scene.workspace.folder())
    return scene.sealed and to.port in scene.sharing.ports.values()


def _numeric(scene: Scene, to: Address) -> Address:
    try:
        return scene.network.numeric(to)
    except EnvironmentRefused:
        return to  # whoever connects is told


def _own_addresses(scene: Scene) -> Iterator[Address]:
    """Where roles of the scenario hear: servers, and the clients that have a datagram socket."""
    here = scene.within.addresses if scene.within is not None and scene.within.here else scene.casts
    yield from (address for name, address in scene.sharing.addresses.items() if name in here)
    for channel in (task.channel for task in scene.sockets):
        if channel is not None and channel.local is not None:
            yield channel.local
