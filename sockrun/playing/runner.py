"""Many scenarios in one loop: which may start, and their results as they come.

Those that name the same fixed port play one after the other; of the others `parallel` at the same time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sockrun.network.kernel import Kernel
from sockrun.playing.scene import Scene, Watcher
from sockrun.program import Program
from sockrun.results import Result

PARALLEL = 64  # scenarios at the same time: enough to hide pauses, few enough for any limit on open files


class Runner:
    """Plays programs over `network`; `stop` ends all that run, as Ctrl-C does."""

    def __init__(self, network: Kernel, *, parallel: int = PARALLEL, watcher: Watcher | None = None) -> None:
        self._network = network
        self._parallel = parallel
        self._watcher = watcher
        self._running: dict[Scene, frozenset[tuple[str, int]]] = {}
        self._held: list[Program] = []  # read, and waiting for a place or a fixed port
        self._results: list[Result] = []
        self._stopped = False

    def run(self, programs: Iterable[Program]) -> Iterator[Result]:
        """Each scenario's result when it has ended; the order is that of their ends."""
        source = iter(programs)
        while (not self._stopped and self._fill(source)) or self._running or self._results:
            if self._running and not self._results:
                self._network.loop.turn()
            results, self._results = self._results, []
            yield from results

    def stop(self) -> None:
        """End every scenario that runs, and start no other."""
        self._stopped = True
        for scene in list(self._running):
            scene.interrupt()

    def _fill(self, source: Iterator[Program]) -> bool:
        """Start what may start, reading no further ahead than a full house; False: nothing is left to start."""
        self._start_what_can()
        while len(self._running) < self._parallel and len(self._held) < self._parallel:
            program = next(source, None)
            if program is None:
                break
            self._held.append(program)
            self._start_what_can()
        return bool(self._held)

    def _start_what_can(self) -> None:
        for program in list(self._held):
            if len(self._running) >= self._parallel:
                return
            if not any(program.fixed_ports & taken for taken in self._running.values()):
                self._held.remove(program)
                self._start(program)

    def _start(self, program: Program) -> None:
        def ended(result: Result) -> None:
            self._running.pop(scene, None)
            self._results.append(result)
            self._network.loop.hurry()

        scene = Scene(program, self._network, ended, self._watcher)
        self._running[scene] = program.fixed_ports
        scene.start()
