"""The segments of one TCP connection, from what is known of its ends: who said what, and who took it.

Pure: packets go to a function. Must not live here: which socket is which end (`wire.py`).

Facts a reader needs:

- A byte is written once, when it is sent. What an end received and nobody was seen to send came from outside, and is
  written then; so nothing need be known about who has the other end.
- An end of ours acknowledges what it took, as TCP would (RFC 9293 section 3.8.6.3: at least every second full
  segment); one that is outside has everything at once.
- Closing with unread bytes, or sending to an end that is closed, is answered with RST (RFC 9293 sections 3.6.1
  and 3.10.7.1).
"""

from __future__ import annotations

from functools import partial

from sockrun.masking import Mask
from sockrun.network.capturing.hiding import Track, Veil
from sockrun.network.capturing.packets import FIN, PSH, RST, SEGMENT, SYN, Host, tcp


class End:
    """One end: sequence numbers are whole numbers here, and are cut to 32 bits only in a packet."""

    __slots__ = ("acknowledged", "closed", "ended", "heard", "host", "next", "ours", "start", "taken", "veil")

    def __init__(self, host: Host, start: int, ours: bool) -> None:
        self.host = host
        self.ours = ours
        self.start = start + 1  # the sequence number of its first byte, behind its SYN
        self.next = start
        self.heard: int | None = None  # what it expects of the other end; None: it has heard nothing
        self.acknowledged = 0  # what the other end was told of that
        self.taken = 0  # bytes that it received
        self.ended = False  # its FIN is out
        self.closed = False
        self.veil: Veil | None = None  # hides secrets in what it says

    @property
    def said(self) -> int:
        """Bytes that it sent."""
        return max(0, self.next - self.start - self.ended)


class Connection:
    """`number` counts connections, and gives them sequence numbers of their own; `ours`: who takes part in this run."""

    def __init__(
        self, track: Track, client: Host, server: Host, number: int, ours: tuple[bool, bool], mask: Mask | None
    ) -> None:
        self._track = track
        self.client = End(client, 2 * number << 16, ours[0])
        self.server = End(server, (2 * number + 1) << 16, ours[1])
        self._segment = SEGMENT[client.version]
        self.established = False
        self.over = False  # a RST has passed
        if mask is not None:
            self.client.veil, self.server.veil = Veil(mask, track), Veil(mask, track)

    # --- the beginning ---

    def ask(self, comment: str) -> None:
        """The client's SYN."""
        self._say(self.client, SYN, comment=comment)

    def refuse(self) -> None:
        """Nobody listens there."""
        self.server.heard = self.client.next
        self._reset(self.server, "")

    def establish(self, comment: str) -> None:
        """The rest of the handshake."""
        if self.established:
            return
        self.established = True
        self.server.heard = self.client.next
        self._say(self.server, SYN, comment=comment)
        self.client.heard = self.server.next
        self._say(self.client)

    # --- bytes ---

    def send(self, end: End, data: bytes | memoryview, comment: str) -> None:
        other = self._other(end)
        for start in range(0, len(data), self._segment):
            piece = data[start : start + self._segment]
            last = start + self._segment >= len(data)
            self._say(end, PSH if last else 0, piece, comment if start == 0 else "")
            if not other.ours:
                self._hear(other, end.next)
        if other.closed and not self.over:
            self._reset(other, "")

    def receive(self, end: End, data: bytes | memoryview, comment: str) -> None:
        other = self._other(end)
        end.taken += len(data)
        unseen = end.taken - other.said
        if unseen > 0:
            self.send(other, data[-unseen:], comment)
        self._hear(end, other.start + end.taken)

    def _hear(self, end: End, until: int) -> None:
        end.heard = max(end.heard or 0, until)
        if end.heard - end.acknowledged >= 2 * self._segment:
            self._say(end)

    # --- the end ---

    def finish(self, end: End, comment: str) -> None:
        """A half-close, or an end that is closed in order."""
        if end.ended or self.over:
            return
        end.ended = True
        self._say(end, FIN, comment=comment)
        other = self._other(end)
        if other.closed or not other.ours:
            self._acknowledge(other)

    def hear_end(self, end: End) -> None:
        """It received the other's FIN."""
        self.finish(self._other(end), "")
        self._acknowledge(end)

    def hear_reset(self, end: End) -> None:
        if not self.over:
            self._reset(self._other(end), "")

    def close(self, end: End, comment: str, *, abort: bool) -> None:
        other = self._other(end)
        end.closed = True
        if self.over:
            return
        if abort or (other.ours and end.taken < other.said):
            self._reset(end, comment)
            return
        if other.ended:
            end.heard = other.next
        self.finish(end, comment)
        self._acknowledge(end)

    # --- segments ---

    def _other(self, end: End) -> End:
        return self.server if end is self.client else self.client

    def _acknowledge(self, end: End) -> None:
        """All that the other end has said, if it has not been yet."""
        end.heard = self._other(end).next
        if end.heard > end.acknowledged and not self.over:
            self._say(end)

    def _reset(self, end: End, comment: str) -> None:
        self.over = True
        self._say(end, RST, comment=comment)

    def _say(self, end: End, flags: int = 0, data: bytes | memoryview = b"", comment: str = "") -> None:
        make = partial(tcp, end.host, self._other(end).host, end.next, end.heard, flags)
        if end.veil is None:
            self._track.put(make(data), comment)
        elif data:
            end.veil.put(make, bytes(data), comment)
        else:
            if flags & (FIN | RST):
                end.veil.end()
            self._track.put(make(), comment)
        end.acknowledged = end.heard or 0
        end.next += len(data) + bool(flags & (SYN | FIN))
