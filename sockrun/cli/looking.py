"""The commands that play nothing: what files are worth, what is in them, and what may be."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.files import INVALID, find_files, load_files, make_options, nothing_selected, show_line
from sockrun.cli.options import Format, Paths, Secrets, Tags, Text, Variables
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import complain
from sockrun.records import replace

if TYPE_CHECKING:
    from sockrun.program import Program


@app.command(
    cls=SparingCommand,
    epilog=examples("sockrun validate", "sockrun validate hello.yaml", "sockrun validate --format json scenarios/"),
)
def validate(
    paths: Paths = None,
    format: Annotated[Format, typer.Option(help="For people, or for other programs.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    pair: Annotated[
        bool, typer.Option("--pair/--no-pair", help="Find out whether the roles of a file fit each other, in memory.")
    ] = True,
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Check scenario files without playing them.

    Shows everything that is wrong with them, and where their roles do not fit each other: what one waits for and no
    other sends, what nobody reads, who waits for whom. No socket is opened for that.
    """
    from sockrun.pairing import files as pairing
    from sockrun.reporters.findings import FORMATS
    from sockrun.reporters.style import style_for

    files = find_files(paths)
    options = make_options(paths, var, secret)
    validated = pairing.validate(files, options, pair)
    found = validated.diagnostics
    if strict:
        found = [replace(diagnostic, severity="error") for diagnostic in found]
    show_line(FORMATS[format](found, validated.unpaired, len(files), style_for(sys.stdout).color))
    raise typer.Exit(INVALID if any(diagnostic.severity == "error" for diagnostic in found) else 0)


@app.command("list", cls=SparingCommand, epilog=examples("sockrun list", "sockrun list --tag slow scenarios/"))
def list_(
    paths: Paths = None, tag: Tags = None, text: Text = "", var: Variables = None, secret: Secrets = None
) -> None:
    """List scenarios: their ids, names and tags."""
    from sockrun.diagnostics import visible
    from sockrun.session import Selection

    selection = Selection(tuple(tag or ()), text)
    files = find_files(paths)
    loaded = load_files(files, make_options(paths, var, secret))
    programs = [program for one in loaded for program in one.programs if selection.takes(program)]
    width = max((len(program.id) for program in programs), default=0)
    tags = [f"[{', '.join(program.tags)}]" if program.tags else "" for program in programs]
    for program, tagged in zip(programs, tags, strict=True):
        show_line(visible(f"{program.id:<{width}}  {program.name}  {tagged}".rstrip()))
    invalid = any(one.errors for one in loaded)
    if not programs and not invalid:
        complain(nothing_selected(selection, files))
    raise typer.Exit(0 if programs and not invalid else INVALID)


class DiagramFormat(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"


@app.command(
    cls=SparingCommand,
    epilog=examples(
        "sockrun show hello.yaml", "sockrun show hello.yaml --diagram", "sockrun show hello.yaml --format mermaid"
    ),
)
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario file, or a folder of them.")],
    diagram: Annotated[
        bool, typer.Option("--diagram", help="Draw who says what to whom, as it goes in memory, without a socket.")
    ] = False,
    format: Annotated[
        DiagramFormat | None, typer.Option(help="What the diagram is drawn as; says --diagram too.")
    ] = None,
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Show a scenario as it will be played.

    Its roles with their addresses, and their steps with the numbers that reports use; or a sequence diagram.
    """
    from sockrun.outline import outline

    loaded = load_files(find_files([file]), make_options([file], var, secret))
    tell = _drawer(format) if diagram or format else outline
    told = ["\n".join(tell(program)) for one in loaded for program in one.programs]
    if told:
        show_line("\n\n".join(told))
    if any(one.errors for one in loaded):
        raise typer.Exit(INVALID)


def _drawer(format: DiagramFormat | None) -> Callable[[Program], Iterable[str]]:
    from sockrun.drawing import as_mermaid, as_text
    from sockrun.reporters.pictures.text import look_for
    from sockrun.reporters.style import style_for

    if format is DiagramFormat.MERMAID:
        return as_mermaid
    look = look_for(sys.stdout, style_for(sys.stdout))
    return lambda program: as_text(program, look)


@app.command(cls=SparingCommand, epilog=examples("sockrun schema > scenario.schema.json"))
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    from sockrun.reading.schema import text

    show_line(text().rstrip("\n"))
