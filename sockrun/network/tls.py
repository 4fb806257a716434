"""A stream under TLS: the kernel's bytes go through OpenSSL on their way to the steps, and back.

Facts a reader needs:

- OpenSSL never sees a socket: it reads from and writes to two buffers (`ssl.MemoryBIO`), so nothing blocks.
  What has come is always decrypted as far as it goes; what is left inside is never more than a part of a record.
- The handshake is a wait like any other: a reader that takes nothing and is content once the handshake is over,
  one way or the other. A failed one ends the connection as `tls`, which the next step is told, as it is told a
  refusal; in TLS 1.3 a client may learn of its failure only when it reads on (RFC 8446 section 4.4.2.4).
- `sent` and `received` count what goes over the wire: who waits for whom is decided by that.
- The end is close_notify and then FIN (RFC 8446 section 6.1). Either ends what the peer sends; `tls` knows which.
  Where the kernel has no room for close_notify, whoever closes waits for it: what close(2) is given before leaves
  by itself, and nothing can be given behind it.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from sockrun.commands import Close, Command, Ended, Event, Failed, Finish, Match, Send, SendPieces, StartTls
from sockrun.network import authority
from sockrun.network import tls_failures as failures
from sockrun.network.interface import PENDING, Reply, TlsEnd, TlsKey
from sockrun.network.loop import Owner, Task
from sockrun.network.streams import READ, WRITE, Stream
from sockrun.network.tls_context import Asked, context
from sockrun.records import replace
from sockrun.values import Value

RECORDS = frozenset({21, 22})  # how TLS begins: an alert or a handshake message (RFC 8446 section 5.1)
PORTION = 65536  # bytes decrypted at a time
LAST_WORD = 5.0  # seconds that a role which has ended waits for room for close_notify


def begin(task: Task, stream: Stream, command: StartTls, end: TlsEnd, contexts: dict[TlsKey, object]) -> Reply:
    """Give the task's connection TLS. Raises: EnvironmentRefused."""
    if not stream.open:
        return None  # refused, or closed: the next step that needs it is told
    if isinstance(stream, TlsStream):
        return Failed("this connection speaks TLS already")
    tls = command.tls
    name = None if end.server else tls.server_name or end.name
    key = (tls, replace(end, name=None))
    made = contexts.get(key)
    if not isinstance(made, ssl.SSLContext):
        made = contexts[key] = context(tls, end)
        key_log = stream._kernel.system.key_log(task.owner)
        if key_log is not None:
            made.keylog_filename = key_log
    try:
        upgraded = TlsStream(stream, made, task.owner, end.server, name, command.upgrade)
    except ValueError:  # OpenSSL does not take it
        return Failed(f"{name!r} is no name that a client can ask for")
    task.channel = upgraded
    return upgraded.start(task, command)


