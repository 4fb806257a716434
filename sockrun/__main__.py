"""The command: `sockrun`, or `python -m sockrun`.

Lives here: what must be in force before the first import that takes time, so that a signal at any moment ends
the command with a word and status 130. Must not live here: the command line (`cli.py`).
"""

from __future__ import annotations

import signal
import sys

INTERRUPTED = 130


def main() -> None:
    """The entry point: runs a command and exits with its status."""
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


if __name__ == "__main__":
    main()
