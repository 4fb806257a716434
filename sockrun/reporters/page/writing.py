"""The page, written whole when the run has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from importlib.resources import files
from string import Template

from sockrun import __version__
from sockrun.diagnostics import Diagnostic, render_all, visible
from sockrun.reporters.base import Progress, check_folder, write_whole
from sockrun.reporters.page.telling import Files, Told, scenario
from sockrun.reporters.style import Style
from sockrun.reporters.terminal import summary
from sockrun.results import Result, Trace


class Page:
    """Satisfies `base.Reporter`."""

    def __init__(self, path: str) -> None:
        check_folder(path)
        self._path = path
        self._progress = Progress()
        self._files = Files()
        self._scenarios: list[Told] = []

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        why = "\n".join(render_all(diagnostics))
        self._scenarios.append({"id": visible(path), "name": "", "tags": [], "status": "invalid", "why": why})

    def trace(self, scenario: str, entry: Trace) -> None:
        """The trace comes with the result."""

    def result(self, result: Result) -> None:
        self._scenarios.append(scenario(result, self._files))

    def end(self) -> None:
        write_whole(self._path, self._document())

    def _document(self) -> str:
        told = {
            "summary": summary(self._progress, Style(False)),
            "about": f"sockrun {__version__}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}",
            "files": self._files.told,
            "scenarios": self._scenarios,
        }
        parts = {kind: files(__package__).joinpath(f"page.{kind}").read_text("utf-8") for kind in ("html", "css", "js")}
        return Template(parts["html"]).substitute(style=parts["css"], script=parts["js"], data=_in_script(told))


def _in_script(told: Told) -> str:
    """JSON that ends no element, whatever stands in it (HTML, section 4.12.1.3)."""
    return json.dumps(told, separators=(",", ":")).replace("<", "\\u003c")
