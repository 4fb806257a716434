"""The pack of real protocols: each file passes alone, and all of them at the same time.

A file whose program this machine lacks is skipped, and says why.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sockrun.compiling.loading import Options, load
from sockrun.program import Program
from sockrun.results import Result, Status
from tests.playing import SCENARIOS, play_all

PACK = sorted((SCENARIOS / "real").glob("*.yaml"))
PROTOCOLS = [path for path in PACK if not path.stem.endswith("_fails")]
SLOW = 10.0  # all at once, with compilers and a database among them, on a machine with other work


def of(path: Path) -> tuple[Program, ...]:
    loaded = load(path, Options(time_scale=SLOW))
    assert not loaded.diagnostics, loaded.diagnostics
    return loaded.programs


def failures(results: list[Result]) -> list[tuple[str, str]]:
    return [(result.id, result.reason) for result in results if not (result.passed or lacks_a_program(result))]


def lacks_a_program(result: Result) -> bool:
    return result.status is Status.SKIPPED and result.reason.startswith(("there is no command", "there is no file"))


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_a_real_program_does_as_the_file_says(path: Path) -> None:
    results = play_all(of(path))
    assert failures(results) == []
    if not any(result.passed for result in results):
        pytest.skip(results[0].reason)


def test_the_whole_pack_passes_three_times_at_the_same_time() -> None:
    assert failures(play_all([program for path in PACK for program in of(path)] * 3)) == []


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_each_protocol_has_a_file_that_must_fail(path: Path) -> None:
    """With a piece of the message that it fails with."""
    (program,) = of(path.with_stem(f"{path.stem}_fails"))
    assert isinstance(program.expect_failure, str)


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_each_file_says_which_programs_it_needs(path: Path) -> None:
    assert all(program.requires.command for program in of(path))
