"""One JSON object a line, as it happens: `docs/json-events.md` says what is in them."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing

from sockrun import __version__
from sockrun.diagnostics import Diagnostic, as_dict
from sockrun.hexdump import escaped
from sockrun.reporters import transcript
from sockrun.reporters.base import Progress, open_target
from sockrun.results import Failure, Result, Rounds, Status, Trace, Waiting
from sockrun.values import Value

Json = dict[str, object]


class JsonLines:
    """Satisfies `base.Reporter`."""

    def __init__(self, path: str) -> None:
        self._target = open_target(path)
        self._progress = Progress()

    def begin(self, progress: Progress) -> None:
        self._progress = progress
        told = {"version": __version__, "files": progress.files, "repeat": progress.repeat, "seed": progress.seed}
        self._event("run-start", **told)

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self._event("invalid", file=path, diagnostics=[as_dict(diagnostic) for diagnostic in diagnostics])

    def trace(self, scenario: str, entry: Trace) -> None:
        self._event("trace", id=scenario, **_entry(entry))

    def result(self, result: Result) -> None:
        self._event("scenario", **as_json(result))

    def end(self) -> None:
        progress = self._progress
        counts = {status.value: progress.results[status] for status in Status}
        with closing(self._target):
            self._event(
                "run-end",
                seconds=round(progress.seconds, 6),
                **counts,
                invalid_files=progress.invalid,
                cut_short=progress.cut_short,
                exit_status=progress.exit_status,
            )

    def _event(self, kind: str, **members: object) -> None:
        self._target.write(json.dumps({"event": kind, **members}) + "\n")


def as_json(result: Result) -> Json:
    """A result as plain lists, dicts and scalars."""
    return {
        "id": result.id,
        "name": result.name,
        "file": result.path,
        "tags": list(result.tags),
        "status": result.status.value,
        "seconds": round(result.seconds, 6),
        "reason": result.reason,
        "failure": None if result.failure is None else _failure(result.failure),
        "waiting": [{"role": who.role, "doing": who.doing, **_place(who)} for who in result.waiting],
        "unread": [{"role": role, **_bytes(data)} for role, data in result.unread],
        "output": [{"process": name, **_bytes(data)} for name, data in result.output],
        "transcript": [_entry(entry) for entry in result.trace],
        "detail": result.detail,
        "earlier": [as_json(attempt) for attempt in result.earlier],
    }


def _failure(failure: Failure) -> Json:
    return {
        "kind": failure.kind,
        "role": failure.role,
        "message": failure.message,
        **_place(failure),
        "expected": None if failure.expected is None else _bytes(failure.expected),
        "received": None if failure.received is None else _bytes(failure.received),
        "offset": failure.offset,
        "values": {name: _value(value) for name, value in failure.values},
    }


def _entry(entry: Trace) -> Json:
    text = transcript.describe(entry)
    step = entry.place.number if entry.place else None
    seconds = round(entry.seconds, 6)
    return {"seconds": seconds, "role": entry.role, "step": step, "rounds": _rounds(entry.rounds), "text": text}


def _place(of: Failure | Waiting) -> Json:
    place, span = of.place, of.span
    step: Json = {
        "step": place and (place.number or None),
        "rounds": _rounds(of.rounds),
        "label": place and place.label,
    }
    if span is None:
        return {**step, "file": None, "line": None, "column": None}
    return {**step, "file": span.source.path, "line": span.line, "column": span.column}


def _rounds(rounds: Rounds) -> list[Json]:
    return [{"round": number + 1, "of": times} for number, times in rounds]


def _bytes(data: bytes) -> Json:
    return {"base64": b64encode(data).decode(), "text": escaped(data)}


def _value(value: Value) -> object:
    if isinstance(value, bytes):
        return _bytes(value)
    return [_value(item) for item in value] if isinstance(value, tuple) else value