class TlsStream(Stream):
    """Takes the place of the plain stream that it is made from; satisfies `interface.Channel`."""

    __slots__ = ("_agreed", "_began", "_facts", "_in", "_out", "_owner", "_ssl", "_unsent", "_upgrade")

    def __init__(
        self, plain: Stream, made: ssl.SSLContext, owner: Owner, server: bool, name: str | None, upgrade: bool
    ) -> None:
        super().__init__(plain._kernel, None, plain.peer, plain.local)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        connection = made.wrap_bio(self._in, self._out, server_side=server, server_hostname=name)
        assert isinstance(connection, Asked)
        self._ssl = connection
        self._owner = owner
        self._upgrade = upgrade
        self._began = False  # something came, and it looks like TLS
        self._agreed = False  # the handshake is done
        self._unsent = bytearray()  # encrypted, and the kernel had no room for it
        self._facts: dict[str, Value] = {"server_name": (name or "").encode(), "notified": False}
        plain.hand_over(self)

    # --- the handshake ---

    def start(self, task: Task, command: StartTls) -> Reply:
        """Shake hands; what has come already is the handshake's first part."""
        early, self._buffer = bytes(self._buffer), bytearray()
        if early:
            self._feed(early)
        elif self.ended is None:
            self._shake_hands()
        if self.ended == "fin":
            self._fail("the peer closed before the TLS handshake")
        if self._agreed or self.ended:
            return None
        self._task, self._reader = task, _Settled(self)
        self._watch(self._interest | READ)
        if self._expecting():
            self._nudge()
        self._loop.arm(task, command.seconds)
        return PENDING

    @property
    def tls(self) -> Mapping[str, Value]:
        return self._facts

    @property
    def settled(self) -> bool:
        """Whether the handshake is over, one way or the other."""
        return self._agreed or self.ended is not None

    def _shake_hands(self) -> None:
        try:
            self._ssl.do_handshake()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(failures.sentence(error, self._ssl), failures.alert(error))
        else:
            self._agreed = True
            self._facts.update(_agreement(self._ssl))
        if self._ssl.server_name is not None:
            self._facts["server_name"] = self._ssl.server_name.encode()
        self._flush()

    @property
    def failure(self) -> str:
        """Why TLS failed, in a sentence."""
        failed = self._facts.get("failed")
        return failed.decode() if isinstance(failed, bytes) else ""

    def _fail(self, sentence: str, alert: str = "") -> None:
        self.ended = "tls"
        self._facts.update(failed=sentence.encode(), alert=alert.encode())

    def _answer(self, event: Event) -> None:
        command = self._now
        match command:
            case StartTls():
                event = None
            case Finish() if self._unsent and self._sock is not None and self._reader is not None:
                self._wait_for_last_word()
                return
            case Close():
                self.abandon()
        super()._answer(event)

    @property
    def _now(self) -> Command | None:
        """The command that is under way."""
        return None if self._task is None else self._task.command

    def expired(self, task: Task) -> None:
        command = task.command
        if isinstance(command, StartTls):
            self._pull()
            if not self.settled:
                came = f"after {self.received:,} bytes" if self.received else "the peer said nothing"
                self._fail(f"the TLS handshake was not done within {command.seconds:g} s: {came}")
            self._answer(None)
        elif isinstance(command, Finish) and self._reader is None:
            self._answer(self._end())
        else:
            super().expired(task)

    # --- receiving ---

    def _pull(self) -> bool:
        known = len(self._buffer)
        if not super()._pull():
            return False
        raw = bytes(self._buffer[known:])
        del self._buffer[known:]
        if raw:
            self._feed(raw)
        elif not self._agreed and self.ended in ("fin", "reset"):
            how = "closed" if self.ended == "fin" else "reset the connection"
            self._fail(f"the peer {how} in the middle of the TLS handshake")
        return True

    def _skimmed(self, data: bytes) -> bytes:
        return data  # it is still encrypted

    def _feed(self, raw: bytes) -> None:
        """Decrypt what came over the wire."""
        if not self._began and raw[0] not in RECORDS:
            self._fail("plain bytes came behind STARTTLS" if self._upgrade else "the peer speaks no TLS")
            return
        self._began = True
        self._in.write(raw)
        if not self._agreed:
            self._ssl.hello += raw
            self._shake_hands()
        if self._agreed:
            self._decrypt()

    def _decrypt(self) -> None:
        try:
            while plain := self._ssl.read(PORTION):
                self._buffer += plain
            self._end_in_order()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end_in_order()
        except ssl.SSLError as error:
            self._fail(failures.sentence(error, self._ssl), failures.alert(error))
        self._flush()

    def _end_in_order(self) -> None:
        self.ended = "fin"
        self._facts["notified"] = True

    # --- sending ---

    def send(self, task: Task, command: Send) -> Reply:
        if not self._agreed and self.ended == "tls":
            return Failed(self.failure)
        return super().send(task, Send(self._encrypted(command.data), seconds=command.seconds))

    def send_pieces(self, task: Task, command: SendPieces) -> Reply:
        if not self._agreed and self.ended == "tls":
            return Failed(self.failure)
        return super().send_pieces(task, SendPieces(partial(self._encrypted_pieces, command), command.seconds))

    def _encrypted_pieces(self, command: SendPieces) -> Iterator[bytes]:
        return map(self._encrypted, command.pieces())

    def _encrypted(self, data: bytes) -> bytes:
        """What goes over the wire for it, behind what is there already. A dead connection takes all."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._ssl.write(rest) :]
        except ssl.SSLError:
            self._kept = self._kept or "fin"
        ready = bytes(self._unsent) + self._out.read()
        self._unsent.clear()
        return ready

    def _flush(self) -> None:
        """Send what OpenSSL wants to say by itself; what the kernel has no room for is sent later."""
        self._unsent += self._out.read()
        if self._unsent:
            size = self.put(bytes(self._unsent))
            del self._unsent[:size]
            if size:
                self._owner.polls = 0  # it moves, though no step is done
        if self._unsent:
            self._watch(self._interest | WRITE)

    def writable(self) -> None:
        if self._unsent:
            self._flush()
            if self._unsent:
                return
            if self._outgoing is None:
                self._watch(self._interest & ~WRITE)
            if self.shut:
                self._send_fin()
            if isinstance(self._now, Finish) and self._reader is None:
                self._answer(self._end())
                return
        super().writable()

    # --- ending ---

    def _half_close(self) -> None:
        if self._sock is None or self.shut:
            return
        self.shut = True
        self._notify()
        if not self._unsent:
            self._send_fin()

    def _notify(self) -> None:
        """Say close_notify; what the peer still sends can be read behind it."""
        if not self._agreed or self.ended == "tls":
            return
        with suppress(ssl.SSLError):  # OpenSSL looks for the peer's close_notify too, which may not be there yet
            self._ssl.unwrap()
        self._flush()

    def close(self, task: Task, command: Close) -> Reply:
        self._look_for_unread()
        if self._sock is not None and not self.shut:
            self._notify()
        if not self._unsent or self._sock is None:
            return super().close(task, command)
        self._task = task
        self._loop.arm(task, command.seconds)
        return PENDING

    def finish(self, task: Task, command: Finish) -> Reply:
        self._half_close()
        if not self._unsent or self._sock is None or not self.ended:
            return super().finish(task, command)
        self._task = task
        self._wait_for_last_word()
        return PENDING

    def _wait_for_last_word(self) -> None:
        """The peer has ended, and may still read: what it is told last has still to leave."""
        assert self._task is not None
        self._reader = None
        self._loop.arm(self._task, LAST_WORD)

    def _end(self) -> Ended:
        return Ended(self.ended or "closed-here", self.unread)


class _Settled:
    """Takes nothing, and is content when the handshake is over; satisfies `commands.Reader`."""

    def __init__(self, stream: TlsStream) -> None:
        self._stream = stream

    def feed(self, buffer: bytearray, end: bool) -> Match | None:
        return Match(b"") if self._stream.settled else None


def _agreement(connection: Asked) -> dict[str, Value]:
    """What the two agreed on, and the names of the peer, as expressions see it."""
    cipher = connection.cipher()
    return {
        "version": (connection.version() or "").encode(),
        "alpn": (connection.selected_alpn_protocol() or "").encode(),
        "cipher": cipher[0].encode() if cipher else b"",
        "peer": tuple(name.encode() for name in _peer_names(connection)),
    }


def _peer_names(connection: Asked) -> Iterator[str]:
    """The names that the peer's certificate is for, and its common name; all there is if it is not verified."""
    shown: dict[str, Any] = connection.getpeercert() or {}
    if not shown:
        der = connection.getpeercert(True)
        yield from authority.names_in(der) if der else ()
        return
    found = [name for _, name in shown.get("subjectAltName", ())]
    found += [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
    yield from dict.fromkeys(found)
