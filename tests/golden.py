"""Scenario files beside the exact text that `validate` shows for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sockrun.compiling.loading import load
from sockrun.diagnostics import Diagnostic, render

TESTS = Path(__file__).parent


def files(folder: str) -> list[Path]:
    return sorted((TESTS / folder).glob("*.yaml"))


def without_file(folder: str) -> set[str]:
    """The texts whose file is gone, and the files that have no text yet."""
    return {path.stem for path in (TESTS / folder).glob("*.txt")} ^ {path.stem for path in files(folder)}


def _loading(path: Path) -> Sequence[Diagnostic]:
    return load(path).diagnostics


def check(
    path: Path,
    update: bool,
    monkeypatch: pytest.MonkeyPatch,
    find: Callable[[Path], Sequence[Diagnostic]] = _loading,
) -> None:
    """Hold what somebody who stands in the file's folder sees against the text; `update` writes the text anew."""
    monkeypatch.chdir(path.parent)
    text, golden = "\n\n".join(map(render, find(Path(path.name)))) + "\n", path.with_suffix(".txt")
    if update:
        golden.write_text(text)
    assert text == golden.read_text()
