"""Who has sent which bytes at which step, and what each role did last.

Lives here: the way from a byte that a role got, or did not get, back to a step of the other side. Must not live here:
words (`wording.py`).

The one theory: on a stream a byte is known by its number, which both ends count; a datagram by what is in it. Where
the other end is not known (behind a proxy, over a unix path) it is the role that is connected to, or its clients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sockrun.commands import Command, Connect, Event, Match, Send, SendPieces
from sockrun.network.interface import Channel
from sockrun.network.loop import Task
from sockrun.playing.scene import Scene
from sockrun.program import Place, Program, RoleProgram
from sockrun.records import NamedTuple
from sockrun.results import Failure, Rounds


class Sent(NamedTuple):
    """What a step sent: its bytes have the numbers from `start` to `stop` on their connection.

    `data` is None where the step sent it in pieces.
    """

    role: str
    place: Place
    start: int
    stop: int
    data: bytes | None


class Ledger:
    """Listens to a scene; it is read when that is over."""

    def __init__(self, scene: Scene) -> None:
        self._program: Program = scene.program
        self._frames = scene.frames
        self._record = scene.record
        self._tasks: dict[str, Task] = {}
        self._owners: dict[Channel, str] = {}
        self._sent: dict[str, list[Sent]] = defaultdict(list)  # on the present connection of each
        self._taken: dict[str, int] = {}  # of its present connection
        self._last: dict[str, Place] = {}
        self._commands: dict[str, Command | str] = {}
        self.connected: list[str] = []
        self.visited: set[str] = set()  # server roles to which somebody has come
        scene.record, scene.keep = self.record, lambda entry: self.record(*entry[1:])

    def record(self, name: str, place: Place | None, command: Command | str, event: Event, rounds: Rounds = ()) -> None:
        self._record(name, place, command, event, rounds)
        if isinstance(command, Connect) and event is None:
            self._sent.pop(name, None)
            self.connected.append(name)
        if command == "accept" or isinstance(event, Match):
            self.visited.add(name.partition("[")[0])
        task = self._task(name)
        if task is None:
            return
        if task.channel is not None:
            self._owners[task.channel] = name
        if place is None:
            return
        self._last[name] = place
        self._commands[name] = command
        if event is None and isinstance(command, Send | SendPieces):
            self._send(name, place, command, task.channel)

    def _send(self, name: str, place: Place, command: Send | SendPieces, channel: Channel | None) -> None:
        lines = self._sent[name]
        start = lines[-1].stop if lines else 0
        if isinstance(command, Send):
            lines.append(Sent(name, place, start, start + len(command.data), command.data))
        else:
            stop = getattr(channel, "sent", start)
            lines.append(Sent(name, place, start, max(start, stop), None))

    def _count(self, task: Task) -> None:
        """How many bytes steps have taken from its connection."""
        channel = task.channel
        received = getattr(channel, "received", None)
        if channel is not None and received is not None:
            self._taken[task.name] = received - len(channel.unread)

    def close(self) -> None:
        """The scene is over: let it go."""
        for task in self._frames:
            if task.channel is not None:
                self._owners.setdefault(task.channel, task.name)
            self._count(task)

    def _task(self, name: str) -> Task | None:
        if name not in self._tasks:
            self._tasks.update((task.name, task) for task in self._frames if task.name not in self._tasks)
        return self._tasks.get(name)

    # --- reading ---

    def command(self, name: str) -> Command | str | None:
        """What it did last, or was doing when all ended."""
        task = self._task(name)
        return self._commands.get(name) if task is None or task.command is None else task.command

    def last(self, name: str) -> Place | None:
        """The last step that it has done, or begun."""
        return self._last.get(name)

    def role(self, name: str) -> RoleProgram | None:
        return self._program.roles.get(name.partition("[")[0])

    def peer(self, name: str) -> str | None:
        """Who is at the other end of its connection; of several that may be, the one that sent last."""
        task = self._task(name)
        twin = getattr(task.channel, "twin", None) if task is not None else None
        if twin in self._owners:
            return self._owners[twin]
        others = [other for other in self._names() if other.partition("[")[0] in self.peers_of(name)]
        return next((other for other in reversed(others) if self._sent.get(other)), others[-1] if others else None)

    def source(self, failure: Failure, unread: bytes) -> Sent | None:
        """The step whose bytes the failure is about: of a mismatch the first that differs, else the last that came."""
        name = failure.role
        role, peer = self.role(name), self.peer(name)
        looked_at = failure.received or unread
        if role is not None and role.datagram:
            return self._datagram(name, looked_at)
        if role is None or peer is None:
            return None
        lines = self._sent.get(peer, [])
        first = self._first_unread(name, lines, unread)
        if failure.kind in ("mismatch", "unread"):
            inside = unread.find(looked_at)
            start = first + inside if inside >= 0 else _taken_at(lines, looked_at, first)
            return _at(lines, start + (failure.offset or 0))
        return _at(lines, first + len(unread) - 1)

    def _first_unread(self, name: str, lines: list[Sent], unread: bytes) -> int:
        """The number of the first byte that no step took. Under TLS the connection counts other bytes."""
        task = self._task(name)
        secure = task is not None and getattr(task.channel, "tls", None) is not None
        if secure or name not in self._taken:
            return (lines[-1].stop if lines else 0) - len(unread)
        return self._taken[name]

    def _datagram(self, name: str, data: bytes) -> Sent | None:
        """The last one like it, rather from a role that is known to speak to this one."""
        own, roles = name.partition("[")[0], self.peers_of(name)
        alike = [line for lines in self._sent.values() for line in lines if line.data == data and line.role != own]
        known = [line for line in alike if line.role.partition("[")[0] in roles]
        return next(reversed(known or alike), None)

    def _names(self) -> Iterator[str]:
        return iter(dict.fromkeys(task.name for task in self._frames))

    def peers_of(self, name: str) -> frozenset[str]:
        """Those that may be at the other end, proxies left out."""
        roles, role = self._program.roles, self.role(name)
        if role is None:
            return frozenset()
        if role.side == "client" and role.to is not None:
            return frozenset([self._behind(role.to)])
        if role.side == "client":
            return frozenset(one.name for one in roles.values() if one.side == "server")
        clients = [one for one in roles.values() if one.side == "client"]
        return frozenset(one.name for one in clients if one.to is None or self._behind(one.to) == role.name)

    def _behind(self, name: str) -> str:
        """The server behind a proxy."""
        for _ in self._program.roles:
            role = self._program.roles.get(name)
            if role is None or role.side != "proxy" or role.to is None:
                break
            name = role.to
        return name


def _at(lines: list[Sent], number: int) -> Sent | None:
    """The step that sent the byte with that number, or the last one before it."""
    return next((line for line in reversed(lines) if line.start <= number), None)


def _taken_at(lines: list[Sent], message: bytes, before: int) -> int:
    """Where a message began that was taken from the stream before it was judged; without its frame."""
    known = b"".join(line.data if line.data is not None else bytes(line.stop - line.start) for line in lines)
    found = known.rfind(message, 0, before)
    return found if found >= 0 else before
