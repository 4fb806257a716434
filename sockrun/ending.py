"""How a command ends: its exit status, and what is said when it cannot go on.

Exit statuses: 0 passed, 1 a scenario failed, 2 the command line or a file is wrong or nothing is selected, 3 the
environment refused, 70 a bug of ours, 130 interrupted; of several the first in 130, 70, 2, 3, 1.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper

REFUSED, BUG, INTERRUPTED = 3, 70, 130
# What only writing to a file gives, never a socket: it comes from help texts, which typer writes by itself.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

Status = int | str | None


def status_of(command: Callable[[], object]) -> Status:
    """Run a command to its end, whatever that is. What it raises becomes a sentence and a status."""
    if sys.stdout is None:  # it was closed before the start: a socket would get its number
        return _refused("standard output is closed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the locale's encoding does not have
    status: Status = 0
    try:
        command()
    except SystemExit as end:
        status = end.code
        if isinstance(end.__context__, Exception) and isinstance(end.__context__.__cause__, KeyboardInterrupt):
            status = _interrupted()  # typer has taken it while it read the words, and says nothing
    except KeyboardInterrupt:
        status = _interrupted()
    except Exception as error:
        status = _told(error)
    return _flushed(status)


def complain(message: str) -> None:
    """Say on standard error what is wrong, if anybody is there to be told."""
    with suppress(OSError, AttributeError):
        sys.stderr.write(f"sockrun: {message}\n")


def _told(error: Exception) -> int:
    """Say what ended the command."""
    from sockrun.diagnostics import EnvironmentRefused, ReaderGone

    if isinstance(error, ReaderGone):
        return REFUSED
    if isinstance(error, EnvironmentRefused):
        return _refused(str(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return _refused(f"standard output cannot be written: {error.strerror}")
    return _bug()


def _refused(message: str) -> int:
    complain(message)
    return REFUSED


def _interrupted() -> int:
    complain("interrupted")
    return INTERRUPTED


def _bug() -> int:
    import traceback

    complain("this is a bug in sockrun, not in your scenario: please report it with the lines below")
    traceback.print_exc()
    return BUG


def _flushed(status: Status) -> Status:
    """Write what is left of the output now, where it can still be told that this fails."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would try again when it exits, and complain in its own way.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return status or REFUSED
        return status or _refused(f"standard output cannot be written: {error.strerror or error}")
    return status
