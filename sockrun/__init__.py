"""sockrun plays declarative socket scenarios.

`load`, `validate` and `run` are what the command line uses, `play` is for the background; results are data. Importing
the package is cheap: what a name needs is imported when the name is first used (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sockrun.api import audit as audit
    from sockrun.api import load as load
    from sockrun.api import loads as loads
    from sockrun.api import play as play
    from sockrun.api import run as run
    from sockrun.api import validate as validate
    from sockrun.auditing import Audit as Audit
    from sockrun.background import Played as Played
    from sockrun.background import ScenarioFailed as ScenarioFailed
    from sockrun.diagnostics import Diagnostic as Diagnostic
    from sockrun.diagnostics import Invalid as Invalid
    from sockrun.program import Program as Program
    from sockrun.results import Failure as Failure
    from sockrun.results import Result as Result
    from sockrun.results import Status as Status

__version__ = "0.1.0"

_HOMES = {
    "Audit": "sockrun.auditing",
    "Diagnostic": "sockrun.diagnostics",
    "Failure": "sockrun.results",
    "Invalid": "sockrun.diagnostics",
    "Played": "sockrun.background",
    "Program": "sockrun.program",
    "Result": "sockrun.results",
    "ScenarioFailed": "sockrun.background",
    "Status": "sockrun.results",
    "audit": "sockrun.api",
    "load": "sockrun.api",
    "loads": "sockrun.api",
    "play": "sockrun.api",
    "run": "sockrun.api",
    "validate": "sockrun.api",
}
__all__ = [
    "Audit",
    "Diagnostic",
    "Failure",
    "Invalid",
    "Played",
    "Program",
    "Result",
    "ScenarioFailed",
    "Status",
    "__version__",
    "audit",
    "load",
    "loads",
    "play",
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
