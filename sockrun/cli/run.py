"""`sockrun run`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sockrun import __version__
from sockrun.cli import ci
from sockrun.cli.application import app, examples
from sockrun.cli.files import (
    alone_on_stdout,
    assignments,
    find_files,
    make_options,
    named_paths,
    nothing_selected,
    show_line,
)
from sockrun.cli.options import (
    AllowedHosts,
    FailFast,
    JsonFile,
    JUnitFile,
    MaxMessage,
    Parallel,
    Paths,
    PcapFile,
    Play,
    Quiet,
    Real,
    Repeat,
    RunSeed,
    Secrets,
    Simulate,
    Tags,
    Text,
    Timeout,
    TimeScale,
    Untrusted,
    Variables,
    Verbose,
)
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import complain
from sockrun.records import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sockrun.commands import Address
    from sockrun.playing.opening import Announce
    from sockrun.reporters.base import Progress, Reporter
    from sockrun.reporters.terminal import Detail
    from sockrun.session import Settings


@app.command(
    cls=SparingCommand,
    epilog=examples(
        "sockrun run", "sockrun run scenarios/udp_reverse.yaml -v", "sockrun run --tag smoke --junit report.xml"
    ),
)
@ci.grouped
def run(
    paths: Paths = None,
    tag: Tags = None,
    text: Text = "",
    fail_fast: FailFast = False,
    var: Variables = None,
    secret: Secrets = None,
    real: Real = None,
    play: Play = None,
    simulate: Simulate = False,
    seed: RunSeed = None,
    repeat: Repeat = 1,
    timeout: Timeout = None,
    time_scale: TimeScale = 1.0,
    parallel: Parallel = None,
    untrusted: Untrusted = False,
    allow_host: AllowedHosts = None,
    max_message: MaxMessage = "16MiB",
    junit: JUnitFile = None,
    json: JsonFile = None,
    pcap: PcapFile = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    *,
    manners: ci.Manners,
) -> None:
    """Play scenarios."""
    from sockrun.compiling.swaps import Swaps
    from sockrun.playing.runner import PARALLEL
    from sockrun.session import Selection, Settings

    swaps = Swaps(assignments("--real", real, "ROLE=ADDRESS"), _played(play))
    elsewhere = manners.jobs != "1" or manners.cluster is not None
    _refuse(
        {
            "-v and -q exclude each other": verbose and quiet,
            "--untrusted allows no peer that is no role: leave out --real and --play": untrusted and swaps.any,
            "--simulate has nobody who is no role: leave out --real and --play": simulate and swaps.any,
            "--seed is for simulated runs: add --simulate": seed is not None and not simulate,
            "--play awaits somebody here: leave out --jobs and --cluster": bool(play) and elsewhere,
            "--pcap is written by the process that plays: leave out --jobs and --cluster": bool(pcap) and elsewhere,
        }
    )
    options = make_options(paths, var, secret, timeout, time_scale)
    settings = Settings(
        replace(options, swaps=swaps, untrusted=untrusted, max_message=_size(max_message)),
        Selection(tuple(tag or ()), text),
        parallel or PARALLEL,
        repeat,
        fail_fast,
        verbose,
        tuple(allow_host or ()),
        (seed or 0) if simulate else None,
        manners.retries,
        traced=manners.html is not None,
    )
    reports = {"junit": junit, "json": json, "tap": manners.tap, "html": manners.html}
    detail: Detail = "verbose" if verbose else "quiet" if quiet else "normal"
    once = partial(_play, settings, paths, reports, pcap, detail, manners)
    raise typer.Exit(ci.rounds(manners, once, named_paths(paths), _sayer("-" in reports.values())))


def _refuse(contradictions: Mapping[str, bool]) -> None:
    """End with the first message whose options contradict each other.

    Raises:
        typer.BadParameter: Some do.
    """
    for message, holds in contradictions.items():
        if holds:
            raise typer.BadParameter(message)


def _play(
    settings: Settings,
    paths: list[Path] | None,
    reports: dict[str, str | None],
    pcap: str | None,
    detail: Detail,
    manners: ci.Manners,
) -> Progress:
    """One run, with what is said of it."""
    from sockrun.network.interrupts import interrupts
    from sockrun.session import Session

    stdout_is_taken = "-" in reports.values()
    say = _sayer(stdout_is_taken)
    memory, pool = ci.memory(manners), ci.pool(manners)
    shapes = memory.shapes(__version__) if memory is not None and pool is None else None  # workers learn for themselves
    options = replace(settings.options, shapes=shapes)
    settings = replace(settings, options=options, choose=ci.chooser(manners, memory, say))
    files = find_files(paths)
    reporters = [*_reporters(reports, detail, manners.durations), *ci.reporters(manners, memory, stdout_is_taken)]
    if pcap is not None:
        from sockrun.capture import Capture

        capture = Capture(pcap, simulated=settings.seed is not None)
        reporters.append(capture)
        settings = replace(settings, tap=capture.tap)
    if pool is None:
        progress = Session(settings, reporters, interrupts, _announcer(say)).run(files)
    else:
        from sockrun.spreading.spread import Spread

        progress = Spread(settings, reporters, pool, interrupts).run(files)
    if memory is not None and shapes is not None:
        memory.keep(shapes)
    if not (progress.selected or progress.left_out or progress.invalid or progress.interrupted):
        complain(nothing_selected(settings.selection, files))
    return progress


def _played(given: list[str] | None) -> dict[str, str | None]:
    """The roles of `--play`, and the addresses of those that have one."""
    found: dict[str, str | None] = {}
    for text in given or ():
        name, equals, address = text.partition("=")
        if not name or (equals and not address):
            raise typer.BadParameter(f"{text!r} is not ROLE or ROLE=ADDRESS", param_hint="--play")
        found[name] = address or None
    return found


def _size(text: str) -> int:
    from sockrun.units import size

    try:
        return size(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--max-message") from None


def _sayer(report_on_stdout: bool) -> ci.Say:
    """Says a line at once; not in the middle of a report."""

    def say(line: str) -> None:
        if report_on_stdout:
            typer.echo(line, err=True)
        else:
            show_line(line)

    return say


def _announcer(say: ci.Say) -> Announce:
    """Says where a server listens, for whoever is to connect."""

    def announce(role: str, address: Address) -> None:
        say(f"{role} listens on {address}")

    return announce


def _reporters(files: dict[str, str | None], detail: Detail, slowest: int) -> list[Reporter]:
    """The terminal's and those that were asked for; a report on standard output is alone there."""
    from sockrun.reporters import FILE_REPORTERS
    from sockrun.reporters.base import STDOUT, open_target
    from sockrun.reporters.terminal import Terminal

    wanted = {name: path for name, path in files.items() if path is not None}
    alone = alone_on_stdout(wanted)
    reports = [FILE_REPORTERS[name](path) for name, path in wanted.items()]
    return reports if alone else [*reports, Terminal(open_target(STDOUT), detail, slowest)]
