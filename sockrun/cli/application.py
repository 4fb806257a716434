"""The application, without its commands, which are in the modules beside."""

from __future__ import annotations

from typing import Annotated

import typer

from sockrun import __version__
from sockrun.cli.sparing import SparingGroup


def examples(*commands: str) -> str:
    """The end of a help text; a paragraph that begins with a backspace keeps its line ends."""
    return "\b\n" + "\n".join(["Examples:", *(f"  {command}" for command in commands)])


app = typer.Typer(
    name="sockrun",
    cls=SparingGroup,
    help="Plays declarative socket scenarios: servers, clients and proxies written down in YAML.",
    epilog=examples("sockrun run scenarios/", "sockrun validate hello.yaml", "sockrun run --help"),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sockrun {__version__}")
        raise typer.Exit


@app.callback()
def _sockrun(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...
