"""`sockrun audit`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.files import INVALID, find_files, load_files, make_options, nothing_selected, show_line
from sockrun.cli.options import Format, Paths, Secrets, Tags, Text, Variables
from sockrun.cli.progress_line import ProgressLine
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import INTERRUPTED, complain

if TYPE_CHECKING:
    from sockrun.auditing import Audit


@app.command(
    cls=SparingCommand,
    epilog=examples(
        "sockrun audit hello.yaml", "sockrun audit --min-score 90% scenarios/", "sockrun audit --format json hello.yaml"
    ),
)
def audit(
    paths: Paths = None,
    tag: Tags = None,
    text: Text = "",
    format: Annotated[Format, typer.Option(help="For people, or for other programs.")] = Format.TEXT,
    min_score: Annotated[
        str, typer.Option(metavar="PERCENT", help="Of the changes of what a file expects, so many must be noticed.")
    ] = "100%",
    min_bytes: Annotated[
        str, typer.Option(metavar="PERCENT", help="Of the bytes that its roles send, so many must be looked at.")
    ] = "0%",
    budget: Annotated[
        str, typer.Option(metavar="DURATION", help="For each file; when it is used up, the rest is not tried.")
    ] = "10s",
    var: Variables = None,
    secret: Secrets = None,
) -> None:
    """Tell what scenarios do not test.

    Everything that a file expects is changed, one thing at a time, and every byte that its roles send. It is played in
    a simulation each time; where it still passes nobody has noticed, and that is a hole.
    """
    from sockrun.auditing import Auditor
    from sockrun.auditing.report import as_json, of_file, progress, summary
    from sockrun.network.interrupts import interrupts
    from sockrun.reporters.style import style_for
    from sockrun.session import Selection

    least, least_bytes = _share(min_score, "--min-score"), _share(min_bytes, "--min-bytes")
    selection = Selection(tuple(tag or ()), text)
    allowed = _seconds(budget)
    files = find_files(paths)
    loaded = load_files(files, make_options(paths, var, secret))
    programs = [program for one in loaded for program in one.programs if selection.takes(program)]
    of = len({program.source.path for program in programs})
    invalid = any(one.errors for one in loaded)
    if not programs and not invalid:
        complain(nothing_selected(selection, files))
    found: list[Audit] = []
    line = ProgressLine(format is Format.TEXT)
    auditor = Auditor(allowed, lambda far: line.show(lambda: progress(far, len(found) + 1, of)))
    try:
        with interrupts(auditor.door, auditor.stop):
            for one in auditor.run(programs):
                found.append(one)
                if format is Format.TEXT:
                    line.erase()
                    show_line(of_file(one, color=style_for(sys.stdout).color))
    finally:
        auditor.close()
    if format is Format.JSON:
        show_line(as_json(found))
    elif of > 1:
        show_line(summary(found, of))
    if any(one.interrupted for one in found):
        raise typer.Exit(INTERRUPTED)
    if invalid or not programs:
        raise typer.Exit(INVALID)
    raise typer.Exit(0 if all(_is_enough(one, least, least_bytes) for one in found) else 1)


def _is_enough(audit: Audit, least: float, least_bytes: float) -> bool:
    enough = audit.score >= least and (audit.bytes.share >= least_bytes or not audit.bytes.tried)
    return not audit.failing and (enough or not audit.audited)


def _share(text: str, option: str) -> float:
    from sockrun.units import share

    try:
        return share(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _seconds(text: str) -> float:
    from sockrun.units import seconds

    try:
        found = seconds(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--budget") from None
    if not found:
        raise typer.BadParameter("nothing can be tried in no time", param_hint="--budget")
    return found
