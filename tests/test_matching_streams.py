"""Matchers on unframed streams: one table of cases, each fed in every way that bytes can come."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.commands import Match, Mismatch
from tests.matching_tools import MORE, Outcome, cut, fed, matcher, splits, taken, wrong

KIB = 1024
HELLO = hashlib.sha256(b"hello").hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()

# matcher, bytes on the wire, outcome with the bytes that are left
CASES: list[tuple[str, bytes, Outcome]] = [
    # literals: every form of a payload
    ('"hello"', b"hello", taken(b"hello")),
    ('"hello"', b"hello world", taken(b"hello", b" world")),
    ('"hello"', b"hel", MORE),
    ('"hello"', b"help", wrong("byte 3 is 0x70, not 0x6c", 3)),
    ('"hello"', b"j", wrong("byte 0 is 0x6a, not 0x68", 0)),
    ("[1, 2, 3]", b"\1\2\3\4", taken(b"\1\2\3", b"\4")),
    ("[1, 2, 3]", b"\1\2\4", wrong("byte 2 is 0x04, not 0x03", 2)),
    ("${word}", b"x+yz", taken(b"x+y", b"z")),
    ('{text: "é", encoding: latin-1}', b"\xe9\xe9", taken(b"\xe9", b"\xe9")),
    ("{base64: aGVsbG8=}", b"hello", taken(b"hello")),
    ('{struct: "!HB", values: [1, 2]}', b"\0\1\2", taken(b"\0\1\2")),
    ('{join: [ab, {hex: "00"}]}', b"ab\0", taken(b"ab\0")),
    ("{times: 3, of: ab}", b"ababab", taken(b"ababab")),
    ('{length_prefix: "!H", of: ab}', b"\0\2ab", taken(b"\0\2ab")),
    # hex with wildcards
    ('{hex: "de ad be ef"}', b"\xde\xad\xbe\xefx", taken(b"\xde\xad\xbe\xef", b"x")),
    ('{hex: "01 ?? 03"}', b"\1\xff\3\4", taken(b"\1\xff\3", b"\4")),
    ('{hex: "01 ?? 03"}', b"\1\xff\4", wrong("byte 2 is 0x04, not 0x03", 2)),
    ('{hex: "01 ?? 03"}', b"\1\xff", MORE),
    ('{hex: "4? ?8"}', b"\x4f\xf8", taken(b"\x4f\xf8")),
    ('{hex: "4? ?8"}', b"\x4f\xf9", wrong("byte 1 is 0xf9, not 0x?8", 1)),
    ('{hex: "01{3}05"}', b"\1abc\5", taken(b"\1abc\5")),
    ('{hex: "01 * 0d 0a"}', b"\1abc\r\r\n\r\n", taken(b"\1abc\r\r\n", b"\r\n")),
    ('{hex: "01 * 0d 0a"}', b"\1\r\n", taken(b"\1\r\n")),
    ('{hex: "01 * 0d 0a"}', b"\2", wrong("byte 0 is 0x02, not 0x01", 0)),
    ('{hex: "* 0a ?? * 0b"}', b"x\n\nyz\x0b\x0b", taken(b"x\n\nyz\x0b", b"\x0b")),
    ('{hex: "* 0a ?? * 0b"}', b"x\n\x0b", MORE),
    ('{hex: "${digits}"}', b"\n\xff\xff", taken(b"\n\xff", b"\xff")),
    # patterns: the shortest run that matches in full
    (r'{regex: "220 .*\\r\\n"}', b"220 a b\r\n220 c\r\n", taken(b"220 a b\r\n", b"220 c\r\n")),
    (r'{regex: "220 .*\\r\\n"}', b"221 a\r\n", wrong(r"is not a match of /220 .*\r\n/: byte 2 is 0x31", 2)),
    (r'{regex: "220 .*\\r\\n"}', b"220 a\r", MORE),
    (r'{regex: "(?s)220.*\\n"}', b"220\n\n\n", taken(b"220\n", b"\n\n")),
    (r'{regex: "\\d+"}', b"123", taken(b"1", b"23")),
    (r'{regex: "\\d+$"}', b"123", taken(b"1", b"23")),
    (r'{regex: "(ab)*"}', b"abab", taken(b"ab", b"ab")),
    (r'{regex: "abc|ab"}', b"abc", taken(b"ab", b"c")),
    (r'{regex: "(?P<a>\\d+)-(?P<b>x)?;"}', b"12-;3", taken(b"12-;", b"3", a=b"12", b=b"")),
    (r'{regex: "\\w+\\b \\n"}', b"ab \n", taken(b"ab \n")),
    (r'{regex: "\\s\\b\\w\\n"}', b" a\n", taken(b" a\n")),
    (r'{regex: "a(?!b)\\w;"}', b"ac;", taken(b"ac;")),
    (r'{regex: "a(?!b)\\w;"}', b"ab;", wrong(r"is not a match of /a(?!b)\w;/: byte 1 is 0x62", 1)),
    (r'{regex: "a++b"}', b"aaab", taken(b"aaab")),
    (r'{regex: "\\xff\\x00"}', b"\xff\0", taken(b"\xff\0")),
    ('{regex: "(é+);"}', "éé;".encode(), taken("éé;".encode())),
    ('{regex: "${dot};"}', b"a.b;", taken(b"a.b;")),
    ('{regex: "${dot};"}', b"axb;", wrong("is not a match of /${dot};/: byte 1 is 0x78", 1)),
    ('{regex: "[${word}]{${n}};"}', b"+xy;", taken(b"+xy;")),
    # beginnings, pieces, lengths
    ("{prefix: ping}", b"ping 1", taken(b"ping", b" 1")),
    ("{prefix: ping}", b"pong", wrong("byte 1 is 0x6f, not 0x69", 1)),
    (r'{contains: "\r\n\r\n"}', b"GET\r\n\r\r\n\r\nbody", taken(b"GET\r\n\r\r\n\r\n", b"body")),
    (r'{contains: "\r\n\r\n"}', b"GET\r\n\r", MORE),
    ("{contains: aab}", b"aaaab", taken(b"aaaab")),
    ("{length: 3}", b"abcd", taken(b"abc", b"d")),
    ("{length: 3}", b"ab", MORE),
    ('{length: "${n}"}', b"abcd", taken(b"abc", b"d")),
    (f"{{length: 5, sha256: {HELLO}}}", b"hello!", taken(b"hello", b"!")),
    (f"{{length: 5, sha256: {EMPTY}}}", b"hello", wrong(f"has the SHA-256 {HELLO}, not {EMPTY}", None)),
    # structs
    (
        '{struct: "!HB", fields: {id: any, op: 7}}',
        b"\1\2\x07\0",
        taken(b"\1\2\x07", b"\0", id=258, op=7),
    ),
    ('{struct: "!HB", fields: {id: 258, op: any}}', b"\1\3", wrong("field id is 259, not 258", 0)),
    ('{struct: "!HBB", fields: {id: any, op: 7, x: any}}', b"\0\0\x08", wrong("field op is 8, not 7", 2)),
    ('{struct: "!4sB", fields: {name: ab, n: "${n}"}}', b"ab\0\0\3", taken(b"ab\0\0\3", name=b"ab\0\0", n=3)),
    ('{struct: "<f", fields: {x: 0.1}}', b"\xcd\xcc\xcc=", taken(b"\xcd\xcc\xcc=", x=0.10000000149011612)),
    # alternatives
    ("{one_of: [abc, ab]}", b"abc", taken(b"abc")),
    ("{one_of: [abc, ab]}", b"abd", taken(b"ab", b"d")),
    ("{one_of: [abc, ab]}", b"ab", MORE),
    ("{one_of: [ab, abc]}", b"abc", taken(b"ab", b"c")),
    (
        "{one_of: [abc, ad, {hex: 61 65}]}",
        b"af",
        wrong('matches none of the 3; nearest is "abc": byte 1 is 0x66, not 0x62', 1),
    ),
    (r'{one_of: [{regex: "(?P<n>\\d);"}, {length: 2}]}', b"1;2", taken(b"1;", b"2", n=b"1")),
    (r'{one_of: [{regex: "(?P<n>\\d);"}, {length: 2}]}', b"x;2", taken(b"x;", b"2")),
]


@pytest.mark.parametrize(("text", "wire", "outcome"), CASES)
def test_the_verdict_and_the_taken_bytes_depend_on_no_segment(text: str, wire: bytes, outcome: Outcome) -> None:
    """Whole, split at every place, byte by byte: the same verdict, the same bytes taken."""
    wanted = matcher(text)
    assert {tuple(chunks): fed(wanted, chunks) for chunks in splits(wire)} == {
        tuple(chunks): outcome for chunks in splits(wire)
    }


@pytest.mark.parametrize("behind", [b"\0", b"x", b"\r\n" * 40])
@pytest.mark.parametrize(("text", "wire", "outcome"), [case for case in CASES if case[2] != MORE])
def test_bytes_behind_change_nothing(text: str, wire: bytes, outcome: Outcome, behind: bytes) -> None:
    """A decided verdict is the same whatever follows, and what follows is left."""
    wanted = matcher(text)
    for chunks in splits(wire):
        assert fed(wanted, [*chunks[:-1], chunks[-1] + behind]) == outcome.with_behind(behind)
        assert fed(wanted, [*chunks, behind]) == outcome.with_behind(behind)


@settings(max_examples=300)
@given(st.data())
def test_any_split_gives_the_same_verdict(data: st.DataObject) -> None:
    """For every form, on bytes near what it wants: any split has the outcome of the whole."""
    text, wire, _ = data.draw(st.sampled_from(CASES))
    near = bytearray(wire * 2)
    for at in data.draw(st.lists(st.integers(0, len(near) - 1), max_size=2)):
        near[at] = data.draw(st.sampled_from(b"a;\r\n\0\xff" + wire))
    wanted = matcher(text)
    places = data.draw(st.sets(st.integers(0, len(near))))
    assert fed(wanted, cut(bytes(near), places)) == fed(wanted, [bytes(near)])


@settings(max_examples=200)
@given(st.lists(st.sampled_from([b"ab", b"aab", b"b"]), min_size=1, max_size=12), st.data())
def test_messages_one_behind_the_other_are_taken_one_by_one(parts: list[bytes], data: st.DataObject) -> None:
    """Reading with `contains` again and again gives back what the stream was put together from."""
    stream = b"".join(part + b"\r\n" for part in parts)
    wanted, buffer, taken_parts = matcher(r'{contains: "\r\n"}'), bytearray(), []
    reader = wanted.reader()
    for chunk in cut(stream, data.draw(st.sets(st.integers(0, len(stream))))):
        buffer += chunk
        while isinstance(verdict := reader.feed(buffer, False), Match):
            taken_parts.append(verdict.data.removesuffix(b"\r\n"))
            reader = wanted.reader()
    assert (taken_parts, bytes(buffer)) == (parts, b"")


# --- what differs by the end of the stream -----------------------------------------------------


def test_a_later_alternative_matches_when_the_stream_ends_in_an_earlier_one() -> None:
    assert fed(matcher("{one_of: [abc, ab]}"), [b"ab"], end=True) == taken(b"ab")


def test_alternatives_that_wanted_more_at_the_end_are_no_mismatch() -> None:
    assert fed(matcher("{one_of: [abc, xy]}"), [b"ab"], end=True) == MORE


def test_any_takes_what_there_is_and_at_least_one_byte() -> None:
    wanted = matcher("{any: true}")
    assert fed(wanted, [b""]) == MORE
    assert fed(wanted, [b"", b"ab", b"c"]) == taken(b"ab", b"c")


# --- much data ---------------------------------------------------------------------------------

ONE_BLOCK = b"0123456789" * 100_000


def test_a_literal_of_any_size_is_compared_as_it_comes_and_not_kept() -> None:
    """What was compared leaves the buffer at once; nothing behind the last byte is taken."""
    wanted = matcher("{times: 100000, of: '0123456789'}")
    chunks = [*cut(ONE_BLOCK, range(0, len(ONE_BLOCK), 50_000)), b"behind"]
    assert fed(wanted, chunks, early=True) == taken(b"", b"behind")
    reader, buffer = wanted.reader(), bytearray(ONE_BLOCK[:500_000])
    assert reader.feed(buffer, False) is None
    assert len(buffer) <= 64 * KIB


def test_a_difference_far_on_is_counted_from_the_first_byte() -> None:
    spoilt = ONE_BLOCK[:700_000] + b"x" + ONE_BLOCK[700_001:]
    outcomes = {
        fed(matcher("{times: 100000, of: '0123456789'}"), chunks, early=True).reason
        for chunks in ([spoilt], cut(spoilt, range(0, len(spoilt), 9_999)))
    }
    assert outcomes == {"byte 700000 is 0x78, not 0x30"}


def test_what_is_to_be_kept_is_kept() -> None:
    wanted = matcher("{times: 100000, of: '0123456789'}", keep=True)
    assert fed(wanted, cut(ONE_BLOCK + b"x", [70_000])) == taken(ONE_BLOCK, b"x")
    assert fed(matcher("{length: 1000000}", keep=True), [ONE_BLOCK + b"x"]) == taken(ONE_BLOCK, b"x")


def test_what_no_variable_could_hold_is_not_kept() -> None:
    """Over 16 MiB `keep` changes nothing: the bytes are checked as they come."""
    piece = b"0123456789" * 6_000
    for text in ("{times: 2000000, of: '0123456789'}", "{length: 20000000}"):
        outcome = fed(matcher(text, keep=True), [*[piece] * 333, piece[:20_000], b"x"], early=True)
        assert outcome == taken(b"", b"x")


@pytest.mark.parametrize("size", [1, 4096, 65_536, 1_000_000])
def test_a_long_length_is_counted_and_hashed_as_it_comes(size: int) -> None:
    digest = hashlib.sha256(ONE_BLOCK[:200_000]).hexdigest()
    stream = cut(ONE_BLOCK[:200_003], range(0, 200_003, size)) if size > 1 else [ONE_BLOCK[:200_003]]
    for text in ("{length: 200000}", f"{{length: 200000, sha256: {digest}}}"):
        assert fed(matcher(text), stream, early=True) == taken(b"", ONE_BLOCK[200_000:200_003])


@given(st.sets(st.integers(0, 100_003)), st.booleans())
def test_what_is_only_counted_need_not_be_unread_first(places: set[int], hashed: bool) -> None:
    """`skim` takes as much as `feed` would have, and leaves the same."""
    stream = ONE_BLOCK[:100_003]
    digest = hashlib.sha256(stream[:100_000]).hexdigest()
    wanted = matcher(f"{{length: 100000, sha256: {digest}}}" if hashed else "{length: 100000}")
    reader, buffer = wanted.reader(), bytearray()
    for chunk in cut(stream, places):
        buffer += reader.skim(chunk)  # type: ignore[attr-defined]
        verdict = reader.feed(buffer, False)
        assert (verdict is None) == (not buffer and not isinstance(verdict, Match))
    assert (verdict, bytes(buffer)) == (Match(b""), stream[100_000:])


def test_a_wrong_digest_of_a_long_length_is_a_mismatch() -> None:
    digest = hashlib.sha256(ONE_BLOCK[:200_000]).hexdigest()
    outcome = fed(matcher(f"{{length: 200000, sha256: {EMPTY}}}"), [ONE_BLOCK], early=True)
    assert outcome == wrong(f"has the SHA-256 {digest}, not {EMPTY}", None)


def test_an_alternative_that_takes_early_gives_its_bytes_back() -> None:
    """A long literal has taken pieces when it fails: the next alternative sees all from the start."""
    spoilt = ONE_BLOCK[:700_000] + b"x;"
    wanted = matcher("{one_of: [{times: 100000, of: '0123456789'}, {contains: 'x'}]}")
    for chunks in ([spoilt], cut(spoilt, range(0, len(spoilt), 30_000))):
        assert fed(wanted, chunks) == taken(spoilt[:-1], b";")


def test_a_mismatch_holds_16_kib_of_what_was_received_or_as_much_as_shows_the_difference() -> None:
    near = matcher("abc").reader().feed(bytearray(b"abd" + bytes(50_000)), False)
    wanted = matcher("{times: 6000, of: '0123456789'}")
    far = wanted.reader().feed(bytearray(ONE_BLOCK[:50_000] + b"x" * 10_000), False)
    assert isinstance(near, Mismatch)
    assert isinstance(far, Mismatch)
    assert (len(near.received), near.expected) == (16 * KIB, b"abc")
    assert (len(far.received), far.offset, far.received[50_000:50_001]) == (50_256, 50_000, b"x")


def test_nothing_is_searched_for_over_16_mib() -> None:
    wanted = matcher("{contains: needle}")
    reader, buffer = wanted.reader(), bytearray(16 << 20)
    verdict = reader.feed(buffer, False)
    assert isinstance(verdict, Mismatch)
    assert verdict.reason == 'has no "needle" in its 16 MiB'
    assert isinstance(matcher('{hex: "* 01"}').reader().feed(buffer, False), Mismatch)


def test_a_small_literal_needs_no_new_reader() -> None:
    """The hot path makes no object: the matcher is its own reader."""
    wanted = matcher('"hello"')
    assert id(wanted.reader()) == id(wanted)
