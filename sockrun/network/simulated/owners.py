"""Whose turn it would be: the task that a call of the loop, or a socket that is ready, belongs to."""

from __future__ import annotations

from functools import partial

from sockrun.network.datagrams import Datagrams
from sockrun.network.loop import Task
from sockrun.network.streams import Stream


def owner(what: object) -> Task | None:
    """None: it belongs to no task, or to nobody yet."""
    if isinstance(what, partial) and what.args and isinstance(what.args[0], Task):
        return what.args[0]
    one = getattr(what, "__self__", what)
    if isinstance(one, Stream | Datagrams):
        return one._task
    task = getattr(one, "task", None)  # of a client that is connecting
    return task if isinstance(task, Task) else None
