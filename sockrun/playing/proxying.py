"""Proxy roles: who comes is connected to the proxy's target, and what passes goes through a bad network.

Lives here: the two tasks of each connection, one a direction, and whether something is still under way in one of
them. Must not live here: what the network does to the bytes and when they leave (`network/link.py`).

The one theory: a proxy has no steps, so that it counts as over from the start and waits for nobody. The scenario goes
on as long as one of its links holds something; a link that waits for bytes is no reason to.

A refusal of datagrams (ICMP 'port unreachable') ends here: a socket that many send to cannot refuse one of them, and
to make the ICMP message oneself takes root (icmp(7), raw(7)). So it is told in the trace, and where somebody waits.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import TYPE_CHECKING, Literal

from sockrun.commands import Command, Connect, Ended, Event, Failed, Match, Receive, Reset, Send, Shutdown, Sleep
from sockrun.diagnostics import EnvironmentRefused
from sockrun.network.datagrams import Datagrams
from sockrun.network.interface import PENDING, Channel, Endpoint, Reply
from sockrun.network.link import DatagramLink, End, StreamLink
from sockrun.network.loop import Task
from sockrun.network.streams import Stream
from sockrun.playing.cast import reachable
from sockrun.playing.frame import refusal
from sockrun.program import Heading, RoleProgram

if TYPE_CHECKING:
    from sockrun.playing.scene import Scene

Life = Generator[Command, Event, None]

LOOK = 0.001  # seconds between looks at whether there is room again for what was received
BREATH = Sleep(0)  # behind each piece, so that its reader sees it alone


class Proxies:
    """All proxy roles of a running scenario."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._passages: dict[Passage, None] = {}
        self._of_task: dict[Task, Passage] = {}
        self.refused: dict[str, str] = {}  # proxies whose target has refused the last datagram: where nobody listens

    def door(self, role: RoleProgram) -> _Door:
        return _Door(self._scene, role, self)

    def accepted(self, role: RoleProgram, channel: Channel) -> None:
        """Somebody has come to a proxy."""
        scene = self._scene
        if scene.given_back:
            channel.abandon()
            return
        number = scene.sharing.connections[role.name]
        scene.sharing.connections[role.name] += 1
        scene.record(role.name, None, "accept", None)
        if scene.tap is not None:
            scene.tap.accepted(role.name, number)
        passage = Passage(scene, role, number, channel, self)
        self._passages[passage] = None
        self._of_task[passage.to_server.task] = passage
        passage.begin()

    def connect(self, task: Task, command: Connect) -> Reply:
        """Connect a passage to the proxy's target."""
        role = self._of_task[task].role
        endpoint = Endpoint(role.protocol, role.datagram, role.socket)
        return self._scene.network.connect(task, endpoint, command, None, role.to in self._scene.casts)

    def forget(self, passage: Passage) -> None:
        self._passages.pop(passage, None)
        self._of_task.pop(passage.to_server.task, None)

    @property
    def busy(self) -> bool:
        """Whether a proxy has something to pass on: then somebody may go on yet."""
        return any(passage.busy for passage in self._passages)

    def close(self) -> None:
        for passage in list(self._passages):
            passage.close()


class _Door:
    """A proxy's `interface.Acceptor`."""

    def __init__(self, scene: Scene, role: RoleProgram, proxies: Proxies) -> None:
        self._scene = scene
        self._role = role
        self._proxies = proxies
        self.task = Task(scene, role.name, role.name)

    def accepted(self, channel: Channel) -> None:
        self._proxies.accepted(self._role, channel)

    def failed(self, error: Exception) -> None:
        self._scene.failed(None, error)


class Passage:
    """One connection through a proxy, or one address that sends datagrams to it: two directions."""

    def __init__(self, scene: Scene, role: RoleProgram, number: int, client: Channel, proxies: Proxies) -> None:
        self.scene = scene
        self.role = role
        self.number = number
        self.client = client
        self._proxies = proxies
        self.to_server = Way(self, "to_server")
        self.to_client = Way(self, "to_client")

    def begin(self) -> None:
        self.scene.network.belongs(self.client, self.to_client.task)
        self.scene.loop.start(self.to_server.task, self._connected())

    def _connected(self) -> Life:
        """Connect to the target, then pass on what comes. Raises: StepFailed."""
        assert self.role.to is not None
        own = self.to_server.task
        target = reachable(self.scene.sharing.addresses[self.role.to])
        event = yield Connect(target)
        if isinstance(event, Failed):
            raise refusal(self.role.name, EnvironmentRefused(event.reason))
        server = own.channel
        assert server is not None
        if not server.open:
            self.tell(f"finds nobody at {target} and resets connection {self.number}")
            own.channel = self.client
            if self.scene.tap is not None:
                self.scene.tap.refused(self.role.name, self.number)
            yield Reset(now=True)
            self.close()
            return
        self.scene.linked(self.role.name, server.local, self.client.peer)
        self.to_server.between(self.client, server)
        self.to_client.between(server, self.client)
        self.scene.loop.start(self.to_client.task, self.to_client.life())
        yield from self.to_server.life()

    def reset(self, own: Way, source_too: bool) -> Life:
        """RST to the end that a way leads to, and to the other one as well."""
        other = self.to_client if own is self.to_server else self.to_server
        self.scene.loop.stop(other.task)
        own.sink.cancel()
        own.task.channel = own.sink
        yield Reset()
        if source_too:
            own.task.channel = own.source
            yield Reset(now=True)
        self.close()

    def half_close_both(self) -> None:
        """FIN in both directions; what still comes is read, and lost."""
        for way in (self.to_server, self.to_client):
            way.sink.shutdown(way.task, Shutdown())
            way.stop()

    def refused(self, server: Channel) -> None:
        """A datagram came to nobody."""
        where = f"nobody listens at {server.peer}"
        self._proxies.refused[self.role.name] = where
        if self.scene.tap is not None:
            self.scene.tap.refused(self.role.name, self.number)
        self.tell(f"a datagram is lost: {where}")

    def heard(self) -> None:
        self._proxies.refused.pop(self.role.name, None)

    def tell(self, what: str) -> None:
        self.scene.record(self.role.name, None, what, None)

    def way_ended(self) -> None:
        if self.to_server.over and self.to_client.over:
            self.close()

    @property
    def busy(self) -> bool:
        return self.to_server.busy or self.to_client.busy

    def close(self) -> None:
        self._proxies.forget(self)
        for way in (self.to_server, self.to_client):
            self.scene.loop.stop(way.task)
            if way.task.channel is not None:
                way.task.channel.abandon()
            if way.begun:
                way.sink.abandon()
        self.client.abandon()
        if not self.scene.given_back:
            self.scene.somebody_ended()


