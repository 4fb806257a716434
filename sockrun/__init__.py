"""sockrun plays declarative socket scenarios.

`load`, `validate` and `run` are what the command line uses; results are data. Importing the package is
cheap: what a name needs is imported when the name is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockrun.api import load as load
    from sockrun.api import run as run
    from sockrun.api import validate as validate
    from sockrun.diagnostics import Diagnostic as Diagnostic
    from sockrun.diagnostics import Invalid as Invalid
    from sockrun.program import Program as Program
    from sockrun.results import Failure as Failure
    from sockrun.results import Result as Result
    from sockrun.results import Status as Status

__version__ = "0.1.0"

_HOMES = {
    "Diagnostic": "sockrun.diagnostics",
    "Failure": "sockrun.results",
    "Invalid": "sockrun.diagnostics",
    "Program": "sockrun.program",
    "Result": "sockrun.results",
    "Status": "sockrun.results",
    "load": "sockrun.api",
    "run": "sockrun.api",
    "validate": "sockrun.api",
}
__all__ = [
    "Diagnostic",
    "Failure",
    "Invalid",
    "Program",
    "Result",
    "Status",
    "__version__",
    "load",
    "run",
    "validate",
]


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
