"""The command: `sockrun`, or `python -m sockrun`.

Lives here: what must be in force before the first import that takes time: a signal at any moment ends the command
with a word and status 130, and garbage is looked for less often. Must not live here: the command line (`cli.py`).
"""

from __future__ import annotations

import gc
import signal
import sys

INTERRUPTED = 130
# Modules, schemas and compiled scenarios live for long, and nearly all that does not is given back by counting its
# references. With Python's own 700, looking for cycles among them is a tenth of a short run, and finds nothing.
GARBAGE = 50_000  # objects made and not given back, before cycles are looked for


def main() -> None:
    """The entry point: runs a command and exits with its status."""
    gc.set_threshold(GARBAGE)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from sockrun.cli import main as command

        command()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("sockrun: interrupted\n")
        # An interrupt inside an `exec` of text (dataclasses are made so) marks the whole process as killed by
        # SIGINT, and CPython would end it so although the exception was caught; the next `exec` takes that back.
        exec("")
        sys.exit(INTERRUPTED)
    finally:
        # The interpreter looks for cycles twice while it ends, in all there is: a sixth of a short run, for memory that
        # the system takes back anyway. Files and sockets are closed before, by those who opened them.
        gc.freeze()


if __name__ == "__main__":
    main()
