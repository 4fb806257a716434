"""The pack of real protocols: each file passes alone, and all of them at the same time.

A file whose program this machine lacks, or that only root can play, is skipped and says why; on a build server none is.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sockrun.compiling.loading import Options, load
from sockrun.playing.requirements import unmet
from sockrun.program import Program
from sockrun.results import Result
from tests.playing import SCENARIOS, hold_that_nothing_is_lacking, play_all

PACK = sorted((SCENARIOS / "real").glob("*.yaml"))
PROTOCOLS = [path for path in PACK if not path.stem.endswith("_fails")]
KINDS = frozenset({"wrong-byte", "killed", "other-authority", "nobody-listens"})  # tags of those that must fail
SLOW = 10.0  # all at once, with compilers and a database among them, on a machine with other work


def of(path: Path) -> tuple[Program, ...]:
    loaded = load(path, Options(time_scale=SLOW))
    assert not loaded.diagnostics, loaded.diagnostics
    return loaded.programs


def failures(results: list[Result]) -> list[tuple[str, str]]:
    return [(result.id, result.reason) for result in results if not result.passed]


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_a_real_program_does_as_the_file_says(path: Path) -> None:
    programs = of(path)
    hold_that_nothing_is_lacking(programs)
    assert failures(play_all(programs)) == []


def test_the_whole_pack_passes_three_times_at_the_same_time() -> None:
    playable = [program for path in PACK for program in of(path) if unmet(program) is None]
    assert failures(play_all(playable * 3)) == []


@pytest.mark.parametrize("path", PROTOCOLS, ids=lambda path: path.stem)
def test_each_protocol_has_a_file_that_must_fail(path: Path) -> None:
    """With a piece of the message that it fails with, and the kind of failure among its tags."""
    (program,) = of(path.with_stem(f"{path.stem}_fails"))
    assert isinstance(program.expect_failure, str)
    assert len(KINDS.intersection(program.tags)) == 1


@pytest.mark.parametrize("path", PACK, ids=lambda path: path.stem)
def test_each_file_says_which_programs_it_needs(path: Path) -> None:
    assert all(program.requires.command for program in of(path))
