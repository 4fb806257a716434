"""What `sockrun validate` prints: the diagnostics of all files, and their number."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sockrun.diagnostics import Diagnostic, as_dict, render_all


def count(number: int, word: str) -> str:
    """'1 file', '3 errors'."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _text(found: Sequence[Diagnostic], files: int, color: bool) -> str:
    errors = _errors(found)
    counts = [count(files, "file"), count(errors, "error") if errors else "no errors"]
    if len(found) > errors:
        counts.append(count(len(found) - errors, "warning"))
    return "\n\n".join([*render_all(found, color=color), ", ".join(counts)])


def _json(found: Sequence[Diagnostic], files: int, _: bool) -> str:
    import json

    errors = _errors(found)
    report = {
        "files": files,
        "errors": errors,
        "warnings": len(found) - errors,
        "diagnostics": [as_dict(diagnostic) for diagnostic in found],
    }
    return json.dumps(report, indent=2)


def _errors(found: Sequence[Diagnostic]) -> int:
    return sum(diagnostic.severity == "error" for diagnostic in found)


# The choices of `--format`: the text for so many files, painted or not.
FORMATS: dict[str, Callable[[Sequence[Diagnostic], int, bool], str]] = {"text": _text, "json": _json}
