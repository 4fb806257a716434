"""A run whose files are played by several workers: what `session.Session` is for one process.

Lives here: who is given what, and what happens when a worker dies. Must not live here: how a file is played
(`work.py`), and where workers come from (`pools.py`).

The one theory: a worker may die at any moment, killed by whoever is short of memory. What it was given and had not
given back is played again, a file at a time and with nobody else, so that it is known whose fault it is; what came
back is told once. A scenario with a fixed port could meet another in another worker: such ones are played at the end,
by one.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Future, wait
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import assert_never

from sockrun.compiling.loading import load_scenario
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.interrupts import Glance
from sockrun.program import Program
from sockrun.records import replace
from sockrun.reporters.audience import Audience
from sockrun.reporters.base import Progress, Reporter
from sockrun.results import Result, Status
from sockrun.session import Interrupts, Settings, uninterrupted
from sockrun.spreading.pools import Pool
from sockrun.spreading.work import Done, Invalid, Traced, Work, do

MOST = 100  # files in a piece: enough to hide pauses, few enough that results come now and then
ATTEMPTS = 3  # to play a file whose worker dies
LOOK = 0.1  # seconds between two looks at whether somebody wants the run to end


class Bug(Exception):  # noqa: N818 (it says what it is)
    """A worker has found one of ours; its text is the traceback there."""


class Spread:
    """Plays files with the workers of a pool, and tells the reporters.

    `make_pool` is called once the run has begun; the pool is closed whatever happens.
    """

    def __init__(
        self,
        settings: Settings,
        reporters: Sequence[Reporter],
        make_pool: Callable[[], Pool],
        interrupts: Interrupts = uninterrupted,
    ) -> None:
        self._settings = settings
        self._interrupts = interrupts
        self._make_pool = make_pool
        self.progress = Progress(repeat=settings.repeat, seed=settings.seed)
        self._audience = Audience(reporters, self.progress, settings.fail_fast)
        self._stopped = False
        self._running: dict[Future[Done], Work] = {}
        self._suspects: deque[Work] = deque()  # what was in the hands of a worker that died
        self._deaths: Counter[Path] = Counter()
        self._at_the_end: list[Path] = []  # files with scenarios that must be alone

    def run(self, files: Sequence[Path]) -> Progress:
        """Play them. Raises: EnvironmentRefused, Bug."""
        self.progress.files = len(files)
        with self._audience.attending() as ending:
            pool = self._make_pool()
            ending.callback(pool.close)
            door = ending.enter_context(closing(Glance()))
            with self._interrupts(door, lambda: self._interrupt(pool)):
                whole = self._chosen(files)
                self._have_done(self._pieces(whole, pool.width), pool, door)
                if self._at_the_end:
                    last = replace(whole, files=tuple(self._at_the_end), alone=True)
                    self._have_done([last], pool, door)
        return self.progress

    # --- what is to be done ---

    def _chosen(self, files: Sequence[Path]) -> Work:
        """All of it. Where not everything is played, the files are read here, and only what is wanted is given away."""
        settings = replace(self._settings, choose=None)
        if self._settings.choose is None:
            return Work(tuple(files), settings)
        programs: list[Program] = []
        for file in files:
            loaded = load_scenario(file, settings.reading)
            self.progress.read += 1
            if loaded.errors:
                self._audience.invalid(loaded.path, loaded.errors)
            programs.extend(filter(settings.selection.takes, loaded.programs))
        kept = self._settings.choose(programs)
        self.progress.chosen, self.progress.left_out = len(kept), len(programs) - len(kept)
        ids = frozenset(program.id for program in kept)
        paths = dict.fromkeys(Path(program.source.path) for program in kept)
        return Work(tuple(paths), settings, ids)

    def _pieces(self, whole: Work, width: int) -> list[Work]:
        """One for each worker, or more of them. Neighbours are alike, so they go to different ones."""
        files = whole.files
        number = min(len(files), max(width, ceil(len(files) / MOST)))
        return [replace(whole, files=files[start::number]) for start in range(number)]

    # --- who does it ---

    def _have_done(self, pieces: Iterable[Work], pool: Pool, door: Glance) -> None:
        """Until all has come back. One piece more is given away than there are workers, so that none has to wait."""
        left = deque(pieces)
        while self._running or ((left or self._suspects) and not self._stopped):
            while left and len(self._running) <= pool.width and not self._stopped:
                self._give(left.popleft(), pool)
            if self._suspects and not self._running and not self._stopped:
                self._give(self._suspects.popleft(), pool)
            ended, _ = wait(self._running, LOOK, FIRST_COMPLETED)
            door.look()
            for future in ended:
                self._came(future, self._running.pop(future), pool)

    def _give(self, work: Work, pool: Pool) -> None:
        try:
            future = pool.executor.submit(do, work)
        except BrokenExecutor:  # and nobody has been told yet
            pool.renew()
            future = pool.executor.submit(do, work)
        self._running[future] = work

    def _came(self, future: Future[Done], work: Work, pool: Pool) -> None:
        try:
            done = future.result()
        except CancelledError:
            if not self._stopped:
                raise EnvironmentRefused("the workers are gone, and with them what they were given") from None
        except Exception as error:  # the executor's: `do` raises none
            self._died(work, error)
        else:
            self._merge(done, work, pool)

    def _died(self, work: Work, error: Exception) -> None:
        """Play its files again, each alone with a worker, or give up."""
        for file in work.files:
            self._deaths[file] += 1
            if self._deaths[file] < ATTEMPTS:
                self._suspects.append(replace(work, files=(file,)))
            else:
                self._audience.result(_given_up(file, error))

    # --- what comes back ---

    def _merge(self, done: Done, work: Work, pool: Pool) -> None:
        if not work.alone and work.ids is None:
            self.progress.read += done.read
        self.progress.selected += done.selected
        self._at_the_end += done.waiting
        for told in done.told:
            match told:
                case Result():
                    if self._audience.result(told):
                        self._stop(pool)
                case Invalid():
                    if not work.alone:  # else it was told when the others were played
                        self._audience.invalid(told.path, told.errors)
                case Traced():
                    self._audience.trace(told.scenario, told.entry)
                case _:
                    assert_never(told)
        if done.refused:
            raise EnvironmentRefused(done.refused)
        if done.bug:
            raise Bug(done.bug)

    def _interrupt(self, pool: Pool) -> None:
        self.progress.interrupted = True
        self._stop(pool)

    def _stop(self, pool: Pool) -> None:
        self._stopped = True
        for future in self._running:
            future.cancel()
        pool.stop()


def _given_up(file: Path, error: Exception) -> Result:
    reason = (
        f"its worker died {ATTEMPTS} times ({type(error).__name__}): is memory short, or does something kill it? "
        f"`sockrun run {file}` plays it without workers"
    )
    return Result(str(file), "", str(file), (), Status.REFUSED, 0.0, reason)
