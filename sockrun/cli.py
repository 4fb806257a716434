"""The command line: options, assembly, exit status. The only module that imports `typer`.

Everything else is imported inside the commands, so that `--version` and `--help` are quick. Exit statuses: 0
passed, 1 a scenario failed, 2 the command line or a file is wrong or nothing is selected, 3 the environment
refused, 70 a bug of ours, 130 interrupted; of several the first in 130, 70, 2, 3, 1.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun import __version__

if TYPE_CHECKING:
    from sockrun.compiling.loading import Loaded, Options
    from sockrun.diagnostics import Invalid
    from sockrun.reporters.base import Reporter
    from sockrun.reporters.terminal import Detail
    from sockrun.session import Selection

DEFAULT_FOLDER = "scenarios"
INVALID, REFUSED, BUG, INTERRUPTED = 2, 3, 70, 130
# What only writing to a file gives, never a socket: it comes from help texts, which typer writes by itself.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


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
    """The entry point: runs a command and exits with its status."""
    if sys.stdout is None:  # it was closed before the start: a socket would get its number
        sys.exit(_refused("standard output is closed"))
    status: int | str | None
    try:
        app()
        status = 0
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:
        status = INTERRUPTED
    except Exception as error:
        status = _told(error)
    sys.exit(_flushed(status))


def _told(error: Exception) -> int:
    """Say what ended the command."""
    from sockrun.diagnostics import EnvironmentRefused

    if isinstance(error, EnvironmentRefused):
        return _refused(str(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return _refused(f"standard output cannot be written: {error.strerror}")
    return _bug()


def _refused(message: str) -> int:
    _complain(message)
    return REFUSED


def _bug() -> int:
    import traceback

    _complain("this is a bug in sockrun, not in your scenario: please report it with the lines below")
    traceback.print_exc()
    return BUG


def _flushed(status: int | str | None) -> int | str | None:
    """Write what is left of the output now, where it can still be told that this fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again when it exits, and complain in its own way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return status or _refused(f"standard output cannot be written: {error.strerror or error}")
    return status


