"""`python -m benchmarks.run`: runs the table of workloads and prints the ratios.

The programs of a workload run in turn, A B C A B C, so that a slow minute of the machine falls on all of
them alike; each is judged by its median.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import sys
import tempfile
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks import scenarios
from benchmarks.measuring import ProgramError, Workshop
from benchmarks.workloads import FULL, QUICK, Program, Size, Workload, scenario_files, workloads


@dataclass(frozen=True)
class Row:
    """What one program of one workload took, in seconds; `ratio` is to the anchor, where that ran."""

    workload: str
    program: str
    seconds: tuple[float, ...]
    ratio: float | None
    target: float | None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def verdict(self) -> str:
        if self.target is None or self.ratio is None:
            return ""
        return "kept" if self.ratio <= self.target else "missed"


def main(words: Sequence[str] | None = None) -> int:
    options = parse(words)
    size = QUICK if options.quick else FULL
    size = replace(size, repeats=options.repeats or size.repeats)
    chosen = select(workloads(size), options.only)
    if not chosen:
        print(f"nothing is named {options.only!r}; --list shows the names", file=sys.stderr)
        return 2
    if options.list:
        print("\n".join(f"{w.name}/{p.name}" for w in chosen for p in w.programs))
        return 0
    try:
        rows = run(chosen, size)
    except ProgramError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(rows, chosen))
    if options.json:
        options.json.write_text(json.dumps([as_json(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    return 0


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="sockrun beside other programs.")
    parser.add_argument("--quick", action="store_true", help="little work, once: do the programs run at all?")
    parser.add_argument("--only", default="", metavar="NAME", help="a workload, or one program: round-trips/asyncio")
    parser.add_argument("--repeats", type=positive, metavar="N", help="how often each program runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all measured seconds there, too")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    return parser.parse_args(words)


def positive(text: str) -> int:
    """An argument that is 1 or more. Raises: ValueError, which argparse tells the user."""
    number = int(text)
    if number < 1:
        raise ValueError(f"{text} is less than 1")
    return number


def select(table: Iterable[Workload], name: str) -> list[Workload]:
    """The workload of that name, or only one program of it; all of them for the empty name."""
    workload_name, _, program_name = name.partition("/")
    return [
        replace(workload, programs=programs)
        for workload in table
        if workload_name in ("", workload.name)
        and (programs := tuple(p for p in workload.programs if program_name in ("", p.name)))
    ]


def run(chosen: Sequence[Workload], size: Size) -> list[Row]:
    """Measures the workloads in a new temporary folder. Raises: ProgramError."""
    with tempfile.TemporaryDirectory(prefix="sockrun-bench-") as folder:
        workshop = Workshop(Path(folder))
        scenarios.write(workshop.folder, scenario_files(size))
        return [row for w in buildable(chosen, workshop) for row in measure(w, workshop, size.repeats)]


def allow_many_files() -> None:
    """Raises the soft limit of open files to the hard one, for the programs with many connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def buildable(chosen: Sequence[Workload], workshop: Workshop) -> list[Workload]:
    """The workloads with the C programs compiled; without those that this machine lacks something for."""
    programs = [program for workload in chosen for program in workload.programs]
    missing = {program.needs for program in programs if program.needs and not is_installed(program.needs)}
    if missing:
        print(f"not installed, and left out: {', '.join(map(str, sorted(missing)))}", file=sys.stderr)
    compiled = any(program.compiled for program in programs) and workshop.build()
    if not compiled and any(program.compiled for program in programs):
        print("there is no C compiler `cc`: the programs in C are left out", file=sys.stderr)
    return [
        replace(workload, programs=tuple(p for p in workload.programs if can_run(p, compiled, missing)))
        for workload in chosen
    ]


def is_installed(name: str) -> bool:
    """A module, or a program."""
    return find_spec(name) is not None or shutil.which(name) is not None


def can_run(program: Program, compiled: bool, missing: Container[str | None]) -> bool:
    return (compiled or not program.compiled) and program.needs not in missing


def measure(workload: Workload, workshop: Workshop, repeats: int) -> list[Row]:
    """Runs each program in turn, `repeats` times after one run that is not counted. Raises: ProgramError."""
    seconds: dict[str, list[float]] = {program.name: [] for program in workload.programs}
    for turn in range(repeats + 1):
        for program in workload.programs:
            taken = program.clock(workshop, program.command)
            if turn:
                seconds[program.name].append(taken)
    anchor = seconds.get(workload.anchor)
    return [row_of(workload, program, seconds[program.name], anchor) for program in workload.programs]


def row_of(workload: Workload, program: Program, seconds: list[float], anchor: list[float] | None) -> Row:
    ratio = statistics.median(seconds) / statistics.median(anchor) if anchor else None
    return Row(workload.name, program.name, tuple(seconds), ratio, program.target)


def table(rows: Iterable[Row], chosen: Iterable[Workload]) -> str:
    """The rows as a Markdown table, under a line for each workload that says what it is."""
    head = ("workload", "program", "milliseconds", "ratio", "target", "verdict")
    cells = [head, *(cells_of(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "| " + " | ".join("-" * max(width, 3) for width in widths) + " |")
    told = [f"{workload.name}: {workload.what}; 1.00 is {workload.anchor}" for workload in chosen]
    return "\n".join([*told, "", *lines])


def cells_of(row: Row) -> tuple[str, ...]:
    ratio, target = ("" if number is None else f"{number:.2f}" for number in (row.ratio, row.target))
    return (row.workload, row.program, f"{row.median * 1000:.1f}", ratio, target, row.verdict)


def as_json(row: Row) -> dict[str, object]:
    return {
        "workload": row.workload,
        "program": row.program,
        "seconds": row.seconds,
        "median": row.median,
        "ratio": row.ratio,
        "target": row.target,
    }


if __name__ == "__main__":
    allow_many_files()
    sys.exit(main())
