"""The servers of a load: played once for all users, as long as there are any.

The one theory: a conversation that goes wrong is counted and forgotten, as a server would; only what keeps all of them
from being served ends the load.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from sockrun.loadtest.figures import Figures
from sockrun.loadtest.meter import Silence, error_name
from sockrun.network.interface import Network, Reply
from sockrun.network.loop import Task
from sockrun.playing import outcome
from sockrun.playing.scene import Scene
from sockrun.playing.surroundings import Surroundings
from sockrun.program import Program
from sockrun.results import Result, Status
from sockrun.values import Value


class Standing(Scene):
    """`ready` is called when users may come, `ended` with the result when it has been given back."""

    def __init__(
        self,
        program: Program,
        network: Network,
        figures: Figures,
        ready: Callable[[], None],
        ended: Callable[[Result], None],
    ) -> None:
        super().__init__(program, network, ended, records=Silence())
        self._figures = figures
        self._ready = ready
        self._published: set[tuple[str, str]] = set()
        self.publish = self._publish_first

    def surroundings(self) -> Surroundings:
        """What users need of it. Raises: EnvironmentRefused."""
        sharing = self.sharing
        return Surroundings(dict(sharing.addresses), dict(sharing.ports), self.workspace.folder(), here=True)

    def stop(self) -> None:
        """No user will come any more."""
        self._conclude(outcome.PASSED)

    def _begin(self) -> None:
        if self._over:
            return
        self.loop.disarm(self._clock)  # it lasts as long as the load
        self._start_roles()
        self._ready()

    def _publish_first(self, role: str, index: int, name: str, value: Value) -> None:
        """Other servers know the first value; those of a million connections would only fill the memory."""
        if (role, name) not in self._published:
            self._published.add((role, name))
            self.sharing.publish(role, index, name, value)

    # --- conversations ---

    def _done(self, task: Task) -> Reply:
        reply = super()._done(task)
        if self.casts[task.role].program.datagram:
            self.loop.ready.append(partial(self._part, task))
        return reply

    def _part(self, task: Task) -> None:
        """Nobody ends a conversation over datagrams but who has done with it."""
        if task.generator is not None and task.channel is not None:
            self.loop.resume(task, task.channel.conclude())

    def finished(self, task: Task) -> None:
        if task in self.frames:
            self._dismiss(task)

    def failed(self, task: Task | None, error: Exception) -> None:
        frame = None if task is None else self.frames.get(task)
        verdict = outcome.of_error(error, frame)
        if self._over or task is None or frame is None or verdict.status is not Status.FAILED:
            super().failed(task, error)
            return
        if task.channel is None or task.channel.heard:
            kind = error_name(verdict.failure, verdict.reason)
            self._figures.server_error(kind if self.mask is None else self.mask.text(kind))
        self._dismiss(task)

    def _dismiss(self, task: Task) -> None:
        self.loop.stop(task)
        if task.channel is not None:
            task.channel.abandon()
        del self.frames[task]
        self.casts[task.role].tasks.pop(task, None)
        self.sockets.pop(task, None)
        self._unfinished -= 1

    # --- it ends when it is told to ---

    def _look_for_end(self) -> None:
        """Somebody may always come."""

    def quiet(self) -> None:
        """Nobody plays just now."""
