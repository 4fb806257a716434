"""What differs between recordings of the same conversation is found, and written as what it is."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sockrun as library
from sockrun.commands import Address
from sockrun.diagnostics import EnvironmentRefused
from sockrun.recording.conversation import Connection, Conversation, Event, Left, Said, Side
from sockrun.recording.differences import Unlike, spans
from sockrun.recording.making import make
from tests.command_line import CommandLine

# --- where they differ -------------------------------------------------------------------------


def hearing(versions: Sequence[bytes]) -> re.Pattern[bytes]:
    """What takes the first version, and whatever else the hearer must take."""
    found, at = b"", 0
    for span in spans(versions):
        found += re.escape(versions[0][at : span.start])
        found += span.pattern.encode() or b".{%d}" % (span.end - span.start)
        at = span.end
    return re.compile(found + re.escape(versions[0][at:]), re.DOTALL)


@given(st.lists(st.binary(max_size=40), min_size=2, max_size=4))
def test_whatever_differs_all_versions_are_taken_or_it_is_refused(versions: list[bytes]) -> None:
    try:
        taken = hearing(versions)
    except Unlike:
        return
    assert all(map(taken.fullmatch, versions))


VALUES = st.one_of(
    st.integers(0, 10**9).map(str),
    st.text("0123456789abcdef", min_size=8, max_size=12),
    st.text("abcXYZ019+/=_-.", min_size=1, max_size=9),
    st.datetimes().map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
)


@given(
    st.lists(st.text("ab: ,<>[]\r\n", max_size=8), min_size=1, max_size=6),
    st.lists(st.lists(VALUES, min_size=5, max_size=5), min_size=2, max_size=3),
)
def test_values_in_the_same_text_are_always_taken(texts: list[str], values: list[list[str]]) -> None:
    versions = ["".join(text + value for text, value in zip(texts, row, strict=False)).encode() for row in values]
    assert all(map(hearing(versions).fullmatch, versions))


@pytest.mark.parametrize(
    ("first", "second", "another"),
    [
        ("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n",
         "Date: Mon, 1 Dec 2031 23:00:00 GMT\r\n"),
        ("220 x; Sun, 06 Nov 1994 08:49:37 +0000", "220 x; Sun, 06 Nov 1994 08:49:38 +0000",
         "220 x; Mon, 01 Dec 2031 23:00:00 -0500"),
        ("now Sun Nov  6 08:49:37 1994", "now Sun Nov  6 08:49:38 1994", "now Mon Dec 15 23:00:00 2031"),
        ("at 1994-11-06T08:49:37Z", "at 1994-11-06T08:49:38Z", "at 2031-12-15 23:00:00.25+01:00"),
        ("took 08:49:37", "took 08:49:38.5", "took 00:00:00"),
        ("id=b5e0dc1e-6f2c-4c1e-8f5e-3b0e4b1d7f10", "id=b5e0dc1e-6f2c-4c1e-8f5e-3b0e4b1d7f11",
         "id=00000000-0000-4000-8000-000000000000"),
        (":9\r\n", ":10\r\n", ":12345\r\n"),
        ("key dGhlIHNhbXBs+ZS/Bu==", "key b25jZQ/A+AAAAAAAAA==", "key QUJDREVGR0hJ/S0xNg=="),
        ('{"n": 1, "of": 3}', '{"n": 2, "of": 3}', '{"n": 7, "of": 3}'),
        ("lag: none\r\n", "lag: 3 ms\r\n", "lag: far too long\r\n"),
    ],
)  # fmt: skip
def test_a_value_is_all_of_what_a_person_would_call_one(first: str, second: str, another: str) -> None:
    versions = [first.encode(), second.encode()]
    assert len(spans(versions)) == 1
    assert hearing(versions).fullmatch(another.encode())


def test_what_is_the_same_in_all_stays() -> None:
    taken = hearing([b"MATCH /a/17/b HTTP/1.1\r\n", b"MATCH /a/18/b HTTP/1.1\r\n"])
    assert taken.fullmatch(b"MATCH /a/1999/b HTTP/1.1\r\n")
    assert not taken.fullmatch(b"MATCH /a/1999/c HTTP/1.1\r\n")


def test_bytes_are_compared_one_by_one() -> None:
    assert [(span.start, span.end) for span in spans([b"\x00\x01\xff\xfe\x00", b"\x00\x02\xff\xfd\x00"])] == [
        (1, 2),
        (3, 4),
    ]


# --- as steps ----------------------------------------------------------------------------------


def recordings(*versions: Sequence[tuple[Side, bytes]], datagram: bool = False) -> list[Conversation]:
    return [
        Conversation(
            "udp" if datagram else "tcp",
            datagram,
            [Connection(0.0, [*(Said(0.0, side, data) for side, data in one), *ends(datagram)])],
            (Address("127.0.0.1", 1000 + number),),
        )
        for number, one in enumerate(versions)
    ]


def ends(datagram: bool) -> list[Event]:
    return [] if datagram else [Left(0.0, "client", "fin"), Left(0.0, "server", "fin")]


def written(conversations: Sequence[Conversation]) -> str:
    return make(conversations, "name", [], None).text


def challenge(nonce: bytes, number: bytes) -> list[tuple[Side, bytes]]:
    return [("server", b"nonce " + nonce + b"\r\n"), ("client", b"again " + nonce + b" " + number + b"\r\n")]


def test_who_says_again_what_he_has_heard_says_what_he_hears_this_time(sockrun: CommandLine) -> None:
    text = written(recordings(challenge(b"8a", b"1"), challenge(b"b7", b"2"), challenge(b"cc", b"3")))
    assert r"expect: {regex: 'nonce (?P<value_1>[0-9A-Za-z]+)', whole: true}  # a word, another one each time" in text
    assert 'send: "again ${value_1} 1"' in text
    assert r"expect: {regex: 'again 8a \d+', whole: true}  # a number, another one each time" in text
    other = sockrun.write("other.yaml", text.replace("nonce 8a", "nonce zz").replace("again 8a", "again zz"))
    made = sockrun.write("made.yaml", text)
    with library.play(other, roles=["server"]) as played:
        address = "{}:{}".format(*played.addresses["server"])
        assert sockrun("run", str(made), "--real", f"server={address}").status == 0


def test_a_datagram_that_is_no_text_is_kept_for_what_is_said_again() -> None:
    one, two = (
        [("client", b"\xff" + nonce + b"\x80"), ("server", nonce + b"\x81")] for nonce in (b"\x01\x02", b"\xa1\xa2")
    )
    text = written(recordings(one, two, datagram=True))  # type: ignore[arg-type]
    assert '{hex: "ff ?? ?? 80"}  # any bytes, another one each time\n        as: datagram_1' in text
    assert "- ${datagram_1[1:3]}" in text


def test_the_servers_own_address_is_no_difference() -> None:
    text = written(recordings([("client", b"to 127.0.0.1:1000\n")], [("client", b"to 127.0.0.1:1001\n")]))
    assert text.count('"to ${server.host}:${server.port}"') == 2


def test_a_value_at_the_end_of_a_stream_is_as_long_as_it_was() -> None:
    text = written(recordings([("server", b"id 17")], [("server", b"id 18")]))
    assert r"regex: 'id [^\r\n]{2}'" in text


def test_many_bytes_that_all_differ_are_only_counted() -> None:
    text = written(recordings([("server", b"\x80" * 5000)], [("server", b"\x81" * 5000)]))
    assert "expect: {length: 5000}" in text


CLIENT: tuple[Side, bytes] = ("client", b"x\n")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([CLIENT], [CLIENT, ("client", b"\xff\xff")], "of what the client says, bytes that are no text"),
        ([CLIENT], [CLIENT, CLIENT], "of what the client says, lines are not as many in each"),
        ([("server", b"\xff\n")], [("server", b"\xff\xff\n")], "of what the server says, bytes that are no text"),
        ([("server", b"id 9")], [("server", b"id 10")], "what the server says ends in a number of different length"),
        ([("server", b"\x80 1\r\n")], [("server", b"\x80 10\r\n")], "bytes that are no text are not as many in each"),
    ],
)
def test_what_no_pattern_can_take_is_told(
    first: list[tuple[Side, bytes]], second: list[tuple[Side, bytes]], told: str
) -> None:
    with pytest.raises(EnvironmentRefused, match="these are not recordings of the same conversation: ") as refused:
        written(recordings(first, second))
    assert told in str(refused.value)


def test_datagrams_are_counted() -> None:
    with pytest.raises(EnvironmentRefused, match="the client does not send as many datagrams in each"):
        written(recordings([CLIENT], [CLIENT, CLIENT], datagram=True))


# --- the command line --------------------------------------------------------------------------

SERVER = "roles: {server: {protocol: tcp, side: server, framing: line, connections: 2, steps: [react: [{expect: x}]]}}"


def test_a_program_that_does_something_else_each_time_is_told(sockrun: CommandLine) -> None:
    say = "import socket, sys, os; s = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); "
    say += "s.sendall(b'x\\n' * (1 + os.path.exists('been'))); open('been', 'w')"
    with library.play(sockrun.write("a.yaml", SERVER)) as played:
        address = "{}:{}".format(*played.addresses["server"])
        words = ("record", "--to", address, "--times", "2", "-o", "b.yaml", "--", sys.executable, "-c", say, "{port}")
        status, out, err = sockrun(*words)
    assert (status, out, Path("b.yaml").exists()) == (3, "", False), err
    assert "these are not recordings of the same conversation: " in err


def test_to_record_several_times_there_must_be_a_program(sockrun: CommandLine) -> None:
    outcome = sockrun("record", "--to", "127.0.0.1:1", "--times", "2")
    assert outcome.status == 2
    assert "say which program is run so often" in outcome.err
