"""Conversations in a capture (pcap or pcapng), as tcpdump and Wireshark write it.

Lives here: what packets come to, stream by stream. Must not live here: the format of a capture and of a packet, which
dpkt knows (the only import of it).

The one theory: of each direction of a TCP connection the bytes are put in order by their sequence numbers (RFC 9293),
whatever came twice, overlapping or too early; a byte has been said when all before it have been seen. What was not
captured cannot be made up, so a connection with a hole is refused and not shortened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.recording.conversation import OTHER, Connection, Left, Said, Side
from sockrun.records import dataclass

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_HALF = 1 << 31  # of the sequence numbers, which begin anew after 2**32

Transport: TypeAlias = Literal["tcp", "udp"]


@dataclass
class Stream:
    """One TCP connection, or all datagrams between two addresses.

    `midway`: it had begun before the capture did. `wrong` says why it cannot be used.
    """

    protocol: Transport
    client: Address
    server: Address
    connection: Connection
    midway: bool = False
    wrong: str = ""
    size: int = 0  # bytes that were said

    def __str__(self) -> str:
        return f"{self.protocol} {self.client} to {self.server}, {self.size} bytes"


def read(path: str) -> list[Stream]:
    """The streams of a file in the order in which they begin. Raises: EnvironmentRefused."""
    try:
        import dpkt  # type: ignore[import-untyped]
    except ImportError:
        raise EnvironmentRefused(
            "to read captures `dpkt` must be installed: python -m pip install 'sockrun[pcap]'"
        ) from None
    try:
        with Path(path).open("rb") as file:
            return _streams(dpkt, _frames(dpkt, file, path))
    except OSError as error:
        raise EnvironmentRefused(f"{path} cannot be read: {error.strerror}") from None


def _streams(dpkt: Any, frames: Iterator[tuple[float, int, bytes]]) -> list[Stream]:
    assembling = _Assembling(dpkt)
    for moment, link, data in frames:
        parse = _LINKS.get(link)
        if parse is None:
            known = "Ethernet, loopback, raw IP, Linux cooked"
            raise EnvironmentRefused(f"its packets are of link type {link}, which is none of: {known}")
        try:
            packet = parse(dpkt, data)
        except (dpkt.UnpackError, ValueError, IndexError):
            continue  # no packet that means anything to us, as captures have them
        if isinstance(packet, dpkt.ip.IP | dpkt.ip6.IP6):
            assembling.take(moment, packet)
    return assembling.finished()


# --- files -------------------------------------------------------------------------------------


def _frames(dpkt: Any, file: BinaryIO, path: str) -> Iterator[tuple[float, int, bytes]]:
    """Seconds since 1970, the link type, and the bytes, of each frame. Raises: EnvironmentRefused."""
    try:
        reader = dpkt.pcap.UniversalReader(file)
    except (ValueError, dpkt.UnpackError):
        raise EnvironmentRefused(f"{path} is no capture: neither pcap nor pcapng") from None
    try:
        for moment, data in reader:
            yield float(moment), reader.datalink(), data
    except (ValueError, dpkt.UnpackError):
        return  # the last packet is not whole: whoever captured was cut short


def _ethernet(dpkt: Any, data: bytes) -> Any:
    return dpkt.ethernet.Ethernet(data).data


def _raw(dpkt: Any, data: bytes) -> Any:
    return dpkt.ip.IP(data) if data[0] >> 4 == 4 else dpkt.ip6.IP6(data)


def _loopback(dpkt: Any, data: bytes) -> Any:
    return _raw(dpkt, data[4:])


# By the number of the link type (https://www.tcpdump.org/linktypes.html): how the IP packet is found.
_LINKS: dict[int, Callable[[Any, bytes], Any]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: lambda dpkt, data: dpkt.sll.SLL(data).data,
    228: _raw,
    229: _raw,
    276: lambda dpkt, data: dpkt.sll2.SLL2(data).data,
}


# --- streams -----------------------------------------------------------------------------------


class _Assembling:
    """Streams, while packets come."""

    def __init__(self, dpkt: Any) -> None:
        self._dpkt = dpkt
        self._streams: list[Stream] = []
        self._directions: dict[tuple[Transport, Address, Address], _Direction] = {}

    def take(self, moment: float, packet: Any) -> None:
        inner = packet.data
        if isinstance(inner, self._dpkt.tcp.TCP):
            self._segment(moment, packet, inner)
        elif isinstance(inner, self._dpkt.udp.UDP):
            self._datagram(moment, packet, inner)

    def finished(self) -> list[Stream]:
        for direction in self._directions.values():
            direction.finish()
        return self._streams

    def _datagram(self, moment: float, packet: Any, inner: Any) -> None:
        direction = self._direction("udp", moment, packet, inner)
        direction.say(moment, bytes(inner.data))
        if len(inner.data) < inner.ulen - 8:
            direction.stream.wrong = _CUT

    def _segment(self, moment: float, packet: Any, inner: Any) -> None:
        if inner.flags & _SYN and not inner.flags & _ACK:
            source, target = _ends(packet, inner)
            known = self._directions.get(("tcp", source, target))
            if known is not None and known.begun != inner.seq:  # the same ports again
                for one, other in ((source, target), (target, source)):
                    self._directions.pop(("tcp", one, other)).finish()
        direction = self._direction("tcp", moment, packet, inner)
        data = bytes(inner.data)
        size = _size(packet)
        if size is not None:
            data = data[: size - inner.off * 4]  # behind it may be padding of a short frame
            if len(data) < size - inner.off * 4:
                direction.stream.wrong = _CUT
        direction.take(moment, inner.seq, inner.flags, data)

    def _direction(self, protocol: Transport, moment: float, packet: Any, inner: Any) -> _Direction:
        """That of a packet; with its stream, where it is the first."""
        source, target = _ends(packet, inner)
        found = self._directions.get((protocol, source, target))
        if found is None:
            flags = inner.flags if protocol == "tcp" else _SYN
            answers = flags & _ACK if flags & _SYN else source.port < target.port  # servers have the lower ports
            client, server = (target, source) if answers else (source, target)
            stream = Stream(protocol, client, server, Connection(moment), midway=not flags & _SYN)
            self._streams.append(stream)
            for side, one, other in (("client", client, server), ("server", server, client)):
                self._directions[protocol, one, other] = _Direction(stream, side)  # type: ignore[arg-type]
            found = self._directions[protocol, source, target]
        return found


_CUT = "its packets were cut when they were captured: capture them whole, as `tcpdump -s 0` does"


class _Direction:
    """What one side says."""

    def __init__(self, stream: Stream, side: Side) -> None:
        self.stream = stream
        self.begun: int | None = None  # the sequence number of its SYN
        self._side: Side = side
        self._next: int | None = None  # the sequence number that comes next
        self._early: dict[int, bytes] = {}  # by sequence number: behind something that has not come yet
        self._end: int | None = None  # the sequence number of its FIN

    def take(self, moment: float, number: int, flags: int, data: bytes) -> None:
        if flags & _SYN:
            self.begun = number
            number = (number + 1) % 2**32
            self._next = number if self._next is None else self._next
        if self._next is None:
            self._next = number  # the capture began in the middle
        if flags & _FIN:
            self._end = (number + len(data)) % 2**32
        if data and len(data) > len(self._early.get(number, b"")):
            self._early[number] = data
        self._go_on(moment)
        if flags & _RST:
            self._leave(moment, "reset")

    def _go_on(self, moment: float) -> None:
        """Say all that follows without a hole."""
        assert self._next is not None
        for number in sorted(self._early, key=self._ahead):
            ahead = self._ahead(number)
            if ahead > 0:
                return
            fresh = self._early.pop(number)[-ahead or None :]
            if fresh:
                self.say(moment, fresh)
                self._next = (self._next + len(fresh)) % 2**32
        if self._next == self._end:
            self._end = None
            self._leave(moment, "fin")

    def _ahead(self, number: int) -> int:
        """How many bytes lie between what comes next and this sequence number."""
        assert self._next is not None
        return (number - self._next + _HALF) % 2**32 - _HALF

    def say(self, moment: float, data: bytes) -> None:
        self.stream.connection.events.append(Said(moment, self._side, data))
        self.stream.size += len(data)

    def _leave(self, moment: float, kind: Literal["fin", "reset"]) -> None:
        events = self.stream.connection.events
        gone = {event.side: event.kind for event in events if isinstance(event, Left)}
        if self._side in gone or gone.get(OTHER[self._side]) == "reset":
            return
        events.append(Left(moment, self._side, kind))

    def finish(self) -> None:
        if self._early and not self.stream.wrong:
            self.stream.wrong = f"bytes of its {self._side} are missing in the capture"


def _ends(packet: Any, inner: Any) -> tuple[Address, Address]:
    return _address(packet.src, inner.sport), _address(packet.dst, inner.dport)


def _address(raw: bytes, port: int) -> Address:
    return Address(str(ip_address(raw)), port)


def _size(packet: Any) -> int | None:
    """Bytes behind the IP header as they were sent; None: it does not say so.

    A length of 0 is that of a segment which the network card was to cut (TSO).
    """
    if hasattr(packet, "plen"):
        return None if packet.extension_hdrs else int(packet.plen) or None
    return int(packet.len) - packet.hl * 4 if packet.len else None


# --- which of them -----------------------------------------------------------------------------


def chosen(streams: list[Stream], numbers: list[int]) -> list[Stream]:
    """The streams with these numbers, from 0, or all in which anything was said. Raises: EnvironmentRefused."""
    wanted = [streams[number] for number in numbers] if numbers else [one for one in streams if one.size]
    for one in wanted:
        if one.wrong:
            raise EnvironmentRefused(f"stream {streams.index(one)} ({one}) is not whole: {one.wrong}")
    return wanted


def check_one_server(wanted: list[Stream], streams: list[Stream]) -> None:
    """Raises: EnvironmentRefused, with all streams there are."""
    servers = Counter((one.protocol, one.server) for one in wanted)
    if len(servers) > 1:
        told = "\n".join(f"  {number}: {stream}" for number, stream in enumerate(streams))
        raise EnvironmentRefused(f"these are conversations with {len(servers)} servers: choose with --stream\n{told}")
