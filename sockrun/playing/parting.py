"""What is still done once a scenario's verdict is known: the `finally` of roles that were in the middle of their work.

Lives here: who parts, and how. Must not live here: when the scenario is given back (`scene.py`).

The one theory: a role that is stopped never goes on. A new task takes its connection and its names over and plays
`finally` alone; so nothing that was on its way to the old task can reach the new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sockrun.network.loop import Task
from sockrun.playing.frame import Frame
from sockrun.playing.interpreter import farewell

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene

PARTING = 2.0  # seconds for all of it: whatever ends a scenario, its end comes soon


def part(scene: Scene) -> None:
    """Stop every role but those that are parting already; those with an open connection begin to."""
    for task, frame in list(scene.frames.items()):
        if _is_parting(task, frame):
            continue
        scene.loop.stop(task)
        task.done = True
        begun = task.command is not None
        if begun and frame.role.last and not frame.parting:
            _begin(scene, task, frame)


def _is_parting(task: Task, frame: Frame) -> bool:
    return frame.parting and not task.done and task.generator is not None


def _begin(scene: Scene, task: Task, frame: Frame) -> None:
    channel = task.channel
    if channel is None or not channel.open:
        return
    channel.cancel()
    successor = Task(scene, task.role, task.name)
    frame.seat = successor
    frame.place = None
    successor.channel = channel
    scene.frames[successor] = frame
    scene.loop.start(successor, farewell(frame))
