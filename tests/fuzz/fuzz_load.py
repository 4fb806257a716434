"""Gives the loader scenario files as a fuzzer changes them, until one of them raises, hangs or fills the memory.

Started by hand, since it never ends by itself and atheris is no dependency: CONTRIBUTING.md says how.
"""

from __future__ import annotations

import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["sockrun"]):
    from sockrun.compiling.loading import load_text
    from sockrun.diagnostics import render_all


def load_and_tell(data: bytes) -> None:
    """Any bytes give a program or an error, and what is found can be shown."""
    loaded = load_text(data.decode("utf-8", "replace"), "fuzz/scenario.yaml")
    assert bool(loaded.programs) or loaded.errors or loaded.fragment, "neither a program nor an error"
    assert not (loaded.programs and loaded.errors), "a program in spite of an error"
    render_all(loaded.diagnostics)


if __name__ == "__main__":
    atheris.Setup(sys.argv, load_and_tell)
    atheris.Fuzz()
