"""Where a message and its frame end in a stream's unread bytes, and the reader that asks.

Lives here: one cut for each way of telling messages apart. Must not live here: how the file says it, and
what goes on the wire (`framing.py`); what a message should be (`matching/`).

The one theory: a *cut* is a function of the unread bytes that says where the first message and its frame
end, or that more bytes are needed, or why there can be no message. All readers are a cut and a matcher's
verdict on the message. A cut remembers how far it has searched, and so costs linear time even when the
bytes come one by one; its verdict does not depend on how they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.hexdump import size_text
from sockrun.records import NamedTuple, dataclass, field
from sockrun.values import ExpressionError
from sockrun.wire.lengths import Length


class Frame(NamedTuple):
    """Offsets into the unread bytes: the message is [start:stop], and `end` is behind its frame."""

    start: int
    stop: int
    end: int


class Cut(Protocol):
    """Used for one message."""

    def find(self, buffer: bytearray, end: bool) -> Frame | None:
        """The first frame; None when it needs more bytes. Raises: ExpressionError, when there can be none."""
        ...

    def progress(self, buffer: bytearray) -> str:
        """Where in a frame these unread bytes end: 'in the middle of a message: 5 of 8 bytes'."""
        ...


# --- readers -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _FramedReader:
    cut: Cut
    matcher: Matcher

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None:
        try:
            frame = self.cut.find(buffer, end)
        except ExpressionError as error:
            return Mismatch(error.message, bytes(buffer))
        if frame is None:
            return None
        verdict = self.matcher.judge(bytes(buffer[frame.start : frame.stop]))
        if isinstance(verdict, Match):
            del buffer[: frame.end]
        return verdict

    def progress(self, buffer: bytearray) -> str:
        return self.cut.progress(buffer) if buffer else "before the first byte of a message"


@dataclass(frozen=True, slots=True)
class FramedMatcher:
    cut: Callable[[], Cut]
    matcher: Matcher

    @property
    def summary(self) -> str:
        return self.matcher.summary

    def reader(self) -> Reader:
        return _FramedReader(self.cut(), self.matcher)

    def judge(self, message: bytes) -> Match | Mismatch:
        return self.matcher.judge(message)

    def progress(self, unread: bytes) -> str:
        """What a reader that had these bytes when no more came would say."""
        cut, buffer = self.cut(), bytearray(unread)
        cut.find(buffer, False)
        return _FramedReader(cut, self.matcher).progress(buffer)


# --- cuts --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Delimited:
    """Up to a delimiter; `kind` is 'message' or 'line', `shown` the delimiter for people."""

    delimiter: bytes
    shown: str
    limit: int
    kind: str = "message"
    drops_cr: bool = False
    _searched: int = field(default=0, init=False)

    def find(self, buffer: bytearray, end: bool) -> Frame | None:
        at = buffer.find(self.delimiter, self._searched)
        self._searched = max(0, len(buffer) - len(self.delimiter) + 1)
        if (self._searched if at < 0 else at) > self.limit:
            most = f"the {size_text(self.limit)} that a message may hold"
            raise ExpressionError(f"a {self.kind} goes on without {self.shown} after {most}")
        if at < 0:
            return None
        carriage_return = self.drops_cr and at > 0 and buffer[at - 1] == 0x0D
        return Frame(0, at - carriage_return, at + len(self.delimiter))

    def progress(self, buffer: bytearray) -> str:
        return f"in the middle of a {self.kind}: {size_text(len(buffer))} and no {self.shown}"


class Header(Protocol):
    """What stands before a message and says where it is."""

    def frame(self, buffer: bytearray) -> Frame | None:
        """None while the header is not complete. Raises: ExpressionError."""
        ...

    @property
    def size(self) -> int | None:
        """In bytes; None where it depends on what it says."""
        ...


@dataclass(slots=True)
class Counted:
    """As long as its header says."""

    header: Header
    limit: int
    _frame: Frame | None = field(default=None, init=False)

    def find(self, buffer: bytearray, end: bool) -> Frame | None:
        if self._frame is None:
            self._frame = self._checked(self.header.frame(buffer))
        return self._frame if self._frame is not None and len(buffer) >= self._frame.end else None

    def _checked(self, frame: Frame | None) -> Frame | None:
        size = 0 if frame is None else frame.stop - frame.start
        if size > self.limit:
            announced, most = size_text(size), size_text(self.limit)
            raise ExpressionError(f"a message of {announced} is announced, and it may have {most} at most")
        return frame

    def progress(self, buffer: bytearray) -> str:
        if self._frame is not None:
            return f"in the middle of a message: {_of(len(buffer), self._frame.end)}"
        return f"in the middle of a message's header: {_of(len(buffer), self.header.size)}"


def _of(count: int, total: int | None) -> str:
    return size_text(count) if total is None else f"{count} of {size_text(total)}"


@dataclass(frozen=True, slots=True)
class Sized:
    """No header: all messages have the same size."""

    message: int
    size: int = 0

    def frame(self, buffer: bytearray) -> Frame:
        return Frame(0, self.message, self.message)

    def wrap(self, data: bytes) -> bytes:
        if len(data) != self.message:
            raise ExpressionError(f"this has {size_text(len(data))}, and a message here has {self.message}")
        return data


@dataclass(frozen=True, slots=True)
class Prefix:
    """A length, which is no part of the message, but may count itself."""

    length: Length
    counts_itself: bool

    @property
    def size(self) -> int | None:
        return self.length.width

    def frame(self, buffer: bytearray) -> Frame | None:
        count = self.length.decode(buffer)
        if count is None:
            return None
        end = count.value + (0 if self.counts_itself else count.width)
        if end < count.width:
            raise ExpressionError(f"the length {count.value} leaves no room for a message")
        return Frame(count.width, end, end)

    def wrap(self, data: bytes) -> bytes:
        prefix = self.length.encode(len(data))
        if self.counts_itself:
            prefix = self._counting_itself(len(data), len(prefix))
        return prefix + data

    def _counting_itself(self, size: int, width: int) -> bytes:
        """A number that counts its own bytes may need one more of them (varint)."""
        prefix = self.length.encode(size + width)
        return prefix if len(prefix) == width else self._counting_itself(size, len(prefix))


@dataclass(frozen=True, slots=True)
class LengthInHeader:
    """A header that is part of the message; `read` takes from it how many bytes follow, less `adjust`."""

    size: int
    read: Callable[[bytes], int]
    adjust: int

    def frame(self, buffer: bytearray) -> Frame | None:
        if len(buffer) < self.size:
            return None
        said = self.read(bytes(buffer[: self.size]))
        body = said + self.adjust
        if body < 0:
            raise ExpressionError(f"the length {said} in the header is too small: {body} bytes would follow")
        return Frame(0, self.size + body, self.size + body)


@dataclass(frozen=True, slots=True)
class UntilClose:
    limit: int

    def find(self, buffer: bytearray, end: bool) -> Frame | None:
        if len(buffer) > self.limit:
            raise ExpressionError(f"the peer sent over {size_text(self.limit)} and did not close")
        return Frame(0, len(buffer), len(buffer)) if end else None

    def progress(self, buffer: bytearray) -> str:
        return f"in the middle of a message that ends with the connection: {size_text(len(buffer))}"
