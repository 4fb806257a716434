"""A conversation as the text of a scenario: both roles, ready to run.

Lives here: what stands around the steps, their order, and several connections. Must not live here: a step (`steps.py`),
and what differs from run to run (`comparing.py`).

The one theory: each role does in order what its side did, and waits for what the other one said. In which order two
connections are opened is written down too, since only by that the server tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil

from sockrun.recording.conversation import Connection, Conversation, Side
from sockrun.recording.scalars import text
from sockrun.recording.steps import Manner, Message, expect, send
from sockrun.recording.turns import Act, Framing, Parting, Turn, framing
from sockrun.records import dataclass, field

PATIENCE = 2.5  # seconds: who has waited so long gets a timeout of its own; the usual one is 5 s
LONG = 10.0  # seconds: a conversation that took so long gets one, too; the usual one is 30 s
Steps = list[list[str]]


@dataclass(frozen=True)
class Line:
    """A connection that is to be written: what happens on it, with a message for each turn."""

    connection: Connection
    acts: Sequence[Act]
    messages: Mapping[int, Message]  # by the number of the turn's act


@dataclass
class Draft:
    """A scenario's text, and the files that lie beside it, by name. `about` are comments at its head."""

    name: str
    about: Sequence[str] = ()
    stem: str | None = None  # how files beside it are called; None: there can be none
    files: dict[str, bytes] = field(default_factory=dict)

    def text(self, conversation: Conversation, lines: Sequence[Line]) -> str:
        """All of it; `files` has then what lies beside it."""
        return "\n".join([*self._head(lines), *self._roles(conversation, lines), ""])

    def keep(self, data: bytes) -> str:
        """The name of a file with these bytes."""
        known = next((name for name, one in self.files.items() if one == data), None)
        name = known or f"{self.stem}-{len(self.files) + 1}.bin"
        self.files[name] = data
        return name

    # --- the head ---

    def _head(self, lines: Sequence[Line]) -> Iterator[str]:
        yield from (f"# {line}".rstrip() for line in self.about)
        yield f"name: {text([self.name.encode()]).line}"
        opened = min(line.connection.opened for line in lines)
        took = max(line.connection.closed for line in lines) - opened
        if took > LONG:
            yield f"timeout: {duration(ceil(2 * took) + 30)}"

    # --- the roles ---

    def _roles(self, conversation: Conversation, lines: Sequence[Line]) -> Iterator[str]:
        form = None if conversation.datagram else framing([line.acts for line in lines])
        manner = Manner(form, conversation.datagram, self.keep if self.stem else None)
        server = [steps(line, "server", manner) for line in lines]
        client = [steps(line, "client", manner) for line in lines]
        equal = all(one == server[0] for one in server) and all(one == client[0] for one in client)
        yield "roles:"
        yield "  server:"
        yield from _indented(_server(conversation, form), 4)
        if len(lines) == 1 or equal:
            yield from (["    connections: " + str(len(lines))] if len(lines) > 1 else [])
            yield from _steps(server[0])
            yield "  client:"
            yield from _client(form)
            yield from ([f"    instances: {len(lines)}"] if len(lines) > 1 else [])
            yield from _steps(client[0])
            return
        yield "    connections:"
        for one in server:
            listed = [row for step in one for row in _item(step)]
            yield from _indented(_item(listed) if listed else ["- []"], 6)
        for number, one in enumerate(client):
            yield f"  client_{number + 1}:"
            yield from _client(form)
            yield from (f"    {line}" for line in _start(lines, number))
            yield from _steps([*_signal(lines, number), *one])


def _server(conversation: Conversation, form: Framing | None) -> list[str]:
    unix = conversation.protocol == "unix"
    return [
        f"protocol: {conversation.protocol}",
        *(["datagram: true"] if unix and conversation.datagram else []),
        "side: server",
        *(['path: "${dir}/server"'] if unix else []),
        *([f"framing: {form}"] if form else []),
    ]


def _client(form: Framing | None) -> list[str]:
    return _indented(["side: client", "to: server", *([f"framing: {form}"] if form else [])], 4)


def _steps(steps: Steps) -> list[str]:
    return ["    steps:", *_indented([row for step in steps for row in _item(step)], 6)] if steps else []


def _item(lines: Sequence[str]) -> list[str]:
    return [f"{'  ' if number else '- '}{line}" for number, line in enumerate(lines)]


def _indented(lines: Sequence[str], by: int) -> list[str]:
    return [f"{' ' * by}{line}" for line in lines]


# --- the order of connections ------------------------------------------------------------------


def _start(lines: Sequence[Line], number: int) -> list[str]:
    """After those clients that had ended when it came, and behind the one that came before it."""
    opened = lines[number].connection.opened
    ended = [one for one in range(number) if lines[one].connection.closed <= opened]
    last = [one for one in ended if not any(_follows(lines, later, one) for later in ended)]
    after = [f"client_{one + 1}" for one in last]
    if number and number - 1 not in ended:
        after.append(_connected(number - 1))
    if not after:
        return []
    names = after[0] if len(after) == 1 else f"[{', '.join(after)}]"
    return [f"start: {{after: {names}}}"]


def _follows(lines: Sequence[Line], later: int, earlier: int) -> bool:
    return lines[earlier].connection.closed <= lines[later].connection.opened


def _signal(lines: Sequence[Line], number: int) -> Steps:
    """Tells that the client is connected, where the next one comes while it still is."""
    if number + 1 == len(lines) or _follows(lines, number + 1, number):
        return []
    return [[f"signal: {_connected(number)}"]]


def _connected(number: int) -> str:
    return f"client_{number + 1}_is_connected"


# --- the steps of a side -----------------------------------------------------------------------


def steps(line: Line, side: Side, manner: Manner) -> Steps:
    """What a side does on a connection, each step in lines of YAML."""
    found: Steps = []
    over = False  # nothing is left to do but to read on, which a role does by itself
    for number, act in enumerate(line.acts):
        if isinstance(act, Turn) and act.side == side:
            found.extend([[f"pause: {_rounded(act.pause)}"]] if act.pause else [])
            found.extend(send(line.messages[number], manner))
        elif isinstance(act, Turn):
            found.extend(expect(line.messages[number], manner, _timeout(act)))
        elif act.side == side:
            found.extend(_ending(act))
            over = over or act.last
        elif not over:
            found.append(_expected_end(act))
    return found


def _ending(act: Parting) -> Steps:
    if act.kind == "reset":
        return [["reset"]]
    return [] if act.last else [["shutdown"]]


def _expected_end(act: Parting) -> list[str]:
    timeout = _timeout(act)
    if act.kind == "reset":
        step = ["expect_close: {reset: allow}"]
    else:
        step = ["expect_close" if timeout is None else "expect_close: true"]
    return [*step, f"timeout: {timeout}"] if timeout else step


def _timeout(act: Act) -> str | None:
    return duration(ceil(2 * act.waited)) if act.waited > PATIENCE else None


def _rounded(seconds: float) -> str:
    return duration(round(seconds, 1 if seconds < 10 else 0))


def duration(seconds: float) -> str:
    return f"{round(1000 * seconds)}ms" if seconds < 1 else f"{seconds:g}s"
