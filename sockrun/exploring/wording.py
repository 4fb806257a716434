"""Decisions in words: what happened in a run that does not happen in the plain one.

Must not live here: what is printed besides (`telling.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from sockrun.commands import Send
from sockrun.exploring.decisions import (
    Apart,
    Befalls,
    Cut,
    Decision,
    Ends,
    Joined,
    Slow,
    Slowest,
    Stall,
    Streams,
    Turn,
)
from sockrun.exploring.searching import Finding
from sockrun.exploring.steering import DOOR
from sockrun.exploring.trials import Stream, Trial
from sockrun.program import Program
from sockrun.results import Trace, step_text

BEFALLS = {"lost": "is lost", "doubled": "comes twice", "late": "comes late"}
ENDINGS = {
    "half-close": "is half-closed",
    "fin": "is closed, both ways,",
    "reset": "is reset",
    "silence": "falls silent",
}


def cause(finding: Finding, program: Program, pace: float) -> list[str]:
    """A line for each decision."""
    return [_words(one, finding, program, pace) for one in finding.decisions]


def _words(decision: Decision, finding: Finding, program: Program, pace: float) -> str:
    plain, later = finding.plain, duration(pace)
    match decision:
        case Cut(stream, offset):
            return f"{_way(plain, stream)} is cut after byte {offset:,} of {_size(plain, stream):,}"
        case Apart(which):
            return f"{_way(plain, which)} arrives byte by byte"
        case Joined(which):
            return f"{_way(plain, which)} arrives together, as far as nobody waits in between"
        case Stall(stream, 0):
            return f"{_way(plain, stream)} arrives {later} later"
        case Stall(stream, offset):
            return (
                f"{_way(plain, stream)} arrives {later} later from byte {offset + 1:,} of {_size(plain, stream):,} on"
            )
        case Turn(choice, _):
            return _turn(finding.trial, choice)
        case Slow(turn):
            return _slow(plain, turn, later)
        case Befalls(datagram, what):
            return f"{_datagram(finding.trial, program, datagram)} {BEFALLS[what]}"
        case Slowest():
            longest = program.network.latency + program.network.jitter
            return f"everything takes {duration(longest)}, which is the latency with all of the jitter"
        case Ends(stream, offset, how):
            where = f"after byte {offset:,} of {_size(plain, stream):,}" if offset else "before its first byte"
            return f"{_way(plain, stream)} {ENDINGS[how]} {where}"


def duration(seconds: float) -> str:
    return f"{seconds * 1000:g} ms" if seconds < 1 else f"{seconds:g} s"


# --- streams -----------------------------------------------------------------------------------


def _way(plain: Trial, number: Streams) -> str:
    """'client -> server', and which connection, where there are several between the two."""
    if number is None:
        return "every stream"
    stream = _stream(plain, number)
    if stream is None:
        return f"stream {number}"
    same = [one.number for one in plain.streams if (one.sender, one.receiver) == (stream.sender, stream.receiver)]
    which = f" (connection {same.index(number) + 1} of {len(same)})" if len(same) > 1 else ""
    return f"{stream.sender} -> {stream.receiver}{which}"


def _stream(plain: Trial, number: int) -> Stream | None:
    return next((one for one in plain.streams if one.number == number), None)


def _size(plain: Trial, number: int) -> int:
    stream = _stream(plain, number)
    return 0 if stream is None else stream.size


# --- who goes on -------------------------------------------------------------------------------


def _turn(trial: Trial, choice: int) -> str:
    if choice not in trial.steered.taken:
        return f"choice {choice} does not come up"
    index, who, before = trial.steered.taken[choice]
    if not index:
        return f"{_who(who)} goes on first, and alone"
    return f"{_who(who)} goes on before {' and '.join(map(_who, before))}"


def _who(name: str) -> str:
    return "whoever connects next" if name.startswith(DOOR) else name


def _slow(plain: Trial, turn: int, later: str) -> str:
    turns = plain.steered.turns
    if turn >= len(turns):
        return f"turn {turn} does not come up"
    who, times = turns[turn], Counter(turns[:turn])[turns[turn]]
    return (
        f"{who} begins {later} later"
        if not times
        else f"{who} goes on {later} later, when it may for the {_nth(times)}"
    )


def _nth(times: int) -> str:
    return {1: "second time", 2: "third time"}.get(times, f"{times + 1}th time")


# --- datagrams ---------------------------------------------------------------------------------


def _datagram(trial: Trial, program: Program, number: int) -> str:
    """Who has sent it, and in which step; behind a proxy only its number is known."""
    sent = list(_sent(trial.trace, program))
    if number >= len(sent) or any(role.side == "proxy" and role.datagram for role in program.roles.values()):
        return f"datagram {number}"
    entry = sent[number]
    assert isinstance(entry.command, Send)
    step = f" ({step_text(entry.place, entry.rounds)})" if entry.place else ""
    alike = [one for one in sent if one.place is entry.place and one.role == entry.role and one.rounds == entry.rounds]
    which = f", number {alike.index(entry) + 1} of {len(alike)}," if len(alike) > 1 else ""
    return f"{trial.shown(entry.command.data)} of {entry.role}{step}{which}"


def _sent(trace: Sequence[Trace], program: Program) -> Iterator[Trace]:
    for entry in trace:
        role = program.roles.get(entry.role.partition("[")[0])
        if role is not None and role.protocol == "udp" and isinstance(entry.command, Send) and entry.event is None:
            yield entry
