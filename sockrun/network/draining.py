"""Waiting for the end of a connection whose role has done its steps: what still comes is told, and not kept.

Lives here: the reader that does it. Must not live here: what is made of what came (`playing/verdicts.py`).
"""

from __future__ import annotations

from sockrun.commands import Match, Mismatch

KEPT_UNREAD = 4096  # bytes of unread data kept for the report


class Drain:
    """Takes nothing and waits for the end; of what comes only the first bytes are kept. Satisfies `commands.Reader`."""

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        del buffer[KEPT_UNREAD:]
        return None
