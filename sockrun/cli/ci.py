"""The options of `run` that are for build servers and for working on a pack, and what they put together.

Must not live here: the other options, and the order of a command (`run.py`). A group of options is a dataclass; it is
one parameter of the command, and `grouped` makes options of its fields.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_type_hints

import typer

from sockrun.cli.options import ClusterAddress, Jobs
from sockrun.ending import INTERRUPTED, complain
from sockrun.records import dataclass

if TYPE_CHECKING:
    from sockrun.choosing import Shard
    from sockrun.program import Program
    from sockrun.remembering import Memory
    from sockrun.reporters.base import Progress, Reporter
    from sockrun.session import Choose
    from sockrun.spreading.pools import Pool

ON_GITHUB = "GITHUB_ACTIONS"  # a variable that is 'true' in every job there
FOLDER = ".sockrun_cache"  # like pytest's, where the command is given
Say = Callable[[str], None]


@dataclass(frozen=True)
class Manners:
    tap: Annotated[str | None, typer.Option(metavar="FILE", help="Write a TAP 14 report; - is standard output.")] = None
    html: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write a page with a diagram of each scenario; - is standard output."),
    ] = None
    github: Annotated[
        bool | None,
        typer.Option(
            "--github/--no-github",
            help="Annotate files on GitHub, and add to the job's summary; on by itself in GitHub Actions.",
        ),
    ] = None
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Play only part I of N, equal in time as far as earlier runs tell."),
    ] = None
    retries: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Play what does not pass up to N more times; if it passes then, it is flaky."
        ),
    ] = 0
    last_failed: Annotated[
        bool,
        typer.Option("--last-failed", help="Only what did not pass when it was played last; all, if that is none."),
    ] = False
    durations: Annotated[int, typer.Option(min=0, metavar="N", help="Name the N slowest scenarios at the end.")] = 0
    jobs: Jobs = "1"
    cluster: ClusterAddress = None
    watch: Annotated[
        bool, typer.Option("--watch", help="Play again whenever a file changes (needs `sockrun[watch]`).")
    ] = False
    cache: Annotated[
        str, typer.Option(metavar="FOLDER", help="Where durations and failures are remembered for the next run.")
    ] = FOLDER
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Remember nothing, and use nothing remembered.")] = False


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each field of `Manners`, in the place of its parameter `manners`."""
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(Manners, include_extras=True)
    names = Manners.__match_args__

    @wraps(command)
    def ungrouped(**given: object) -> None:
        chosen = {name: given.pop(name) for name in names}
        command(**given, manners=Manners(**chosen))  # type: ignore[arg-type]

    kept = [one.replace(kind=one.KEYWORD_ONLY) for one in own.parameters.values() if one.name != "manners"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(Manners, name), annotation=hints[name])
        for name in names
    ]
    ungrouped.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    ungrouped.__annotations__ = {one.name: one.annotation for one in [*kept, *added]}
    return ungrouped


# --- what they put together ---------------------------------------------------------------------


def shard_of(manners: Manners) -> Shard | None:
    if manners.last_failed and manners.no_cache:
        raise typer.BadParameter("--last-failed needs what --no-cache leaves out")
    if manners.shard is None:
        return None
    from sockrun.choosing import shard

    try:
        return shard(manners.shard)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--shard") from None


def memory(manners: Manners) -> Memory | None:
    """One for a whole run, so that it warns once."""
    from sockrun.remembering import Memory

    return None if manners.no_cache else Memory(manners.cache, complain)


def chooser(manners: Manners, memory: Memory | None, say: Say) -> Choose | None:
    """Says what it chooses; None: everything is played."""
    wanted = shard_of(manners)
    if wanted is None and not manners.last_failed:
        return None
    return lambda programs: _chosen(programs, manners.last_failed, wanted, memory, say)


def _chosen(
    programs: Sequence[Program], last_failed: bool, wanted: Shard | None, memory: Memory | None, say: Say
) -> Sequence[Program]:
    from sockrun import choosing, remembering

    known = memory.load() if memory else remembering.Remembered()
    if last_failed:
        programs, words = choosing.failed_last(programs, known.failed, remembering.keys)
        say(words)
    if wanted is not None:
        programs, words = choosing.part(programs, wanted, known.durations, remembering.key)
        say(words)
    return programs


def reporters(manners: Manners, memory: Memory | None, stdout_is_taken: bool) -> list[Reporter]:
    """Those that are no files of their own: they come behind the terminal's."""
    from sockrun.remembering import Rememberer
    from sockrun.reporters.base import STDOUT, Target, open_target

    found: list[Reporter] = []
    if os.environ.get(ON_GITHUB) == "true" if manners.github is None else manners.github:
        from sockrun.reporters.github import GitHub

        # GitHub reads both; a report on standard output must stay alone there.
        target = Target(sys.stderr, "standard error") if stdout_is_taken else open_target(STDOUT)
        found.append(GitHub(target, os.environ))
    if memory is not None:
        # Shards must agree on durations, and each sees only its own: they use them, and change none.
        found.append(Rememberer(memory, timed=manners.shard is None))
    return found


def pool(manners: Manners) -> Callable[[], Pool] | None:
    """What makes the workers; None: everything is played here."""
    address, workers = scheduler(manners.jobs, manners.cluster), width(manners.jobs)
    if address is None and workers == 1:
        return None
    from sockrun.spreading.pools import Cluster, Processes

    return partial(Processes, workers) if address is None else partial(Cluster, address)


def scheduler(jobs: str, cluster: str | None) -> str | None:
    """The address of `--cluster`."""
    if cluster is None:
        return None
    if jobs != "1":
        raise typer.BadParameter("--jobs and --cluster exclude each other: a cluster knows how many workers it has")
    from sockrun.spreading.pools import SCHEDULER

    if not SCHEDULER.fullmatch(cluster):
        words = f"{cluster!r} is no scheduler's address, as tcp://127.0.0.1:8786 is"
        raise typer.BadParameter(words, param_hint="--cluster")
    return cluster


def width(jobs: str) -> int:
    """How many workers `--jobs` means."""
    if jobs == "1":
        return 1
    from sockrun.spreading.pools import processors

    if jobs != "auto" and not (jobs.isascii() and jobs.isdigit() and int(jobs)):
        raise typer.BadParameter(f"{jobs!r} is no number of workers, and not auto", param_hint="--jobs")
    return processors() if jobs == "auto" else int(jobs)


def rounds(manners: Manners, play: Callable[[], Progress], paths: Sequence[Path], say: Say) -> int:
    """The exit status, of one run or, with `--watch`, of many. Raises: EnvironmentRefused, KeyboardInterrupt."""
    if not manners.watch:
        return play().exit_status
    from sockrun import watching

    watching.check()
    for _ in watching.rounds(paths, say):
        with suppress(typer.Exit):  # there is no file just now, which was told
            if play().interrupted:
                break
    return INTERRUPTED
