"""What was held against the schema once is not held against it again, unless anything about it has changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.reading import shapes as module
from sockrun.reading.shapes import SIZE, Shapes
from tests.command_line import INVALID, CommandLine

SHAPES = Path(".sockrun_cache/shapes")
# Plays what is named, and says whether the validator was asked.
ASKED = """
import sys
from sockrun.cli import main
try:
    main()
except SystemExit as end:
    print(end.code, "jsonschema" in sys.modules)
"""


def asked(*words: str) -> tuple[str, str]:
    """The exit status, and whether jsonschema was imported."""
    done = subprocess.run([sys.executable, "-c", ASKED, "run", *words], capture_output=True, text=True, timeout=60)
    status, imported = done.stdout.splitlines()[-1].split()
    return status, imported


def test_a_file_that_was_right_is_not_checked_again(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert asked("a.yaml") == ("0", "True")
    assert asked("a.yaml") == ("0", "False")
    sockrun.passing("b.yaml", "another")
    assert asked("a.yaml", "b.yaml") == ("0", "True")
    assert asked(".") == ("0", "False")


def test_a_file_that_has_changed_is(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert asked("a.yaml") == ("0", "True")
    sockrun.write("a.yaml", INVALID)
    assert asked("a.yaml") == ("2", "True")
    assert asked("a.yaml") == ("2", "True")


def test_a_file_that_is_included_is_known_by_its_own_text(sockrun: CommandLine) -> None:
    sockrun.write("steps.yaml", "steps: [send: a]\n")
    client = "c: {side: client, to: s, steps: [include: steps.yaml]}"
    sockrun.write("a.yaml", f"roles:\n  s: {{protocol: tcp, side: server, expect: a}}\n  {client}\n")
    assert asked("a.yaml") == ("0", "True")
    assert asked("a.yaml") == ("0", "False")
    sockrun.write("steps.yaml", "steps: [sends: a]\n")
    assert asked("a.yaml") == ("2", "True")


def test_without_the_cache_nothing_is_known(sockrun: CommandLine) -> None:
    sockrun.passing("a.yaml")
    assert asked("a.yaml", "--no-cache") == ("0", "True")
    assert asked("a.yaml", "--no-cache") == ("0", "True")
    assert not SHAPES.exists()


@pytest.mark.parametrize("content", [b"", b"x", b"\xff" * 1000])
def test_a_damaged_cache_is_as_good_as_none(sockrun: CommandLine, content: bytes) -> None:
    sockrun.passing("a.yaml")
    asked("a.yaml")
    SHAPES.write_bytes(content)
    assert asked("a.yaml") == ("0", "True")
    assert asked("a.yaml") == ("0", "False")


def test_another_version_knows_nothing() -> None:
    learned = Shapes("1.0")
    learned.add("text", "scenario")
    known = learned.learned()
    assert known is not None
    assert Shapes("1.0", known).has("text", "scenario")
    assert not Shapes("1.0", known).has("text", "fragment")
    assert not Shapes("1.1", known).has("text", "scenario")


@given(st.sets(st.text(max_size=5), max_size=6), st.sets(st.text(max_size=5), max_size=6))
def test_exactly_what_was_added_is_known(added: set[str], others: set[str]) -> None:
    shapes = Shapes("1.0")
    for text in added:
        shapes.add(text, "scenario")
    again = Shapes("1.0", shapes.learned() or ())
    assert {text for text in added | others if again.has(text, "scenario")} == added
    assert again.learned() is None


def test_it_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    shapes = Shapes("1.0", [bytes([number]) * SIZE for number in range(2)])
    shapes.add("new", "scenario")
    learned = shapes.learned()
    assert learned is not None
    assert len(learned) == 1
