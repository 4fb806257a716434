"""What `sockrun validate` prints: the diagnostics of all files, their number, and what could not be decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from sockrun.diagnostics import Diagnostic, as_dict, render_all, visible
from sockrun.results import Unpaired


def count(number: int, word: str) -> str:
    """'1 file', '3 errors'."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _text(found: Sequence[Diagnostic], unpaired: Sequence[Unpaired], files: int, color: bool) -> str:
    errors = _errors(found)
    counts = [count(files, "file"), count(errors, "error") if errors else "no errors"]
    if len(found) > errors:
        counts.append(count(len(found) - errors, "warning"))
    return "\n\n".join([*render_all(found, color=color), "\n".join([*_not_paired(unpaired), ", ".join(counts)])])


def _not_paired(unpaired: Sequence[Unpaired]) -> list[str]:
    """A line for each reason, the most frequent first, and the file where there is only one."""
    files = dict.fromkeys((one.reason, one.path) for one in unpaired)
    reasons = Counter(reason for reason, _ in files)
    lines = []
    for reason, number in reasons.most_common():
        who = count(number, "file") if number > 1 else next(path for other, path in files if other == reason)
        lines.append(visible(f"{who} not paired: {reason}"))
    return lines


def _json(found: Sequence[Diagnostic], unpaired: Sequence[Unpaired], files: int, _: bool) -> str:
    import json

    errors = _errors(found)
    report = {
        "files": files,
        "errors": errors,
        "warnings": len(found) - errors,
        "diagnostics": [as_dict(diagnostic) for diagnostic in found],
        "not_paired": [{"file": one.path, "scenario": one.id, "reason": one.reason} for one in unpaired],
    }
    return json.dumps(report, indent=2)


def _errors(found: Sequence[Diagnostic]) -> int:
    return sum(diagnostic.severity == "error" for diagnostic in found)


# The choices of `--format`: the text for so many files, painted or not.
FORMATS: dict[str, Callable[[Sequence[Diagnostic], Sequence[Unpaired], int, bool], str]] = {
    "text": _text,
    "json": _json,
}
