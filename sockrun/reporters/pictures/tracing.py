"""The diagram of a run, from its trace.

The one theory: rows are in the order of the trace. What somebody took is put on the row of who sent it only where that
moves it over nothing else on its own lifeline; else it has a row of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

from sockrun.commands import (
    Address,
    Await,
    Barrier,
    Close,
    Connect,
    Ended,
    Match,
    Mismatch,
    Receive,
    Reset,
    Send,
    SendPieces,
    Shutdown,
    Sleep,
    StartTls,
    Tell,
    TimedOut,
)
from sockrun.hexdump import brief
from sockrun.records import NamedTuple
from sockrun.reporters.pictures.diagram import Diagram, Kind, Lifeline, Row, State, Step, Wait
from sockrun.reporters.pictures.flows import Datagrams, Stream
from sockrun.reporters.pictures.peers import OUTSIDE, End, Peers, base
from sockrun.reporters.transcript import marked
from sockrun.results import Connection, Failure, Party, Result, Trace

WAITING = (Await, Barrier, Receive, Sleep, StartTls)
PAUSE = 0.05  # seconds: a shorter pause is only seen by its bar
SHORT = 0.005  # seconds: a wait that is no longer is shown only where something happened meanwhile
_LEAVING = {Shutdown: "FIN", Close: "close", Reset: "RST"}
_ENDS = {"fin": "FIN", "reset": "RST"}


def of_result(result: Result, lines: int) -> Diagram:
    """What was recorded of it; copies of a role share a lifeline where there would be more than `lines` of them."""
    drawing = _Drawing(result.parties, result.connections, result.trace, lines)
    drawing.draw()
    if result.failure is not None and not result.passed:
        drawing.fail(result)
    return drawing.diagram()


class _Last(NamedTuple):
    """The last thing that somebody did: its row, and when."""

    row: int
    seconds: float


class _Drawing:
    def __init__(
        self, parties: Sequence[Party], connections: Sequence[Connection], trace: Sequence[Trace], lines: int
    ) -> None:
        self._trace = trace
        self._peers = Peers(parties, connections, trace)
        self._lifelines, self._line_of = lifelines(parties, trace, lines)
        numbers = Counter(number for name, number in self._line_of.items() if name != base(name))
        self._shared = {number for number, count in numbers.items() if count > 1}
        self._rows: list[Row] = []
        self._waits: list[Wait] = []
        self._last: dict[str, _Last] = {}
        self._streams: dict[tuple[End, bool], Stream] = {}  # of a conversation; whether from its client
        self._datagrams = Datagrams()
        self._senders: dict[str, str] = {}  # who sent the datagram that somebody took last
        self._connects: dict[End, Row] = {}
        self._stuck_at: dict[str, int] = {}  # rows that say who could not go on
        self._leaving: dict[str, Row] = {}  # who has half-closed or closed, and nobody has seen it

    def diagram(self) -> Diagram:
        for stream in self._streams.values():
            self._lose(stream.left())
        self._lose(self._datagrams.left())
        return Diagram(self._lifelines, self._rows, self._waits)

    def _lose(self, rows: Sequence[Row]) -> None:
        for row in rows:
            row.state = row.state or "lost"

    def draw(self) -> None:
        for entry in self._trace:
            self._draw(entry)

    def _draw(self, entry: Trace) -> None:
        command, event = entry.command, entry.event
        match command:
            case "accept":
                self._accept(entry)
            case "end" if not _left(entry):
                self._end(entry)
            case Connect() if event is None:
                self._connect(entry, command)
            case Connect() if isinstance(event, Ended) and event.refusal:
                row = self._arrow(entry, "control", "connect", marked(entry)[1], self._wanted(entry.role, command.to))
                row.state = "refused"
            case Sleep() if event is None and command.seconds < PAUSE:
                pass
            case Tell() | Await() if event is None and all(fact.kind == "turn" for fact in command.facts):
                pass  # the order of the rows says it
            case Send() | SendPieces() if event is None:
                self._send(entry, command)
            case Receive() if isinstance(event, Match):
                self._take(entry, command, event.data)
            case Receive() if isinstance(event, Ended) and event.meets(command.expects) and event.kind in _ENDS:
                self._take_end(entry, _ENDS[event.kind])
            case Shutdown() | Close() | Reset() if event is None:
                words = _LEAVING[type(command)]
                row = self._arrow(entry, "control", words, marked(entry)[1], self._peers.other(entry.role))
                self._leaving[entry.role] = row
            case _:
                self._event(entry)

    # --- rows ---

    def _line(self, name: str | None) -> int | None:
        """The lifeline of somebody; one who is not in the file gets the last one."""
        if name is None:
            return None
        return self._line_of.get(name, self._line_of.get(base(name)))

    def _outside(self) -> int:
        return outside(self._lifelines, self._line_of)

    def _add(self, row: Row, entry: Trace) -> Row:
        self._rows.append(row)
        self._move(entry, len(self._rows) - 1)
        return row

    def _move(self, entry: Trace, number: int) -> None:
        """Somebody has come to this row: was that a wait?"""
        last, line = self._last.get(entry.role), self._line(entry.role)
        if last is not None and line is not None and line not in self._shared and isinstance(entry.command, WAITING):
            seconds = entry.seconds - last.seconds
            if number > last.row and (number > last.row + 1 or seconds > SHORT):
                self._waits.append(Wait(line, last.row, number, seconds))
        self._last[entry.role] = _Last(number, entry.seconds)

    def _arrow(self, entry: Trace, kind: Kind, words: str, note: str, to: str | None) -> Row:
        """From who did this to somebody else; where nobody knows who that is, to outside."""
        by, target = self._line(entry.role), self._line(to)
        if target is None:
            target = self._outside()
        via = self._line(self._peers.proxy(entry.role)) or self._line(self._peers.proxy(to)) if to else None
        return self._add(Row(kind, _step(entry), by, target, via, words, note), entry)

    def _event(self, entry: Trace) -> Row:
        mark, words = marked(entry)
        state: State = "failed" if mark == "!" else ""
        data = _left(entry)
        row = self._add(Row("event", _step(entry), self._line(entry.role), note=words, data=data, state=state), entry)
        if isinstance(entry.event, Mismatch):
            self._blame(entry, entry.event)
        return row

    def _blame(self, entry: Trace, event: Mismatch) -> None:
        """The send whose bytes differ."""
        stream = self._incoming(entry.role)
        culprit = stream.at(event.offset or 0)
        if self._peers.is_datagram(entry.role):
            culprit = self._datagrams.took(self._names(entry.role), event.received)
        if culprit is not None:
            culprit.state = "failed"
            culprit.taken = culprit.taken or _step(entry)

    def _join(self, row: Row, entry: Trace) -> bool:
        """Put what somebody took on the row of who sent it, unless something of theirs lies between."""
        number = _index(self._rows, row)
        last = self._last.get(entry.role)
        if row.taken is not None or self._line(entry.role) != row.to or (last is not None and last.row >= number):
            return False
        row.taken = _step(entry)
        self._move(entry, number)
        return True

    # --- connections ---

    def _wanted(self, name: str, to: Address) -> str | None:
        return self._peers.listening(to) or self._peers.turned_to(name)

    def _connect(self, entry: Trace, command: Connect) -> None:
        self._peers.meet(entry.role)
        end = self._peers.end(entry.role)
        known = self._connects.pop(end, None)
        if self._peers.is_datagram(entry.role):
            self._event(entry)
        elif known is not None and entry.role not in self._last:
            known.step = _step(entry)
            self._move(entry, _index(self._rows, known))
        elif known is None:
            row = self._arrow(entry, "control", "connect", f"to {command.to}", self._peers.other(entry.role))
            self._connects[end] = row
        else:
            self._event(entry)

    def _accept(self, entry: Trace) -> None:
        if self._peers.is_proxy(entry.role):
            return  # who came there is shown on the way to the server
        end = self._peers.conversation(entry.role)
        known = self._connects.get(end)
        if known is not None:
            if not self._join(known, entry):
                self._event(entry)
            return
        other = self._peers.other(entry.role)
        by = self._line(other)
        by = self._outside() if by is None else by
        step = Step(entry.seconds, other or OUTSIDE, None)
        row = Row("control", step, by, self._line(entry.role), words="connect", taken=_step(entry))
        self._connects[end] = self._add(row, entry)

    def _end(self, entry: Trace) -> None:
        line = self._line(entry.role)
        last = self._rows[-1] if self._rows else None
        if line is None or line in self._shared:
            return  # of those who share a lifeline some go on
        if last is not None and last.kind == "end":
            last.also = (*last.also, line)
        else:
            self._rows.append(Row("end", _step(entry), line, note="is at its end"))
        self._last[entry.role] = _Last(len(self._rows) - 1, entry.seconds)

    def _take_end(self, entry: Trace, words: str) -> None:
        """The peer has closed or reset: where it said so itself, that is the row."""
        other = self._peers.other(entry.role)
        row = self._leaving.pop(other or "", None)
        if row is not None and self._join(row, entry):
            return
        by = self._line(other)
        by = self._outside() if by is None else by
        step = Step(entry.seconds, other or OUTSIDE, None)
        self._add(Row("control", step, by, self._line(entry.role), words=words, taken=_step(entry)), entry)

    # --- bytes ---

    def _send(self, entry: Trace, command: Send | SendPieces) -> None:
        data = command.data if isinstance(command, Send) else None
        words = "a long payload, in pieces" if data is None else brief(data)
        to = self._addressee(entry.role, command)
        row = self._arrow(entry, "bytes", words, "", to)
        row.data = data
        if to is None or not self._speaks(to):
            row.taken = Step(entry.seconds, to or OUTSIDE, None)  # what an outsider does is not known
        elif self._peers.is_datagram(entry.role):
            self._datagrams.sent(to, row, data or b"")
        else:
            self._outgoing(entry.role).sent(row, data)

    def _addressee(self, name: str, command: Send | SendPieces) -> str | None:
        if not self._peers.is_datagram(name):
            return self._peers.other(name)
        if isinstance(command, Send) and command.to is not None:
            return self._peers.at(command.to, name)
        return self._senders.get(name) or self._peers.destination(name)

    def _speaks(self, name: str) -> bool:
        """Whether it has steps of its own, so that it is known what it takes."""
        return self._peers.plays(name)

    def _take(self, entry: Trace, command: Receive, data: bytes) -> None:
        if self._peers.is_datagram(entry.role):
            row = self._datagrams.took(self._names(entry.role), data)
            if row is not None:
                self._senders[entry.role] = row.step.who
            rows, whole = ([row], True) if row is not None else ([], False)
        else:
            rows, whole = self._incoming(entry.role).took(command, data)
        if whole and self._join(rows[0], entry):
            return
        if rows:
            self._own_row(entry, data, rows)
        else:
            self._from_outside(entry, data)

    def _own_row(self, entry: Trace, data: bytes, rows: Sequence[Row]) -> None:
        for row in rows:
            row.taken = row.taken or _step(entry)
        row = Row("event", _step(entry), self._line(entry.role), note=f"takes {brief(data)}", data=data)
        self._add(row, entry)

    def _from_outside(self, entry: Trace, data: bytes) -> None:
        other = self._peers.other(entry.role)
        by = self._line(other)
        by = self._outside() if by is None or (other is not None and self._speaks(other)) else by
        step = Step(entry.seconds, other or OUTSIDE, None)
        row = Row("bytes", step, by, self._line(entry.role), words=brief(data), data=data, taken=_step(entry))
        self._add(row, entry)

    def _names(self, name: str) -> tuple[str, ...]:
        return (name,) if name == base(name) else (name, base(name))

    def _outgoing(self, name: str) -> Stream:
        return self._streams.setdefault((self._peers.conversation(name), self._peers.is_client(name)), Stream())

    def _incoming(self, name: str) -> Stream:
        return self._streams.setdefault((self._peers.conversation(name), not self._peers.is_client(name)), Stream())

    # --- how it ended ---

    def fail(self, result: Result) -> None:
        """What went wrong where no row says so: who waited for what, or what nobody did."""
        failure = result.failure
        assert failure is not None
        shown = any(row.state == "failed" and row.kind == "event" for row in self._rows[-len(self._lifelines) - 1 :])
        stuck = [who for who in result.waiting if who.doing != "has ended"]
        if failure.kind in ("deadlock", "timeout") and not shown and stuck:
            for who in stuck:
                self._stuck(Step(result.seconds, who.role, who.place, who.rounds), who.doing)
        elif not shown:
            step = Step(result.seconds, failure.role, failure.place, failure.rounds)
            self._stuck(step, failure.message, failure)
        for who in stuck:
            self._still_waits(who.role, result.seconds, failed=who.role == failure.role or failure.kind == "deadlock")

    def _still_waits(self, name: str, seconds: float, failed: bool) -> None:
        """A bar to the end, for one who has not ended; the one that failed has its own."""
        line, last, end = self._line(name), self._last.get(name), self._stuck_at.get(name, len(self._rows) - 1)
        if line is None or last is None or line in self._shared or last.row >= end:
            return
        if not any(wait.line == line and wait.last > last.row for wait in self._waits):
            self._waits.append(Wait(line, last.row, end, seconds - last.seconds, failed))

    def _stuck(self, step: Step, note: str, failure: Failure | None = None) -> None:
        data = None if failure is None else failure.received
        self._rows.append(Row("event", step, self._line(step.who), note=note, data=data, state="failed"))
        self._stuck_at[step.who] = len(self._rows) - 1


def _step(entry: Trace) -> Step:
    return Step(entry.seconds, entry.role, entry.place, entry.rounds)


def _left(entry: Trace) -> bytes | None:
    """The bytes that an entry is about where nobody took them."""
    event = entry.event
    if isinstance(event, Mismatch):
        return event.received
    return event.unread or None if isinstance(event, Ended | TimedOut) else None


def _index(rows: Sequence[Row], row: Row) -> int:
    return next(number for number in range(len(rows) - 1, -1, -1) if rows[number] is row)


def outside(lines: list[Lifeline], numbers: dict[str, int]) -> int:
    """The lifeline of those who are not in the file; it is made when it is needed."""
    if OUTSIDE not in numbers:
        numbers[OUTSIDE] = len(lines)
        lines.append(Lifeline(OUTSIDE, "none of the roles"))
    return numbers[OUTSIDE]


def lifelines(parties: Sequence[Party], trace: Sequence[Trace], lines: int) -> tuple[list[Lifeline], dict[str, int]]:
    """Those who take part in the file's order, clients on the left of all, and the number of each by name."""
    names = dict.fromkeys(entry.role for entry in trace)
    copies: dict[str, list[str]] = {party.name: [] for party in parties}
    for name in names:
        if name != base(name) and base(name) in copies:
            copies[base(name)].append(name)
    crowded = sum(max(1, len(one)) for one in copies.values()) > lines
    found: list[Lifeline] = []
    numbers: dict[str, int] = {}
    for party in sorted(parties, key=partial(_left_to_right, {party.side for party in parties})):
        own = sorted(copies[party.name], key=lambda name: int(name.partition("[")[2].rstrip("]")))
        if crowded or not own:
            shown = f"{party.name} x {len(own)}" if len(own) > 1 else party.name
            numbers.update(dict.fromkeys([party.name, *own], len(found)))
            found.append(Lifeline(shown, party.kind))
            continue
        for name in own:
            numbers[name] = len(found)
            found.append(Lifeline(name, party.kind))
        numbers[party.name] = numbers[own[0]]
    return found, numbers


def _left_to_right(sides: set[str], party: Party) -> int:
    """A program under test stands where the roles are not: as a client, between both, or as a server."""
    if party.side in ("process", "outside") and "client" not in sides:
        return 0
    between = party.side == "process" and "server" in sides
    return {"client": 1, "proxy": 2, "server": 3}.get(party.side, 2 if between else 4)
