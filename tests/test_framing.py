"""Framings: what goes on the wire, and the same messages back, however the bytes arrive."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.commands import Match, Matcher, Mismatch, Reader
from sockrun.compiling.context import Context
from sockrun.diagnostics import Problems
from sockrun.reading.document import read
from sockrun.source import Source
from sockrun.values import ExpressionError
from sockrun.wire.contents import MESSAGE_LIMIT
from sockrun.wire.framing import FRAMING_FORMS, FRAMINGS, Framing, compile_framing


@dataclass(frozen=True)
class Judge:
    """Takes every message, or none that holds `refused`."""

    refused: bytes | None = None
    summary: str = "anything"

    def reader(self) -> Reader:
        raise AssertionError("a framed matcher judges whole messages only")

    def judge(self, message: bytes) -> Match | Mismatch:
        if self.refused is not None and self.refused in message:
            return Mismatch("is refused", message)
        return Match(message, {"seen": len(message)})


ANY: Matcher = Judge()


def framing_of(text: str, limit: int = MESSAGE_LIMIT) -> Framing:
    problems = Problems()
    context = Context(problems, {"word": b"crlf", "two": 2}, Path(), max_message=limit)
    framing = compile_framing(read(Source("t.yaml", text)), context)
    assert problems.found == []
    assert framing is not None
    return framing


def reader_of(text: str, matcher: Matcher = ANY, limit: int = MESSAGE_LIMIT) -> Any:
    """Typed loosely for `progress`, which only readers of framings have."""
    return framing_of(text, limit).framed(matcher).reader()


def progress_of(text: str, unread: bytes) -> str:
    framed: Any = framing_of(text).framed(ANY)
    return str(framed.progress(unread))


# --- what goes on the wire ---------------------------------------------------------------------

WIRE = [
    ("none", b"abc", b"abc"),
    ("line", b"abc", b"abc\n"),
    ("line", b"", b"\n"),
    ("crlf", b"abc", b"abc\r\n"),
    ("crlf", b"250-a\r\n250 b", b"250-a\r\n250 b\r\n"),
    ("'${word}'", b"abc", b"abc\r\n"),
    ("close", b"abc", b"abc"),
    ('{delimiter: "\\0"}', b"abc", b"abc\0"),
    ("{delimiter: {hex: 'ff 00'}}", b"abc", b"abc\xff\0"),
    ("{delimiter: '${word}'}", b"abc", b"abccrlf"),
    ("{size: 3}", b"abc", b"abc"),
    ('{length_prefix: "!H"}', b"abc", b"\0\3abc"),
    ('{length_prefix: "!H"}', b"", b"\0\0"),
    ('{length_prefix: "!H", counts_itself: true}', b"abc", b"\0\5abc"),
    ("{length_prefix: u24}", b"abc", b"\0\0\3abc"),
    ("{length_prefix: u24le}", b"abc", b"\3\0\0abc"),
    ("{length_prefix: varint}", b"a" * 128, b"\x80\x01" + b"a" * 128),
    ("{length_prefix: varint, counts_itself: true}", b"a" * 126, b"\x7f" + b"a" * 126),
    ("{length_prefix: varint, counts_itself: true}", b"a" * 127, b"\x81\x01" + b"a" * 127),
    ('{header: {struct: "!cI", length: 1, adjust: -4}}', b"Q\0\0\0\7abc", b"Q\0\0\0\7abc"),
    ("{header: {size: 9, at: 0, length: u24}}", b"\0\0\x03|.|.|.abc", b"\0\0\x03|.|.|.abc"),
]


@pytest.mark.parametrize(("text", "message", "wire"), WIRE)
def test_send_adds_the_frame(text: str, message: bytes, wire: bytes) -> None:
    assert framing_of(text).frame(message) == wire


@pytest.mark.parametrize(("text", "message", "wire"), [case for case in WIRE if case[0] not in ("none", "close")])
def test_expect_sees_the_first_message_without_its_frame(text: str, message: bytes, wire: bytes) -> None:
    first = message.partition(b"\r\n")[0] if text == "crlf" else message
    buffer = bytearray(wire + b"next")
    rest = framing_of(text).frame(first)
    assert reader_of(text).feed(buffer, False) == Match(first, {"seen": len(first)})
    assert buffer == (wire + b"next")[len(rest) :]


def test_every_framing_is_in_the_table() -> None:
    texts = [case[0] for case in WIRE]
    assert {word for word in FRAMINGS if word not in texts} == set()
    assert {form for form in FRAMING_FORMS if not any(f"{{{form}:" in text for text in texts)} == set()


@pytest.mark.parametrize(
    ("text", "name", "streams"),
    [
        ("none", "none", True),
        ("line", "line", False),
        ("crlf", "crlf", False),
        ("close", "close", True),
        ('{delimiter: "\\0"}', "delimiter 1 byte (00)", False),
        ("{size: 3}", "size 3", False),
        ('{length_prefix: "!H"}', "length_prefix !H", False),
        ('{header: {struct: "!cI", length: 1}}', "header", True),
    ],
)
def test_name_and_whether_bytes_go_out_as_they_are(text: str, name: str, streams: bool) -> None:
    framing = framing_of(text)
    assert (framing.name, framing.streams) == (name, streams)


@pytest.mark.parametrize(
    ("text", "message", "words"),
    [
        ("{size: 3}", b"ab", "this has 2 bytes, and a message here has 3"),
        ('{length_prefix: "B"}', b"a" * 256, "a length of 256 does not fit into B"),
        ('{length_prefix: "B", counts_itself: true}', b"a" * 255, "a length of 256 does not fit into B"),
    ],
)
def test_a_message_that_fits_no_frame_is_told(text: str, message: bytes, words: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        framing_of(text).frame(message)
    assert raised.value.message == words


def test_without_a_framing_a_matcher_stays_what_it_is() -> None:
    assert framing_of("none").framed(ANY) is ANY
    unsaid = compile_framing(None, Context(Problems(), {}, Path()))
    assert unsaid is not None
    assert unsaid.name == "none"


# --- reading -----------------------------------------------------------------------------------


def test_a_line_ends_in_lf_and_a_cr_before_it_is_dropped() -> None:
    buffer = bytearray(b"one\ntwo\r\nth\rree\r\r\n\n")
    reads = [reader_of("line").feed(buffer, False).data for _ in range(4)]
    assert reads == [b"one", b"two", b"th\rree\r", b""]


def test_crlf_alone_ends_a_crlf_line() -> None:
    buffer = bytearray(b"a\nb\rc\r\r\n")
    assert reader_of("crlf").feed(buffer, False).data == b"a\nb\rc\r"


def test_a_message_until_close_is_whole_at_the_fin() -> None:
    reader, buffer = reader_of("close"), bytearray(b"abc")
    assert reader.feed(buffer, False) is None
    assert reader.feed(buffer, True).data == b"abc"
    assert buffer == b""


def test_a_refused_message_stays_in_the_buffer() -> None:
    buffer = bytearray(b"abc\nnext\n")
    verdict = reader_of("line", Judge(refused=b"b")).feed(buffer, False)
    assert verdict == Mismatch("is refused", b"abc")
    assert buffer == b"abc\nnext\n"


def test_a_framed_matcher_says_what_the_inner_one_says() -> None:
    framed = framing_of("line").framed(ANY)
    assert framed.summary == "anything"
    assert framed.judge(b"a") == Match(b"a", {"seen": 1})


IMPOSSIBLE = [
    ("line", b"12345678901", "a line goes on without LF after the 10 bytes that a message may hold"),
    ("line", b"12345678901\n", "a line goes on without LF after the 10 bytes that a message may hold"),
    ("crlf", b"12345678901\r", "a line goes on without CRLF after the 10 bytes that a message may hold"),
    ("{delimiter: ab}", b"12345678901a", 'a message goes on without "ab" after the 10 bytes that a message may hold'),
    ("close", b"12345678901", "the peer sent over 10 bytes and did not close"),
    ("{length_prefix: B}", b"\x0b", "a message of 11 bytes is announced, and it may have 10 bytes at most"),
    ("{length_prefix: b}", b"\xff", "the length -1 leaves no room for a message"),
    ("{length_prefix: '!H', counts_itself: true}", b"\0\1", "the length 1 leaves no room for a message"),
    ("{length_prefix: varint}", b"\xff" * 10, "a varint has 10 bytes at most, and this one goes on"),
    (
        "{header: {struct: '!cB', length: 1}}",
        b"Q\x09",
        "a message of 11 bytes is announced, and it may have 10 bytes at most",
    ),
    (
        "{header: {struct: '!cB', length: 1, adjust: -4}}",
        b"Q\x03",
        "the length 3 in the header is too small: -1 bytes would follow",
    ),
    (
        "{header: {size: 2, at: 1, length: varint}}",
        b"Q\x80",
        "the varint in the header goes on behind the header",
    ),
]


@pytest.mark.parametrize(("text", "data", "reason"), IMPOSSIBLE)
def test_what_can_be_no_message_is_told_at_once(text: str, data: bytes, reason: str) -> None:
    buffer = bytearray(data)
    assert reader_of(text, limit=10).feed(buffer, False) == Mismatch(reason, data)
    assert buffer == data


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("line", b"1234567890\n"),
        ("crlf", b"1234567890\r\n"),
        ("{delimiter: ab}", b"1234567890ab"),
        ("{size: 10}", b"1234567890"),
        ("{length_prefix: B}", b"\x0a1234567890"),
        ("{header: {struct: '!cB', length: 1}}", b"Q\x0812345678"),
    ],
)
def test_a_message_of_the_limit_is_taken_in_any_split(text: str, wire: bytes) -> None:
    reader, buffer = reader_of(text, limit=10), bytearray()
    for byte in wire[:-1]:
        buffer.append(byte)
        assert reader.feed(buffer, False) is None
    buffer.append(wire[-1])
    assert isinstance(reader.feed(buffer, False), Match)


@pytest.mark.parametrize(
    ("text", "data", "words"),
    [
        ("line", b"", "before the first byte of a message"),
        ("line", b"abc", "in the middle of a line: 3 bytes and no LF"),
        ("crlf", b"abc\r", "in the middle of a line: 4 bytes and no CRLF"),
        ('{delimiter: "|"}', b"a", 'in the middle of a message: 1 byte and no "|"'),
        ("{size: 8}", b"12345", "in the middle of a message: 5 of 8 bytes"),
        ('{length_prefix: "!H"}', b"\0\6abc", "in the middle of a message: 5 of 8 bytes"),
        ('{length_prefix: "!H"}', b"\0", "in the middle of a message's header: 1 of 2 bytes"),
        ("{length_prefix: varint}", b"\x80", "in the middle of a message's header: 1 byte"),
        ("{header: {size: 4, length: u24}}", b"\0\0", "in the middle of a message's header: 2 of 4 bytes"),
        ("{header: {size: 4, length: u24}}", b"\0\0\4|ab", "in the middle of a message: 6 of 8 bytes"),
        ("close", b"abc", "in the middle of a message that ends with the connection: 3 bytes"),
    ],
)
def test_a_message_that_is_not_complete_tells_how_far_it_is(text: str, data: bytes, words: str) -> None:
    reader, buffer = reader_of(text), bytearray(data)
    assert reader.feed(buffer, end=text != "close") is None
    assert reader.progress(buffer) == words
    assert progress_of(text, data) == words
    assert buffer == data


# --- laws --------------------------------------------------------------------------------------

SELF_FRAMED: dict[str, Callable[[bytes], bytes]] = {
    '{header: {struct: "!cI", length: 1, adjust: -4}}': lambda body: b"Q" + (len(body) + 4).to_bytes(4) + body,
    "{header: {size: 5, at: 2, length: u24le}}": lambda body: b"ab" + len(body).to_bytes(3, "little") + body,
}
FRAMED = [
    "line",
    "crlf",
    '{delimiter: "\\0"}',
    "{delimiter: aba}",
    "{size: 3}",
    '{length_prefix: "!H"}',
    '{length_prefix: "<I", counts_itself: true}',
    "{length_prefix: u24}",
    "{length_prefix: varint}",
    "{length_prefix: varint, counts_itself: true}",
    *SELF_FRAMED,
]
BODIES = st.binary(max_size=6) | st.text("ab\r\n\0", max_size=6).map(str.encode) | st.integers(120, 130).map(bytes)


def message_for(text: str, body: bytes) -> bytes:
    """A message that this framing can tell apart from others."""
    if text == "{size: 3}":
        return body[:3].ljust(3)
    if text in SELF_FRAMED:
        return SELF_FRAMED[text](body)
    if text == "line":
        return body.replace(b"\n", b"").rstrip(b"\r")
    for delimiter in {"crlf": [b"\r\n"], '{delimiter: "\\0"}': [b"\0"], "{delimiter: aba}": [b"a"]}.get(text, []):
        while delimiter in body:
            body = body.replace(delimiter, b"")
    return body


def chunks(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places)]


@pytest.mark.parametrize("text", FRAMED)
@given(
    st.lists(BODIES, min_size=1, max_size=5),
    st.lists(st.integers(0, 2000), max_size=8),
    st.binary(max_size=4),
)
@settings(max_examples=60)
def test_messages_come_back_however_they_are_split(
    text: str, bodies: list[bytes], cuts: list[int], behind: bytes
) -> None:
    framing = framing_of(text)
    messages = [message_for(text, body) for body in bodies]
    wire = b"".join(map(framing.frame, messages)) + behind
    buffer, reader = bytearray(), framing.framed(ANY).reader()
    taken: list[bytes] = []
    for chunk in chunks(wire, cuts):
        buffer += chunk
        while len(taken) < len(messages) and isinstance(verdict := reader.feed(buffer, False), Match):
            taken.append(verdict.data)
            reader = framing.framed(ANY).reader()
    assert taken == messages
    assert buffer == behind


@pytest.mark.parametrize(("text", "data"), [case[:2] for case in IMPOSSIBLE])
@given(cuts=st.lists(st.integers(0, 20), max_size=4), behind=st.binary(max_size=3))
@settings(max_examples=20)
def test_what_can_be_no_message_is_none_in_any_split(text: str, data: bytes, cuts: list[int], behind: bytes) -> None:
    reader, buffer = reader_of(text, limit=10), bytearray()
    verdicts = []
    for chunk in [*chunks(data, cuts), behind]:
        buffer += chunk
        verdicts.append(reader.feed(buffer, False))
    assert isinstance(verdicts[-1], Mismatch)
    assert all(verdict is None or isinstance(verdict, Mismatch) for verdict in verdicts)


class Counting(bytearray):
    """Counts the bytes that are looked at, by searching and by slicing."""

    touched = 0

    def find(self, sub: Any, start: Any = 0, end: Any = None) -> int:
        found = super().find(sub, start)
        self.touched += (len(self) if found < 0 else found + len(sub)) - start
        return found

    def __getitem__(self, key: Any) -> Any:
        part = super().__getitem__(key)
        self.touched += len(part) if isinstance(key, slice) else 1
        return part


@pytest.mark.parametrize("text", [*FRAMED, "{size: 2000}", "{header: {size: 1000, at: 7, length: u24}}"])
def test_bytes_that_arrive_one_by_one_are_looked_at_a_few_times_each(text: str) -> None:
    """Searching anew from the front at each byte would look at two million."""
    message = message_for(text, b"x" * 2000) if text != "{size: 2000}" else b"x" * 2000
    if "1000" in text:
        message = bytes(7) + (1000).to_bytes(3) + bytes(990) + b"x" * 1000
    framing = framing_of(text)
    reader, buffer = framing.framed(ANY).reader(), Counting()
    for byte in framing.frame(message):
        buffer.append(byte)
        verdict = reader.feed(buffer, False)
    assert verdict == Match(message, {"seen": len(message)})
    assert buffer == b""
    assert buffer.touched <= 6 * 2000 + 100


# --- errors ------------------------------------------------------------------------------------

NO_FRAMING = "this is no framing: say none, line, crlf, close, or {delimiter, size, length_prefix, header: ...}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lines", NO_FRAMING),
        ("5", NO_FRAMING),
        ("null", NO_FRAMING),
        ("{prefix: a}", NO_FRAMING),
        ("{delimiter: ''}", "a delimiter has at least one byte, and is known before the scenario runs"),
        (
            "{delimiter: '${later}'}",
            "a delimiter has at least one byte, and is known before the scenario runs",
        ),
        ("{delimiter: 0}", "this is the number 0: put it in quotes to send its digits"),
        ("{size: 0}", "0 is less than 1"),
        ("{size: 16777217}", "16777217 is more than 16777216"),
        ("{size: a}", "'a' is not a whole number"),
        ("{size: '${later}'}", "'later' is not known before the scenario runs"),
        (
            "{length_prefix: '!HH'}",
            "'!HH' is no length: say u24, u24le, varint, or a struct format of one whole number (!H)",
        ),
        (
            "{length_prefix: '!f'}",
            "'!f' is no length: say u24, u24le, varint, or a struct format of one whole number (!H)",
        ),
        ("{length_prefix: B, counts_itself: 3}", "'3' is neither true nor false"),
        ("{header: {struct: '!cI'}}", "'length' is missing here"),
        ("{header: {struct: '!cI', length: 0}}", "field 0 of the struct '!cI' is no whole number"),
        ("{header: {struct: '!cI', length: 2}}", "field 2 of the struct '!cI' is no whole number"),
        ("{header: {struct: '!Y', length: 0}}", "'!Y' is no struct format: bad char in struct format"),
        ("{header: {size: 4}}", "'length' is missing here"),
        ("{header: {length: u24}}", "'size' is missing here"),
        ("{header: {size: 4, at: 2, length: u24}}", "the length u24 at offset 2 is not inside 4 bytes"),
        ("{header: {size: 4, at: 4, length: varint}}", "the length varint at offset 4 is not inside 4 bytes"),
        ("{header: {size: 4, at: -1, length: u24}}", "-1 is less than 0"),
    ],
)
def test_what_is_wrong_in_the_file_is_told(text: str, message: str) -> None:
    problems = Problems()
    framing = compile_framing(read(Source("t.yaml", text)), Context(problems, {}, Path()))
    assert [problem.message for problem in problems.found] == [message]
    if "counts_itself" not in text:
        assert framing is None
