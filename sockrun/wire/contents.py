"""Bytes to be sent, in pieces: what a payload has become once every expression in it has its value.

Lives here: data that knows its size and comes in pieces of at most 64 KiB, so that a gigabyte of it needs no
more memory than a piece. Must not live here: nodes, scopes, forms (`payloads.py`).

A content can be read any number of times and gives the same bytes each time. Only an empty one has no piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Protocol

from sockrun.hexdump import size_text
from sockrun.records import dataclass
from sockrun.values import ExpressionError, Value

PIECE = 64 * 1024  # bytes
MESSAGE_LIMIT = 16 * 1024 * 1024  # bytes


class Content(Protocol):
    @property
    def size(self) -> int:
        """In bytes."""
        ...

    def pieces(self) -> Iterator[bytes]:
        """The bytes, `PIECE` at most at a time. Raises: ExpressionError, for a file that changed."""
        ...


def whole(content: Content, limit: int = MESSAGE_LIMIT) -> bytes:
    """All of it at once. Raises: ExpressionError, over `limit` bytes."""
    if content.size > limit:
        most = size_text(limit)
        raise ExpressionError(f"this has {content.size:,} bytes, and a message holds {most} at most")
    return b"".join(content.pieces())


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        return (self.data[at : at + PIECE] for at in range(0, len(self.data), PIECE))


@dataclass(frozen=True, slots=True)
class FileContent:
    """The first `size` bytes of a file, opened when they are asked for."""

    path: Path
    size: int

    def pieces(self) -> Iterator[bytes]:
        left = self.size
        try:
            with self.path.open("rb", buffering=0) as file:
                while left and (piece := file.read(min(PIECE, left))):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise ExpressionError(f"the file '{self.path}' cannot be read: {error.strerror}") from None
        if left:
            raise ExpressionError(f"the file '{self.path}' became shorter while the scenario ran")


def open_file(pack: Path, base: Path, name: str, folder: Value) -> Content:
    """The file, a small one read at once. `name` is relative to `base`, which lies in the pack.

    `folder` is the scenario's own, b"" where there is none yet.
    """
    path = Path(base, name)
    if "\0" in name:
        raise ExpressionError(f"the file {name!r} cannot be read: no file's name has a zero byte")
    try:
        allowed = [pack.resolve(strict=True)]
        if isinstance(folder, bytes) and folder:
            allowed.append(Path(folder.decode("utf-8", "surrogateescape")).resolve())
        real = path.resolve()
        if not any(real.is_relative_to(place) for place in allowed):
            raise ExpressionError(f"the file {name!r} is neither in the pack nor in ${{dir}}")
        if not real.is_file():
            raise ExpressionError(f"there is no file {name!r}")
        content = FileContent(real, real.stat().st_size)
    except (OSError, ValueError) as error:
        raise ExpressionError(f"the file {name!r} cannot be read: {error}") from None
    return Data(whole(content)) if content.size <= PIECE else content


@dataclass(frozen=True, slots=True)
class RandomContent:
    """The same bytes for the same seed, on every machine (MT19937, which Python promises to keep)."""

    size: int
    seed: int

    def pieces(self) -> Iterator[bytes]:
        import random  # costs a scenario without it a good part of its start-up

        source = random.Random(self.seed)
        return (source.randbytes(min(PIECE, self.size - at)) for at in range(0, self.size, PIECE))


@dataclass(frozen=True)
class Joined:
    """One after the other; small parts share a piece."""

    parts: tuple[Content, ...]

    @cached_property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def pieces(self) -> Iterator[bytes]:
        held: list[bytes] = []
        size = 0
        for piece in chain.from_iterable(part.pieces() for part in self.parts):
            if size + len(piece) > PIECE:
                yield b"".join(held)
                held, size = [], 0
            held.append(piece)
            size += len(piece)
        if held:
            yield b"".join(held)


@dataclass(frozen=True, slots=True)
class Repeated:
    """`count` times the same."""

    count: int
    of: Content

    @property
    def size(self) -> int:
        return self.count * self.of.size

    def pieces(self) -> Iterator[bytes]:
        if not self.size:
            return iter(())
        return self._of_blocks() if self.of.size <= PIECE else self._of_pieces()

    def _of_blocks(self) -> Iterator[bytes]:
        block = whole(self.of) * min(self.count, PIECE // self.of.size)
        for _ in range(self.size // len(block)):
            yield block
        if rest := self.size % len(block):
            yield block[:rest]

    def _of_pieces(self) -> Iterator[bytes]:
        for _ in range(self.count):
            yield from self.of.pieces()
