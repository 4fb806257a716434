"""The command line: options and assembly. The only module that imports `typer`.

Everything else is imported inside the commands, so that `--version` and `--help` are quick. How a command ends is
told in `ending.py`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun import __version__
from sockrun.ending import complain, status_of

if TYPE_CHECKING:
    from sockrun.commands import Address
    from sockrun.compiling.loading import Loaded, Options
    from sockrun.diagnostics import Invalid
    from sockrun.playing.opening import Announce
    from sockrun.reporters.base import Reporter
    from sockrun.reporters.terminal import Detail
    from sockrun.session import Selection

DEFAULT_FOLDER = "scenarios"
INVALID = 2


def _examples(*commands: str) -> str:
    """The end of a help text; a paragraph that begins with a backspace keeps its line ends."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])


app = typer.Typer(
    name="sockrun",
    help="Plays declarative socket scenarios: servers, clients and proxies written down in YAML.",
    epilog=_examples("sockrun run scenarios/", "sockrun validate hello.yaml", "sockrun run --help"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Runs a command and exits with its status."""
    sys.exit(status_of(app))


# --- what options look like --------------------------------------------------------------------


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sockrun {__version__}")
        raise typer.Exit


Paths = Annotated[
    list[Path] | None,
    typer.Argument(metavar="PATH", help="Files and folders; if none is named, ./scenarios, or else this folder."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only scenarios with this tag (repeatable: any of them)."),
]
Text = Annotated[str, typer.Option("-k", metavar="TEXT", help="Only scenarios with TEXT in their id or name.")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Override one of `vars` (repeatable).")
]

Secrets = Annotated[
    list[str] | None,
    typer.Option(
        "--secret", metavar="NAME=VALUE", help="Override one of `secrets`, which no output shows (repeatable)."
    ),
]


Real = Annotated[
    list[str] | None,
    typer.Option(
        "--real",
        metavar="ROLE=ADDRESS",
        help="Do not play this server role: the others turn to the real one, at HOST:PORT or a path (repeatable).",
    ),
]
Play = Annotated[
    list[str] | None,
    typer.Option(
        "--play",
        metavar="ROLE[=ADDRESS]",
        help="Play only this role (repeatable). A server prints where it listens and waits for a real client; a "
        "client connects to the address.",
    ),
]


FailFast = Annotated[bool, typer.Option("--fail-fast", help="Stop at the first scenario that does not pass.")]
Repeat = Annotated[int, typer.Option(min=1, metavar="N", help="Play everything N times.")]
Timeout = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Each scenario's timeout, instead of its own: 500ms, 10s, 1m."),
]
TimeScale = Annotated[float, typer.Option(metavar="X", help="Multiply every timeout by X: for slow machines.")]
Parallel = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="How many scenarios to play at the same time, 64 if it is not said."),
]
Untrusted = Annotated[
    bool,
    typer.Option(
        "--untrusted",
        help="For files of strangers: no processes, no `env`, no files but theirs, no peers but their roles.",
    ),
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(metavar="HOST", help="Allow this host beyond loopback, by name or address (repeatable)."),
]
MaxMessage = Annotated[
    str, typer.Option(metavar="SIZE", help="The longest message that may be kept in memory: 64kB, 1GiB.")
]
JUnitFile = Annotated[str | None, typer.Option(metavar="FILE", help="Write a JUnit XML report; - is standard output.")]
JsonFile = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write each event as a line of JSON; - is standard output.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the transcript as it happens.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show only what does not pass, and the summary.")]


@app.callback()
def _sockrun(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


# --- commands ----------------------------------------------------------------------------------


@app.command(
    epilog=_examples(
        "sockrun run", "sockrun run scenarios/udp_reverse.yaml -v", "sockrun run --tag smoke --junit report.xml"
    )
)
def run(
    paths: Paths = None,
    tag: Tags = None,
    text: Text = "",
    fail_fast: FailFast = False,
    var: Variables = None,
    secret: Secrets = None,
    real: Real = None,
    play: Play = None,
    repeat: Repeat = 1,
    timeout: Timeout = None,
    time_scale: TimeScale = 1.0,
    parallel: Parallel = None,
    untrusted: Untrusted = False,
    allow_host: AllowedHosts = None,
    max_message: MaxMessage = "16MiB",
    junit: JUnitFile = None,
    json: JsonFile = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Play scenarios."""
    from dataclasses import replace

    from sockrun.compiling.swapping import Swaps
    from sockrun.network.interrupts import interrupts
    from sockrun.playing.runner import PARALLEL
    from sockrun.session import Selection, Session, Settings

    if verbose and quiet:
        raise typer.BadParameter("-v and -q exclude each other")
    swaps = Swaps(_assignments("--real", real, "ROLE=ADDRESS"), _played(play))
    if untrusted and swaps.any:
        raise typer.BadParameter("--untrusted allows no peer that is no role: leave out --real and --play")
    options = _options(paths, var, secret, timeout, time_scale)
    settings = Settings(
        replace(options, swaps=swaps, untrusted=untrusted, max_message=_size(max_message)),
        Selection(tuple(tag or ()), text),
        parallel or PARALLEL,
        repeat,
        fail_fast,
        verbose,
        tuple(allow_host or ()),
    )
    files = _found(paths)
    reporters = _reporters({"junit": junit, "json": json}, "verbose" if verbose else "quiet" if quiet else "normal")
    announce = _announcer("-" in (junit, json))
    progress = Session(settings, reporters, interrupts, announce).run(files)
    if not progress.selected and not progress.invalid and not progress.interrupted:
        complain(_nothing_selected(settings.selection, files))
    raise typer.Exit(progress.exit_status)


@app.command(
    epilog=_examples("sockrun validate", "sockrun validate hello.yaml", "sockrun validate --format json scenarios/")
)
def validate(
    paths: Paths = None,
    format: Annotated[Format, typer.Option(help="For people, or for other programs.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Check scenario files without playing them.

    Shows everything that is wrong with them.
    """
    from sockrun.compiling.loading import load
    from sockrun.reporters.findings import FORMATS
    from sockrun.reporters.style import style_for

    files = _found(paths)
    options = _options(paths, var, secret)
    found = [diagnostic for file in files for diagnostic in load(file, options).diagnostics]
    if strict:
        found = [replace(diagnostic, severity="error") for diagnostic in found]
    _print(FORMATS[format](found, len(files), style_for(sys.stdout).color))
    raise typer.Exit(INVALID if any(diagnostic.severity == "error" for diagnostic in found) else 0)


@app.command("list", epilog=_examples("sockrun list", "sockrun list --tag slow scenarios/"))
def list_(
    paths: Paths = None, tag: Tags = None, text: Text = "", var: Variables = None, secret: Secrets = None
) -> None:
    """List scenarios: their ids, names and tags."""
    from sockrun.diagnostics import visible
    from sockrun.session import Selection

    selection = Selection(tuple(tag or ()), text)
    files = _found(paths)
    loaded = _loaded(files, _options(paths, var, secret))
    programs = [program for one in loaded for program in one.programs if selection.takes(program)]
    width = max((len(program.id) for program in programs), default=0)
    tags = [f"[{', '.join(program.tags)}]" if program.tags else "" for program in programs]
    for program, tagged in zip(programs, tags, strict=True):
        _print(visible(f"{program.id:<{width}}  {program.name}  {tagged}".rstrip()))
    invalid = any(one.errors for one in loaded)
    if not programs and not invalid:
        complain(_nothing_selected(selection, files))
    raise typer.Exit(0 if programs and not invalid else INVALID)


@app.command(epilog=_examples("sockrun show hello.yaml", "sockrun show hello.yaml --var port=8080"))
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file, or a folder of them.")],
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Show a scenario as it will be played.

    Its roles with their addresses, and their steps with the numbers that reports use.
    """
    from sockrun.outline import outline

    loaded = _loaded(_found([file]), _options([file], var, secret))
    outlines = ["\n".join(outline(program)) for one in loaded for program in one.programs]
    if outlines:
        _print("\n\n".join(outlines))
    if any(one.errors for one in loaded):
        raise typer.Exit(INVALID)


@app.command(epilog=_examples("sockrun schema > scenario.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sockrun.reading.schema import text

    _print(text().rstrip("\n"))


# --- assembly ----------------------------------------------------------------------------------


def _found(paths: list[Path] | None) -> list[Path]:
    """The scenario files that are meant; there is at least one."""
    from sockrun.compiling.loading import find
    from sockrun.diagnostics import Invalid

    where = _where(paths)
    try:
        files = find(where)
    except Invalid as missing:
        _complain_about(missing)
        raise typer.Exit(INVALID) from None
    if not files:
        complain(_no_files(where))
        raise typer.Exit(INVALID)
    return files


def _no_files(where: Sequence[Path]) -> str:
    if where == [Path(".")]:
        return "there is no scenario file (*.yaml, *.yml) in this folder: name one, as in `sockrun run hello.yaml`"
    return f"there is no scenario file (*.yaml, *.yml) in {', '.join(map(str, where))}"


def _where(paths: list[Path] | None) -> list[Path]:
    return paths or [Path(DEFAULT_FOLDER if os.path.isdir(DEFAULT_FOLDER) else ".")]


def _complain_about(invalid: Invalid) -> None:
    from sockrun.diagnostics import visible

    for diagnostic in invalid.diagnostics:
        complain(f"{visible(diagnostic.span.source.path)}: {diagnostic.message}")


def _loaded(files: Sequence[Path], options: Options) -> list[Loaded]:
    """The files, with the errors of those that cannot be played printed beside the output."""
    from sockrun.compiling.loading import load_scenario
    from sockrun.diagnostics import render_all

    loaded = [load_scenario(file, options) for file in files]
    for one in loaded:
        if one.errors:
            typer.echo("\n".join(render_all(one.diagnostics)), err=True)
    return loaded


def _options(
    paths: list[Path] | None,
    var: list[str] | None,
    secret: list[str] | None,
    timeout: str | None = None,
    time_scale: float = 1.0,
) -> Options:
    from sockrun.compiling.loading import Options
    from sockrun.units import seconds

    if not 0 < time_scale < float("inf"):
        raise typer.BadParameter("it must be a number above 0", param_hint="--time-scale")
    try:
        limit = None if timeout is None else seconds(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from None
    folders = tuple(path for path in _where(paths) if path.is_dir())
    return Options(_assignments("--var", var), _assignments("--secret", secret), time_scale, limit, folders)


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


def _announcer(report_on_stdout: bool) -> Announce:
    """Says at once where a server listens, for whoever is to connect; not in the middle of a report."""

    def announce(role: str, address: Address) -> None:
        line = f"{role} listens on {address}"
        if report_on_stdout:
            typer.echo(line, err=True)
        else:
            _print(line)

    return announce


def _assignments(option: str, given: list[str] | None, form: str = "NAME=VALUE") -> dict[str, str]:
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            shown = "what was given" if option == "--secret" else repr(text)
            raise typer.BadParameter(f"{shown} is not {form}", param_hint=option)
        found[name] = value
    return found


def _reporters(files: dict[str, str | None], detail: Detail) -> list[Reporter]:
    """The terminal's and those that were asked for; a report on standard output is alone there."""
    from sockrun.reporters import FILE_REPORTERS
    from sockrun.reporters.base import STDOUT, open_target
    from sockrun.reporters.terminal import Terminal

    wanted = {name: path for name, path in files.items() if path is not None}
    on_stdout = [f"--{name}" for name, path in wanted.items() if path == STDOUT]
    if len(on_stdout) > 1:
        raise typer.BadParameter(f"only one of {' and '.join(on_stdout)} can go to standard output")
    reports = [FILE_REPORTERS[name](path) for name, path in wanted.items()]
    return reports if on_stdout else [*reports, Terminal(open_target(STDOUT), detail)]


def _nothing_selected(selection: Selection, files: Sequence[Path]) -> str:
    from sockrun.reporters.findings import count

    asked = [f"--tag {tag}" for tag in selection.tags] + ([f"-k {selection.text}"] if selection.text else [])
    return f"no scenario in {count(len(files), 'file')} fits {' '.join(asked)}; `sockrun list` shows what there is"


# --- output ------------------------------------------------------------------------------------


def _print(text: str) -> None:
    """A line, or lines, on standard output. Raises: EnvironmentRefused, unlike `typer.echo`."""
    from sockrun.reporters.base import STDOUT, open_target

    open_target(STDOUT).write(f"{text}\n")
