"""sockrun from Python: load, validate, run. As small as the command line, with results as data.

Must not live here: anything that the command line does otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from sockrun.commands import Address
from sockrun.compiling import loading
from sockrun.compiling.loading import Options
from sockrun.compiling.swapping import Swaps
from sockrun.diagnostics import Diagnostic, Invalid, in_order
from sockrun.playing.runner import PARALLEL
from sockrun.program import Program
from sockrun.reporters.base import Progress
from sockrun.results import Result, Trace
from sockrun.session import Selection, Session, Settings
from sockrun.wire.contents import MESSAGE_LIMIT

PathLike: TypeAlias = str | os.PathLike[str]


def load(
    path: PathLike,
    *,
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    timeout: float | None = None,
    time_scale: float = 1.0,
    real: Mapping[str, str] | None = None,
    play: Mapping[str, str | None] | None = None,
    untrusted: bool = False,
    max_message: int = MESSAGE_LIMIT,
) -> list[Program]:
    """Read, check and compile a scenario file: a program for each combination of its matrix.

    `variables` override the file's `vars`, `secrets` its secrets; `timeout` (seconds) stands for the scenario's own,
    `time_scale` multiplies every timeout. `real` and `play` swap roles, from their names to addresses, as `--real`
    and `--play` do; `untrusted` and `max_message` (bytes) limit what the file may do. Raises: Invalid, with everything
    that is wrong with the file.
    """
    swaps = Swaps(real or {}, play or {})
    options = Options(variables or {}, secrets or {}, time_scale, timeout, (), swaps, untrusted, max_message)
    return _programs([Path(path)], options)


def validate(paths: PathLike | Iterable[PathLike]) -> list[Diagnostic]:
    """All that is wrong with files and the scenario files in folders, in their order; warnings too."""
    given = _paths(paths)
    try:
        files = loading.find(given)
    except Invalid as missing:
        return list(missing.diagnostics)
    options = Options(folders=_folders(given))
    return [diagnostic for file in files for diagnostic in loading.load(file, options).diagnostics]


def run(
    what: PathLike | Program | Iterable[PathLike | Program],
    *,
    parallel: int = PARALLEL,
    repeat: int = 1,
    fail_fast: bool = False,
    tags: Sequence[str] = (),
    text: str = "",
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    timeout: float | None = None,
    time_scale: float = 1.0,
    real: Mapping[str, str] | None = None,
    play: Mapping[str, str | None] | None = None,
    untrusted: bool = False,
    max_message: int = MESSAGE_LIMIT,
    allow_hosts: Sequence[str] = (),
    announce: Callable[[str, Address], None] | None = None,
) -> list[Result]:
    """Play files, folders or loaded programs; the results are in the order in which the scenarios ended.

    `tags` and `text` choose among them, as `--tag` and `-k` do; `variables`, `secrets`, `timeout` and `time_scale` are
    for files, as in `load`. Nothing is raised for a scenario that fails: see `Result.status`. Raises: Invalid, before
    anything is played, when a file is invalid.

    `real`, `play`, `untrusted` and `max_message` too are for files, as in `load`; `allow_hosts` are beyond loopback.
    `announce` is called with each server role and where it listens, when somebody outside is to take part.
    """
    items = [what] if isinstance(what, str | os.PathLike | Program) else list(what)
    paths = [Path(item) for item in items if not isinstance(item, Program)]
    swaps = Swaps(real or {}, play or {})
    options = Options(
        variables or {}, secrets or {}, time_scale, timeout, _folders(paths), swaps, untrusted, max_message
    )
    files = loading.find(paths)
    programs = [*(item for item in items if isinstance(item, Program)), *_programs(files, options)]
    collector = _Collector()
    settings = Settings(options, Selection(tags, text), parallel, repeat, fail_fast, allow_hosts=allow_hosts)
    Session(settings, [collector], announce=announce).play(programs)
    return collector.results


def _paths(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]


def _folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_dir())


def _programs(files: Iterable[Path], options: Options) -> list[Program]:
    """Raises: Invalid, with the errors of all files."""
    loaded = [loading.load_scenario(file, options) for file in files]
    found = [diagnostic for one in loaded for diagnostic in one.diagnostics]
    if any(diagnostic.severity == "error" for diagnostic in found):
        raise Invalid(in_order(found))
    return [program for one in loaded for program in one.programs]


class _Collector:
    """Satisfies `reporters.base.Reporter`: keeps the results."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def begin(self, progress: Progress) -> None: ...

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None: ...

    def trace(self, scenario: str, entry: Trace) -> None: ...

    def result(self, result: Result) -> None:
        self.results.append(result)

    def end(self) -> None: ...
