"""What one worker is given and gives back: some files, and all that the reporters are to be told of them.

Lives here: only what can be pickled, and one function that runs in any process, or thread, of any machine that sees the
same files. Must not live here: who gives work to whom (`spread.py`).
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from functools import partial
from multiprocessing import parent_process
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from sockrun.diagnostics import Diagnostic, EnvironmentRefused
from sockrun.network import leash
from sockrun.program import Program
from sockrun.records import dataclass, field, replace
from sockrun.reporters.base import Progress
from sockrun.results import Result, Trace
from sockrun.session import Interrupts, Session, Settings, uninterrupted
from sockrun.spreading.portable import portable, portable_entry


@dataclass(frozen=True)
class Work:
    """Files to be played. `ids`: of their scenarios only these. `alone`: nothing else is played meanwhile."""

    files: tuple[Path, ...]
    settings: Settings
    ids: frozenset[str] | None = None
    alone: bool = False


@dataclass(frozen=True)
class Invalid:
    path: str
    errors: tuple[Diagnostic, ...]


@dataclass(frozen=True)
class Traced:
    scenario: str
    entry: Trace


Told: TypeAlias = Result | Invalid | Traced


@dataclass
class Done:
    """What came of it, in its order. `waiting`: files with scenarios that must be played `alone`.

    `refused` is what the machine refuses to all scenarios, `bug` a traceback.
    """

    told: list[Told] = field(default_factory=list)
    read: int = 0
    selected: int = 0
    waiting: list[Path] = field(default_factory=list)
    refused: str = ""
    bug: str = ""


def do(work: Work) -> Done:
    """Play them. Raises nothing: what goes wrong is in what comes back."""
    done = Done()
    choose = partial(_chosen, work, done)
    session = Session(replace(work.settings, choose=choose), [_Telling(done)], interrupts())
    try:
        progress = session.run(work.files)
    except EnvironmentRefused as error:
        done.refused = str(error)
    except Exception:
        done.bug = traceback.format_exc()
    else:
        done.read, done.selected = progress.read, progress.selected
    return done


def _chosen(work: Work, done: Done, programs: Sequence[Program]) -> Sequence[Program]:
    """Those that are wanted, and may be played now: who names a fixed port must not meet another who does."""
    wanted = [program for program in programs if work.ids is None or program.id in work.ids]
    if work.alone:
        return [program for program in wanted if program.fixed_ports]
    done.waiting = list(dict.fromkeys(Path(one.source.path) for one in wanted if one.fixed_ports))
    return [program for program in wanted if not program.fixed_ports]


class _Telling:
    """Satisfies `reporters.base.Reporter`: keeps what it is told."""

    def __init__(self, done: Done) -> None:
        self._told = done.told

    def begin(self, progress: Progress) -> None: ...

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self._told.append(Invalid(path, tuple(diagnostics)))

    def trace(self, scenario: str, entry: Trace) -> None:
        self._told.append(Traced(scenario, portable_entry(entry)))

    def result(self, result: Result) -> None:
        self._told.append(portable(result))

    def end(self) -> None: ...


# --- in a worker process -----------------------------------------------------------------------

_leash: leash.Leash | None = None


def begin(held: leash.Leash) -> None:
    """Once in each worker process of ours."""
    global _leash
    _leash = held
    leash.leave_signals_to_the_starter()
    Thread(target=_end_with_the_starter, daemon=True).start()


def _end_with_the_starter() -> None:
    """A pool's worker that waits for work would wait for ever when who gives it has been killed.

    What it plays ends with it: sockets with the process, programs by their keepers.
    """
    starter = parent_process()
    if starter is not None:
        starter.join()
        os._exit(1)


def interrupts() -> Interrupts:
    """How a worker learns that what it plays is to end."""
    return uninterrupted if _leash is None else partial(leash.interrupts, _leash)
