"""Packets of a capture, by themselves: what is written is read back by readers that nobody here wrote."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.masking import Mask
from sockrun.network.capturing import packets as made
from sockrun.network.capturing import pcapng
from sockrun.network.capturing.connections import Connection
from sockrun.network.capturing.hiding import Slot
from sockrun.network.capturing.keys import KeyLog
from sockrun.network.capturing.packets import Host
from sockrun.network.capturing.tape import Tape
from tests.captures import ACK, RST, complaints, conversations, datagrams, fields, needs_tshark, packets, said

V4 = Host(bytes([127, 0, 0, 1]), 40000), Host(bytes([127, 0, 0, 2]), 41000)
V6 = Host(bytes(15) + b"\1", 40000), Host(bytes.fromhex("20010db8") + bytes(11) + b"\7", 41000)
HOSTS = st.sampled_from([V4, V6])
BYTES = st.binary(max_size=40) | st.integers(65_000, 140_000).map(lambda size: bytes(range(256)) * (size // 256))


class Written:
    """A tape whose file is in memory; satisfies `hiding.Track`."""

    def __init__(self) -> None:
        self.file = BytesIO()
        self.keys = KeyLog()
        self.tape = Tape(self.write, self.rewrite, self.keys, "sockrun")
        self.replace = self.tape.replace
        self.moment = 1_700_000_000_000_000_000
        self.tape.begin()

    def write(self, data: bytes) -> None:
        self.file.write(data)

    def rewrite(self, position: int, data: bytes) -> None:
        self.file.seek(position)
        self.file.write(data)
        self.file.seek(0, 2)

    def put(self, packet: bytes, comment: str) -> Slot:
        self.moment += 1000
        return self.tape.put(self.moment, packet, comment)

    def whole(self) -> bytes:
        self.tape.flush()
        return self.file.getvalue()


class Talk:
    """A connection between ends that are of the run or outside, and what each of them has said."""

    def __init__(
        self, hosts: tuple[Host, Host], ours: tuple[bool, bool], number: int, mask: Mask | None = None
    ) -> None:
        self.written = Written()
        self.connection = Connection(self.written, *hosts, number, ours, mask)
        self.ends = (self.connection.client, self.connection.server)
        self.said = (bytearray(), bytearray())
        self.taken = [0, 0]
        self.done = [False, False]
        self.connection.ask("")
        self.connection.establish("")

    def send(self, who: int, data: bytes) -> None:
        """What somebody outside sends is seen when it is taken."""
        if not self.done[who]:
            self.said[who].extend(data)
            if self.ends[who].ours:
                self.connection.send(self.ends[who], data, "words")

    def take(self, who: int, most: int) -> None:
        if self.ends[who].ours and not self.ends[who].closed:
            left = bytes(self.said[1 - who][self.taken[who] :][:most])
            self.taken[who] += len(left)
            if left:
                self.connection.receive(self.ends[who], left, "words")
            elif self.done[1 - who]:
                self.connection.hear_end(self.ends[who])

    def finish(self, who: int) -> None:
        if not self.done[who]:
            self.done[who] = True
            if self.ends[who].ours:
                self.connection.finish(self.ends[who], "")

    def close(self, who: int) -> None:
        if self.ends[who].ours and not self.ends[who].closed:
            self.done[who] = True
            self.connection.close(self.ends[who], "", abort=False)

    def end(self) -> None:
        """Everything is taken, and both are closed in order."""
        for who in (0, 1):
            self.finish(who)
        for who in (0, 1):
            self.take(who, 1 << 30)
            self.take(who, 1 << 30)
        for who in (0, 1):
            self.close(who)


MOVES = st.lists(
    st.tuples(st.just("send"), st.integers(0, 1), BYTES)
    | st.tuples(st.just("take"), st.integers(0, 1), st.integers(1, 200_000))
    | st.tuples(st.just("finish"), st.integers(0, 1)),
    max_size=12,
)
OURS = st.sampled_from([(True, True), (True, False), (False, True)])


@settings(max_examples=100)
@given(hosts=HOSTS, ours=OURS, number=st.integers(0, 70_000), moves=MOVES)
def test_what_the_ends_said_is_read_back(
    hosts: tuple[Host, Host], ours: tuple[bool, bool], number: int, moves: list[tuple[str, ...]]
) -> None:
    """Whatever happens in whatever order; sequence numbers go round at 2**32 in some of them."""
    talk = Talk(hosts, ours, number)
    for move, *words in moves:
        getattr(talk, move)(*words)
    talk.end()
    (conversation,) = conversations(talk.written.whole())
    assert said(conversation) == tuple(map(bytes, talk.said))
    assert not any(one.flags & RST for one in conversation)
    for who in (0, 1):
        last = [one for one in conversation if one.source == hosts[who]][-1]
        told = [one for one in conversation if one.source == hosts[1 - who]][-1]
        assert told.acknowledged == (last.sequence + len(last.data) + (last.flags & 1)) % 2**32, "all is acknowledged"


def test_sequence_numbers_go_round() -> None:
    talk = Talk(V4, (True, True), 32_767)
    talk.send(1, bytes(200_000))
    talk.end()
    (conversation,) = conversations(talk.written.whole())
    assert max(one.sequence for one in conversation) > 2**32 - 70_000
    assert any(0 < one.sequence < 200_000 for one in conversation)
    assert said(conversation) == (b"", bytes(200_000))


def test_closing_with_unread_bytes_resets() -> None:
    talk = Talk(V4, (True, True), 1)
    talk.send(0, b"unread")
    talk.close(1)
    (conversation,) = conversations(talk.written.whole())
    assert [one.flags for one in conversation][-1] == RST | ACK


def test_what_is_sent_to_a_closed_end_is_answered_with_a_reset() -> None:
    talk = Talk(V4, (True, True), 1)
    talk.close(1)
    talk.send(0, b"late")
    (conversation,) = conversations(talk.written.whole())
    assert conversation[-2].data == b"late"
    assert conversation[-1].flags & RST
    assert conversation[-1].source == V4[1]


@settings(max_examples=50)
@given(hosts=HOSTS, data=st.binary(max_size=60) | st.just(b"\xff\xff" * 100))
def test_datagrams_are_read_back(hosts: tuple[Host, Host], data: bytes) -> None:
    written = Written()
    written.put(made.udp(*hosts, data), "")
    assert datagrams(written.whole()) == [(hosts[0], hosts[1], data)]


# --- secrets -----------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    secrets=st.lists(st.text("ab=", min_size=4, max_size=9).map(str.encode), min_size=1, max_size=2),
    pieces=st.lists(st.text("ab=", max_size=12).map(str.encode), max_size=12),
)
def test_secrets_are_hidden_wherever_a_stream_is_cut(secrets: list[bytes], pieces: list[bytes]) -> None:
    """Just as in the whole of it: nothing of a secret is shown, and nothing else is hidden."""
    mask = Mask({"password": secrets})
    talk = Talk(V4, (True, True), 1, mask)
    for piece in pieces:
        talk.send(0, piece)
        before = said(conversations(talk.written.whole())[0])[0]
        assert all(shown in (b"*"[0], real) for shown, real in zip(before, talk.said[0], strict=True))
        assert not any(secret in before for secret in secrets)
    talk.end()
    assert said(conversations(talk.written.whole())[0])[0] == mask.data(b"".join(pieces))


def test_an_unfinished_stream_shows_no_beginning_of_a_secret() -> None:
    talk = Talk(V4, (True, True), 1, Mask({"password": [b"hunter2"]}))
    talk.send(0, b"the password is hu")
    assert said(conversations(talk.written.whole())[0])[0] == b"the password is **"
    talk.send(0, b"ge")
    assert said(conversations(talk.written.whole())[0])[0] == b"the password is huge"


# --- the file ----------------------------------------------------------------------------------


@needs_tshark
def test_a_datagram_longer_than_any_of_ip_is_a_jumbogram(tmp_path: Path) -> None:
    """Those of unix sockets may be (unix(7), SO_SNDBUF)."""
    written = Written()
    written.put(made.udp(*V6, bytes(100_000)), "")
    (tmp_path / "a.pcapng").write_bytes(written.whole())
    assert fields(tmp_path / "a.pcapng", "udp", "udp.srcport", "data.len") == [["40000", "100000"]]
    assert not complaints(tmp_path / "a.pcapng")


@needs_tshark
@pytest.mark.parametrize("hosts", [V4, V6], ids=["IPv4", "IPv6"])
def test_a_refused_datagram_is_answered_with_icmp(tmp_path: Path, hosts: tuple[Host, Host]) -> None:
    written = Written()
    sent = made.udp(*hosts, b"anybody?")
    written.put(sent, "")
    written.put(made.unreachable(hosts[1], hosts[0], sent), "")
    (tmp_path / "a.pcapng").write_bytes(written.whole())
    (found,) = fields(tmp_path / "a.pcapng", "icmp || icmpv6", "icmp.code", "icmpv6.code", "udp.dstport")
    assert found in (["3", "", "41000"], ["", "4", "41000"])
    assert not complaints(tmp_path / "a.pcapng")


@given(comment=st.text(max_size=40))
def test_blocks_end_where_they_say(comment: str) -> None:
    """Section 3.1: a multiple of 32 bits, its length at both ends."""
    for block in (pcapng.packet(1, b"abc", comment), pcapng.section("a", comment), pcapng.secrets(b"x")):
        assert len(block) % 4 == 0
        assert block[4:8] == block[-4:] == len(block).to_bytes(4, "little")


def test_keys_stand_before_the_packet_that_was_there_when_they_came() -> None:
    written = Written()
    try:
        written.put(made.udp(*V4, b"hello of the server"), "")
        with open(written.keys.path(), "ab") as log:
            log.write(b"CLIENT_RANDOM 00 11\n")
        whole = written.whole()
    finally:
        written.keys.close()
    assert -1 < whole.find(b"CLIENT_RANDOM") < whole.find(b"hello of the server")
    assert len(packets(whole)) == 1


def test_times_are_kept_to_the_nanosecond(tmp_path: Path) -> None:
    written = Written()
    written.tape.put(1_700_000_000_123_456_789, made.udp(*V4, b""), "")
    (moment,) = [moment for moment, _ in packets(written.whole())]
    assert moment == pytest.approx(1_700_000_000.123456789, abs=1e-6)
