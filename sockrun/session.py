"""One run: the files that are read, the scenarios that are chosen, and who is told of it.

Lives here: the order of a whole run. Must not live here: the command line (`cli.py`), one scenario
(`scene.py`), which scenarios may overlap (`runner.py`).

The one theory: scenarios come from a generator that reads a file only when there is room to play it, so that
a run of many files needs no more memory than one of few, and a file's errors are told when it is its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from pathlib import Path
from typing import Protocol

from sockrun.compiling.loading import Options, load_scenario
from sockrun.network.guard import Guard
from sockrun.network.interrupts import Wakeable
from sockrun.network.kernel import Kernel
from sockrun.network.system import OperatingSystem, Tap, untapped
from sockrun.playing import outcome
from sockrun.playing.opening import Announce
from sockrun.playing.requirements import unmet
from sockrun.playing.runner import PARALLEL, Runner
from sockrun.program import Program
from sockrun.records import dataclass, field, replace
from sockrun.reporters.audience import Audience
from sockrun.reporters.base import Progress, Reporter
from sockrun.results import Result

Choose = Callable[[Sequence[Program]], Sequence[Program]]
Interrupts = Callable[[Wakeable, Callable[[], None]], AbstractContextManager[None]]


@dataclass(frozen=True)
class Selection:
    """Which scenarios are wanted: with one of the tags, if any is named, and with `text` in id or name."""

    tags: Sequence[str] = ()
    text: str = ""

    def takes(self, program: Program) -> bool:
        text = self.text.casefold()
        tagged = not self.tags or not set(self.tags).isdisjoint(program.tags)
        return tagged and (text in program.id.casefold() or text in program.name.casefold())


@dataclass(frozen=True)
class Settings:
    """How a run goes: `parallel` scenarios at the same time, all of them `repeat` times."""

    options: Options = field(default_factory=Options)
    selection: Selection = field(default_factory=Selection)
    parallel: int = PARALLEL
    repeat: int = 1
    fail_fast: bool = False
    verbose: bool = False
    allow_hosts: Sequence[str] = ()  # beyond loopback
    seed: int | None = None  # of the simulated network; None: the real one
    retries: int = 0  # of what does not pass, on the real network; a simulated run would only be the same again
    traced: bool = False  # what has passed is told with its trace, too
    tap: Tap = untapped  # who sees what passes the sockets
    choose: Choose | None = None  # among all that are selected, which then are all read before any is played

    @property
    def reading(self) -> Options:
        """How its files are read: a run tells only what keeps one from being played."""
        return replace(self.options, traps=False)


class Player(Protocol):
    """What plays scenarios; `door` is the way in for signals."""

    @property
    def door(self) -> Wakeable: ...

    def run(self, programs: Iterable[Program]) -> Iterator[Result]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


def uninterrupted(door: Wakeable, stop: Callable[[], None]) -> AbstractContextManager[None]:
    return nullcontext()


class Session:
    """Plays scenarios and tells the reporters. `interrupts` is in force meanwhile, and may call for the end.

    `announce` is told where the servers listen, when somebody outside takes part.
    """

    def __init__(
        self,
        settings: Settings,
        reporters: Sequence[Reporter],
        interrupts: Interrupts = uninterrupted,
        announce: Announce | None = None,
    ) -> None:
        self._settings = settings
        self._options = settings.reading
        self._interrupts = interrupts
        self._announce = announce
        self.progress = Progress(repeat=settings.repeat, seed=settings.seed)
        self._audience = Audience(reporters, self.progress, settings.fail_fast)

    def run(self, files: Sequence[Path]) -> Progress:
        """Read and play files. Raises: EnvironmentRefused, when a report cannot be written."""
        self.progress.files = len(files)
        return self._play(self._chosen(self._loaded(files)))

    def play(self, programs: Sequence[Program]) -> Progress:
        """Play what has been loaded already. Raises: EnvironmentRefused."""
        self.progress.files = self.progress.read = len(programs)
        return self._play(filter(self._settings.selection.takes, programs))

    # --- the run ---

    def _play(self, programs: Iterable[Program]) -> Progress:
        with self._audience.attending() as ending:
            runner = self._player(ending)

            def interrupt() -> None:
                self.progress.interrupted = True
                runner.stop()

            with self._interrupts(runner.door, interrupt):
                for result in runner.run(self._playable(programs)):
                    if self._audience.result(result):
                        runner.stop()
        return self.progress

    def _player(self, ending: ExitStack) -> Player:
        """What plays; `ending` gives it back."""
        settings = self._settings
        watcher = self._audience.trace if settings.verbose else None
        if settings.seed is not None:
            from sockrun.playing.simulation import Simulator

            return ending.enter_context(closing(Simulator(settings.seed, watcher, settings.tap, settings.traced)))
        guard = Guard(settings.allow_hosts, untrusted=settings.options.untrusted)
        network = Kernel(guard=guard, system=settings.tap(OperatingSystem()))
        ending.callback(network.close)
        runner = Runner(
            network,
            parallel=settings.parallel,
            watcher=watcher,
            announce=self._announce,
            retries=settings.retries,
            traced=settings.traced,
        )
        return ending.enter_context(closing(runner))

    # --- what is played ---

    def _loaded(self, files: Iterable[Path]) -> Iterator[Program]:
        for file in files:
            loaded = load_scenario(file, self._options)
            self.progress.read += 1
            if loaded.errors:
                self._audience.invalid(loaded.path, loaded.errors)
            yield from filter(self._settings.selection.takes, loaded.programs)

    def _chosen(self, programs: Iterator[Program]) -> Iterator[Program]:
        if self._settings.choose is None:
            return programs
        return self._choose(programs, self._settings.choose)

    def _choose(self, programs: Iterable[Program], choose: Choose) -> Iterator[Program]:
        found = list(programs)
        kept = choose(found)
        self.progress.chosen, self.progress.left_out = len(kept), len(found) - len(kept)
        yield from kept

    def _playable(self, programs: Iterable[Program]) -> Iterator[Program]:
        """Every program as often as it is wanted; those that this machine cannot play are skipped."""
        repeat, kept = self._settings.repeat, []
        for program in programs:
            self.progress.selected += 1
            if repeat > 1:
                kept.append(program)
            yield from self._unless_unmet(program)
        for _ in range(repeat - 1):
            for program in kept:
                yield from self._unless_unmet(program)

    def _unless_unmet(self, program: Program) -> Iterator[Program]:
        reason = unmet(program)
        if reason is None:
            yield program
        else:
            self._audience.result(outcome.skipped(program, reason))
