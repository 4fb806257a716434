"""Who waits for what: the words for reports, and the verdict that nobody can go on.

A deadlock is told at once, and only when it is certain: nobody outside takes part, every role that has not
ended waits, no timer is pending whose end lets one go on, and nothing that was sent is still on its way.
Both networks use this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from sockrun.commands import (
    Await,
    Barrier,
    Close,
    Command,
    Connect,
    Fact,
    Receive,
    Reset,
    Send,
    SendPieces,
    Sleep,
    StartTls,
)
from sockrun.network.loop import Task
from sockrun.program import RoleProgram
from sockrun.records import replace
from sockrun.results import Failure, Waiting

if TYPE_CHECKING:
    from sockrun.playing.cast import Cast
    from sockrun.playing.outcome import Verdict
    from sockrun.playing.scene import Scene

ENDED = "has ended"


def deadlock(scene: Scene) -> Failure | None:
    """The failure, when nobody can go on; None when somebody may."""
    if scene.outsiders or _under_way(scene):
        return None
    stuck = [who for who in waiting(scene) if who.doing != ENDED]
    if not stuck:
        return None
    first = next((who for who in stuck if who.place is not None), stuck[0])
    message = "; ".join(f"{who.role} {who.doing}" for who in stuck)
    return Failure("deadlock", first.role, first.place, f"nobody can go on: {message}", rounds=first.rounds)


def _under_way(scene: Scene) -> bool:
    """Whether a connection waits to be accepted, or a role may take its next step."""
    if scene.network.under_way():
        return True
    if any(task.channel is not None and task.channel.unaccepted for task in scene.frames):
        return True
    return any(may_go_on(task) for task in scene.frames if not task.done)


def may_go_on(task: Task) -> bool:
    """Whether something is under way that lets the task take its next step."""
    match task.command:
        case Await() | Barrier():
            return False
        case Receive(expects="silence") | Receive(optional=True):
            return True
        case Receive() | Send() | SendPieces() | StartTls() | Close():
            return task.channel is not None and task.channel.in_flight()
        case _:
            return True  # a timer, an attempt to connect, or not begun


def waiting(scene: Scene) -> Iterator[Waiting]:
    """What each role is doing, in the file's order."""
    for cast in scene.casts.values():
        for task in cast.tasks:
            frame = scene.frames[task]
            doing = ENDED if task.done else _doing(scene, cast, task.command)
            yield Waiting(task.name, doing, frame.place, frame.rounds)
        if cast.wanted is not None and cast.program.side == "server" and cast.begun < cast.wanted:
            yield Waiting(cast.program.name, _no_connection(scene, cast), None, role_span=cast.program.span)
    if scene.company is not None:
        yield from scene.company.waiting()


def with_surroundings(verdict: Verdict, scene: Scene) -> Verdict:
    """The verdict, with what all were doing when it was reached, and what had come or been written by then."""
    output = () if scene.company is None else tuple(scene.company.output())
    verdict = _with_refusals(verdict, scene.proxies.refused if scene.proxies is not None else {})
    return replace(verdict, waiting=tuple(waiting(scene)), unread=tuple(unread(scene)), output=output)


def _with_refusals(verdict: Verdict, refused: Mapping[str, str]) -> Verdict:
    """Whoever waits in vain behind a proxy of datagrams was not told that nobody is there: it is told now."""
    failure = verdict.failure
    if failure is None or failure.kind not in ("deadlock", "timeout") or not refused:
        return verdict
    reason = "; ".join([verdict.reason, *(f"behind {proxy} {where}" for proxy, where in refused.items())])
    return replace(verdict, reason=reason, failure=replace(failure, message=reason))


def out_of_time(scene: Scene) -> Failure:
    """The scenario's time has passed, and what stands still is told."""
    stuck = [who for who in waiting(scene) if who.doing != ENDED]
    rest = "the code that it is played beside has not ended" if scene.attended else "its connections did not end"
    what = _standing_still(stuck, scene.outsiders) or rest
    message = f"the scenario's timeout of {scene.program.timeout:g} s has passed: {what}"
    if not stuck:
        return Failure("timeout", "", None, message)
    return Failure("timeout", stuck[0].role, stuck[0].place, message, rounds=stuck[0].rounds)


def _standing_still(stuck: Sequence[Waiting], outside: bool) -> str:
    """What those who have not ended do, in a sentence; with somebody outside nobody knows whether it will end."""
    if outside and stuck and all(who.doing.startswith("waits ") for who in stuck):
        return "quiet, " + "; ".join(f"waiting {who.doing.removeprefix('waits ')} ({who.role})" for who in stuck)
    return "; ".join(f"{who.role} {who.doing}" for who in stuck)


def unread(scene: Scene) -> Iterator[tuple[str, bytes]]:
    """What has come for each role, and no step took."""
    for cast in scene.casts.values():
        for task in cast.tasks:
            data = task.channel.unread if task.channel is not None else b""
            if data:
                yield task.name, data


def _doing(scene: Scene, cast: Cast, command: Command | None) -> str:
    peer = _peer(scene, cast)
    match command:
        case Receive(expects="bytes"):
            return f"waits for {command.matcher.summary} from {peer}"
        case Receive(expects="silence"):
            return f"listens for silence from {peer}"
        case Receive():
            return {
                "fin": f"waits for {peer} to close",
                "reset": f"waits for {peer} to reset the connection",
                "refused": f"waits to be refused by {peer}",
                "tls": f"waits for TLS with {peer} to fail",
            }[command.expects]
        case StartTls():
            return f"waits for {peer} in the TLS handshake"
        case Send() | SendPieces():
            return f"waits for room to send to {peer}, who does not read"
        case Close():
            return f"waits for room to say close_notify to {peer}, who does not read"
        case Await():
            return waits_for(scene.sharing.missing(command.facts) or command.facts)
        case Barrier():
            there, all_ = len(scene.sharing.at_barrier(command.name)), scene.sharing.participants(command.name)
            return f"waits at the barrier {command.name!r} ({there} of {all_} are there)"
        case Sleep():
            return "pauses"
        case Connect():
            return f"connects to {command.to}"
        case Reset():
            return "waits until what it sent has left"
        case _:
            return "is about to go on"


def waits_for(facts: Sequence[Fact]) -> str:
    return "waits for " + " and ".join(_fact(fact) for fact in facts)


def _fact(fact: Fact) -> str:
    return {
        "signal": f"the signal {fact.name!r}",
        "ended": f"{fact.name} to end",
        "ready": f"{fact.name} to be ready",
        "started": f"{fact.name} to start",
        "variable": f"the variable {fact.name}",
        "turn": "its turn in the scenario's steps",
    }.get(fact.kind, fact.name)


def _peer(scene: Scene, cast: Cast) -> str:
    """The other side's name: the server a client is connected to, or the clients of a server."""
    roles = scene.program.roles
    if cast.program.side != "server":
        return _behind_proxies(cast.program.to, roles) or "its peer"
    own = cast.program.name
    clients = [name for name, role in roles.items() if role.side == "client" and _behind_proxies(role.to, roles) == own]
    return " or ".join(clients[:3]) or "its peer"


def _behind_proxies(name: str | None, roles: Mapping[str, RoleProgram]) -> str | None:
    """The server that a client of `name` speaks to in the end."""
    while name is not None and name in roles and roles[name].side == "proxy":
        name = roles[name].to
    return name


def _no_connection(scene: Scene, cast: Cast) -> str:
    doing = "waits for a connection" + ("" if scene.outsiders or _under_way(scene) else " that nobody makes")
    return f"{doing} ({cast.begun} of {cast.wanted} came)" if cast.begun else doing
