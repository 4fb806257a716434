"""The report that build servers read: JUnit's XML, written whole when the run has ended.

There is no standard; the elements are those of https://github.com/testmoapp/junitxml. A file that cannot be
played is a test case with an error, so that it does not vanish from a build server's page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from sockrun.diagnostics import Diagnostic, render_all
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


class JUnit:
    """Satisfies `base.Reporter`."""

    def __init__(self, path: str) -> None:
        check_folder(path)
        self._path = path
        self._progress = Progress()
        self._cases: list[str] = []

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        text = "\n".join(render_all(diagnostics))
        message = f"{len(diagnostics)} errors" if len(diagnostics) > 1 else diagnostics[0].message
        verdict = _element("error", text, type="invalid", message=message)
        self._cases.append(_element("testcase", classname=path, name=path, file=path, time="0.000", inner=verdict))

    def trace(self, scenario: str, entry: Trace) -> None:
        """The transcript comes with the result."""

    def result(self, result: Result) -> None:
        attributes = {"classname": result.path, "name": _name(result), "file": result.path}
        inner = _verdict(result)
        if result.trace:
            inner += _element("system-out", "\n".join(transcript.transcript(result.trace)))
        self._cases.append(_element("testcase", **attributes, time=f"{result.seconds:.3f}", inner=inner))

    def end(self) -> None:
        write_whole(self._path, self._document())

    def _document(self) -> str:
        counts = self._progress.results
        errors = counts[Status.REFUSED] + counts[Status.BUG] + counts[Status.INTERRUPTED] + self._progress.invalid
        numbers = {
            "tests": str(len(self._cases)),
            "failures": str(counts[Status.FAILED]),
            "errors": str(errors),
            "skipped": str(counts[Status.SKIPPED]),
            "time": f"{self._progress.seconds:.3f}",
        }
        suite = _element("testsuite", name="sockrun", **numbers, inner="\n" + "\n".join(self._cases) + "\n")
        suites = _element("testsuites", name="sockrun", **numbers, inner="\n" + suite + "\n")
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{suites}\n'


def _name(result: Result) -> str:
    """The scenario's name with its matrix values; the id where it has no name."""
    return result.name + result.id.removeprefix(result.path) if result.name else result.id


def _verdict(result: Result) -> str:
    element = _ELEMENTS.get(result.status)
    if element is None:
        return ""
    kind = result.failure.kind if result.failure else result.status.value
    text = "" if result.status is Status.SKIPPED else "\n".join(failures.explain(result, Style(False)))
    return _element(element, text, type=kind, message=result.reason)


def _element(tag: str, text: str = "", /, *, inner: str = "", **attributes: str) -> str:
    words = "".join(f" {name}={quoteattr(_legal(value))}" for name, value in attributes.items())
    return f"<{tag}{words}>{inner}{escape(_legal(text))}</{tag}>"


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
