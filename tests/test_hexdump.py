"""Bytes for people: the exact text of escapes, dumps and comparisons."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.hexdump import brief, compare, dump, escaped, first_difference, is_text, size_text
from sockrun.reading.document import read
from sockrun.source import Source

COUNTING = bytes(range(256))


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (12, "12 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1025, "1025 bytes"),
        (10_240, "10 KiB"),
        (10_300, "10,300 bytes"),
        (64 * 1024, "64 KiB"),
        (3 << 19, "1536 KiB"),
        (1 << 30, "1 GiB"),
        (5 << 40, "5120 GiB"),
    ],
)
def test_size_text(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", '""'),
        (b"Hello World\n", r'"Hello World\n"'),
        (b'\r\n\t\0"\\', r'"\r\n\t\0\"\\"'),
        (b"\x1b[0m\x7f", r'"\x1b[0m\x7f"'),
        ("größe €".encode(), '"größe €"'),
        (b"gr\xf6\xdfe", r'"gr\xf6\xdfe"'),
        ("\x85".encode(), r'"\xc2\x85"'),
        (b"\xc3", r'"\xc3"'),
    ],
)
def test_escaped(data: bytes, text: str) -> None:
    assert escaped(data) == text


def test_escaped_is_cut_and_tells_how_much_is_missing() -> None:
    assert escaped(b"a" * 10, limit=10) == '"aaaaaaaaaa"'
    assert escaped(b"a" * 11, limit=10) == '"aaaaaaaaaa" ... 1 more byte'


def test_escaped_is_never_cut_inside_a_character() -> None:
    assert escaped("€€€".encode(), limit=5) == '"€" ... 6 more bytes'


@given(st.text(st.characters(codec="utf-8").filter(str.isprintable) | st.sampled_from("\0\r\n\t\x07")))
def test_escaped_text_is_a_yaml_string_that_says_it(text: str) -> None:
    """What a report shows of ASCII and printable text can be pasted into a scenario."""
    assert read(Source("shown", escaped(text.encode(), limit=10_000))).value == text


@pytest.mark.parametrize(
    ("data", "verdict"),
    [
        (b"", True),
        (b"hello\r\n", True),
        ("größe".encode(), True),
        (b"hello.txt\0octet\0", True),
        (b"\0", False),
        (b"\x81\x05Hello", False),
        (COUNTING, False),
        (b"a" * 4095 + "€".encode() * 10, True),
    ],
)
def test_is_text(data: bytes, verdict: bool) -> None:
    assert is_text(data) is verdict


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Hello World\n", r'"Hello World\n"'),
        (b"\x00\x01\xff", "3 bytes (00 01 ff)"),
        (COUNTING, "256 bytes (00 01 02 03 04 05 06 07 ...)"),
    ],
)
def test_brief(data: bytes, text: str) -> None:
    assert brief(data) == text


# --- differences -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "received", "place"),
    [
        (b"", b"", None),
        (b"abc", b"abc", None),
        (b"abc", b"abd", 2),
        (b"abc", b"ab", 2),
        (b"ab", b"abc", 2),
        (b"", b"a", 0),
        (b"a" * 4096 + b"b", b"a" * 4096 + b"c", 4096),
        (b"a" * 4095 + b"b", b"a" * 4095 + b"c", 4095),
    ],
)
def test_first_difference(expected: bytes, received: bytes, place: int | None) -> None:
    assert first_difference(expected, received) == place


@given(st.binary(max_size=5), st.binary(max_size=5), st.integers(4090, 4100))
@settings(max_examples=200)
def test_first_difference_agrees_with_looking_at_each_byte(one: bytes, other: bytes, before: int) -> None:
    expected, received = b"x" * before + one, b"x" * before + other
    place = first_difference(expected, received)
    if place is None:
        assert expected == received
    else:
        assert expected[:place] == received[:place]
        assert expected[place : place + 1] != received[place : place + 1]


# --- dumps -------------------------------------------------------------------------------------


def test_dump_of_nothing_is_nothing() -> None:
    assert dump(b"") == ""


def test_dump_has_offset_bytes_and_ascii() -> None:
    assert dump(b"Hello World\n\x00\xff more") == (
        "00000000  48 65 6c 6c 6f 20 57 6f  72 6c 64 0a 00 ff 20 6d  |Hello World... m|\n"
        "00000010  6f 72 65                                          |ore|"
    )


@pytest.mark.parametrize(
    ("mark", "under"),
    [(0, "          ^^"), (7, " " * 31 + "^^"), (8, " " * 35 + "^^"), (15, " " * 56 + "^^")],
)
def test_dump_marks_a_byte(mark: int, under: str) -> None:
    row, marks = dump(COUNTING[0x40:0x50], mark).split("\n")
    assert marks == under
    assert row[len(under) - 2 :][:2] == f"{0x40 + mark:02x}"


def test_dump_marks_the_place_where_a_byte_is_missing() -> None:
    assert dump(COUNTING[:16], 16) == (
        "00000000  00 01 02 03 04 05 06 07  08 09 0a 0b 0c 0d 0e 0f  |................|\n"
        "00000010                                                    ||\n"
        "          ^^"
    )


def test_dump_shows_the_rows_around_the_mark() -> None:
    assert dump(COUNTING, 0x64, rows=3) == (
        "... 80 bytes before\n"
        "00000050  50 51 52 53 54 55 56 57  58 59 5a 5b 5c 5d 5e 5f  |PQRSTUVWXYZ[\\]^_|\n"
        "00000060  60 61 62 63 64 65 66 67  68 69 6a 6b 6c 6d 6e 6f  |`abcdefghijklmno|\n"
        "                      ^^\n"
        "00000070  70 71 72 73 74 75 76 77  78 79 7a 7b 7c 7d 7e 7f  |pqrstuvwxyz{|}~.|\n"
        "... 128 more bytes"
    )


@given(st.binary(max_size=200), st.integers(1, 6), st.data())
def test_dump_always_shows_the_marked_row(data: bytes, rows: int, drawn: st.DataObject) -> None:
    mark = drawn.draw(st.integers(0, len(data)))
    lines = dump(data, mark, rows).split("\n")
    marked = next(at for at, line in enumerate(lines) if line.endswith("^^"))
    assert lines[marked - 1].startswith(f"{mark // 16 * 16:08x}")
    assert sum("|" in line for line in lines) <= rows


# --- comparisons -------------------------------------------------------------------------------


def test_compare_of_texts_marks_the_first_difference() -> None:
    assert compare(b"Hello World\n", b"Hello Wurld\n") == (
        'expected "Hello World\\n"\n'
        'received "Hello Wurld\\n"\n'
        "                 ^"
    )  # fmt: skip


def test_compare_counts_what_escapes_take() -> None:
    assert compare(b"\r\nab", b"\r\nac") == (
        'expected "\\r\\nab"\n'
        'received "\\r\\nac"\n'
        "               ^"
    )  # fmt: skip


def test_compare_marks_the_end_of_what_is_too_short() -> None:
    assert compare(b"Hello", b"Hell") == (
        'expected "Hello"\n'
        'received "Hell"\n'
        "              ^"
    )  # fmt: skip


def test_compare_of_equal_texts_marks_nothing() -> None:
    assert compare(b"abc", b"abc") == 'expected "abc"\nreceived "abc"'


def test_compare_takes_a_place_that_is_known() -> None:
    assert compare(b"abc", b"abd", offset=0).endswith("\n          ^")


def test_compare_leaves_out_what_is_far_from_the_difference() -> None:
    before, behind = b"x" * 100, b"y" * 100
    assert compare(before + b"a" + behind, before + b"b" + behind) == (
        f'expected ... 60 bytes before ... "{"x" * 40}a{"y" * 59}" ... 41 more bytes\n'
        f'received ... 60 bytes before ... "{"x" * 40}b{"y" * 59}" ... 41 more bytes\n'
        + " " * (len('expected ... 60 bytes before ... "') + 40)
        + "^"
    )


def test_compare_of_binary_data_shows_dumps() -> None:
    assert compare(b"\x00\x01\x02", b"\x00\x09\x02\x03") == (
        "expected\n"
        "00000000  00 01 02                                          |...|\n"
        "             ^^\n"
        "received\n"
        "00000000  00 09 02 03                                       |....|\n"
        "             ^^"
    )
