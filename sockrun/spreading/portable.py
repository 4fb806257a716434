"""Results that can be sent to another process: what only the playing one can use is reduced to its words.

A result's trace holds commands, and some of these hold matchers and generators, which are closures. Reporters only read
what a matcher is called, so that is what is left of it.
"""

from __future__ import annotations

from typing import NoReturn

from sockrun.commands import Command, Match, Mismatch, Reader, Receive, SendPieces
from sockrun.records import dataclass, replace
from sockrun.results import Result, Trace


def portable(result: Result) -> Result:
    """The result, and those of earlier attempts, in a form that can be pickled."""
    trace = tuple(map(portable_entry, result.trace))
    return replace(result, trace=trace, earlier=tuple(map(portable, result.earlier)))


def portable_entry(entry: Trace) -> Trace:
    command = entry.command
    return entry if isinstance(command, str) else entry._replace(command=_portable_command(command))


def _portable_command(command: Command) -> Command:
    if isinstance(command, Receive):
        return replace(command, matcher=_Described(command.matcher.summary))
    if isinstance(command, SendPieces):
        return replace(command, pieces=_gone)
    return command


@dataclass(frozen=True, slots=True)
class _Described:
    """A matcher that is only talked about; satisfies `commands.Matcher`."""

    summary: str

    def reader(self) -> Reader:
        _gone()

    def judge(self, message: bytes) -> Match | Mismatch:
        _gone()


def _gone() -> NoReturn:
    raise AssertionError("what was played elsewhere cannot be played on here")
