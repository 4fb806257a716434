"""What a person sees: a line a scenario that passes, everything about one that does not, and the sum of it.

On a terminal a bar below the lines shows how far a long run is; it is redrawn by writing over itself and
never reaches a file or a pipe.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from textwrap import indent
from typing import Literal

from sockrun.diagnostics import Diagnostic, render_all, visible
from sockrun.reporters import transcript
from sockrun.reporters.base import Progress, Target
from sockrun.reporters.failures import explain
from sockrun.reporters.findings import count
from sockrun.reporters.style import style_for
from sockrun.results import Result, Status, Trace

Detail = Literal["quiet", "normal", "verbose"]

MANY = 20  # scenarios from which on a bar is worth its line
_ERASE = "\r\x1b[K"
# Status: the word before a scenario, how it is painted, the word in the summary.
_WORDS: dict[Status, tuple[str, str, str]] = {
    Status.PASSED: ("PASS", "good", "passed"),
    Status.FAILED: ("FAIL", "bad", "failed"),
    Status.SKIPPED: ("SKIP", "odd", "skipped"),
    Status.REFUSED: ("REFUSED", "bad", "refused by the environment"),
    Status.BUG: ("BUG", "bad", "stopped by a bug in sockrun"),
    Status.INTERRUPTED: ("STOPPED", "odd", "interrupted"),
}


class Terminal:
    """Satisfies `base.Reporter`."""

    def __init__(self, target: Target, detail: Detail = "normal") -> None:
        self._target = target
        self._style = style_for(target.stream)
        self._moving = self._style.color
        self._detail = detail
        self._progress = Progress()
        self._speaker = ""  # the scenario whose transcript was written last
        self._bar = ""

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        head = f"{self._style('bad', 'INVALID')} {visible(path)}"
        self._write([head, *render_all(diagnostics, color=self._style.color), ""])

    def trace(self, scenario: str, entry: Trace) -> None:
        heading = [] if scenario == self._speaker else [self._style("dim", f"--- {visible(scenario)}")]
        self._speaker = scenario
        self._write([*heading, transcript.line(entry)])

    def result(self, result: Result) -> None:
        self._speaker = ""
        lines = list(self._lines(result))
        if lines or self._moving:
            self._write(lines)

    def end(self) -> None:
        self._moving = False
        self._write([self._summary()])

    # --- lines ---

    def _lines(self, result: Result) -> Iterable[str]:
        if result.status in (Status.PASSED, Status.SKIPPED):
            return [] if self._detail == "quiet" else [self._headline(result)]
        return [self._headline(result), *self._explanation(result), ""]

    def _headline(self, result: Result) -> str:
        word, color, _ = _WORDS[result.status]
        name = f"  {visible(result.name)}" if result.name else ""
        why = visible(result.reason) if result.status is Status.SKIPPED else duration(result.seconds)
        return f"{self._style(color, word)} {visible(result.id)}{name}  {self._style('dim', f'({why})')}"

    def _explanation(self, result: Result) -> Iterable[str]:
        for part in explain(result, self._style):
            yield indent(part, "  ")
        if result.trace:
            yield "  " + self._style("strong", "transcript")
            yield indent("\n".join(transcript.transcript(result.trace)), "  ")

    def _summary(self) -> str:
        progress = self._progress
        counts = [
            self._style(color, f"{progress.results[status]} {words}")
            for status, (_, color, words) in _WORDS.items()
            if progress.results[status]
        ]
        if progress.invalid:
            counts.append(self._style("bad", count(progress.invalid, "invalid file")))
        if progress.cut_short:
            counts.append("stopped at the first failure")
        return f"{', '.join(counts) or 'nothing was played'} in {progress.seconds:.2f} s"

    # --- the bar ---

    def _write(self, lines: Iterable[str]) -> None:
        erase = _ERASE if self._bar else ""
        self._bar = self._draw() if self._moving and self._progress.expected >= MANY else ""
        self._target.write(erase + "".join(f"{line}\n" for line in lines) + self._bar)

    def _draw(self) -> str:
        progress = self._progress
        bad = progress.done - progress.results[Status.PASSED] - progress.results[Status.SKIPPED]
        text = f" {progress.done} of {progress.expected}" + (f", {bad} not passed" if bad else "")
        width = max(0, min(40, shutil.get_terminal_size().columns - len(text) - 3))
        full = width * progress.done // max(1, progress.expected)
        return f"[{'=' * full}{' ' * (width - full)}]{text}"


def duration(seconds: float) -> str:
    """A time for people: '3 ms', '1.25 s'."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
