"""Why a scenario did not pass, in full: what every report shows of it, but for the transcript.

The order is that of the questions somebody asks: what happened where, which bytes, with which values, what
was everybody else doing, and what came that nobody wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sockrun.diagnostics import Diagnostic, render, visible
from sockrun.hexdump import brief, compare, escaped, is_text, marked
from sockrun.hexdump import dump as hexdump
from sockrun.reporters.style import Style
from sockrun.results import Failure, Result, Status, Waiting, step_text
from sockrun.values import Value

ISSUES = "please report it with the lines below and the scenario, where the project keeps its issues"

OUTPUT_LINES = 10  # of a program, at the end of what it wrote
MANY = 4  # copies of a role that do the same, from which on they are counted
UNREAD = 10  # entries of what no step took


def explain(result: Result, style: Style) -> Iterator[str]:
    """The lines of the explanation; one may hold several."""
    failure = result.failure
    yield from _attempts(result, style)
    if result.status is Status.BUG:
        yield f"this is a bug in sockrun, not in your scenario: {ISSUES}"
        yield result.detail.rstrip()
    if failure is None or failure.message != result.reason:
        yield visible(result.reason)
    if failure is not None:
        yield from _failure(failure, style)
    if result.status is not Status.REFUSED:  # nobody in the scenario had a part in that
        yield from _others(result, style)
        yield from _unread(result, style)
    yield from _output(result, style)


def in_short(result: Result) -> Iterator[str]:
    """Who failed at which step, why, and the bytes side by side: for where the rest is a click away."""
    failure = result.failure
    yield from _attempts(result, Style(False))
    if failure is not None and failure.place is not None:
        step = f", {step_text(failure.place, failure.rounds)}" if failure.place.number else ""
        yield f"{visible(failure.role)}{step}: {visible(failure.place.label)}"
    yield visible(result.reason)
    if failure is not None:
        yield from _bytes(failure)


def _attempts(result: Result, style: Style) -> Iterator[str]:
    """Why each did not pass, the last of them for what follows."""
    if not result.earlier:
        return
    others = result.earlier[:-1] if result.status is Status.FLAKY else result.earlier
    for number, attempt in enumerate(others, 1):
        yield f"{style('strong', f'attempt {number}')} did not pass: {visible(attempt.reason)}"
    yield f"{style('strong', f'attempt {len(others) + 1}')} did not pass:"


def _failure(failure: Failure, style: Style) -> Iterator[str]:
    who = visible(failure.role)
    place, span = failure.place, failure.span
    if place is not None:
        note = f" ({visible(place.note)})" if place.note else ""
        step = f", {step_text(place, failure.rounds)}" if place.number else ""  # a process has none
        yield f"{style('strong', who)}{step}: {visible(place.label)}{note}"
    elif who and span is not None:
        yield style("strong", who)
    if span is not None:
        yield render(Diagnostic("", failure.message, span), color=style.color)
    else:
        yield f"{style('strong', who)}: {visible(failure.message)}" if who else visible(failure.message)
    yield from _bytes(failure)
    if failure.values:
        yield style("strong", "the values in it")
        yield from (f"  {name} = {_value(value)}" for name, value in failure.values)


def _bytes(failure: Failure) -> Iterator[str]:
    received = failure.received
    if failure.expected is not None and received is not None:
        yield compare(failure.expected, received, failure.offset)
    elif received and failure.offset is not None:
        yield marked(received, failure.offset)
    elif received:
        yield f"received {escaped(received)}" if is_text(received) else f"received\n{hexdump(received)}"


def _others(result: Result, style: Style) -> Iterator[str]:
    """What everybody was doing but the one who failed, whose step stands above."""
    failed = result.failure.role if result.failure and result.failure.kind != "deadlock" else None
    others = [who for who in result.waiting if who.role != failed]
    if others:
        yield style("strong", "what the others were doing" if failed else "what each role was doing")
        told = list(_together(others))
        width = max(len(name) for name, _ in told)
        yield from (f"  {name:<{width}}  {doing}" for name, doing in told)


def _together(waiting: Sequence[Waiting]) -> Iterator[tuple[str, str]]:
    """Who does what; many copies of a role that do the same are told as one."""
    groups: dict[tuple[str, str], list[str]] = {}
    for who in waiting:
        role = who.role.partition("[")[0]
        groups.setdefault((role, visible(who.doing) + _at(who)), []).append(who.role)
    for (role, doing), names in groups.items():
        yield from [(f"{role} x {len(names)}", doing)] if len(names) >= MANY else ((name, doing) for name in names)


def _at(who: Waiting) -> str:
    step = f"{step_text(who.place, who.rounds)}, " if who.place and who.place.number else ""
    return f"   {step}{who.span.file_line}" if who.span else ""


def _unread(result: Result, style: Style) -> Iterator[str]:
    """But for those of the step that failed, which stand above."""
    shown = (result.failure.role, result.failure.received) if result.failure else None
    unread = [entry for entry in result.unread if entry != shown]
    if unread:
        yield style("strong", "bytes that no step took")
        width = max(len(role) for role, _ in unread[:UNREAD])
        yield from (f"  {role:<{width}}  {brief(data)}" for role, data in unread[:UNREAD])
        if len(unread) > UNREAD:
            yield f"  ... and of {len(unread) - UNREAD:,} more"


def _output(result: Result, style: Style) -> Iterator[str]:
    """What the programs wrote last."""
    for name, data in result.output:
        yield style("strong", f"the last output of {name}")
        lines = data.decode("utf-8", "replace").splitlines()
        yield from (f"  {visible(line)}" for line in lines[-OUTPUT_LINES:])


def _value(value: Value) -> str:
    if isinstance(value, bytes):
        return brief(value)
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, tuple) else str(value)