def _complain(message: str) -> None:
    """Say on standard error what is wrong, if anybody is there to be told."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"sockrun: {message}\n")


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
    typer.Argument(metavar="[PATH]...", help="Files and folders; without any ./scenarios, or else this folder."),
]
Tags = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Only scenarios with this tag (repeatable: any of them)."),
]
Text = Annotated[str, typer.Option("-k", metavar="TEXT", help="Only scenarios with TEXT in their id or name.")]
Variables = Annotated[
    list[str] | None, typer.Option("--var", metavar="NAME=VALUE", help="Override one of `vars` (repeatable).")
]


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
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first scenario that does not pass.")
    ] = False,
    var: Variables = None,
    repeat: Annotated[int, typer.Option(min=1, metavar="N", help="Play everything N times.")] = 1,
    timeout: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="Each scenario's timeout, instead of its own: 500ms, 10s, 1m."),
    ] = None,
    time_scale: Annotated[
        float, typer.Option(metavar="X", help="Multiply every timeout by X: for slow machines.")
    ] = 1.0,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="How many scenarios to play at the same time, 64 if it is not said."),
    ] = None,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write a JUnit XML report; - is standard output.")
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write each event as a line of JSON; - is standard output.")
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the transcript as it happens.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Show only what does not pass, and the summary.")
    ] = False,
) -> None:
    """Play scenarios."""
    from sockrun.network.interrupts import interrupts
    from sockrun.playing.runner import PARALLEL
    from sockrun.session import Selection, Session, Settings

    if verbose and quiet:
        raise typer.BadParameter("-v and -q exclude each other")
    settings = Settings(
        _options(var, timeout, time_scale),
        Selection(tuple(tag or ()), text),
        parallel or PARALLEL,
        repeat,
        fail_fast,
        verbose,
    )
    files = _found(paths)
    reporters = _reporters({"junit": junit, "json": json}, "verbose" if verbose else "quiet" if quiet else "normal")
    progress = Session(settings, reporters, interrupts).run(files)
    if not progress.selected and not progress.invalid and not progress.interrupted:
        _complain(_nothing_selected(settings.selection, files))
    raise typer.Exit(progress.exit_status)


@app.command(
    epilog=_examples("sockrun validate", "sockrun validate hello.yaml", "sockrun validate --format json scenarios/")
)
def validate(
    paths: Paths = None,
    format: Annotated[Format, typer.Option(help="For people, or for other programs.")] = Format.TEXT,
    var: Variables = None,
) -> None:
    """Check scenario files without playing them, and show everything that is wrong with them."""
    from sockrun.compiling.loading import load
    from sockrun.reporters.findings import FORMATS
    from sockrun.reporters.style import style_for

    files = _found(paths)
    options = _options(var, None, 1.0)
    found = [diagnostic for file in files for diagnostic in load(file, options).diagnostics]
    _print(FORMATS[format](found, len(files), style_for(sys.stdout).color))
    raise typer.Exit(INVALID if any(diagnostic.severity == "error" for diagnostic in found) else 0)


@app.command("list", epilog=_examples("sockrun list", "sockrun list --tag slow scenarios/"))
def list_(paths: Paths = None, tag: Tags = None, text: Text = "", var: Variables = None) -> None:
    """List scenarios: their ids, names and tags."""
    from sockrun.diagnostics import visible
    from sockrun.session import Selection

    selection = Selection(tuple(tag or ()), text)
    files = _found(paths)
    loaded = _loaded(files, _options(var, None, 1.0))
    programs = [program for one in loaded for program in one.programs if selection.takes(program)]
    width = max((len(program.id) for program in programs), default=0)
    tags = [f"[{', '.join(program.tags)}]" if program.tags else "" for program in programs]
    for program, tagged in zip(programs, tags, strict=True):
        _print(visible(f"{program.id:<{width}}  {program.name}  {tagged}".rstrip()))
    if not programs and all(one.programs for one in loaded):
        _complain(_nothing_selected(selection, files))
    raise typer.Exit(0 if programs and all(one.programs for one in loaded) else INVALID)


@app.command(epilog=_examples("sockrun show hello.yaml", "sockrun show hello.yaml --var port=8080"))
def show(file: Annotated[Path, typer.Argument(help="A scenario file.")], var: Variables = None) -> None:
    """Show a scenario as it will be played: roles, addresses, numbered steps."""
    from sockrun.outline import outline

    (loaded,) = _loaded([file], _options(var, None, 1.0))
    if not loaded.programs:
        raise typer.Exit(INVALID)
    _print("\n\n".join("\n".join(outline(program)) for program in loaded.programs))


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

    where = paths or [Path(DEFAULT_FOLDER if os.path.isdir(DEFAULT_FOLDER) else ".")]
    try:
        files = find(where)
    except Invalid as missing:
        _complain_about(missing)
        raise typer.Exit(INVALID) from None
    if not files:
        _complain(f"no scenario file (*.yaml, *.yml) is in {', '.join(map(str, where))}")
        raise typer.Exit(INVALID)
    return files


def _complain_about(invalid: Invalid) -> None:
    for diagnostic in invalid.diagnostics:
        _complain(f"{diagnostic.span.source.path}: {diagnostic.message}")


def _loaded(files: Sequence[Path], options: Options) -> list[Loaded]:
    """The files, with the errors of those that cannot be played printed beside the output."""
    from sockrun.compiling.loading import load
    from sockrun.diagnostics import render

    loaded = [load(file, options) for file in files]
    for one in loaded:
        if not one.programs:
            typer.echo("\n".join(map(render, one.diagnostics)), err=True)
    return loaded


def _options(var: list[str] | None, timeout: str | None, time_scale: float) -> Options:
    from sockrun.compiling.loading import Options
    from sockrun.units import seconds

    if not 0 < time_scale < float("inf"):
        raise typer.BadParameter("it must be a number above 0", param_hint="--time-scale")
    try:
        limit = None if timeout is None else seconds(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from None
    return Options(dict(map(_assignment, var or ())), time_scale=time_scale, timeout=limit)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--var")
    return name, value


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
