"""Many scenarios in one loop: which may start, and their results as they come.

Those that name the same fixed port play one after the other; of the others `parallel` at the same time, as far
as the limit on open files allows. One that needs more than there are is refused before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sockrun.network import open_files
from sockrun.network.kernel import Kernel
from sockrun.playing import needs, outcome
from sockrun.playing.opening import Announce
from sockrun.playing.recorder import Watcher
from sockrun.playing.scene import Scene
from sockrun.program import Program
from sockrun.records import NamedTuple
from sockrun.results import Result, Status

PARALLEL = 256  # scenarios at the same time: enough to hide pauses, few enough for the usual limit on open files


class Attempt(NamedTuple):
    """A program to be played, and what came of it before (`--retries`)."""

    program: Program
    earlier: tuple[Result, ...] = ()


class Runner:
    """Plays programs over `network`; `stop` ends all that run, as Ctrl-C does.

    One that does not pass, be it for its peers or for the machine, is played up to `retries` more times. With `traced`
    the result has a trace also where it passed.
    """

    def __init__(
        self,
        network: Kernel,
        *,
        parallel: int = PARALLEL,
        watcher: Watcher | None = None,
        announce: Announce | None = None,
        retries: int = 0,
        traced: bool = False,
    ) -> None:
        self._network = network
        self.door = network
        self._retries = retries
        self._traced = traced
        self._announce = announce
        self._parallel = parallel
        self._watcher = watcher
        self._running: dict[Scene, frozenset[tuple[str, int]]] = {}
        self._room = open_files.left()  # sockets that may still be opened
        self._held: list[Attempt] = []  # read, and waiting for a place or a fixed port
        self._results: list[Result] = []
        self._stopped = False

    def run(self, programs: Iterable[Program]) -> Iterator[Result]:
        """Each scenario's result when it has ended; the order is that of their ends."""
        source = iter(programs)
        while self._start_another(source) or self._running or self._results:
            if self._running:
                self._network.loop.turn()
            results, self._results = self._results, []
            yield from results

    def stop(self) -> None:
        """End every scenario that runs soon (the second time at once), and start no other."""
        self._stopped = True
        waiting, self._held = self._held, []
        self._results.extend(outcome.of_attempts(one.earlier[:-1], one.earlier[-1]) for one in waiting if one.earlier)
        for scene in list(self._running):
            scene.interrupt()

    def close(self) -> None:
        """End all that runs at once; `run` may not have come to its end."""
        self._stopped = True
        for scene in list(self._running):
            scene.abandon()

    def _start_another(self, source: Iterator[Program]) -> bool:
        """Read one more scenario, while the others play on, and start it if it may; False: none is left."""
        if self._stopped:
            return False
        if max(len(self._running), len(self._held)) < self._parallel:
            program = next(source, None)
            if program is not None:
                self._held.append(Attempt(program))
                self._network.loop.hurry()
        self._start_what_can()
        return bool(self._held)

    def _start_what_can(self) -> None:
        for attempt in list(self._held):
            program = attempt.program
            if len(self._running) >= self._parallel:
                return
            needed = needs.sockets(program)
            if needed > self._room and self._running:
                continue  # until others have ended
            if not any(program.fixed_ports & taken for taken in self._running.values()):
                self._held.remove(attempt)
                self._start(attempt, needed)

    def _start(self, attempt: Attempt, needed: int) -> None:
        program = attempt.program
        if needed > self._room:
            self._results.append(_refused(program, needs.too_many(needed, self._room, open_files.most())))
            return

        def ended(result: Result) -> None:
            self._running.pop(scene, None)
            self._room += needed
            self._again_or_told(attempt, result)
            self._network.loop.hurry()

        scene = Scene(program, self._network, ended, self._watcher, self._announce, traced=self._traced)
        self._running[scene] = program.fixed_ports
        self._room -= needed
        scene.start()

    def _again_or_told(self, attempt: Attempt, result: Result) -> None:
        if result.status in outcome.WORTH_A_RETRY and len(attempt.earlier) < self._retries and not self._stopped:
            self._held.append(Attempt(attempt.program, (*attempt.earlier, result)))
        else:
            self._results.append(outcome.of_attempts(attempt.earlier, result))


def _refused(program: Program, reason: str) -> Result:
    return Result(program.id, program.name, program.source.path, program.tags, Status.REFUSED, 0.0, reason)
