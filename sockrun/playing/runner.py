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
        self._results: list[Result] = []
        self._stopped = False

    def run(self, programs: Iterable[Program]) -> Iterator[Result]:
        """Each scenario's result when it has ended; the order is that of their ends."""
        source = iter(programs)
        held: list[Program] = []  # they wait for a fixed port
        more = True
        while True:
            while more and not self._stopped and len(self._running) < self._parallel:
                program = next(source, None)
                more = program is not None
                if program is not None:
                    held.append(program)
                self._start_what_can(held)
            if self._results:
                results, self._results = self._results, []
                yield from results
                self._start_what_can(held)
            elif self._running:
                self._network.loop.turn()
            elif not more or self._stopped:
                return

    def stop(self) -> None:
        """End every scenario that runs, and start no other."""
        self._stopped = True
        for scene in list(self._running):
            scene.interrupt()

    def _start_what_can(self, held: list[Program]) -> None:
        for program in list(held):
            if self._stopped or len(self._running) >= self._parallel:
                return
            taken = frozenset[tuple[str, int]]().union(*self._running.values())
            if not program.fixed_ports & taken:
                held.remove(program)
                self._start(program)

    def _start(self, program: Program) -> None:
        def ended(result: Result) -> None:
            self._running.pop(scene, None)
            self._results.append(result)
            self._network.loop.hurry()

        scene = Scene(program, self._network, ended, self._watcher)
        self._running[scene] = program.fixed_ports
        scene.start()
