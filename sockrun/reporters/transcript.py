"""An entry of the trace as one line: when, who, what, and which step it was.

`>` stands before what a role sent, `<` before what it took, `!` before what went wrong; the rest is in words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, assert_never

from sockrun.commands import (
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Done,
    Ended,
    Event,
    Fact,
    Failed,
    Finish,
    Kill,
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
from sockrun.diagnostics import visible
from sockrun.hexdump import brief
from sockrun.results import Trace, step_text

NAME_WIDTH = 8  # of a role, where the others' are not known
LINES = 60  # of a transcript; more than that is cut in the middle


def line(entry: Trace, width: int = NAME_WIDTH) -> str:
    """The entry, for example `  0.003 client   > "Hello World\\n"   step 1`."""
    step = f"   {step_text(entry.place, entry.rounds)}" if entry.place else ""
    return f"{entry.seconds:7.3f} {entry.role:<{width}} {visible(describe(entry))}{step}"


def transcript(trace: Sequence[Trace], limit: int = LINES) -> list[str]:
    """All lines of a trace; of one that is long the beginning and the end."""
    width = max((len(entry.role) for entry in trace), default=0)
    if len(trace) <= limit:
        return [line(entry, width) for entry in trace]
    head, tail = trace[: limit // 2], trace[-(limit - limit // 2) :]
    left_out = f"        ... {len(trace) - limit} lines left out ..."
    return [*(line(entry, width) for entry in head), left_out, *(line(entry, width) for entry in tail)]


def describe(entry: Trace) -> str:
    """What was done and what came of it, in a few words."""
    command, event = entry.command, entry.event
    if isinstance(command, str):
        return _WORDS.get(command, command) + _left_behind(event)
    if event is None:
        return _DONE[type(command)](command)
    return _outcome(command, event)


def marked(entry: Trace) -> tuple[str, str]:
    """The same, and before it the mark by itself: `>`, `<`, `!`, or nothing."""
    text = describe(entry)
    return (text[0], text[2:]) if text[:2] in ("> ", "< ", "! ") else ("", text)


_WORDS = {"accept": "accepts a connection", "end": "is at its end"}


def _left_behind(event: Event) -> str:
    unread = event.unread if isinstance(event, Ended | TimedOut) else b""
    return f"; never took {brief(unread)}" if unread else ""


# --- commands that were carried out ------------------------------------------------------------

# What a command is called once it has been carried out.
_DONE: dict[type, Callable[[Any], str]] = {
    Connect: lambda command: f"connects to {command.to}",
    StartTls: lambda _: "shakes hands",
    Send: lambda command: f"> {brief(command.data)}" + (f" to {command.to}" if command.to else ""),
    SendPieces: lambda _: "> a long payload, in pieces",
    Receive: lambda command: f"< {command.matcher.summary}",
    Shutdown: lambda _: "half-closes",
    Close: lambda _: "closes",
    Reset: lambda _: "resets the connection",
    Sleep: lambda command: f"pauses {command.seconds:g} s",
    Tell: lambda command: "tells " + _facts(command.facts),
    Await: lambda command: "has waited for " + _facts(command.facts),
    Barrier: lambda command: f"passes the barrier {command.name!r}",
    Kill: lambda command: f"sends {command.signal} to {command.process}",
    Done: lambda _: "is done",
    Finish: lambda _: _WORDS["end"],
}
_FACTS = {
    "signal": "the signal {name!r}",
    "ended": "the end of {name}",
    "ready": "{name} to be ready",
    "started": "the start of {name}",
    "variable": "{name}",
    "turn": "its turn",
}


def _facts(facts: tuple[Fact, ...]) -> str:
    return " and ".join(_FACTS[fact.kind].format(name=fact.name) for fact in facts)


# --- what came of it ---------------------------------------------------------------------------


def _outcome(command: Command, event: Match | Mismatch | Ended | TimedOut | Failed) -> str:
    wanted = command.expects if isinstance(command, Receive) else ""
    match event:
        case Match():
            return f"< {brief(event.data)}"
        case Mismatch():
            return f"! {brief(event.received)} came: {event.reason}"
        case Ended() if isinstance(command, Connect | Send | SendPieces):
            what = _DONE[type(command)](command).removeprefix("> ")
            return f"{what}: {_ENDS[event.kind]}" if isinstance(command, Connect) else f"! {what} goes nowhere"
        case Ended():
            mark = "<" if event.meets(wanted) and not event.unread else "!"
            return f"{mark} {_ENDS[event.kind]}{_behind(event.unread)}"
        case TimedOut():
            came = brief(event.unread) if event.unread else "nothing"
            return f"{'<' if wanted == 'silence' else '!'} {came} within {event.seconds:g} s"
        case Failed():
            return f"! {event.reason}"
        case _:
            assert_never(event)


_ENDS = {
    "fin": "the peer closes",
    "reset": "the peer resets the connection",
    "refused": "nobody listens (connection refused)",
    "no-path": "nobody listens (no such path)",
    "tls": "TLS has failed",
    "closed-here": "the connection is closed already",
}


def _behind(unread: bytes) -> str:
    return f" behind {brief(unread)}" if unread else ""
