"""What a run comes to: which matchers were made, which cases took something, what was sent.

Pure but for its notes: a program goes in, and comes out as one that notes what happens and plays the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from sockrun.auditing.sites import Site, rewritten
from sockrun.commands import Command, Match, Matcher, Mismatch, Reader, Receive, Send, SendPieces
from sockrun.program import AnyOrder, Case, Check, Do, Instruction, Make, Place, Program, React, Wait
from sockrun.records import replace
from sockrun.results import Result, Trace
from sockrun.values import Scope, Value

LOOKED_AT = 64 * 1024  # bytes that a step sends, at most, of which one may be changed


class Probe:
    """Notes of one run. What a step does again and again is noted once: of what it sends the longest."""

    def __init__(self) -> None:
        self.receives: dict[Site, Receive] = {}
        self.cases: dict[tuple[Site, int], Matcher] = {}
        self.taken: set[tuple[Site, int]] = set()
        self.checked: set[Site] = set()
        self.sent: dict[Site, bytes] = {}
        self.sizes: dict[Site, int] = {}  # of all that was sent, in bytes
        self._matches: set[tuple[str, str, int, int]] = set()
        self._failed = False
        self._failed_at: tuple[str, Place] | None = None

    def planted(self, program: Program) -> Program:
        """The program, noted here as it is played."""
        return rewritten(program, self._watched)

    def trace(self, _: str, entry: Trace) -> None:
        """A `Watcher`: who has got what it waited for."""
        if isinstance(entry.event, Match) and entry.place is not None:
            self._matches.add(_step(entry.role.partition("[")[0], entry.place))

    def ended(self, result: Result) -> None:
        """Note where the scenario has failed, as it was expected to."""
        failure = result.failure
        if failure is not None and failure.place is not None:
            self._failed_at = (failure.role.partition("[")[0], failure.place)
        self._failed = failure is not None

    def matched(self, site: Site, place: Place) -> bool:
        return _step(site.role, place) in self._matches

    def hopeless(self, site: Site, step: Instruction) -> bool:
        """Whether it is expected to fail: the step at which it does, and those that are not reached then."""
        if not self._failed:
            return False
        reached = site in self.receives or site in self.checked or any(key[0] == site for key in self.cases)
        return not reached or self._failed_at == (site.role, step.place)

    # --- watching ---

    def _watched(self, site: Site, step: Instruction) -> Instruction:
        match step:
            case Wait():
                return replace(step, command=None, make=self._receiving(site, step))
            case Check():
                return replace(step, test=self._checking(site, step))
            case React() | AnyOrder():
                cases = tuple(self._choosing((site, number), case) for number, case in enumerate(step.cases))
                return replace(step, cases=cases)
            case Make():
                return replace(step, make=self._sending(site, step.make))
            case Do() if any(isinstance(command, Send | SendPieces) for command in step.commands):
                return Make(step.place, self._sending(site, lambda _: step.commands))
            case _:
                return step

    def _receiving(self, site: Site, step: Wait) -> Callable[[Scope], Receive]:
        def make(scope: Scope) -> Receive:
            command = step.command
            if command is None:
                assert step.make is not None
                command = step.make(scope)
            self.receives.setdefault(site, command)
            return command

        return make

    def _checking(self, site: Site, step: Check) -> Callable[[Scope], Match | Mismatch | None]:
        def test(scope: Scope) -> Match | Mismatch | None:
            verdict = step.test(scope)
            self.checked.add(site)
            return verdict

        return test

    def _choosing(self, key: tuple[Site, int], case: Case) -> Case:
        def taken() -> None:
            self.taken.add(key)

        def matcher(scope: Scope) -> Matcher:
            made = case.matcher(scope)
            self.cases.setdefault(key, made)
            return made if case.when is not None else _Noting(made, taken)

        def when(scope: Scope) -> Value:
            assert case.when is not None
            holds = case.when(scope)
            if holds:
                taken()
            return holds

        return replace(case, matcher=matcher, when=None if case.when is None else when)

    def _sending(self, site: Site, make: Callable[[Scope], Iterable[Command]]) -> Callable[[Scope], Iterable[Command]]:
        return lambda scope: self._noted(site, make(scope))

    def _noted(self, site: Site, commands: Iterable[Command]) -> Iterator[Command]:
        sent, size = bytearray(), 0
        for command in commands:
            for piece in pieces_of(command):
                size += len(piece)
                sent += piece[: LOOKED_AT - len(sent)]
            yield command
        if size > self.sizes.get(site, 0):
            self.sent[site], self.sizes[site] = bytes(sent), size


def _step(role: str, place: Place) -> tuple[str, str, int, int]:
    """By which a step is known in a trace, even where a mask has gone over it."""
    return role, place.number, place.span.line, place.span.column


def pieces_of(command: Command) -> Iterable[bytes]:
    """What a command sends."""
    if isinstance(command, Send):
        return (command.data,)
    return command.pieces() if isinstance(command, SendPieces) else ()


class _Noting:
    """A matcher of messages that tells when it takes one."""

    def __init__(self, matcher: Matcher, taken: Callable[[], None]) -> None:
        self._matcher = matcher
        self._taken = taken
        self.summary = matcher.summary

    def reader(self) -> Reader:
        return self._matcher.reader()

    def judge(self, message: bytes) -> Match | Mismatch:
        verdict = self._matcher.judge(message)
        if isinstance(verdict, Match):
            self._taken()
        return verdict
