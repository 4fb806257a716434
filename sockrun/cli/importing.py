"""`sockrun import`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.delivering import Force, Name, Output, deliver, say
from sockrun.cli.sparing import SparingCommand
from sockrun.diagnostics import EnvironmentRefused
from sockrun.reporters.base import STDOUT

if TYPE_CHECKING:
    from sockrun.recording.conversation import Conversation


@app.command(
    "import",
    cls=SparingCommand,
    epilog=examples("sockrun import session.pcapng -o session.yaml", "sockrun import session.pcap --stream 3"),
)
def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="A capture, pcap or pcapng; several of the same conversation show what differs."
        ),
    ],
    stream: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=0, help="Only this stream, counted from 0 (repeatable, all to one server)."),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Each stream is the same conversation again: what differs becomes a pattern."),
    ] = False,
    streams: Annotated[bool, typer.Option("--list", help="Only list the streams of the capture.")] = False,
    output: Output = None,
    name: Name = "",
    force: Force = False,
) -> None:
    """Write a scenario of what was captured (needs `sockrun[pcap]`).

    TCP connections are put together from their segments. All that were to one server are one scenario, ready to run
    against itself, against the server (`run --real server=ADDRESS`) and against the client (`run --play server`).
    """
    from sockrun.recording import captures, making

    output = output or STDOUT
    making.check_free(output, force)
    if streams:
        for file in files:
            for number, one in enumerate(captures.read(file)):
                typer.echo(f"{number}: {one}" if len(files) == 1 else f"{file} {number}: {one}")
        return
    numbers = sorted(set(stream or ()))
    conversations = [one for file in files for one in _conversations(file, numbers, compare)]
    names = ", ".join(map(os.path.basename, files))
    deliver(conversations, name or f"captured in {names}", f"Made by sockrun from {names}", output, force)


def _conversations(file: str, numbers: list[int], compare: bool) -> Iterator[Conversation]:
    """One, or with `compare` one of each stream. Raises: EnvironmentRefused."""
    from sockrun.recording import captures
    from sockrun.recording.conversation import Conversation

    found = captures.read(file)
    if numbers and numbers[-1] >= len(found):
        there = f"there are {len(found)}, counted from 0"
        raise typer.BadParameter(f"there is no stream {numbers[-1]}: {there}", param_hint="--stream")
    wanted = captures.chosen(found, numbers)
    if not wanted:
        raise EnvironmentRefused(f"{file} has no TCP connection and no UDP datagram in which anything was said")
    if not compare:
        captures.check_one_server(wanted, found)
    begun = sum(one.midway for one in wanted)
    if begun:
        say(f"{begun} of {len(wanted)} connections had begun before the capture: what was said before is missing")
    for group in [[one] for one in wanted] if compare else [wanted]:
        protocol = group[0].protocol
        yield Conversation(protocol, protocol == "udp", [one.connection for one in group], (group[0].server,))
