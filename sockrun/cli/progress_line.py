"""How far a command is, in a line on the terminal that is written over: only where somebody sees it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable

OFTEN = 0.1  # seconds between two looks at how far it is
_ERASE = "\r\x1b[K"


class ProgressLine:
    """`wanted`: what is printed is for people."""

    def __init__(self, wanted: bool) -> None:
        self._shown = wanted and on_a_terminal()
        self._looked = 0.0

    def show(self, text: Callable[[], str]) -> None:
        """Write it over the line before, unless that is quite new."""
        now = time.monotonic()
        if self._shown and now - self._looked > OFTEN:
            self._looked = now
            width = shutil.get_terminal_size().columns - 1  # of a line that is broken only the end would be erased
            write_out(_ERASE + text()[:width])

    def erase(self) -> None:
        """Before anything else is written."""
        if self._shown:
            write_out(_ERASE)


def on_a_terminal() -> bool:
    """Whether what was written can be written over, and somebody sees it."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def write_out(text: str) -> None:
    """As it is, and at once. Raises: EnvironmentRefused."""
    from sockrun.reporters.base import STDOUT, open_target

    open_target(STDOUT).write(text)
