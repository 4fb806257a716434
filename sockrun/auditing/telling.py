"""What nobody noticed, as diagnostics: each hole with its place in the file.

The one theory: neighbours are told together. Bytes that stand side by side, all of which can be changed, are one hole;
what was not tried between two of them may be one too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sockrun.auditing.matchers import ANY, Key, Spot
from sockrun.auditing.sendings import is_sent
from sockrun.diagnostics import Diagnostic, sort_key
from sockrun.hexdump import brief
from sockrun.program import Place, Program
from sockrun.records import dataclass
from sockrun.source import Span


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change, and whether it was noticed. `spot`: the bytes that were changed, where it is bytes."""

    key: Key
    program: Program
    place: Place | None
    words: str
    noticed: bool
    spot: Spot | None = None
    reached: bool = True

    @property
    def span(self) -> Span:
        return self.program.span if self.place is None else self.place.span


def vague(program: Program) -> Outcome:
    """That of a scenario which takes any failure for the one that it expects."""
    return Outcome(("expect_failure",), program, None, "", noticed=False)


def holes(outcomes: Iterable[Outcome]) -> Iterator[Diagnostic]:
    """Those that were not noticed, in the order of the file; bytes that were sent behind the expectations."""
    found = [_diagnostic(group) for group in _neighbours(outcomes)]
    return iter(sorted(found, key=lambda one: (one.code == "unseen-bytes", *sort_key(one))))


def _neighbours(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Side by side: no byte between them was noticed."""
    by_place: dict[Key, list[Outcome]] = {}
    for outcome in outcomes:
        by_place.setdefault(outcome.key[:-1] if outcome.spot else outcome.key, []).append(outcome)
    for group in by_place.values():
        together: list[Outcome] = []
        for outcome in sorted(group, key=_offset):
            if outcome.noticed and together:
                yield together
                together = []
            if not outcome.noticed:
                together.append(outcome)
        if together:
            yield together


def _offset(outcome: Outcome) -> int:
    return 0 if outcome.spot is None else outcome.spot.at


def _diagnostic(group: list[Outcome]) -> Diagnostic:
    one, last = group[0], group[-1]
    mask = one.program.mask
    if one.place is None:
        message, hint = "any failure at all is the expected one", "say a piece of the message that is expected"
        found = Diagnostic("unnoticed-change", message, one.span, hint, "warning")
    elif not one.reached:
        found = Diagnostic("never-reached", f"{one.words} in a plain run", one.span, None, "warning")
    elif one.key[-1] == ANY:
        message = "anything is taken here, and nobody looks at what it is"
        found = Diagnostic("unnoticed-change", message, one.span, None, "warning")
    elif is_sent(one.key):
        message = f"nobody looks at {_range(one, last)}"
        found = Diagnostic("unseen-bytes", message, one.span, None, "warning")
    else:
        words = one.words if one.spot is None else f"{_range(one, last)} can be changed"
        message = f"{words}, and the scenario still passes"
        found = Diagnostic("unnoticed-change", message, one.span, None, "warning")
    return found if mask is None else mask.diagnostic(found)


def _range(first: Outcome, last: Outcome) -> str:
    """'bytes 4-7 of what is expected ("Wor")'."""
    assert first.spot is not None
    assert last.spot is not None
    start, end = first.spot.at, last.spot.at + last.spot.size
    unit = f"byte {start}" if end == start + 1 else f"bytes {start}-{end - 1}"
    data, mask = first.spot.data, first.program.mask
    shown = data if mask is None else mask.data(data)
    return f"{unit} {_of(first.spot.words)} ({brief(shown[start:end])})"


def _of(words: str) -> str:
    return words if words.startswith("of ") else f"of {words}"
