"""Scenarios over a network in memory, on a clock that jumps: one at a time, each in a world of its own.

Lives here: one simulated run, and a whole pack of them. Must not live here: the world (`network/simulated/`), and
what is tried in it (`exploring/`).

The one theory: nobody waits, so nothing is gained by playing two at once; and a run that shares nothing with another is
the same run every time it has the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sockrun.commands import Address
from sockrun.network.guard import Guard
from sockrun.network.interrupts import Glance
from sockrun.network.kernel import Kernel
from sockrun.network.simulated.conditions import PLAIN, Conditions
from sockrun.network.simulated.world import World
from sockrun.network.system import Tap, untapped
from sockrun.playing import outcome
from sockrun.playing.recorder import Watcher
from sockrun.playing.scene import Scene
from sockrun.playing.workspace import Nowhere, Workspace
from sockrun.program import Program
from sockrun.results import Result, Status

TURNS = 1_000_000  # of the loop, in one scenario: far more than any needs that comes to an end
LOOK = 1024  # turns between two looks at whether somebody wants the run to end


def impossible(program: Program) -> str | None:
    """Why the scenario cannot be simulated, in a few words; None where it can."""
    if program.processes:
        return f"it starts {' and '.join(program.processes)}, and only roles can be simulated"
    if program.outside:
        return "somebody takes part who is none of its roles"
    return None


class Simulation:
    """One scenario in a world of its own. `world` and `network` may be looked at, before and after `run`."""

    def __init__(
        self,
        program: Program,
        seed: int = 0,
        conditions: Conditions = PLAIN,
        watcher: Watcher | None = None,
        turns: int = TURNS,
        tap: Tap = untapped,
        traced: bool = False,
    ) -> None:
        self._results: list[Result] = []
        self._turns = turns
        self.world = World(program.network, seed, conditions)
        self.network = Kernel(guard=_OpenGuard(), system=tap(self.world))
        self.network.loop.ready = conditions.ready()
        needs_files = program.files or program.certificates or program.authority
        workspace = Workspace() if needs_files else Nowhere()
        self.scene = Scene(program, self.network, self._ended, watcher, workspace=workspace, sealed=True, traced=traced)
        self.world.moved = self._moved
        self.world.missing = self._missing
        self.world.note = self._note
        self.scene.sharing.used = conditions.used

    def run(self, interrupted: Callable[[], bool] = lambda: False) -> Result:
        """Play it to its end."""
        scene, loop = self.scene, self.network.loop
        scene.start()
        for turn in range(self._turns):
            if self._results:
                break
            loop.turn()
            if turn % LOOK == LOOK - 1 and interrupted():
                scene.interrupt()
        else:
            scene.give_up(f"the simulation was given up after {self._turns:,} turns: the scenario comes to no end")
        self.network.close()
        return self._results[0]

    @property
    def strayed(self) -> str:
        """Why it could not be simulated, where that shows only in the run: who is outside somebody has turned to."""
        return self.scene.strayed if self._results[0].status is Status.REFUSED else ""

    def _ended(self, result: Result) -> None:
        """The turn in which it ends asks the world once more, where nothing may be left that could ever happen."""
        self._results.append(result)
        self.network.loop.hurry()

    def _moved(self) -> None:
        """Something has come by itself: nobody is stuck until that has been looked at."""
        self.scene.polls = 0
        if self.scene.closed_world and not self.scene.given_back:
            self.network.loop.watch(self.scene)

    def _missing(self, to: Address, copies: int) -> None:
        there = self.network.datagrams.get(to)
        if there is not None:
            there.expected += copies

    def _note(self, what: str) -> None:
        self.scene.record("network", None, what, None)


class Simulator:
    """Plays programs, as `runner.Runner` does; every one has the same `seed`."""

    def __init__(
        self, seed: int = 0, watcher: Watcher | None = None, tap: Tap = untapped, traced: bool = False
    ) -> None:
        self._seed = seed
        self._traced = traced
        self._tap = tap
        self._watcher = watcher
        self._stopped = False
        self.door = Glance()

    def run(self, programs: Iterable[Program]) -> Iterator[Result]:
        """Each scenario's result, in their order."""
        for program in programs:
            reason = impossible(program)
            if reason is not None:
                yield outcome.skipped(program, f"it cannot be simulated: {reason}")
                continue
            yield self._play(program)
            if self._interrupted():
                return

    def _play(self, program: Program) -> Result:
        simulation = Simulation(program, self._seed, watcher=self._watcher, tap=self._tap, traced=self._traced)
        result = simulation.run(self._interrupted)
        if simulation.strayed:
            return outcome.skipped(program, f"it cannot be simulated: {simulation.strayed}")
        return result

    def _interrupted(self) -> bool:
        self.door.look()
        return self._stopped

    def stop(self) -> None:
        """End the scenario that runs, and start no other."""
        self._stopped = True

    def close(self) -> None:
        self._stopped = True
        self.door.close()


class _OpenGuard(Guard):
    """Nothing leaves the simulation, so any address may be used in it."""

    def check(self, written: str, numeric: Address) -> None:
        """All is allowed."""
