"""What `validate` finds in files: what is wrong with each by itself, and where its roles do not fit each other.

Must not live here: how either is found (`compiling/`, `verdict.py`). The second is imported only for a file that can be
played, since it needs the whole simulation.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sockrun.compiling.loading import Options, load
from sockrun.diagnostics import Diagnostic
from sockrun.records import dataclass, field
from sockrun.results import Unpaired


@dataclass(frozen=True, slots=True)
class Validated:
    """`unpaired` are the scenarios that could not be decided, and why."""

    diagnostics: list[Diagnostic] = field(default_factory=list)
    unpaired: list[Unpaired] = field(default_factory=list)


def validate(files: Iterable[Path], options: Options, pairs: bool = True) -> Validated:
    """All that is wrong with the files, in their order; warnings too. Raises nothing that is a file's fault."""
    found = Validated()
    for file in files:
        loaded = load(file, options)
        found.diagnostics.extend(loaded.diagnostics)
        if pairs and loaded.programs:
            from sockrun.pairing.verdict import pair

            paired = pair(loaded.programs)
            found.diagnostics.extend(paired.diagnostics)
            found.unpaired.extend(paired.unpaired)
    return found
