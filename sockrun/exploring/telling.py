"""What `sockrun explore` prints: a line for each scenario, and everything about one in which something was found.

Must not live here: what a failure looks like (`reporters/`), and a cause in words (`wording.py`).
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import indent

from sockrun.diagnostics import visible
from sockrun.exploring.searching import Budget, Explored, Found
from sockrun.playing.discretion import masked
from sockrun.program import Program
from sockrun.records import replace
from sockrun.reporters import transcript
from sockrun.reporters.failures import explain
from sockrun.reporters.style import Style
from sockrun.results import Result, Status

_WORDS = {
    "sound": ("SOUND", "good"),
    "fault": ("FAULT", "bad"),
    "refused": ("REFUSED", "bad"),
    "skipped": ("SKIP", "odd"),
    "stopped": ("STOPPED", "odd"),
}


class Words:
    """`command` begins the command that plays a run again: what was given, but for files and `--replay`."""

    def __init__(self, style: Style, budget: Budget, command: Sequence[str]) -> None:
        self._style = style
        self._budget = budget
        self._command = command

    def explored(self, explored: Explored) -> Iterator[str]:
        """All that is said of a scenario; each string may hold several lines."""
        program = explored.program
        word, color = _WORDS[outcome(explored)]
        name = f"  {visible(program.name)}" if program.name else ""
        how = explored.skipped or self._figures(explored)
        yield f"{self._style(color, word)} {visible(program.id)}{name}  {self._style('dim', f'({visible(how)})')}"
        if explored.finding is not None:
            yield from self.finding(program, explored.finding)
            if explored.finding.causes(program):
                yield "  " + self._style("strong", "to see it again")
                yield f"    {self.again(program, explored.finding)}"
            yield ""

    def replayed(self, program: Program, finding: Found, wrong: bool) -> Iterator[str]:
        """All that is said of a single run."""
        word, color = _WORDS["fault" if wrong else "sound"]
        name = f"  {visible(program.name)}" if program.name else ""
        yield f"{self._style(color, word)} {visible(program.id)}{name}"
        yield from self.finding(program, finding, "what it takes" if wrong else "what was done")

    def finding(self, program: Program, finding: Found, because: str = "what it takes") -> Iterator[str]:
        """What happened, and why."""
        style = self._style
        yield f"  {visible(finding.demand)}"
        causes = finding.causes(program)
        if causes:
            yield "  " + style("strong", because if len(causes) == 1 else f"{because}, all together")
            yield from (f"    {visible(line)}" for line in causes)
        result = told(program, finding)
        if result.status is not Status.PASSED:
            yield from (indent(part, "  ") for part in explain(result, style))
        yield "  " + style("strong", "transcript")
        yield indent("\n".join(transcript.transcript(result.trace)), "  ")

    def again(self, program: Program, finding: Found) -> str:
        """The command that plays this run."""
        chosen = ["-k", program.id] if program.id != program.source.path else []
        words = [*self._command, program.source.path, *chosen, "--replay", finding.token]
        return visible(" ".join(map(shlex.quote, words)))

    def _figures(self, explored: Explored) -> str:
        kinds = Counter({kind: number for kind, number in explored.tried.items() if kind != "plain"})
        each = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items())
        figures = f"{_conditions(kinds.total())}: {each}" if each else "no other conditions"
        parts = [figures, self._extent(explored), explored.note, f"{explored.seconds:.2f} s"]
        return "; ".join(filter(None, parts))

    def _extent(self, explored: Explored) -> str:
        if explored.finding is not None:
            return "stopped at the first fault"
        if explored.interrupted:
            return "interrupted"
        if explored.whole:
            return "everything was tried"
        if explored.sampled:
            return "where there was too much, a part was tried"
        return f"the budget of {_budget(self._budget)} was used up"


def outcome(explored: Explored) -> str:
    if explored.skipped:
        return "skipped"
    if explored.finding is not None:
        return "refused" if explored.finding.trial.result.status is Status.REFUSED else "fault"
    return "stopped" if explored.interrupted else "sound"


def told(program: Program, finding: Found) -> Result:
    """The run's result with its transcript, secrets hidden."""
    result = finding.trial.result
    if result.trace:
        return result
    result = replace(result, trace=finding.trial.trace)
    return result if program.mask is None else masked(result, program.mask)


def summary(all_of_them: Sequence[Explored], left: int, invalid: int, seconds: float, style: Style) -> str:
    """The last line. `left`: scenarios that were not begun, since the run was interrupted."""
    counts = Counter(map(outcome, all_of_them))
    words = {
        "sound": "sound",
        "fault": "with a fault",
        "refused": "refused by the environment",
        "skipped": "skipped",
        "stopped": "interrupted",
    }
    parts = [style(_WORDS[kind][1], f"{counts[kind]} {text}") for kind, text in words.items() if counts[kind]]
    if left:
        parts.append(style("odd", f"{left} not begun"))
    if invalid:
        parts.append(style("bad", f"{invalid} invalid file{'' if invalid == 1 else 's'}"))
    tried = sum(map(_tried, all_of_them))
    return f"{', '.join(parts) or 'nothing was explored'}; {_conditions(tried)} in {seconds:.2f} s"


def as_json(all_of_them: Iterable[Explored], words: Words) -> str:
    return json.dumps({"scenarios": [_as_dict(explored, words) for explored in all_of_them]}, indent=2)


def _as_dict(explored: Explored, words: Words) -> dict[str, object]:
    program, finding = explored.program, explored.finding
    found: dict[str, object] = {
        "id": program.id,
        "path": program.source.path,
        "name": program.name,
        "status": outcome(explored),
        "tried": {kind: number for kind, number in explored.tried.items() if kind != "plain"},
        "everything": explored.whole,
        "seconds": round(explored.seconds, 3),
    }
    if explored.skipped:
        found["reason"] = explored.skipped
    if explored.note:
        found["note"] = explored.note
    if finding is not None:
        result = told(program, finding)
        found["fault"] = {
            "demand": finding.demand,
            "cause": list(finding.causes(program)),
            "replay": finding.token,
            "command": words.again(program, finding),
            "verdict": str(result.status),
            "reason": result.reason,
            "transcript": list(transcript.transcript(result.trace)),
        }
    return found


def progress(explored: Explored, place: int, of: int) -> str:
    """How far it is, for a line that is written over."""
    return f"[{place} of {of}] {visible(explored.program.id)}: {_conditions(_tried(explored))} so far"


def _tried(explored: Explored) -> int:
    """How many conditions; the run without any is none of them."""
    return explored.runs - explored.tried["plain"]


def _conditions(number: int) -> str:
    return f"{number:,} condition" if number == 1 else f"{number:,} conditions"


def _budget(budget: Budget) -> str:
    if budget.runs < float("inf"):
        return f"{budget.runs:,} run{'' if budget.runs == 1 else 's'}"
    return f"{budget.seconds:g} s"
