"""`sockrun record`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sockrun.cli.application import app, examples
from sockrun.cli.delivering import Force, Name, Output, deliver, say
from sockrun.cli.options import AllowedHosts
from sockrun.cli.sparing import SparingCommand
from sockrun.ending import INTERRUPTED, complain
from sockrun.reporters.base import STDOUT

if TYPE_CHECKING:
    from sockrun.commands import Address
    from sockrun.recording.conversation import Conversation
    from sockrun.recording.live import Live, Order, Recorded
    from sockrun.recording.live import Output as Show

NOTHING = 1
LOOK_AGAIN = 0.01  # seconds

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- COMMAND",
        help="A program to run, until it ends; {host}, {port} and {address} in it are where it must turn to, as are "
        "SOCKRUN_HOST and SOCKRUN_PORT in its environment. Without one: whoever comes, until Ctrl-C.",
        show_default=False,
    ),
]


@app.command(
    cls=SparingCommand,
    context_settings={"allow_interspersed_args": False},
    epilog=examples(
        "sockrun record --to 127.0.0.1:6379 -o redis.yaml -- redis-cli -p {port} PING",
        "sockrun record --to 127.0.0.1:8080 --listen 127.0.0.1:8081 -o web.yaml",
        "sockrun record --to 127.0.0.1:53 --udp -o dns.yaml -- dig @127.0.0.1 -p {port} www.test",
    ),
)
def record(
    command: Command = None,
    to: Annotated[
        str, typer.Option("--to", metavar="ADDRESS", help="The real server: HOST:PORT, or the path of a Unix socket.")
    ] = "",
    listen: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Where clients are waited for; a free port if it is not said.")
    ] = None,
    udp: Annotated[bool, typer.Option("--udp", help="Datagrams, not a stream.")] = False,
    times: Annotated[
        int, typer.Option(metavar="N", min=1, help="Run the program so often; what differs becomes a pattern.")
    ] = 1,
    output: Output = None,
    name: Name = "",
    force: Force = False,
    allow_host: AllowedHosts = None,
) -> None:
    """Write a scenario of what a client and a server say to each other.

    Stands between the two, and writes what passed: a scenario that plays both, ready to run against itself, against
    the server (`run --real server=ADDRESS`) and against the client (`run --play server`). A date or an id is taken as
    whatever it is the next time where `--times 3` has shown that it differs.
    """
    from sockrun.network.guard import Guard
    from sockrun.network.interrupts import interrupts
    from sockrun.network.kernel import Kernel
    from sockrun.recording import making
    from sockrun.recording.live import Live

    output = output or STDOUT
    order = _order(to, listen, udp, command or [])
    if times > 1 and not command:
        raise typer.BadParameter("say which program is run so often, after `--`", param_hint="--times")
    making.check_free(output, force)
    network = Kernel(guard=Guard(allow_host or ()))
    try:
        live = Live(network, interrupts, lambda address: _announce(order, address), _passing_on(output))
        conversations = list(_conversations(live, order, times))
    finally:
        network.close()
    deliver(conversations, name or _name(order), f"Recorded by sockrun from {order.to}", output, force)


def _conversations(live: Live, order: Order, times: int) -> Iterator[Conversation]:
    """Each in another second than the one before, so that dates are seen to differ."""
    ended = 0
    for _ in range(times):
        while int(time.time()) == ended:
            time.sleep(LOOK_AGAIN)
        recorded = _recorded(live, order)
        yield recorded.conversation
        if recorded.interrupted:
            return
        ended = int(time.time())


def _recorded(live: Live, order: Order) -> Recorded:
    from sockrun.diagnostics import EnvironmentRefused

    recorded = live.record(order)
    if recorded.nobody and recorded.conversation.empty:
        raise EnvironmentRefused(f"nobody listens at {order.to}, so that there is nothing to record")
    if not recorded.conversation.connections:
        hint = "; in its words, {port} stands for where it must turn to" if order.command else ""
        complain(f"nobody has come, so that there is nothing to write{hint}")
        raise typer.Exit(INTERRUPTED if recorded.interrupted else NOTHING)
    if recorded.status:
        from sockrun.network.processes import how_it_ended

        complain(f"{order.command[0]} {how_it_ended(recorded.status)}; what passed is written all the same")
    return recorded


def _order(to: str, listen: str | None, udp: bool, command: list[str]) -> Order:
    from sockrun.recording.live import Order

    if not to:
        raise typer.BadParameter("say where the real server is, as in `--to 127.0.0.1:8080`", param_hint="--to")
    target = _address(to, "--to")
    own = None if listen is None else _address(listen, "--listen")
    if own is not None and own.path != target.path:
        raise typer.BadParameter("it must be of the same kind as --to", param_hint="--listen")
    if target.path:
        return Order(target, own, "unix", udp, command)
    return Order(target, own, "udp" if udp else "tcp", udp, command)


def _address(text: str, option: str) -> Address:
    from sockrun.commands import Address
    from sockrun.compiling.sending import to_address

    if "/" in text or text.startswith("@"):
        return Address(os.path.abspath(text) if "/" in text else text, 0, True)
    try:
        return to_address(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _name(order: Order) -> str:
    return f"{os.path.basename(order.command[0])} and {order.to}" if order.command else f"recorded from {order.to}"


def _announce(order: Order, address: Address) -> None:
    ends = "until the program has ended" if order.command else "until Ctrl-C"
    say(f"listens on {address} and passes on to {order.to}, {ends}")


def _passing_on(output: str) -> Show:
    """What the program writes is shown; not in the middle of a scenario on standard output."""

    def write(stream: Literal["stdout", "stderr"], data: bytes) -> None:
        file = sys.stdout if stream == "stdout" and output != STDOUT else sys.stderr
        file.write(data.decode("utf-8", "backslashreplace"))
        file.flush()

    return write
