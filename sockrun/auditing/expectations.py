"""What the steps of a program expect, and the same steps expecting something else.

Lives here: every step that waits, checks, or chooses. Must not live here: what can be changed about a matcher
(`matchers.py`), and whether anybody notices (`auditor.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sockrun.auditing.matchers import Change, Key, Never, Spot, changed, changes
from sockrun.auditing.probe import Probe
from sockrun.auditing.sites import Alter, Site, sites
from sockrun.commands import Match, Matcher, Mismatch, Receive
from sockrun.compiling.endings import Nothing
from sockrun.program import AnyOrder, Case, Check, Instruction, Place, Program, React, Wait, Wanted
from sockrun.records import dataclass, replace
from sockrun.values import Scope


@dataclass(frozen=True, slots=True)
class Mutant:
    """A program in which one step is another: nobody notices it if the scenario passes with every one of `alters`.

    `words` say what can be done, if so. `key` is the same in all programs of a file; one whose key begins with that of
    another is a finer one.
    """

    key: Key
    site: Site
    place: Place
    words: str
    alters: tuple[Alter, ...]
    spot: Spot | None = None


@dataclass(frozen=True, slots=True)
class Unreached:
    """An expectation that this run did not come to, or that took nothing in it."""

    key: Key
    place: Place
    words: str


def expectations(program: Program, probe: Probe) -> Iterator[Mutant | Unreached]:
    """All that can be changed, and what was never reached, as a run has shown that was looked at with `probe`."""
    for site, step in sites(program):
        if probe.hopeless(site, step):
            continue
        if isinstance(step, Wait):
            yield from _of_wait(site, step, probe)
        elif isinstance(step, Check):
            yield from _of_check(site, step, probe)
        elif isinstance(step, React | AnyOrder):
            yield from _of_cases(site, step, probe)


# --- steps that wait ---------------------------------------------------------------------------


def _of_wait(site: Site, step: Wait, probe: Probe) -> Iterator[Mutant | Unreached]:
    key: Key = (*site, "wait")
    command = probe.receives.get(site)
    if command is None:
        yield Unreached(key, step.place, "this was never reached")
    elif step.wanted != "bytes":
        yield _of_ending(key, site, step, command)
    elif command.optional and not probe.matched(site, step.place):
        yield Unreached(key, step.place, "this is optional, and never came")
    else:
        for change in changes(command.matcher):
            yield _mutant((*key, *change.key), site, step.place, change, _receiving(_matching(change.key)))
        if command.sender is not None:
            yield Mutant(
                (*key, "from"), site, step.place, "the sender of 'from' can be changed", (_receiving(_sender),)
            )


def _receiving(change: Callable[[Receive], Receive]) -> Alter:
    def alter(step: Instruction) -> Instruction:
        assert isinstance(step, Wait)
        if step.command is not None:
            return replace(step, command=change(step.command))
        make = step.make
        assert make is not None
        return replace(step, make=lambda scope: change(make(scope)))

    return alter


def _matching(key: Key) -> Callable[[Receive], Receive]:
    return lambda command: replace(command, matcher=changed(command.matcher, key))


def _sender(command: Receive) -> Receive:
    sender = command.sender
    return command if sender is None else replace(command, sender=sender._replace(port=sender.port ^ 1))


# What is expected instead; where something is to come, in the place of silence, it never does.
_INSTEAD: dict[Wanted, Wanted] = {
    "fin": "reset",
    "reset": "fin",
    "refused": "fin",
    "tls": "refused",
    "silence": "bytes",
}


def _of_ending(key: Key, site: Site, step: Wait, command: Receive) -> Mutant:
    wanted: Wanted = "refused" if step.reset_too else _INSTEAD[step.wanted]
    matcher: Matcher = Never() if wanted == "bytes" else command.matcher if step.discard else Nothing("something else")

    def alter(step: Instruction) -> Instruction:
        assert isinstance(step, Wait)
        return replace(step, wanted=wanted, command=replace(command, expects=wanted, matcher=matcher), reset_too=False)

    return Mutant(key, site, step.place, f"'{step.place.label}' can be something else", (alter,))


# --- checks ------------------------------------------------------------------------------------


def _of_check(site: Site, step: Check, probe: Probe) -> Iterator[Mutant | Unreached]:
    key: Key = (*site, "check")
    if site not in probe.checked:
        yield Unreached(key, step.place, "this was never reached")
        return

    def alter(step: Instruction) -> Instruction:
        assert isinstance(step, Check)
        test = step.test

        def inverted(scope: Scope) -> Match | Mismatch | None:
            return (
                None if isinstance(test(scope), Mismatch) else Mismatch("the check, turned round, does not hold", b"")
            )

        return replace(step, test=inverted)

    yield Mutant(key, site, step.place, "this can be turned round", (alter,))


# --- cases -------------------------------------------------------------------------------------


def _of_cases(site: Site, step: React | AnyOrder, probe: Probe) -> Iterator[Mutant | Unreached]:
    for number, case in enumerate(step.cases):
        key: Key = (*site, "case", number)
        matcher = probe.cases.get((site, number))
        if matcher is None or (site, number) not in probe.taken:
            yield Unreached(key, case.place, "this case never took a message")
            continue
        yield Mutant(key, site, case.place, "this case can be left out", (_at_case(number, _never),))
        for change in changes(matcher):
            if change.key:
                alter = _at_case(number, _judging(change.key))
                yield _mutant((*key, *change.key), site, case.place, change, alter)
        if case.when is not None:
            yield Mutant((*key, "when"), site, case.place, "'when' can be turned round", (_at_case(number, _unless),))


def _at_case(number: int, change: Callable[[Case], Case]) -> Alter:
    def alter(step: Instruction) -> Instruction:
        assert isinstance(step, React | AnyOrder)
        cases = (*step.cases[:number], change(step.cases[number]), *step.cases[number + 1 :])
        return replace(step, cases=cases)

    return alter


def _never(case: Case) -> Case:
    return replace(case, matcher=lambda _: Never())


def _judging(key: Key) -> Callable[[Case], Case]:
    return lambda case: replace(case, matcher=lambda scope: changed(case.matcher(scope), key))


def _unless(case: Case) -> Case:
    when = case.when
    assert when is not None
    return replace(case, when=lambda scope: not when(scope))


def _mutant(key: Key, site: Site, place: Place, change: Change, alter: Alter) -> Mutant:
    return Mutant(key, site, place, change.words, (alter,), change.spot)
