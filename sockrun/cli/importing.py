"""`sockrun import`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.delivering import STDOUT, Force, Name, Output, deliver, say
from sockrun.cli.sparing import SparingCommand
from sockrun.diagnostics import EnvironmentRefused


@app.command(
    "import",
    cls=SparingCommand,
    epilog=examples("sockrun import session.pcapng -o session.yaml", "sockrun import session.pcap --stream 3"),
)
def import_(
    capture: Annotated[str, typer.Argument(metavar="FILE", help="A capture, pcap or pcapng.")],
    stream: Annotated[
        list[int] | None,
        typer.Option(metavar="N", min=0, help="Only this stream, counted from 0 (repeatable, all to one server)."),
    ] = None,
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
    from sockrun.recording.conversation import Conversation

    output = output or STDOUT
    making.check_free(output, force)
    found = captures.read(capture)
    if streams:
        for number, one in enumerate(found):
            typer.echo(f"{number}: {one}")
        return
    if stream and max(stream) >= len(found):
        there = f"there are {len(found)}, counted from 0"
        raise typer.BadParameter(f"there is no stream {max(stream)}: {there}", param_hint="--stream")
    wanted = captures.of_one_server(found, sorted(set(stream or ())))
    if not wanted:
        raise EnvironmentRefused(f"{capture} has no TCP connection and no UDP datagram in which anything was said")
    protocol, server = wanted[0].protocol, wanted[0].server
    conversation = Conversation(protocol, protocol == "udp", [one.connection for one in wanted], (server,))
    begun = sum(one.midway for one in wanted)
    if begun:
        say(f"{begun} of {len(wanted)} connections had begun before the capture: what was said before is missing")
    file = os.path.basename(capture)
    deliver(conversation, name or f"captured in {file}", f"Made by sockrun from {file}", output, force)