class Way:
    """One direction of a passage."""

    source: Channel
    sink: Channel

    def __init__(self, passage: Passage, heading: Heading) -> None:
        role, number = passage.role, passage.number
        faults = role.network.on(heading, number)
        random = Random(f"{faults.seed} {number} {heading}")
        kind = DatagramLink if role.datagram else StreamLink
        self.link = kind(faults, random, passage.tell)
        self.task = Task(passage.scene, role.name, role.name)
        self.begun = False
        self.over = False
        self._passage = passage
        self._heading = heading
        self._stuck = False  # whether there was no room for what has to leave now

    def between(self, source: Channel, sink: Channel) -> None:
        self.source, self.sink, self.begun = source, sink, True

    def life(self) -> Life:
        """Take what comes, and hand on what has to leave, until its end has passed."""
        link, loop, task = self.link, self._passage.scene.loop, self.task
        while True:
            what = link.leave(loop.moment)
            if isinstance(what, bytes):
                yield from self._handed_on(what)
            elif what is not None:
                yield from self._ended(what)
            elif not link.idle and (link.full or link.ended):
                yield Sleep(link.wait(loop.moment))
            elif link.ended and self.source_ended:
                break
            else:
                task.channel = self.source
                if link.idle:
                    self._passage.scene.somebody_ended()
                event = yield Receive(_WHATEVER, link.wait(loop.moment))
                self._take(event)
        self.over = True
        self._passage.way_ended()

    @property
    def source_ended(self) -> bool:
        return not isinstance(self.source, Stream) or self.source.ended is not None

    def _take(self, event: Event) -> None:
        now = self._passage.scene.loop.moment
        if isinstance(event, Match):
            if self._heading == "to_client":
                self._passage.heard()
            self._tapped(event.data)
            self.link.take(event.data, now)
        elif isinstance(event, Ended) and event.refusal:
            self._passage.refused(self.source)
        elif isinstance(event, Ended):
            end: Literal["fin", "reset"] = "fin" if event.kind == "fin" else "reset"
            self._tapped(end)
            self.link.end(end, now)

    def _tapped(self, what: bytes | Literal["fin", "reset"]) -> None:
        passage = self._passage
        if passage.scene.tap is not None:
            passage.scene.tap.passed(passage.role.name, passage.number, self._heading, what)

    def _handed_on(self, data: bytes) -> Life:
        """Send a piece. The other way's task may wait on the same channel, so that this one cannot wait there."""
        sink = self.sink
        if isinstance(sink, Datagrams):
            while sink.put(Send(data)) is PENDING:
                yield Sleep(LOOK)
            sink.nudge()  # a refusal is told at once, and is not the next datagram's
        else:
            assert isinstance(sink, Stream)
            left = memoryview(data)
            while left := left[sink.put(left) :]:
                self._stuck = True
                yield Sleep(LOOK)
            self._stuck = False
        yield BREATH

    def _ended(self, end: End) -> Life:
        passage, heading = self._passage, self._heading.replace("_", " ")
        if end == "fin":
            self.sink.shutdown(self.task, Shutdown())
        elif end == "reset":
            yield from passage.reset(self, source_too=False)
        elif end == "reset_after":
            after = f"{passage.role.network.reset_after} bytes {heading}"
            passage.tell(f"cuts connection {passage.number} with RST after {after}")
            yield from passage.reset(self, source_too=True)
        else:
            after = f"{passage.role.network.close_after} bytes {heading}"
            passage.tell(f"closes connection {passage.number} after {after}")
            passage.half_close_both()

    def stop(self) -> None:
        if isinstance(self.link, StreamLink):
            self.link.stop()

    @property
    def busy(self) -> bool:
        """Whether something is under way here, so that it may get to somebody yet."""
        if self.task.generator is None:
            return False
        if self._stuck:
            sink = self.sink
            return isinstance(sink, Stream) and sink.twin is not None and sink.twin.received == sink.sent
        if not self.begun or not isinstance(self.task.command, Receive):
            return True
        return not self.link.idle or self.source.in_flight() or self.source.unaccepted or self.sink.unaccepted


class _Whatever:
    """A matcher that takes all that is there. It is its own reader, since it has no state."""

    summary = "whatever comes"

    def reader(self) -> _Whatever:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Match | None:
        if not buffer:
            return None
        data = bytes(buffer)
        buffer.clear()
        return Match(data)

    def judge(self, message: bytes) -> Match:
        return Match(message)


_WHATEVER = _Whatever()
