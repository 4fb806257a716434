"""sockrun as a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import sockrun
from tests.command_line import FAILS, INVALID, LONG, PASSES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(PASSES.format(name="good", tag="smoke"))
    (tmp_path / "bad.yaml").write_text(FAILS)
    return tmp_path


def test_importing_it_is_cheap() -> None:
    program = "import sys, sockrun; print([m for m in sys.modules if m.startswith('sockrun.') or m == 'yaml'])"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"


def test_every_public_name_is_there_and_no_other() -> None:
    assert all(getattr(sockrun, name) is not None for name in sockrun.__all__)
    assert set(sockrun.__all__) <= set(dir(sockrun))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sockrun.nothing


def test_run_gives_results_as_data(folder: Path) -> None:
    results = {Path(result.path).name: result for result in sockrun.run(folder)}
    assert results["good.yaml"].status is sockrun.Status.PASSED
    failed = results["bad.yaml"]
    assert failed.status is sockrun.Status.FAILED
    assert failed.failure is not None
    assert (failed.failure.expected, failed.failure.received) == (b"pang\n", b"pong\n")
    assert failed.failure.place is not None
    assert failed.failure.place.span.line == 10


def test_run_takes_paths_and_programs_together(folder: Path) -> None:
    results = sockrun.run([*sockrun.load(folder / "good.yaml"), folder / "good.yaml"], repeat=2)
    assert len(results) == 4


def test_run_chooses_and_stops_like_the_command_line(folder: Path) -> None:
    assert [result.name for result in sockrun.run(folder, tags=["smoke"])] == ["good"]
    assert [result.name for result in sockrun.run(folder, text="WRONG")] == ["wrong answer"]
    (folder / "long.yaml").write_text(LONG)
    assert sockrun.run([folder / "bad.yaml", folder / "long.yaml"], fail_fast=True)[-1].name == "wrong answer"


def test_an_invalid_file_raises_with_everything_before_anything_is_played(folder: Path) -> None:
    (folder / "invalid.yaml").write_text(INVALID)
    (folder / "other.yaml").write_text(INVALID)
    with pytest.raises(sockrun.Invalid) as raised:
        sockrun.run(folder)
    places = [str(diagnostic.span) for diagnostic in raised.value.diagnostics]
    assert any("invalid.yaml:1:" in place for place in places)
    assert any("other.yaml:1:" in place for place in places)


def test_validate_returns_what_is_wrong_and_raises_nothing(folder: Path) -> None:
    assert sockrun.validate([folder], pair=False) == []
    (folder / "invalid.yaml").write_text(INVALID)
    (found,) = sockrun.validate(folder, pair=False)
    assert found.severity == "error"
    (missing,) = sockrun.validate(folder / "nowhere.yaml")
    assert missing.code == "no-such-path"


def test_load_overrides_variables_and_timeouts(folder: Path) -> None:
    (folder / "v.yaml").write_text("vars: {word: a}\n" + PASSES.format(name="v", tag="t"))
    (program,) = sockrun.load(folder / "v.yaml", variables={"word": "b"}, timeout=1.5)
    assert program.constants["word"] == b"b"
    assert program.timeout == 1.5
