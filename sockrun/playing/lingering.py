"""Those whose end the others decide: servers with `connections: any`, and datagram servers that react to all there is.

Must not live here: when their time has come (`scene.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockrun.commands import Ended
from sockrun.network.interface import Channel
from sockrun.network.loop import Task
from sockrun.playing.frame import StepFailed

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene


def release_listeners(scene: Scene) -> bool:
    """Datagram servers that wait for whatever comes next are told that nothing will; whether there is one."""
    idle = [task for task in scene.frames if not task.done and scene.casts[task.role].hears(task.command)]
    for task in idle:
        if task.channel is not None:
            task.channel.cancel()
        scene.loop.wake(task, Ended("fin"))
    return bool(idle)


def forget_idle(scene: Scene) -> None:
    """Connections that never brought a byte count no more."""
    for task in [task for task in scene.frames if not task.done and scene.casts[task.role].wanted is None]:
        if task.channel is not None and not task.channel.heard:
            scene.forget(task, task.channel)


def came_to_nothing(scene: Scene, task: Task, channel: Channel, error: Exception) -> bool:
    """Whether one of `connections: any` has ended, past all that was awaited, and never brought a byte."""
    kind = error.failure.kind if isinstance(error, StepFailed) else None
    ended = kind in ("closed", "reset", "tls") and not channel.heard
    return ended and scene.casts[task.role].wanted is None and scene.is_played()
