"""How many files and sockets this process may have open (getrlimit(2), RLIMIT_NOFILE)."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

SPARE = 8  # for reports, files of scenarios, and what Python opens by itself
UNLIMITED = 1 << 20


def most() -> int:
    """The limit, once it has been raised as far as the system allows: the soft one is a default, not a wish."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft


def left() -> int:
    """How many more sockets scenarios may open; below zero where even the spare ones are not there."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return most() - len(os.listdir(folder)) - SPARE
    return most() - 2 * SPARE
