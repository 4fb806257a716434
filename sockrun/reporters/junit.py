"""The report that build servers read: JUnit's XML, written whole when the run has ended.

There is no standard. What is written keeps to the strictest of its readers, the schema of Jenkins' xUnit plugin
(junit-10.xsd), and says twice what others look for elsewhere: GitLab reads the text of elements and no `message`, and
drops a second case with the same `classname` and `name`. A suite is a file, a case a scenario of it; a file that cannot
be played is a case with an error, so that it does not vanish from a build server's page.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from os.path import splitext
from xml.sax.saxutils import escape, quoteattr

from sockrun.diagnostics import Diagnostic, render_all
from sockrun.records import dataclass, field
from sockrun.reporters import failures, transcript
from sockrun.reporters.base import Progress, check_folder, write_whole
from sockrun.reporters.style import Style
from sockrun.results import Result, Status, Trace

# Characters that XML 1.0 does not allow, not even escaped (section 2.2).
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {
    Status.FAILED: "failure",
    Status.SKIPPED: "skipped",
    Status.REFUSED: "error",
    Status.BUG: "error",
    Status.INTERRUPTED: "error",
}


@dataclass
class _Suite:
    """The cases of one file, written down, and how many of them ended how."""

    cases: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class JUnit:
    """Satisfies `base.Reporter`."""

    def __init__(self, path: str) -> None:
        check_folder(path)
        self._path = path
        self._progress = Progress()
        self._suites: dict[str, _Suite] = defaultdict(_Suite)
        self._names: Counter[tuple[str, str]] = Counter()

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        text = "\n".join(render_all(diagnostics))
        message = f"{len(diagnostics)} errors" if len(diagnostics) > 1 else diagnostics[0].message
        verdict = _element("error", text, type="invalid", message=message)
        self._case(path, path, 0.0, "error", verdict)

    def trace(self, scenario: str, entry: Trace) -> None:
        """The transcript comes with the result."""

    def result(self, result: Result) -> None:
        inner = _verdict(result) + _attempts(result)
        if result.trace and result.status is not Status.FLAKY:
            inner += _transcript(result)
        self._case(result.path, _name(result), result.seconds, _ELEMENTS.get(result.status, ""), inner)

    def end(self) -> None:
        write_whole(self._path, self._document())

    def _case(self, path: str, name: str, seconds: float, kind: str, inner: str) -> None:
        self._names[path, name] += 1
        number = self._names[path, name]
        shown = name if number == 1 else f"{name} (repetition {number})"
        suite = self._suites[path]
        suite.counts[kind] += 1
        suite.seconds += seconds
        suite.cases.append(_element("testcase", classname=_class(path), name=shown, time=f"{seconds:.3f}", inner=inner))

    def _document(self) -> str:
        total: Counter[str] = sum((suite.counts for suite in self._suites.values()), Counter())
        suites = [_suite(path, suite, self._progress.seed) for path, suite in self._suites.items()]
        numbers = _numbers(total, self._progress.seconds)
        del numbers["skipped"]  # the schema has no such number here
        inner = "\n" + "".join(f"{suite}\n" for suite in suites)
        root = _element("testsuites", name="sockrun", **numbers, inner=inner)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{root}\n'


def _suite(path: str, suite: _Suite, seed: int | None) -> str:
    simulated = _element("property", name="sockrun.seed", value=str(seed)) if seed is not None else ""
    inner = (
        (_element("properties", inner=simulated) if simulated else "")
        + "\n"
        + "".join(f"{case}\n" for case in suite.cases)
    )
    return _element("testsuite", name=path, file=path, **_numbers(suite.counts, suite.seconds), inner=inner)


def _numbers(counts: Counter[str], seconds: float) -> dict[str, str]:
    return {
        "tests": str(counts.total()),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "time": f"{seconds:.3f}",
    }


def _class(path: str) -> str:
    """`folder/file.yaml` as `folder.file`: Jenkins takes all before the last dot for a package."""
    return splitext(path)[0].lstrip("./").replace("/", ".")


def _name(result: Result) -> str:
    """The scenario's name with its matrix values; the id where it has no name."""
    return result.name + result.id.removeprefix(result.path) if result.name else result.id


def _verdict(result: Result) -> str:
    element = _ELEMENTS.get(result.status)
    if element is None:
        return ""
    text = result.reason if result.status is Status.SKIPPED else _explanation(result)
    return _element(element, text, type=_kind(result), message=result.reason)


def _attempts(result: Result) -> str:
    """Those before it, as Maven's Surefire tells them: `flaky` where it passed in the end, else `rerun`."""
    word = "flaky" if result.status is Status.FLAKY else "rerun"
    return "".join(
        _element(
            f"{word}{_ELEMENTS[attempt.status].capitalize()}",
            type=_kind(attempt),
            message=attempt.reason,
            inner=_element("stackTrace", _explanation(attempt)) + _transcript(attempt),
        )
        for attempt in result.earlier
    )


def _kind(result: Result) -> str:
    return result.failure.kind if result.failure else result.status.value


def _explanation(result: Result) -> str:
    return "\n".join(failures.explain(result, Style(False)))


def _transcript(result: Result) -> str:
    return _element("system-out", "\n".join(transcript.transcript(result.trace)))


def _element(tag: str, text: str = "", /, *, inner: str = "", **attributes: str) -> str:
    words = "".join(f" {name}={quoteattr(_legal(value))}" for name, value in attributes.items())
    return f"<{tag}{words}>{inner}{escape(_legal(text))}</{tag}>"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
