"""How a scenario that was made gets to whoever asked for it: the options of the commands that make one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.reporters.base import STDOUT

if TYPE_CHECKING:
    from sockrun.recording.conversation import Conversation

Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE", help="Where the scenario goes; - is standard output."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]
Name = Annotated[str, typer.Option(metavar="TEXT", help="The scenario's name.", show_default=False)]


def deliver(conversations: Sequence[Conversation], name: str, origin: str, output: str, force: bool) -> None:
    """Write the scenario of a conversation, seen so many times, and what lies beside it. Raises: EnvironmentRefused."""
    from sockrun.recording import making

    stem = None if output == STDOUT else os.path.splitext(os.path.basename(output))[0]
    server = conversations[0].servers[-1]
    times = "" if len(conversations) == 1 else f" {len(conversations)} times"
    made = making.make(conversations, name, _about(f"{origin}{times}", str(server), output), stem)
    for path in making.write(made, output, force):
        if path != STDOUT:
            say(f"wrote {path}")


def _about(origin: str, server: str, output: str) -> list[str]:
    """The first lines of the file: where it comes from, and what can be done with it."""
    file = "FILE" if output == STDOUT else output
    return [
        f"{origin}, {time.strftime('%Y-%m-%d')}. It plays",
        f"  both sides:                       sockrun run {file}",
        f"  the client, against the server:   sockrun run {file} --real server={server}",
        f"  the server, for a real client:    sockrun run {file} --play server",
    ]


def say(line: str) -> None:
    typer.echo(line, err=True)
