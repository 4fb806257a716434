"""What a role asks of its surroundings, and what it is told: two closed unions.

A role is a generator that yields one command at a time and is resumed with an event. Commands whose
content is known are made once, when the scenario is compiled, and yielded as they are; an event object
is made only where it carries something (`None` says 'done').

The `Reader` contract is the one theory behind all reading. A reader is fed the unread bytes of a
stream, from the first one, whenever there are more of them. It answers with

- `Match`: it took what it wanted, and has deleted exactly those bytes from the front of the buffer;
- `None`: it needs more, and left the buffer alone (a reader that checks without keeping, such as
  `{length: N, sha256: ...}`, may take pieces early: they could belong to nobody else);
- `Mismatch`: no continuation of these bytes can match; the buffer is left alone.

A reader's verdict must not depend on how the bytes were split on their way.

A reader that keeps nothing may have `skim(data: bytes) -> bytes` too: while nothing is unread it may be called with
what has come, takes of that what it wants, and gives back what is left. `feed` then tells the verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, Protocol, TypeAlias

from sockrun.records import NamedTuple, dataclass
from sockrun.values import Value

# --- events ------------------------------------------------------------------------------------


class Match(NamedTuple):
    """`data` is the message without its frame, or the bytes taken from the stream."""

    data: bytes
    variables: Mapping[str, Value] = {}


class Mismatch(NamedTuple):
    """These bytes can never match.

    `received` is what was looked at (a message, or the unread bytes), `offset` the first byte in it that
    differs, where that can be told. `expected` is the bytes wanted, or None where no such bytes exist (a
    pattern, a length): `reason` then says it all, for example 'is 5 bytes long, not 8'.
    """

    reason: str
    received: bytes
    expected: bytes | None = None
    offset: int | None = None

    def told(self, subject: str) -> str:
        """The reason as a sentence: some say only what is wrong with what was looked at."""
        return f"{subject} {self.reason}" if self.reason.startswith(_PREDICATES) else self.reason


_PREDICATES = ("is ", "has ", "does ", "matches ", "ends ")


EndKind: TypeAlias = Literal["fin", "reset", "refused", "no-path", "tls", "closed-here"]


class Ended(NamedTuple):
    """The connection ended before a reader had what it wanted; `unread` is what it had left alone.

    `fin`: the peer closed or half-closed in order. `reset`: RST. `refused`: nobody listens there; `no-path`: it
    is a unix path that is not there (unix(7), ENOENT), which is a refusal too.
    `tls`: the handshake failed, or what came later is no TLS. `closed-here`: the role itself closed the
    connection before.
    """

    kind: EndKind
    unread: bytes = b""

    @property
    def refusal(self) -> bool:
        """Whether nobody listens there."""
        return self.kind in ("refused", "no-path")

    def meets(self, wanted: str) -> bool:
        """Whether it is the end that a step wants (a `Receive`'s `expects`)."""
        return self.kind == wanted or (self.refusal and wanted == "refused")


class TimedOut(NamedTuple):
    """The step's deadline passed; `unread` is what had come by then, `seconds` how long it waited."""

    seconds: float
    unread: bytes = b""


class Failed(NamedTuple):
    """The command cannot be carried out, and why; `environment` when the machine is to blame, not the peer."""

    reason: str
    environment: bool = False


Event: TypeAlias = Match | Mismatch | Ended | TimedOut | Failed | None

# --- readers -----------------------------------------------------------------------------------


class Reader(Protocol):
    """See the module's text for the contract. `end` says that no more bytes will come."""

    def feed(self, buffer: bytearray, end: bool) -> Match | Mismatch | None: ...


class Matcher(Protocol):
    """What an `expect` wants: told from unread bytes of a stream, or from a whole message."""

    @property
    def summary(self) -> str:
        """A few words for 'waits for ...': '8 bytes', '"Hello World\\n"', 'a match of /220 /'."""
        ...

    def reader(self) -> Reader:
        """A reader in its first state, for an unframed stream."""
        ...

    def judge(self, message: bytes) -> Match | Mismatch:
        """The verdict on a whole message: a datagram or a framed one."""
        ...


# --- commands ----------------------------------------------------------------------------------


class Address(NamedTuple):
    """Where to connect, bind or send: host and port, or a unix path (then `port` is 0 and `host` the path)."""

    host: str
    port: int = 0
    path: bool = False

    def __str__(self) -> str:
        if self.path:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a client's connection (or UDP socket); one it has is closed in order before."""

    to: Address
    retry_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Tls:
    """How one end of a connection speaks TLS: paths of PEM files, versions as 'TLSv1.3', ciphers as OpenSSL writes.

    Without `cert` a server shows one that is made for the run; `client_ca`: it demands one of the client. Without
    `ca` a client trusts the run's authority, and for peers that are no roles the system's. `server_name`: what it
    asks for and verifies; None: the host that it connected to.
    """

    cert: str | None = None
    key: str | None = None
    ca: str | None = None
    client_ca: str | None = None
    verify: bool = True
    server_name: str | None = None
    alpn: tuple[str, ...] = ()
    min_version: str | None = None
    max_version: str | None = None
    ciphers: str | None = None


@dataclass(frozen=True, slots=True)
class StartTls:
    """Shake hands on the present connection, `seconds` at most. Whether it failed, the next command is told.

    `upgrade`: the connection was used without TLS before, so that no plain byte may be left in it.
    """

    tls: Tls
    seconds: float
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Hand `data` to the network: the frame is already there. `to`: this datagram's address (UDP).
    `seconds` bounds the wait for room, when the peer does not read."""

    data: bytes
    to: Address | None = None
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class SendPieces:
    """Send what an iterator produces, piece by piece, so that no more than a piece is in memory."""

    pieces: Callable[[], Iterator[bytes]]
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait `seconds` at most (`inf`: as long as it takes) until `matcher` has its bytes.

    `expects` is what the step calls success, so that the network can tell silence (`TimedOut`) from lateness
    in a report of who waits for what. `sender`: a datagram from another address is a mismatch. `optional`:
    whatever else comes, an error of the socket included, is left for the next command.
    """

    matcher: Matcher
    seconds: float
    expects: Literal["bytes", "fin", "reset", "refused", "tls", "silence"] = "bytes"
    sender: Address | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Half-close: FIN behind what was sent; receiving goes on (shutdown(2), SHUT_WR)."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close both ways (close(2)). `seconds` bounds the wait for room for TLS's close_notify."""

    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Reset:
    """Abort with RST (SO_LINGER 0, RFC 9293 section 3.10.5), once all that was sent has left unless `now`."""

    now: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


class Fact(NamedTuple):
    """Something that, once true, stays true for the whole scenario.

    `kind` is 'signal' (given), 'ended' (a role's steps are done, a process has ended), 'ready' and 'started' (a
    process), 'variable' (`name` is 'role.variable'), 'turn' (a step of the scenario's own `steps` is done).
    """

    kind: Literal["signal", "ended", "ready", "started", "variable", "turn"]
    name: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Make facts true."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Await:
    """Wait until all of these facts are true; no deadline but the scenario's."""

    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Barrier:
    """Wait until every copy of every role that names this barrier is there."""

    name: str


@dataclass(frozen=True, slots=True)
class Kill:
    """Send a signal (`TERM`, ...) to a process of the scenario."""

    process: str
    signal: str


@dataclass(frozen=True, slots=True)
class Done:
    """The role's steps are done; a role that holds its connection is resumed when all others are done."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Half-close and read on until the peer's FIN (`seconds` at most), or, for datagrams, until the scenario
    ends. Answered by `Ended` with the first of what came and was never taken, or None."""

    seconds: float


Command: TypeAlias = (
    Connect
    | StartTls
    | Send
    | SendPieces
    | Receive
    | Shutdown
    | Close
    | Reset
    | Sleep
    | Tell
    | Await
    | Barrier
    | Kill
    | Done
    | Finish
)
