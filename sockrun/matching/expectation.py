"""What every matcher form is compiled to, and the few words that all of them share.

Lives here: `Expectation`, what a form is given, the limits, how a difference is told. Must not live here: any
form.

Two moments are kept apart. A form is *compiled* once, when the file is read: every error that does not
depend on received bytes is found then. What holds an expression that needs a scope is *evaluated* again at
each step, to a `commands.Matcher`; all else is one matcher from the start (`constant`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from keyword import iskeyword
from typing import Protocol, TypeAlias

from sockrun.commands import Matcher, Mismatch, Reader
from sockrun.compiling.context import Context
from sockrun.records import dataclass
from sockrun.source import Node
from sockrun.values import ExpressionError, Scope
from sockrun.wire.deferred import Deferred, combine
from sockrun.wire.payloads import compile_payload

KEPT = 64 * 1024  # bytes: what is longer is checked as it comes, and not kept
SHOWN = 16 * 1024  # bytes of unread data that a mismatch holds, at most (more only to show the difference)
_AFTER = 256  # bytes shown behind a difference that lies farther back

Buffer: TypeAlias = bytes | bytearray


@dataclass(frozen=True, slots=True)
class Expectation:
    """A compiled matcher. `binds` are the variables that its matches set.

    `evaluate` may raise NotYet, ExpressionError. `constant` is what it always gives, where it needs no scope.
    """

    summary: str
    evaluate: Callable[[Scope], Matcher]
    constant: Matcher | None = None
    binds: tuple[str, ...] = ()

    @property
    def deferred(self) -> Deferred[Matcher]:
        """The matcher, as what another form is made of."""
        return Deferred(self.evaluate, self.constant is not None, self.constant)


class MessageOnly:
    """A matcher without an end on a stream: `needs_message` has refused it there when it was compiled."""

    def reader(self) -> Reader:
        raise AssertionError(f"{type(self).__name__} cannot read a stream")


class Compile(Protocol):
    """`compile_matcher`, as the forms that hold other matchers call it."""

    def __call__(self, node: Node, context: Context, *, keep: bool = False) -> Expectation | None: ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a form is compiled from. `keep`: what it takes is wanted as `Match.data`, however long it is."""

    node: Node
    context: Context
    keep: bool
    compile: Compile

    def entry(self, key: str) -> Node:
        """The entry of the form's mapping under `key`, which is known to be there."""
        return self.node.mapping[key]


Form: TypeAlias = Callable[[Request], Expectation | None]


def expectation(summary: str, matcher: Deferred[Matcher] | None, binds: tuple[str, ...] = ()) -> Expectation | None:
    return None if matcher is None else Expectation(summary, matcher.make, matcher.value, binds)


def around_bytes(node: Node, context: Context, words: str, make: Callable[[bytes], Matcher]) -> Expectation | None:
    """What `make` does with a payload's bytes, at least one; in the summary `words` stand before them."""
    payload = compile_payload(node, context)
    if payload is None:
        return None
    data = Deferred(payload.evaluate, payload.constant is not None, payload.constant)
    matcher = combine(context, node, lambda found: make(not_empty(found)), data)
    return expectation(f"{words} {payload.summary}", matcher)


def not_empty(data: bytes) -> bytes:
    """Raises: ExpressionError, for no bytes: they would be there before anything has come."""
    if not data:
        raise ExpressionError("at least one byte is wanted here: nothing is always there")
    return data


def bind(names: Collection[str], node: Node, context: Context) -> bool:
    """Tell the context that a match sets `names`; False, with the problem reported, where one is no name."""
    wrong = [name for name in names if not name.isidentifier() or iskeyword(name)]
    for name in wrong:
        message = f"{name!r} cannot be the name of a variable"
        hint = "names are letters, digits and _, and no words of Python such as 'class'"
        context.problems.error("bad-name", message, node.span, hint=hint)
    for name in names:
        context.bind(name, node)
    return not wrong


def needs_message(form: str, request: Request) -> bool:
    """Whether `form` stands on an unframed stream, where it has no end; then it is reported."""
    if request.context.message:
        return False
    message = f"{form!r} judges a whole message, and an unframed stream has none"
    hint = "give the role a 'framing', or say what comes with a literal, 'regex', 'contains' or 'length'"
    request.context.problems.error("needs-a-message", message, request.node.span, hint=hint)
    return True


def shown(received: Buffer, offset: int | None = None) -> bytes:
    """The part of the received bytes that a mismatch holds."""
    return bytes(received[: SHOWN if offset is None else max(SHOWN, offset + _AFTER)])


def mismatch(reason: str, received: Buffer, offset: int | None = None) -> Mismatch:
    """Told where no expected bytes exist: a pattern, a length."""
    return Mismatch(reason, shown(received, offset), None, offset)


def wrong_size(size: int, wanted: str) -> str:
    """'is 5 bytes long, not 8'."""
    return f"is {size:,} byte{'' if size == 1 else 's'} long, not {wanted}"


def byte_differs(at: int, received: int, wanted: str) -> str:
    """'byte 5 is 0x09, not 0x08'; bytes are counted from 0, as in a hexdump."""
    return f"byte {at} is 0x{received:02x}, not 0x{wanted}"
