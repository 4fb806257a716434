"""A scenario's verdict, and the result that is made of it.

Must not live here: when a verdict is reached (`scene.py`), and the words for a step (`verdicts.py`).
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from sockrun.diagnostics import EnvironmentRefused
from sockrun.playing.frame import Frame, StepFailed, refusal
from sockrun.program import Program
from sockrun.records import dataclass, replace
from sockrun.results import Connection, Failure, Result, Status, Trace, Waiting, parties


@dataclass(frozen=True, slots=True)
class Verdict:
    """`waiting` and `unread`: what all were doing when it was reached, and what had come that no step took."""

    status: Status
    reason: str = ""
    failure: Failure | None = None
    detail: str = ""
    waiting: tuple[Waiting, ...] = ()
    unread: tuple[tuple[str, bytes], ...] = ()
    output: tuple[tuple[str, bytes], ...] = ()


PASSED = Verdict(Status.PASSED)
INTERRUPTED = Verdict(Status.INTERRUPTED, "interrupted")


def of_failure(failure: Failure) -> Verdict:
    return Verdict(Status.REFUSED if failure.environment else Status.FAILED, failure.message, failure)


def of_error(error: Exception, frame: Frame | None = None) -> Verdict:
    """What was raised while it was played: a step does not hold, the machine refused, or there is a bug in sockrun."""
    if isinstance(error, EnvironmentRefused) and frame is not None:
        error = refusal(frame.who, error, frame.place, frame.rounds)
    if isinstance(error, StepFailed):
        return of_failure(error.failure)
    if isinstance(error, EnvironmentRefused):
        return Verdict(Status.REFUSED, str(error))
    detail = "".join(traceback.format_exception(error))
    return Verdict(Status.BUG, f"{type(error).__name__}: {error}", detail=detail)


def result(
    program: Program,
    verdict: Verdict,
    seconds: float,
    trace: Sequence[Trace],
    connections: Sequence[Connection] = (),
) -> Result:
    """What is told of it, secrets hidden."""
    status, reason = _expected(program.expect_failure, verdict.status, verdict.reason)
    found = Result(
        id=program.id,
        name=program.name,
        path=program.source.path,
        tags=program.tags,
        status=status,
        seconds=seconds,
        reason=reason,
        failure=verdict.failure and _placed(verdict.failure, program),
        waiting=verdict.waiting,
        unread=verdict.unread,
        output=verdict.output,
        trace=trace,
        parties=parties(program),
        connections=connections,
        source=program.source,
        detail=verdict.detail,
    )
    if program.mask is None:
        return found
    from sockrun.playing.discretion import masked  # start-up

    return masked(found, program.mask)


# What may be otherwise the next time; a bug of ours must not hide behind a second attempt.
WORTH_A_RETRY = frozenset({Status.FAILED, Status.REFUSED})


def of_attempts(earlier: tuple[Result, ...], last: Result) -> Result:
    """What is told of a scenario that was played several times; `earlier` did not pass."""
    if not earlier:
        return last
    if last.status is Status.PASSED:
        return replace(earlier[-1], status=Status.FLAKY, seconds=last.seconds, earlier=earlier)
    return replace(last, earlier=earlier)


def skipped(program: Program, reason: str) -> Result:
    return Result(program.id, program.name, program.source.path, program.tags, Status.SKIPPED, 0.0, reason)


def _placed(failure: Failure, program: Program) -> Failure:
    """One at no step is shown where its role stands, or its process."""
    name = failure.role.partition("[")[0]
    one = program.roles.get(name) or program.processes.get(name)
    span = program.unplayed.get(name) if one is None else one.span
    return failure if span is None else replace(failure, role_span=span)


def _expected(wanted: bool | str, status: Status, reason: str) -> tuple[Status, str]:
    """Turn the verdict round where the scenario is expected to fail."""
    if wanted is False or status not in (Status.PASSED, Status.FAILED):
        return status, reason
    if status is Status.PASSED:
        return Status.FAILED, "it was expected to fail, and passed"
    if wanted is True or wanted in reason:
        return Status.PASSED, reason
    return Status.FAILED, f"it was expected to fail with {wanted!r}, and failed with: {reason}"
