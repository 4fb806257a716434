"""The command line: options and assembly. The only package that imports `typer`.

Everything else is imported inside the commands, and a command's module when the command is asked for, so that a run,
`--version` and `--help` are quick. How a command ends is told in `ending.py`.
"""

from __future__ import annotations

import sys
from importlib import import_module

from sockrun.cli.application import app
from sockrun.ending import status_of

# Each command and its module, in the order of the help.
COMMANDS = {
    "run": "run",
    "load": "load",
    "audit": "audit",
    "validate": "looking",
    "list": "looking",
    "show": "looking",
    "schema": "looking",
    "explore": "explore",
    "record": "record",
    "import": "importing",
    "new": "new",
}


def main() -> None:
    """Runs a command and exits with its status."""
    sys.exit(status_of(_command))


def _command() -> None:
    first = sys.argv[1] if len(sys.argv) > 1 else ""
    if first != "--version":
        for module in [COMMANDS[first]] if first in COMMANDS else dict.fromkeys(COMMANDS.values()):
            import_module(f"sockrun.cli.{module}")  # which registers its commands
    app()
