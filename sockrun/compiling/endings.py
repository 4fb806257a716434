"""Matchers of steps that do not wait for certain bytes: a close, a reset, a refusal, silence, any message."""

from __future__ import annotations

from sockrun.commands import Match, Mismatch, Reader
from sockrun.records import dataclass


@dataclass(frozen=True, slots=True)
class Nothing:
    """Refuses any byte. It is its own reader, since it has no state. `event`: 'the close', 'the reset'."""

    event: str

    @property
    def summary(self) -> str:
        return self.event

    def reader(self) -> Reader:
        return self

    def feed(self, buffer: bytearray, end: bool) -> Mismatch | None:
        return Mismatch(f"unread bytes before {self.event}", bytes(buffer)) if buffer else None

    def judge(self, message: bytes) -> Mismatch:
        return Mismatch(f"an unread datagram before {self.event}", message)


@dataclass(frozen=True, slots=True)
class Anything:
    """Takes all bytes and never has enough: what comes before a close is thrown away."""

    event: str

    @property
    def summary(self) -> str:
        return self.event

    def reader(self) -> Reader:
        return self

    def feed(self, buffer: bytearray, end: bool) -> None:
        buffer.clear()

    def judge(self, message: bytes) -> Match:
        return Match(message)


@dataclass(frozen=True, slots=True)
class Message:
    """Takes any whole message. `summary`: what the step that takes it wants."""

    summary: str

    def reader(self) -> Reader:
        raise AssertionError("an unframed stream has no messages")

    def judge(self, message: bytes) -> Match:
        return Match(message)
