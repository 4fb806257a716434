"""A conversation that happens now, through a proxy of ours.

Lives here: the scenario that records, and who listens at its proxy. Must not live here: what passes through a proxy and
how a program is started and ended; both are what they are in every scenario (`playing/`).

The one theory: to record is to play a scenario that has a proxy, the real server, and perhaps a program that speaks to
it. So TCP, UDP and Unix sockets, half-closes, resets, Ctrl-C and programs that leave daemons behind are treated as they
are everywhere.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from math import inf
from typing import Literal, TypeAlias

from sockrun.commands import Address
from sockrun.compiling.loading import Options, load_text
from sockrun.compiling.swaps import Swaps
from sockrun.diagnostics import EnvironmentRefused, Invalid
from sockrun.network.interrupts import Wakeable
from sockrun.network.kernel import Kernel
from sockrun.network.loop import Task
from sockrun.playing.cast import reachable
from sockrun.playing.scene import Scene
from sockrun.program import Heading, Program
from sockrun.recording.conversation import OTHER, Connection, Conversation, Left, Said, Side
from sockrun.records import dataclass, field
from sockrun.results import Result, Status

SPEAKER: dict[Heading, Side] = {"to_server": "client", "to_client": "server"}
# The program has ended: seconds that a server may take to say something more, or to close.
LAST_WORDS = 0.25
LOOK_AGAIN = 0.01  # seconds

Interrupts: TypeAlias = Callable[[Wakeable, Callable[[], None]], AbstractContextManager[None]]
Output: TypeAlias = Callable[[Literal["stdout", "stderr"], bytes], None]


@dataclass(frozen=True)
class Order:
    """What is to be recorded: who speaks to `to`, or to `listen` where that is told.

    `command` is a program with its arguments, in which `{host}`, `{port}`, `{address}` and `{path}` stand for where it
    is to turn to; none: whoever comes, until an interruption.
    """

    to: Address
    listen: Address | None = None
    protocol: Literal["tcp", "udp", "unix"] = "tcp"
    datagram: bool = False
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Recorded:
    """`status` is how the program ended, negative for a signal. `nobody`: the server has refused somebody."""

    conversation: Conversation
    interrupted: bool
    status: int | None = None
    nobody: bool = False


class Live:
    """Records one conversation after the other on `network`. `announce` is told where a proxy listens, `output`
    what the program writes."""

    def __init__(
        self, network: Kernel, interrupts: Interrupts, announce: Callable[[Address], None], output: Output
    ) -> None:
        self._network = network
        self._interrupts = interrupts
        self._announce = announce
        self._output = output

    def record(self, order: Order) -> Recorded:
        """Until the program has ended, or until an interruption. Raises: EnvironmentRefused."""
        tap = _Ear(self._output)
        bound: list[Address] = []
        results: list[Result] = []

        def announce(_: str, address: Address) -> None:
            bound.append(reachable(address))
            self._announce(bound[0])

        scene = Scene(_program(order), self._network, results.append, announce=announce, tap=tap)
        scene.attended = True
        interrupted = False

        def stop() -> None:
            nonlocal interrupted
            interrupted = True
            scene.interrupt()

        try:
            with self._interrupts(self._network, stop):
                scene.start()
                _Leaving(scene, tap)
                while not results:
                    self._network.loop.turn()
        finally:
            scene.abandon()
        _check(results[0])
        conversation = Conversation(order.protocol, order.datagram, tap.connections, (*bound, order.to))
        return Recorded(conversation, interrupted, _status(scene), tap.nobody)


def _check(result: Result) -> None:
    """Raises: EnvironmentRefused."""
    if result.status not in (Status.PASSED, Status.INTERRUPTED):
        raise EnvironmentRefused(result.reason)


@dataclass
class _Ear:
    """Satisfies `playing.recorder.Tap`."""

    output: Output
    connections: list[Connection] = field(default_factory=list)
    nobody: bool = False
    heard: float = 0.0  # when something last came

    def accepted(self, proxy: str, connection: int) -> None:
        self.heard = time.time()
        self.connections.append(Connection(self.heard))

    def passed(self, proxy: str, connection: int, heading: Heading, what: bytes | Literal["fin", "reset"]) -> None:
        self.heard = time.time()
        side = SPEAKER[heading]
        event = Said(self.heard, side, what) if isinstance(what, bytes) else Left(self.heard, side, what)
        self.connections[connection].events.append(event)

    def refused(self, proxy: str, connection: int) -> None:
        self.nobody = True

    def wrote(self, process: str, stream: Literal["stdout", "stderr"], data: bytes) -> None:
        self.output(stream, data)

    @property
    def over(self) -> bool:
        """Whether every connection was closed by both ends."""
        return all(_is_closed(one) for one in self.connections)


def _is_closed(connection: Connection) -> bool:
    ends = [event for event in connection.events if isinstance(event, Left)]
    return any(end.kind == "reset" for end in ends) or {end.side for end in ends} == set(OTHER)


class _Leaving:
    """Ends the scenario when its program has ended and its server has said its last words."""

    def __init__(self, scene: Scene, ear: _Ear) -> None:
        self._scene = scene
        self._ear = ear
        self._ended: float | None = None
        self._task = Task(scene, "", "")
        if scene.company is not None:
            self._look(self._task)

    def _look(self, task: Task) -> None:
        now = time.time()
        if self._ended is None and _status(self._scene) is not None:
            self._ended = now
        if self._ended is not None:
            silent = now - max(self._ended, self._ear.heard)
            if silent > LAST_WORDS or (silent > LOOK_AGAIN and self._ear.connections and self._ear.over):
                self._scene.interrupt()
                return
        if not self._scene.given_back:
            self._scene.loop.arm(task, LOOK_AGAIN, self._look)


def _status(scene: Scene) -> int | None:
    return None if scene.company is None else scene.company.members["command"].main.status


# --- the scenario that records -----------------------------------------------------------------


def _program(order: Order) -> Program:
    """Raises: EnvironmentRefused, for an address that no scenario could have."""
    text = "\n".join(_scenario(order))
    loaded = load_text(text, "record", Options(timeout=inf, swaps=Swaps({"server": str(order.to)})))
    try:
        if loaded.errors:
            raise Invalid(loaded.errors)
    except Invalid as invalid:
        raise EnvironmentRefused(invalid.diagnostics[0].message) from None
    return loaded.programs[0]


def _scenario(order: Order) -> Iterator[str]:
    kind = ", datagram: true" if order.datagram and order.protocol == "unix" else ""
    place = f", path: {_quoted(order.to.host)}" if order.to.path else ""
    yield "roles:"
    yield f"  server: {{protocol: {order.protocol}{kind}{place}, side: server}}"
    yield f"  recorder: {{side: proxy, to: server{_listening(order)}}}"
    if order.command:
        yield "processes:"
        yield "  command:"
        yield f"    command: [{', '.join(_filled(word, order) for word in order.command)}]"
        yield "    expect_exit: any"
        yield f"    cwd: {_quoted(os.getcwd())}"
        yield f"    env: {{{', '.join(f'{name}: {value}' for name, value in _environment(order))}}}"


def _listening(order: Order) -> str:
    where = order.listen
    if order.to.path:
        return f", path: {_quoted(where.host)}" if where else ', path: "${dir}/server"'
    if where is None:
        return ", host: '::1'" if ":" in order.to.host else ""
    port = f", port: {where.port}" if where.port else ""
    return f", host: {_quoted(where.host)}{port}"


def _environment(order: Order) -> Iterator[tuple[str, str]]:
    """The user's own, where a scenario's programs get another, and where to turn to."""
    for name in ("HOME", "LC_ALL"):
        yield name, _quoted(os.environ.get(name, ""))
    for name, expression in _places(order).items():
        yield f"SOCKRUN_{name.upper()}", f'"{expression}"'


def _places(order: Order) -> dict[str, str]:
    """What may stand in braces in a command, and what a scenario says for it, as it stands between quotes."""
    if order.to.path:
        path = _quoted(order.listen.host)[1:-1] if order.listen else "${dir}/server"
        return {"path": path, "address": path}
    host = "[${recorder.host}]" if ":" in order.to.host else "${recorder.host}"
    return {"host": "${recorder.host}", "port": "${recorder.port}", "address": f"{host}:${{recorder.port}}"}


def _filled(word: str, order: Order) -> str:
    filled = _quoted(word)
    for name, expression in _places(order).items():
        filled = filled.replace(f"{{{name}}}", expression)
    return filled


def _quoted(text: str) -> str:
    """As a YAML string that means itself: JSON's are YAML's."""
    return json.dumps(text, ensure_ascii=False).replace("${", "$${")
