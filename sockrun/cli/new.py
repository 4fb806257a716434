"""`sockrun new`."""

from __future__ import annotations

from typing import Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.delivering import Force, Output
from sockrun.cli.sparing import SparingCommand


@app.command(cls=SparingCommand, epilog=examples("sockrun new", "sockrun new tcp", "sockrun new mock -o pop3.yaml"))
def new(
    template: Annotated[
        str | None, typer.Argument(metavar="TEMPLATE", help="What to begin with; without it all are listed.")
    ] = None,
    output: Output = None,
    force: Force = False,
) -> None:
    """Begin a scenario from a template."""
    from sockrun.diagnostics import did_you_mean
    from sockrun.recording.making import check_free
    from sockrun.reporters.base import STDOUT, write_whole
    from sockrun.templates import TEMPLATES, text

    if template is None:
        width = max(map(len, TEMPLATES))
        for name, shows in TEMPLATES.items():
            typer.echo(f"{name:{width}}  {shows}")
        return
    if template not in TEMPLATES:
        hint = did_you_mean(template, TEMPLATES) or f"there are {', '.join(TEMPLATES)}"
        raise typer.BadParameter(f"there is no template {template!r}: {hint}", param_hint="TEMPLATE")
    file = output or f"{template}.yaml"
    check_free(file, force)
    write_whole(file, text(template, "FILE" if file == STDOUT else file))
    if file != STDOUT:
        typer.echo(f"wrote {file}; play it: sockrun run {file}")
