"""A selector whose short waits end on time: epoll(7) knows whole milliseconds only, and rounds up.

The price is a system call more for each of them."""

from __future__ import annotations

import select
import selectors

SMALL = 1024  # above that select(2) knows no descriptor
SHORT = 0.01  # seconds; of a longer wait a millisecond is no great part


class PreciseSelector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and 0 < timeout < SHORT and self.fileno() < SMALL:
            select.select([self.fileno()], [], [], timeout)  # a selector is readable when it has something
            timeout = 0
        return super().select(timeout)
