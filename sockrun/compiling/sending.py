"""The `send` step: a payload, framed, cut into chunks, repeated.

What is known when the scenario is compiled becomes commands once; the rest is a `Sending`, which makes
its commands from a scope. All values are taken before the first command is handed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import cast

from sockrun.commands import Address, Command, Send, SendPieces, Sleep
from sockrun.compiling.scalars import SETTLED, converted_if_said, to_bytes, to_count, to_natural, to_seconds, to_text
from sockrun.compiling.workshop import Job
from sockrun.program import Block, Do, Make
from sockrun.records import dataclass
from sockrun.values import ExpressionError, Operand, Payload, Scope, Value
from sockrun.wire.framing import Framing
from sockrun.wire.payloads import compile_payload

_LARGEST_UDP = 65_507  # bytes: 65,535 less the IPv4 and UDP headers (RFC 768, RFC 791)
_PIECE = 65_536  # bytes; more is streamed
_MADE_ONCE = 32  # commands; more are made as they are played


class Unsendable(ExpressionError):  # noqa: N818 (it says what the bytes are)
    """Bytes that cannot be sent like that; `hint` says what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Sending:
    """One `send`. `limit` is the largest datagram, None on a stream."""

    payload: Payload
    framing: Framing | None
    chunk: Operand | None
    every: Operand | None
    repeat: Operand | None
    to: Operand | None
    seconds: float
    stream: bool
    limit: int | None

    def commands(self, scope: Scope) -> Iterator[Command]:
        """The commands in order. Raises, before the first one: NotYet, ExpressionError."""
        repeat = 1 if self.repeat is None else cast(int, self.repeat.evaluate(scope))
        pause = None if self.every is None else Sleep(cast(float, self.every.evaluate(scope)))
        sends = self._streamed(scope) if self._streams else self._sends(scope)
        return _spaced(sends, repeat, pause)

    @property
    def _streams(self) -> bool:
        size = self.payload.size
        whole = self.payload.constant is not None or (size is not None and size <= _PIECE)
        return self.stream and (self.framing is None or self.framing.streams) and self.chunk is None and not whole

    @property
    def known(self) -> bool:
        """Whether no scope is needed."""
        operands = (self.chunk, self.every, self.repeat, self.to)
        constant = all(operand is None or operand.constant is not None for operand in operands)
        return constant and self.payload.constant is not None

    def _sends(self, scope: Scope) -> Iterable[Command]:
        data = self.payload.evaluate(scope)
        framed = data if self.framing is None else self.framing.frame(data)
        if self.stream and not framed:
            raise _empty()
        to = None if self.to is None else to_address(to_text(self.to.evaluate(scope)))
        size = max(len(framed), 1) if self.chunk is None else cast(int, self.chunk.evaluate(scope))
        if self.limit is not None and min(size, len(framed)) > self.limit:
            raise _too_large(min(size, len(framed)))
        chunks = _Chunks(framed, size, to, self.seconds)
        return list(chunks) if len(framed) <= size * _MADE_ONCE else chunks

    def _streamed(self, scope: Scope) -> Iterable[Command]:
        """The first two pieces are looked at, so that what is small after all goes out in one `Send`."""
        pieces = self.payload.pieces(scope)
        first, second = next(pieces, b""), next(pieces, b"")
        if not first:
            raise _empty()
        if not second:
            return [Send(first, None, self.seconds)]
        return [SendPieces(partial(self.payload.pieces, scope), self.seconds)]


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The sends of one message, each made when it is asked for: of 16 MiB in chunks of a byte there are many."""

    data: bytes
    size: int
    to: Address | None
    seconds: float

    def __iter__(self) -> Iterator[Command]:
        for at in range(0, max(len(self.data), 1), self.size):
            yield Send(self.data[at : at + self.size], self.to, self.seconds)


def to_address(text: str) -> Address:
    """HOST:PORT, an IPv6 host in brackets. Raises: ValueError."""
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) <= 65_535):
        raise ValueError(f"{text!r} is no address: write HOST:PORT, such as 127.0.0.1:53 or [::1]:53")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))


def to_address_text(value: Value) -> bytes:
    """The text of an address, which has been found to be one."""
    to_address(to_text(value))
    return to_bytes(value)


def send(job: Job) -> Block:
    sending = _compile(job)
    if sending is None:
        return ()
    place = job.place(sending.payload.summary)
    if not sending.known:
        return (Make(place, sending.commands),)
    try:
        commands = sending.commands(SETTLED)
    except ExpressionError as error:
        _complain(job, error)
        return ()
    first = tuple(command for command, _ in zip(commands, range(_MADE_ONCE + 1), strict=False))
    return (Do(place, first),) if len(first) <= _MADE_ONCE else (Make(place, sending.commands),)


def _compile(job: Job) -> Sending | None:
    context, options, datagram = job.context, job.step.options, job.role.datagram
    payload = compile_payload(job.node, context)
    if "to" in options and job.role.protocol != "udp":
        context.problems.error("to-on-stream", "only a udp role sends to an address", job.step.keys["to"])
    chunk = converted_if_said(options.get("chunk"), context, to_count)
    if payload is None:
        return None
    to = converted_if_said(options.get("to"), context, to_address_text)
    if to is not None and isinstance(to.constant, bytes):
        job.shop.hosts.append(to_address(to_text(to.constant)).host)
    limit = _LARGEST_UDP if job.role.protocol == "udp" else None
    if limit is not None and chunk is None and (payload.size or 0) > limit:
        _complain(job, _too_large(payload.size or 0))
        return None
    return Sending(
        payload=payload,
        framing=job.framing(),
        chunk=chunk,
        every=converted_if_said(options.get("every"), context, to_seconds),
        repeat=converted_if_said(options.get("repeat"), context, to_natural),
        to=to,
        seconds=job.seconds(),
        stream=not datagram,
        limit=limit,
    )


def _spaced(sends: Iterable[Command], repeat: int, pause: Sleep | None) -> Iterator[Command]:
    """The sends, which can be gone over again, `repeat` times, with the pause between any two."""
    for round_ in range(repeat):
        for at, command in enumerate(sends):
            if pause is not None and (round_ or at):
                yield pause
            yield command


def _empty() -> Unsendable:
    return Unsendable("an empty payload says nothing on a stream", "leave the step out")


def _too_large(size: int) -> Unsendable:
    message = f"a datagram of {size:,} bytes cannot be sent: UDP carries {_LARGEST_UDP:,} at most"
    return Unsendable(message, "make it shorter, or give 'chunk'")


def _complain(job: Job, error: ExpressionError) -> None:
    hint = error.hint if isinstance(error, Unsendable) else None
    job.context.problems.error("cannot-be-sent", error.message, job.node.span, hint=hint)
