"""sockrun from Python: load, validate, run, play. As small as the command line, with results as data.

Must not live here: anything that the command line does otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, Unpack

from sockrun.commands import Address
from sockrun.compiling import loading
from sockrun.compiling.loading import Loaded, Options
from sockrun.compiling.swaps import Swaps
from sockrun.diagnostics import Diagnostic, Invalid, in_order
from sockrun.pairing import files as pairing
from sockrun.playing.runner import PARALLEL
from sockrun.program import Program
from sockrun.reporters.base import Progress
from sockrun.results import Result, Trace, Unpaired
from sockrun.session import Selection, Session, Settings
from sockrun.wire.contents import MESSAGE_LIMIT

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from sockrun.auditing import Audit
    from sockrun.background import Played

PathLike: TypeAlias = str | os.PathLike[str]
SocketAddress: TypeAlias = str | tuple[str, int]  # HOST:PORT, a path, or what `socket.getsockname` gives


class ScenarioOptions(TypedDict, total=False):
    """What may be said about scenario files whenever they are loaded, as on the command line.

    `variables` override the file's `vars`, `secrets` its secrets; `timeout` (seconds) stands for the scenario's own,
    `time_scale` multiplies every timeout. `real` are server roles that are not played, and where the real ones listen.
    `untrusted` and `max_message` (bytes) limit what the file may do.
    """

    variables: Mapping[str, str]
    secrets: Mapping[str, str]
    timeout: float | None
    time_scale: float
    real: Mapping[str, SocketAddress]
    untrusted: bool
    max_message: int


class LoadOptions(ScenarioOptions, total=False):
    """The same, and `play`: the only roles that are played, and where they listen or connect; None as the file says."""

    play: Mapping[str, SocketAddress | None]


def load(path: PathLike, **options: Unpack[LoadOptions]) -> list[Program]:
    """Read, check and compile a scenario file: a program for each combination of its matrix.

    Options, all by name: see `LoadOptions` and `ScenarioOptions`. Raises: Invalid, with everything that is wrong with
    the file.
    """
    return _programs([Path(path)], _options(**options))


def loads(text: str, name: PathLike = "scenario", **options: Unpack[LoadOptions]) -> list[Program]:
    """The same for text that is no file; `name` stands for its path, from whose folder other files are found."""
    return _playable([loading.load_text(text, os.fspath(name), _options(**options))])


def validate(
    paths: PathLike | Iterable[PathLike],
    *,
    pair: bool = True,
    unpaired: Callable[[Unpaired], None] | None = None,
) -> list[Diagnostic]:
    """All that is wrong with files and the scenario files in folders, in their order; warnings too.

    `pair`: also where the roles of a file do not fit each other, which is found out in memory, without a socket.
    `unpaired` is called with each scenario of which that cannot be said, and why.
    """
    given = _paths(paths)
    try:
        files = loading.find(given)
    except Invalid as missing:
        return list(missing.diagnostics)
    found = pairing.validate(files, Options(folders=_folders(given)), pair)
    if unpaired is not None:
        for scenario in found.unpaired:
            unpaired(scenario)
    return found.diagnostics


def run(
    what: PathLike | Program | Iterable[PathLike | Program],
    *,
    parallel: int = PARALLEL,
    repeat: int = 1,
    retries: int = 0,
    fail_fast: bool = False,
    tags: Sequence[str] = (),
    text: str = "",
    allow_hosts: Sequence[str] = (),
    announce: Callable[[str, Address], None] | None = None,
    jobs: int | None = None,
    executor: Executor | None = None,
    **options: Unpack[LoadOptions],
) -> list[Result]:
    """Play files, folders or loaded programs; the results are in the order in which the scenarios ended.

    `tags` and `text` choose among them, as `--tag` and `-k` do; `options` are for files, as in `load`. Nothing is
    raised for a scenario that fails: see `Result.status`. Raises: Invalid, before anything is played, when a file is
    invalid.

    What does not pass is played up to `retries` more times, and is `Status.FLAKY` if it passes then.
    `allow_hosts` are beyond loopback. `announce` is called with each server role and where it listens, when somebody
    outside is to take part.

    `jobs` worker processes share the files, and play `parallel` scenarios each; a program that says so keeps what it
    does behind `if __name__ == "__main__"` (multiprocessing's 'Safe importing of main module'). With an `executor` of
    the caller's, which may be that of a Dask client, its workers play, `jobs` tasks at the same time.
    """
    programs, about = _given(what, options)
    collector = _Collector()
    settings = Settings(
        about, Selection(tags, text), parallel, repeat, fail_fast, allow_hosts=allow_hosts, retries=retries
    )
    if jobs is not None or executor is not None:
        from sockrun.spreading import pools, spread

        files = _files(what)
        width = jobs or pools.processors()
        make_pool = partial(pools.Processes, width) if executor is None else partial(pools.Given, executor, width)
        spread.Spread(settings, [collector], make_pool).run(files)
        return collector.results
    Session(settings, [collector], announce=announce).play(programs)
    return collector.results


def audit(
    what: PathLike | Program | Iterable[PathLike | Program],
    *,
    budget: float = 10.0,
    tags: Sequence[str] = (),
    text: str = "",
    **options: Unpack[ScenarioOptions],
) -> list[Audit]:
    """What files, folders or loaded programs do not test, as `sockrun audit` finds it: an `Audit` for each file.

    `budget` is seconds for each; `tags` and `text` choose among the scenarios, as `--tag` and `-k` do; `options` are
    for files, as in `load`. Nothing is played but in memory. Raises: Invalid, before that.
    """
    from sockrun.auditing import Auditor

    programs, _ = _given(what, options)
    auditor = Auditor(budget)
    try:
        return list(auditor.run(filter(Selection(tags, text).takes, programs)))
    finally:
        auditor.close()


def play(
    what: PathLike | Program,
    *,
    roles: Iterable[str] | Mapping[str, SocketAddress | None] = (),
    text: str = "",
    allow_hosts: Sequence[str] = (),
    **options: Unpack[ScenarioOptions],
) -> Played:
    """One scenario in the background, for a `with` block, beside the caller's own code: see `Played`.

    `roles` are the only ones that are played, perhaps with where they listen or connect; all, where none is named.
    `text` chooses among the combinations of a matrix, by a piece of the id. `options` are for a file, as in `load`,
    and so are `roles`. Raises: Invalid; ValueError, where not exactly one scenario is left.
    """
    from sockrun.background import Played

    if isinstance(what, Program):
        if options or roles:
            raise TypeError("roles and options are for files: name them where the program is loaded")
        return Played(what, allow_hosts)
    return Played(only(load(what, play=as_swaps(roles), **options), text), allow_hosts)


def as_swaps(roles: Iterable[str] | Mapping[str, SocketAddress | None]) -> Mapping[str, SocketAddress | None]:
    """`roles` of `play` as the `play` of `load`."""
    if isinstance(roles, Mapping):
        return roles
    return dict.fromkeys([roles] if isinstance(roles, str) else roles)


def only(programs: Sequence[Program], text: str = "") -> Program:
    """The one with `text` in its id or name. Raises: ValueError."""
    found = [program for program in programs if Selection(text=text).takes(program)]
    if len(found) != 1:
        ids = ", ".join(program.id for program in found or programs)
        raise ValueError(f"{len(found) or 'none'} of these has {text!r} in its id, and one is needed: {ids}")
    return found[0]


def _given(
    what: PathLike | Program | Iterable[PathLike | Program], options: LoadOptions | ScenarioOptions
) -> tuple[list[Program], Options]:
    """What is loaded already, and what the files have; and what was said about those. Raises: Invalid."""
    items = [what] if isinstance(what, str | os.PathLike | Program) else list(what)
    paths = [Path(item) for item in items if not isinstance(item, Program)]
    about = _options(_folders(paths), **options)
    files = loading.find(paths)
    return [*(item for item in items if isinstance(item, Program)), *_programs(files, about)], about


def _files(what: PathLike | Program | Iterable[PathLike | Program]) -> list[Path]:
    """Those that workers can read for themselves. Raises: TypeError, where a program has been loaded here."""
    items = [what] if isinstance(what, str | os.PathLike | Program) else list(what)
    paths = [Path(item) for item in items if not isinstance(item, Program)]
    if len(paths) < len(items):
        raise TypeError("workers read their files themselves: name the files, and not what was loaded of them")
    return loading.find(paths)


def _options(
    folders: Sequence[Path] = (),
    *,
    variables: Mapping[str, str] | None = None,
    secrets: Mapping[str, str] | None = None,
    timeout: float | None = None,
    time_scale: float = 1.0,
    real: Mapping[str, SocketAddress] | None = None,
    play: Mapping[str, SocketAddress | None] | None = None,
    untrusted: bool = False,
    max_message: int = MESSAGE_LIMIT,
) -> Options:
    swaps = Swaps(
        {name: _address(where) for name, where in (real or {}).items()},
        {name: None if where is None else _address(where) for name, where in (play or {}).items()},
    )
    return Options(variables or {}, secrets or {}, time_scale, timeout, folders, swaps, untrusted, max_message)


def _address(where: SocketAddress) -> str:
    """As the command line takes it."""
    return where if isinstance(where, str) else str(Address(where[0], where[1]))


def _paths(paths: PathLike | Iterable[PathLike]) -> list[Path]:
    return [Path(paths)] if isinstance(paths, str | os.PathLike) else [Path(path) for path in paths]


def _folders(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_dir())


def _programs(files: Iterable[Path], options: Options) -> list[Program]:
    """Raises: Invalid, with the errors of all files."""
    return _playable([loading.load_scenario(file, options) for file in files])


def _playable(loaded: Sequence[Loaded]) -> list[Program]:
    """Raises: Invalid."""
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
