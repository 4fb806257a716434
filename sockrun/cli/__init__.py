"""The command line: options and assembly. The only package that imports `typer`.

Everything else is imported inside the commands, so that `--version` and `--help` are quick. How a command ends is
told in `ending.py`. A command is in the help in the order in which its module is imported here.
"""

# ruff: noqa: I001 (the order is the help's)
from sockrun.cli import run  # noqa: F401 (its import registers the command, as those below do)
from sockrun.cli import audit  # noqa: F401
from sockrun.cli import looking  # noqa: F401
from sockrun.cli import explore  # noqa: F401
from sockrun.cli import record  # noqa: F401
from sockrun.cli.application import main

__all__ = ["main"]
