"""What a process writes: kept as one message, and told line by line as it comes.

The one theory: a program may write gigabytes, so memory is bounded: the start and the end are kept, the middle is
only counted. What is wanted whole is kept whole, up to the size of the longest message.
"""

from __future__ import annotations

from collections.abc import Iterator

KEPT = 64 * 1024  # bytes at the start, and as many at the end
WHOLE = 16 * 1024 * 1024  # bytes at the start, where all of it is wanted
LINE = 400  # bytes of a line that are told
LINES, WHILE = 20, 0.05  # lines that are told, at most, in so many seconds


class Pace:
    """How many lines are told, so that a program that writes very much does not push all else out of the transcript."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._told = 0
        self._passed_over = 0

    def told(self, lines: Iterator[str], moment: float) -> Iterator[str]:
        """Of these lines those that are told, at `moment` (seconds)."""
        if moment - self._since > WHILE:
            yield from self.rest()
            self._since, self._told = moment, 0
        for line in lines:
            self._told += 1
            if self._told <= LINES:
                yield line
            else:
                self._passed_over += 1

    def rest(self) -> Iterator[str]:
        """How many lines were passed over since the last one that was told."""
        if self._passed_over:
            yield f"... and {self._passed_over:,} more lines"
            self._passed_over = 0


class Output:
    """One of a process's two outputs."""

    def __init__(self, whole: bool) -> None:
        self._most = WHOLE if whole else KEPT
        self._head = bytearray()
        self._tail = bytearray()
        self._line = bytearray()
        self.left_out = 0  # bytes between the start and the end

    def add(self, data: bytes) -> None:
        room = self._most - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * KEPT:
            self.left_out += len(self._tail) - KEPT
            del self._tail[:-KEPT]

    @property
    def kept(self) -> bytes:
        """All of it, unless `left_out` says that something is missing in the middle."""
        return bytes(self._head + self._tail)

    def last(self, size: int) -> bytes:
        """Its last bytes, `size` at most."""
        return bytes((self._head + self._tail)[-size:]) if len(self._tail) < size else bytes(self._tail[-size:])

    def lines(self, data: bytes) -> Iterator[str]:
        """The lines that are whole with this piece."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._line) + lines[0]
            self._line.clear()
        self._line += rest[: LINE - len(self._line)]
        yield from map(_shown, lines)

    def rest(self) -> Iterator[str]:
        """The last line, when it was not ended."""
        if self._line:
            yield _shown(bytes(self._line))
            self._line.clear()


def _shown(line: bytes) -> str:
    text = line[:LINE].decode("utf-8", "replace").rstrip("\r")
    return f"{text} ..." if len(line) > LINE else text
