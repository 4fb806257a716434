"""What a person sees: a line a scenario that passes, everything about one that does not, and the sum of it.

On a terminal a bar below the lines shows how far a long run is; it is redrawn by writing over itself and
never reaches a file or a pipe.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent
from typing import Literal, TextIO

from sockrun.diagnostics import Diagnostic, render_all, visible
from sockrun.reporters.base import Progress, Target
from sockrun.reporters.findings import count
from sockrun.reporters.style import Style, style_for
from sockrun.results import Result, Status, Trace

Detail = Literal["quiet", "normal", "verbose"]

MANY = 20  # scenarios from which on a bar is worth its line
_ERASE = "\r\x1b[K"
# Status: the word before a scenario, how it is painted, the word in the summary.
_WORDS: dict[Status, tuple[str, str, str]] = {
    Status.PASSED: ("PASS", "good", "passed"),
    Status.FLAKY: ("FLAKY", "odd", "flaky"),
    Status.FAILED: ("FAIL", "bad", "failed"),
    Status.SKIPPED: ("SKIP", "odd", "skipped"),
    Status.REFUSED: ("REFUSED", "bad", "refused by the environment"),
    Status.BUG: ("BUG", "bad", "stopped by a bug in sockrun"),
    Status.INTERRUPTED: ("STOPPED", "odd", "interrupted"),
}


class Terminal:
    """Satisfies `base.Reporter`."""

    def __init__(self, target: Target, detail: Detail = "normal", slowest: int = 0) -> None:
        """`slowest`: how many of the scenarios that took longest are named at the end."""
        self._target = target
        self._style = style_for(target.stream)
        self._moving = self._style.color
        self._detail = detail
        self._progress = Progress()
        self._speaker = ""  # the scenario whose transcript was written last
        self._bar = ""
        self._slowest: list[tuple[float, str]] = []
        self._most_slowest = slowest

    def begin(self, progress: Progress) -> None:
        self._progress = progress

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        self._write([*invalid(path, diagnostics, self._style), ""])

    def trace(self, scenario: str, entry: Trace) -> None:
        from sockrun.reporters import transcript  # start-up

        heading = [] if scenario == self._speaker else [self._style("dim", f"--- {visible(scenario)}")]
        self._speaker = scenario
        self._write([*heading, transcript.line(entry)])

    def result(self, result: Result) -> None:
        self._speaker = ""
        self._time(result)
        lines = list(self._lines(result))
        if lines or self._moving:
            self._write(lines)

    def end(self) -> None:
        self._moving = False
        self._write([*self._longest(), summary(self._progress, self._style)])

    def _time(self, result: Result) -> None:
        if self._most_slowest and result.status is not Status.SKIPPED:
            self._slowest.append((-result.seconds, result.id))
            self._slowest = sorted(self._slowest)[: self._most_slowest]

    def _longest(self) -> Iterator[str]:
        if self._slowest:
            yield self._style("strong", f"the slowest {len(self._slowest)}")
            width = max(len(duration(-seconds)) for seconds, _ in self._slowest)
            yield from (f"  {duration(-seconds):>{width}}  {visible(name)}" for seconds, name in self._slowest)

    # --- lines ---

    def _lines(self, result: Result) -> Iterable[str]:
        if result.status in (Status.PASSED, Status.SKIPPED):
            return [] if self._detail == "quiet" else [_headline(result, self._style)]
        return [*in_full(result, self._style, self._target.stream), ""]

    # --- the bar ---

    def _write(self, lines: Iterable[str]) -> None:
        erase = _ERASE if self._bar else ""
        self._bar = self._draw() if self._moving and self._progress.expected >= MANY else ""
        self._target.write(erase + "".join(f"{line}\n" for line in lines) + self._bar)

    def _draw(self) -> str:
        progress = self._progress
        bad = progress.done - sum(progress.results[status] for status in (Status.PASSED, Status.SKIPPED, Status.FLAKY))
        text = f" {progress.done} of {progress.expected}" + (f", {bad} not passed" if bad else "")
        width = max(0, min(40, shutil.get_terminal_size().columns - len(text) - 3))
        full = width * progress.done // max(1, progress.expected)
        return f"[{'=' * full}{' ' * (width - full)}]{text}"


def summary(progress: Progress, style: Style) -> str:
    """The last line: how many scenarios ended how."""
    counts = [
        style(color, f"{progress.results[status]} {words}")
        for status, (_, color, words) in _WORDS.items()
        if progress.results[status]
    ]
    if progress.invalid:
        counts.append(style("bad", count(progress.invalid, "invalid file")))
    if progress.cut_short:
        counts.append("stopped at the first failure")
    simulated = "" if progress.seed is None else f", simulated with seed {progress.seed}"
    return f"{', '.join(counts) or 'nothing was played'} in {progress.seconds:.2f} s{simulated}"


# --- one scenario ------------------------------------------------------------------------------


def in_full(result: Result, style: Style, stream: TextIO | None = None) -> Iterator[str]:
    """All that is shown of a scenario that did not pass; each string may hold several lines.

    What happened is a diagram where it fits on `stream`, else a transcript.
    """
    from sockrun.reporters import transcript  # start-up
    from sockrun.reporters.failures import explain

    yield _headline(result, style)
    for part in explain(result, style):
        yield indent(part, "  ")
    if result.trace:
        diagram = None if stream is None else _diagram(result, style, stream)
        yield "  " + style("strong", "transcript" if diagram is None else "diagram")
        yield indent("\n".join(diagram or transcript.transcript(result.trace)), "  ")


def _diagram(result: Result, style: Style, stream: TextIO) -> list[str] | None:
    from sockrun.reporters import transcript
    from sockrun.reporters.pictures import text
    from sockrun.reporters.pictures.tracing import of_result

    look = text.look_for(stream, style)
    drawn = of_result(result, text.MOST_LINES).shortened(transcript.LINES)
    return text.draw(drawn, look._replace(width=look.width - len("  ")))


def invalid(path: str, diagnostics: Sequence[Diagnostic], style: Style) -> Iterator[str]:
    """All that is shown of a file that cannot be played."""
    yield f"{style('bad', 'INVALID')} {visible(path)}"
    yield from render_all(diagnostics, color=style.color)


def _headline(result: Result, style: Style) -> str:
    word, color, _ = _WORDS[result.status]
    name = f"  {visible(result.name)}" if result.name else ""
    why = visible(result.reason) if result.status is Status.SKIPPED else duration(result.seconds)
    if result.earlier:
        why += f", attempt {len(result.earlier) + 1}"
    return f"{style(color, word)} {visible(result.id)}{name}  {style('dim', f'({why})')}"


def duration(seconds: float) -> str:
    """A time for people: '3 ms', '1.25 s'."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
