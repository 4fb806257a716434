"""A failed result as something that is wrong with the file: what one side wants, what the other does, both places.

Lives here: every sentence of `validate` about roles that do not fit each other. Must not live here: who sent what
(`ledger.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from sockrun.commands import Receive
from sockrun.diagnostics import Diagnostic, Invalid
from sockrun.hexdump import brief, size_text
from sockrun.network.draining import KEPT_UNREAD
from sockrun.pairing.ledger import Ledger, Sent
from sockrun.playing.quiet import ENDED
from sockrun.program import Program, RoleProgram
from sockrun.records import dataclass
from sockrun.results import Failure, Result, Waiting
from sockrun.source import Span
from sockrun.values import Value

Related: TypeAlias = tuple[Span, str]
SHOWN = 3  # values of a check, and roles that wait


@dataclass(frozen=True)
class Words:
    message: str
    span: Span
    related: tuple[Related, ...] = ()
    hint: str | None = None


@dataclass(frozen=True)
class Case:
    """A failure with all that is known of it."""

    program: Program
    result: Result
    failure: Failure
    ledger: Ledger

    @property
    def role(self) -> str:
        return self.failure.role

    @property
    def peer(self) -> str:
        return self.ledger.peer(self.role) or "the other side"

    @property
    def span(self) -> Span:
        return self.failure.span or self.program.span

    @property
    def rounds(self) -> str:
        told = ", ".join(f"round {number + 1:,} of {times:,}" for number, times in self.failure.rounds)
        return f" in {told}" if told else ""

    def unread(self, role: str) -> bytes:
        return dict(self.result.unread).get(role, b"")

    def source(self) -> Sent | None:
        return self.ledger.source(self.failure, self.unread(self.role))


def told(program: Program, result: Result, ledger: Ledger) -> Diagnostic:
    """What is wrong with the file of a scenario that failed."""
    if result.failure is None:
        return _without_failure(program, result)
    case = Case(program, result, result.failure, ledger)
    words = WORDS.get(case.failure.kind, _other)(case)
    if isinstance(program.expect_failure, str):
        return _failed_otherwise(program, words)
    return Diagnostic(
        f"pair-{case.failure.kind}",
        words.message,
        words.span,
        words.hint,
        "error",
        _elsewhere(words.span, words.related),
    )


def _elsewhere(span: Span, related: Iterable[Related]) -> tuple[Related, ...]:
    """Each other place once, with the first that is said of it."""
    found: dict[Span, str] = {}
    for place, what in related:
        if place != span:
            found.setdefault(place, what)
    return tuple(found.items())


# --- where nothing failed, or the wrong thing -----------------------------------------------------


def _without_failure(program: Program, result: Result) -> Diagnostic:
    if program.expect_failure is False:
        return Diagnostic("pair-step", result.reason, program.span)
    wanted = "" if program.expect_failure is True else f" with {program.expect_failure!r}"
    message = f"it is expected to fail{wanted}, and passes: its roles fit each other"
    return Diagnostic("pair-passed", message, _place_of_expect_failure(program))


def _failed_otherwise(program: Program, words: Words) -> Diagnostic:
    message = f"it is expected to fail with {program.expect_failure!r}, and fails otherwise: {words.message}"
    span = _place_of_expect_failure(program)
    related = _elsewhere(span, ((words.span, "it fails here"), *words.related))
    return Diagnostic("pair-passed", message, span, None, "error", related)


def _place_of_expect_failure(program: Program) -> Span:
    """A program does not keep it: that of a good file is never asked for."""
    from sockrun.reading import document

    try:
        root = document.read(program.source)
    except Invalid:
        return program.span
    node = root.get("expect_failure")
    return program.span if node is None else node.span


# --- bytes ------------------------------------------------------------------------------------------


def _mismatch(case: Case) -> Words:
    source, failure = case.source(), case.failure
    received = brief(failure.received) if failure.received else "an empty message"
    peer = source.role if source is not None else case.peer
    wants = _wants(case)
    if _expects_bytes(case):
        message = f"{case.role} {wants}, and {peer} sends {received}{case.rounds}: {failure.message}"
    else:
        message = f"{case.role} {wants}, and {peer} sends {received}{case.rounds}"
    return Words(message, case.span, tuple(_sent_here(case, source)))


def _unread(case: Case) -> Words:
    source = case.source()
    data = case.failure.received or b""
    size = ("at least " if len(data) >= KEPT_UNREAD else "") + size_text(len(data))
    role = case.ledger.role(case.role)
    if role is not None and role.datagram:
        message = f"this datagram of {size} is never read by {case.role}"
    else:
        message = f"{case.role} never reads {size} of what {case.peer} sends"
    message += f": {brief(data)}" if data else ""
    last = case.ledger.last(case.role)
    here = case.failure.role_span or case.program.span if last is None else last.span
    related = (here, f"{case.role} does this last")
    if source is None:
        return Words(message, here, (*_doing(case, case.peer),))
    return Words(message, source.place.span, (related,), _hint_unread(role))


def _hint_unread(role: RoleProgram | None) -> str | None:
    return None if role is None else f"expect it, or say `unread: allow` in {role.name}"


def _ended(case: Case) -> Words:
    source = case.source()
    how = {"closed": "closes", "reset": "resets the connection", "tls": "ends TLS"}[case.failure.kind]
    unread = case.unread(case.role) or case.failure.received or b""
    if not _expects_bytes(case):
        before = f" behind {_amount(unread)} that no step takes" if unread else ""
        message = f"{case.role} {_wants(case)}, and {case.peer} {how}{before}{case.rounds}"
        return Words(message, case.span, (*_sent_here(case, source if unread else None), *_doing(case, case.peer)))
    if unread:
        message = f"{case.role} {_wants(case)}, and {case.peer} sends {_amount(unread)} and {how}{case.rounds}"
        return Words(message, case.span, (*_sent_here(case, source), *_doing(case, case.peer)))
    message = f"{case.role} {_wants(case)}, and {case.peer} {how} without sending it{case.rounds}"
    return Words(message, case.span, tuple(_doing(case, case.peer)))


def _amount(data: bytes) -> str:
    return f"{size_text(len(data))} ({brief(data)})" if data else "nothing"


# --- nobody goes on ---------------------------------------------------------------------------------


def _deadlock(case: Case) -> Words:
    stuck = [who for who in case.result.waiting if who.doing != ENDED]
    short = next((who for who in stuck if case.unread(who.role)), None)
    if short is not None:
        return _too_little(case, short, stuck)
    first = next((who for who in stuck if who.place is not None), stuck[0])
    others = [who for who in stuck if who is not first]
    related = [(who.span, _does(who)) for who in others if who.span is not None]
    all_of_them = "; ".join(map(_does, stuck[:SHOWN])) + ("; ..." if len(stuck) > SHOWN else "")
    span = first.span or case.span
    if len(stuck) == 2 and all(_waits_for_the_other(case, who, stuck) for who in stuck):
        return Words(f"both wait for the other: {all_of_them}", span, tuple(related))
    if len(stuck) == 1:
        peer = case.ledger.peer(first.role)
        related += list(_doing(case, peer)) if peer is not None else []
        missing = ", which does not come" if isinstance(case.ledger.command(first.role), Receive) else ""
        return Words(_does(first) + missing, span, tuple(related))
    return Words(f"nobody can go on: {all_of_them}", span, tuple(related))


def _too_little(case: Case, short: Waiting, stuck: list[Waiting]) -> Words:
    """Somebody has got a part of what they wait for; the others may be in the same case."""
    peer = case.ledger.peer(short.role) or "the other side"
    message = f"{_role_wants(case, short.role)}, and {peer} sends {_amount(case.unread(short.role))}"
    related = [*_came_here(case, short)]
    for who in stuck:
        if who is not short and who.span is not None:
            data = case.unread(who.role)
            related.append((who.span, _does(who) + (f", and has {_amount(data)}" if data else "")))
            related += _came_here(case, who) if data else ()
    if not any(who.role == peer for who in stuck):
        related += _doing(case, peer)
    return Words(message, short.span or case.span, tuple(related))


def _came_here(case: Case, who: Waiting) -> Iterator[Related]:
    """The step that sent the last of what a role has and does not take."""
    data = case.unread(who.role)
    failure = Failure("closed", who.role, who.place, "", received=data)
    return _sent_here(case, case.ledger.source(failure, data))


def _waits_for_the_other(case: Case, who: Waiting, stuck: list[Waiting]) -> bool:
    other = next(one for one in stuck if one is not who)
    return case.ledger.peer(who.role) == other.role and isinstance(case.ledger.command(who.role), Receive)


def _does(who: Waiting) -> str:
    return f"{who.role} {who.doing}"


def _timeout(case: Case) -> Words:
    if not case.role:
        return _other(case)
    peers = [who for who in case.result.waiting if who.role != case.role and who.span is not None]
    related = [(who.span, _does(who)) for who in peers if who.doing != ENDED][:SHOWN]
    sent = _sent_here(case, case.source()) if case.failure.received else ()
    more = related or list(_doing(case, case.peer))
    message = f"{case.role}: {case.failure.message}{case.rounds}"
    return Words(message, case.span, (*sent, *more))  # type: ignore[arg-type]


# --- connections ------------------------------------------------------------------------------------


def _refused(case: Case) -> Words:
    role = case.ledger.role(case.role)
    target = None if role is None or role.to is None else case.program.roles.get(role.to)
    who = "nobody" if target is None else target.name
    how = "listens there" if target is None else "does not listen"
    related = () if target is None else ((target.span, f"{target.name} is played here"),)
    return Words(f"{case.role} connects, and {who} {how}", case.span, related)


def _connection(case: Case) -> Words:
    role = case.ledger.role(case.role)
    wanted = None if role is None else role.connections
    who = "sender" if role is not None and role.datagram else "connection"
    clients = [name for name in case.ledger.connected if case.role in case.ledger.peers_of(name)]
    related: list[Related] = []
    if clients:
        one = case.ledger.role(clients[-1])
        place = case.ledger.last(clients[-1])
        if one is not None:
            related = [(one.span if place is None else place.span, f"{clients[-1]} is one of those who come")]
    if not wanted:
        return Words(f"nobody may come to {case.role}, and somebody does", case.span, tuple(related))
    message = f"one {who} more comes to {case.role} than the {wanted:,} that it serves"
    hint = f"say `connections: {wanted + 1}` or `any`"
    return Words(message, case.span, tuple(related), hint)


# --- the rest ---------------------------------------------------------------------------------------


def _check(case: Case) -> Words:
    values = ", ".join(f"{name} is {_shown(value)}" for name, value in case.failure.values[:SHOWN])
    message = f"{case.role}: {case.failure.message}{case.rounds}" + (f" ({values})" if values else "")
    failure = Failure("closed", case.role, case.failure.place, "")
    source = case.ledger.source(failure, b"")
    return Words(message, case.span, tuple(_sent_here(case, source)))


def _shown(value: Value) -> str:
    return brief(value) if isinstance(value, bytes) else str(value)


def _other(case: Case) -> Words:
    who = f"{case.role}: " if case.role else ""
    sent = _sent_here(case, case.source()) if case.failure.kind == "tls" else ()
    return Words(f"{who}{case.failure.message}{case.rounds}", case.span, (*sent, *_doing(case, case.peer)))


WORDS: dict[str, Callable[[Case], Words]] = {
    "mismatch": _mismatch,
    "unread": _unread,
    "closed": _ended,
    "reset": _ended,
    "deadlock": _deadlock,
    "timeout": _timeout,
    "refused": _refused,
    "connection": _connection,
    "check": _check,
}


def _expects_bytes(case: Case) -> bool:
    command = case.ledger.command(case.role)
    return not isinstance(command, Receive) or command.expects == "bytes"


def _wants(case: Case) -> str:
    return _role_wants(case, case.role).removeprefix(f"{case.role} ")


def _role_wants(case: Case, role: str) -> str:
    """'client waits for 8 bytes'."""
    command = case.ledger.command(role)
    if not isinstance(command, Receive):
        return f"{role} waits"
    wants = {
        "bytes": f"waits for {command.matcher.summary}",
        "fin": "waits for a close",
        "reset": "waits for a reset",
        "refused": "waits to be refused",
        "tls": "waits for TLS to fail",
        "silence": "listens for silence",
    }
    return f"{role} {wants[command.expects]}"


def _sent_here(case: Case, source: Sent | None) -> Iterator[Related]:
    if source is not None:
        what = "bytes in pieces" if source.data is None else size_text(len(source.data))
        yield source.place.span, f"{source.role} sends {what} here"


def _doing(case: Case, name: str) -> Iterator[Related]:
    """Where a role was when all ended: at a step, or behind its last one."""
    who = next((one for one in case.result.waiting if one.role == name), None)
    last = case.ledger.last(name)
    if who is not None and who.place is not None and who.doing != ENDED:
        yield who.place.span, _does(who)
    elif last is not None:
        yield last.span, f"{name} does this last"
    else:
        role = case.ledger.role(name)
        if role is not None:
            yield role.span, f"{name} is played here"
