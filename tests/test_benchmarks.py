"""The benchmarks run and tell what they measured. How fast anything was is never judged here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import growth, load
from benchmarks.measuring import Workshop
from benchmarks.run import Row, buildable, main, row_of, table
from benchmarks.workloads import QUICK, Program, Workload, scenario_files, workloads

SELECTORS = Program("selectors", ("selectors",), lambda _workshop, _command: 0.0)
SOCKRUN = Program("sockrun", ("sockrun",), lambda _workshop, _command: 0.0, target=2.0)


@pytest.mark.parametrize(
    "name",
    [
        "round-trips/selectors",
        "datagrams/selectors",
        "connections/asyncio",
        "many/sockrun",
        "bulk/sockrun",
        "files/selectors, no files",
        "start-up/python -c pass",
        "calls/Python, straight",
        "calls/sockrun",
    ],
)
def test_a_chosen_program_is_run_and_printed_as_a_row(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    workload, program = name.split("/")

    assert main(["--quick", "--only", name]) == 0

    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")][2:]
    assert [[cell.strip() for cell in row.split("|")[1:3]] for row in rows] == [[workload, program]]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
@pytest.mark.parametrize(
    "name", ["connections/C, epoll", "connections/C, blocking", "datagrams/C, blocking", "bulk/C, 64 kB pieces"]
)
def test_c_programs_are_compiled_and_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", name]) == 0
    assert name.split("/")[1] in capsys.readouterr().out


def test_the_json_file_holds_every_run_of_a_program(tmp_path: Path) -> None:
    report = tmp_path / "report.json"

    assert main(["--quick", "--repeats", "3", "--only", "round-trips/selectors", "--json", str(report)]) == 0

    (row,) = json.loads(report.read_text())
    assert (row["workload"], row["program"], len(row["seconds"])) == ("round-trips", "selectors", 3)


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--only", "nonsense"]) == 2
    assert "'nonsense'" in capsys.readouterr().err


def test_a_program_is_judged_by_the_ratio_of_medians() -> None:
    """One slow run changes nothing: 0.3 to 0.1 is three times the anchor, and misses a target of two."""
    workload = Workload("echo", "bytes and back", "selectors", (SELECTORS, SOCKRUN))

    row = row_of(workload, SOCKRUN, [0.3, 9.0, 0.2], [0.1, 0.1, 5.0])

    assert row.ratio == pytest.approx(3.0)
    assert row.verdict == "missed"
    assert row.seconds == (0.3, 9.0, 0.2)


def test_without_its_anchor_a_program_has_seconds_but_no_verdict() -> None:
    workload = Workload("echo", "bytes and back", "selectors", (SOCKRUN,))

    row = row_of(workload, SOCKRUN, [0.3], None)

    assert (row.median, row.ratio, row.verdict) == (0.3, None, "")


def test_the_table_is_aligned_markdown() -> None:
    workload = Workload("echo", "bytes and back", "selectors", (SELECTORS, SOCKRUN))
    rows = [Row("echo", "selectors", (0.1,), 1.0, None), Row("echo", "sockrun", (0.15,), 1.5, 2.0)]

    assert table(rows, [workload]) == (
        "echo: bytes and back; 1.00 is selectors\n"
        "\n"
        "| workload | program   | milliseconds | ratio | target | verdict |\n"
        "| -------- | --------- | ------------ | ----- | ------ | ------- |\n"
        "| echo     | selectors | 100.0        | 1.00  |        |         |\n"
        "| echo     | sockrun   | 150.0        | 1.50  | 2.00   | kept    |"
    )


@pytest.mark.parametrize("workload", workloads(QUICK), ids=lambda workload: workload.name)
def test_every_workload_runs_its_anchor_and_sockrun(workload: Workload) -> None:
    """A target is a ratio to a program measured in the same run, so the anchor is one of them."""
    programs = {program.name: program for program in workload.programs}

    assert workload.anchor in programs
    assert programs["sockrun"].target is not None


def test_sockrun_plays_only_scenarios_that_were_written() -> None:
    written = set(scenario_files(QUICK)) | {"waits"}
    played = {
        program.command[-1]
        for workload in workloads(QUICK)
        for program in workload.programs
        if program.command[1:4] == ("-m", "sockrun", "run")
    }

    assert played <= written


def test_a_program_whose_module_is_missing_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strange = Program("strange", ("python",), lambda _workshop, _command: 0.0, needs="no_such_module_anywhere")

    (left,) = buildable([Workload("echo", "bytes", "selectors", (SELECTORS, strange))], Workshop(tmp_path))

    assert left.programs == (SELECTORS,)
    assert capsys.readouterr().err == "not installed, and left out: no_such_module_anywhere\n"


@given(st.floats(1e-6, 1e3), st.floats(0, 3), st.lists(st.integers(1, 10**6), min_size=2, unique=True))
def test_the_exponent_of_a_power_is_found(factor: float, power: float, sizes: list[int]) -> None:
    points = [(float(size), factor * size**power) for size in sizes]
    assert growth.exponent(points) == pytest.approx(power, abs=1e-3)


def test_one_point_has_no_exponent() -> None:
    assert growth.exponent([(10, 0.5)]) is None


@pytest.mark.parametrize("name", [growth.name for growth in growth.GROWTHS])
def test_growth_is_a_row_of_figures(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert growth.main(["--quick", "--repeats", "1", "--only", name]) == 0
    head, _, row = capsys.readouterr().out.splitlines()
    assert row.startswith(f"| {name} | ")
    assert row.count("|") == head.count("|")


@pytest.mark.skipif(not all(map(shutil.which, load.PROGRAMS)), reason="not all of the programs are installed")
def test_load_is_measured_beside_other_tools(capsys: pytest.CaptureFixture[str]) -> None:
    assert load.main(["--repeats", "1", "--seconds", "1"]) == 0
    rows = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("| ")][2:]
    assert [tool for _, tool in rows] == ["redis-benchmark", "sockrun load", "wrk", "sockrun load"] * 2


def test_latencies_of_other_tools_are_read_with_their_units() -> None:
    assert [load.in_seconds(text) for text in ("250.00us", "1.50ms", "2.00s")] == pytest.approx([250e-6, 1.5e-3, 2.0])
