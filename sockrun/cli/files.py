"""From the words of a command line to files, options and programs; what is wrong with them is told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sockrun.ending import complain

if TYPE_CHECKING:
    from sockrun.compiling.loading import Loaded, Options
    from sockrun.diagnostics import Invalid
    from sockrun.session import Selection

DEFAULT_FOLDER = "scenarios"
INVALID = 2


def find_files(paths: list[Path] | None) -> list[Path]:
    """The scenario files that are meant; there is at least one."""
    from sockrun.compiling.loading import find
    from sockrun.diagnostics import Invalid

    where = named_paths(paths)
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


def named_paths(paths: list[Path] | None) -> list[Path]:
    return paths or [Path(DEFAULT_FOLDER if os.path.isdir(DEFAULT_FOLDER) else ".")]


def _complain_about(invalid: Invalid) -> None:
    from sockrun.diagnostics import visible

    for diagnostic in invalid.diagnostics:
        complain(f"{visible(diagnostic.span.source.path)}: {diagnostic.message}")


def load_files(files: Sequence[Path], options: Options) -> list[Loaded]:
    """The files, with the errors of those that cannot be played printed beside the output."""
    from sockrun.compiling.loading import load_scenario
    from sockrun.diagnostics import render_all

    loaded = [load_scenario(file, options) for file in files]
    for one in loaded:
        if one.errors:
            typer.echo("\n".join(render_all(one.diagnostics)), err=True)
    return loaded


def make_options(
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
    folders = tuple(path for path in named_paths(paths) if path.is_dir())
    return Options(assignments("--var", var), assignments("--secret", secret), time_scale, limit, folders)


def assignments(option: str, given: list[str] | None, form: str = "NAME=VALUE") -> dict[str, str]:
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            shown = "what was given" if option == "--secret" else repr(text)
            raise typer.BadParameter(f"{shown} is not {form}", param_hint=option)
        found[name] = value
    return found


def alone_on_stdout(reports: Mapping[str, str | None]) -> bool:
    """Whether one of the reports, by option and file, has standard output for itself. Raises: BadParameter."""
    from sockrun.reporters.base import STDOUT

    there = [f"--{name}" for name, path in reports.items() if path == STDOUT]
    if len(there) > 1:
        raise typer.BadParameter(f"only one of {' and '.join(there)} can go to standard output")
    return bool(there)


def nothing_selected(selection: Selection, files: Sequence[Path]) -> str:
    from sockrun.reporters.findings import count

    asked = [f"--tag {tag}" for tag in selection.tags] + ([f"-k {selection.text}"] if selection.text else [])
    return f"no scenario in {count(len(files), 'file')} fits {' '.join(asked)}; `sockrun list` shows what there is"


def show_line(text: str) -> None:
    """A line, or lines, on standard output. Raises: EnvironmentRefused, unlike `typer.echo`."""
    from sockrun.reporters.base import STDOUT, open_target

    open_target(STDOUT).write(f"{text}\n")
