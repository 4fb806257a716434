"""Payloads: each form's exact bytes, each error's exact words, and the law that pieces are the whole."""

from __future__ import annotations

import random
import struct
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.compiling.context import Context
from sockrun.diagnostics import Problems
from sockrun.reading.document import read
from sockrun.source import Node, Source
from sockrun.values import ExpressionError, NotYet, Payload, Value
from sockrun.wire.payloads import FORMS, compile_payload
from tests.matching_tools import Names

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CONSTANTS: Mapping[str, Value] = {"who": b"World", "number": 5, "parts": (1, 2, 255)}


SCOPE = Names(id=4711, word=b"x\xffy", digits=b"0a 0b", some=b"abc", row=(7, 8), flag=True, wide=300, n=b"3")


def node_of(text: str) -> Node:
    return read(Source("t.yaml", text))


def compiled(text: str, pack: Path = Path()) -> Payload:
    problems = Problems()
    payload = compile_payload(node_of(text), Context(problems, CONSTANTS, pack))
    assert problems.found == []
    assert payload is not None
    return payload


def refusal(text: str, pack: Path = Path()) -> tuple[str, str]:
    """The words of the one problem, and the text that it marks."""
    problems = Problems()
    node = node_of(text)
    assert compile_payload(node, Context(problems, CONSTANTS, pack)) is None
    (problem,) = problems.found
    span = problem.span
    line = span.source.lines[span.line - 1]
    return problem.message, line[span.column - 1 : span.end_column - 1 if span.line == span.end_line else None]


KNOWN = [
    # text
    ('"Hello World\\n"', b"Hello World\n"),
    ('""', b""),
    ("plain", b"plain"),
    ('"é"', b"\xc3\xa9"),
    ("é", b"\xc3\xa9"),
    (r'"\u00e9 \\xe9"', rb"\xc3\xa9 \xe9".replace(rb"\xc3\xa9", b"\xc3\xa9")),
    (r"'\xe9 é'", rb"\xe9 " + b"\xc3\xa9"),
    (r'"\x7f\0"', b"\x7f\0"),
    ('"Hello ${who}"', b"Hello World"),
    ('"$${who}"', b"${who}"),
    ('"a${number}b"', b"a5b"),
    # an expression alone
    ("${who}", b"World"),
    ("${number}", b"5"),
    ("${parts}", b"\x01\x02\xff"),
    # byte values
    ("[1, 2, 255]", b"\x01\x02\xff"),
    ("[0x10, '${number}']", b"\x10\x05"),
    ("[]", b""),
    # hex and base64
    ('{hex: "de ad be ef"}', b"\xde\xad\xbe\xef"),
    ('{hex: "DE:AD:\\n  be:ef"}', b"\xde\xad\xbe\xef"),
    ('{hex: ""}', b""),
    ("{hex: 'ff ${hex(who)}'}", b"\xffWorld"),
    ("{base64: SGVsbG8=}", b"Hello"),
    ('{base64: "SGVs\\n bG8="}', b"Hello"),
    ("{base64: '${base64(who)}'}", b"World"),
    # encodings
    ("{text: plain}", b"plain"),
    (r'{text: "\xe9", encoding: latin-1}', b"\xe9"),
    ("{text: 'é${number}', encoding: utf-16-le}", "é5".encode("utf-16-le")),
    # struct
    ('{struct: "!HHI", values: [1, 2, 3]}', b"\x00\x01\x00\x02\x00\x00\x00\x03"),
    ('{struct: "<H4s?", values: ["${number}", abc, true]}', b"\x05\x00abc\x00\x01"),
    ('{struct: "!d", values: [1.5]}', struct.pack("!d", 1.5)),
    ('{struct: "!${number}s", values: ["${who}"]}', b"World"),
    # JSON
    ('{json: {a: [1, 2.5, true, null], "é": "x y"}}', '{"a":[1,2.5,true,null],"é":"x y"}'.encode()),
    ('{json: {n: "${number}", s: "to ${who}", l: "${parts}"}}', b'{"n":5,"s":"to World","l":[1,2,255]}'),
    ("{json: null}", b"null"),
    ('{json: "text"}', b'"text"'),
    # random
    ("{random: 8, seed: 7}", random.Random(7).randbytes(8)),
    ("{random: 8}", random.Random(0).randbytes(8)),
    ("{random: '${number}', seed: '${number}'}", random.Random(5).randbytes(5)),
    ("{random: 0}", b""),
    # put together
    ('{join: [a, [1], {hex: "02"}, "${who}"]}', b"a\x01\x02World"),
    ("{join: []}", b""),
    ("{times: 3, of: ab}", b"ababab"),
    ("{times: 0, of: ab}", b""),
    ("{times: 1000000000, of: ''}", b""),
    ("{times: 2, of: {times: 2, of: {join: [a, b]}}}", b"abababab"),
    # lengths
    ('{length_prefix: "!H", of: abc}', b"\x00\x03abc"),
    ('{length_prefix: "!I", of: abc, adjust: 4}', b"\x00\x00\x00\x07abc"),
    ("{length_prefix: '<H', of: ''}", b"\x00\x00"),
    ("{length_prefix: B, of: abc, adjust: -3}", b"\x00abc"),
    ("{length_prefix: u24, of: abc}", b"\x00\x00\x03abc"),
    ("{length_prefix: u24le, of: abc}", b"\x03\x00\x00abc"),
    ("{length_prefix: varint, of: abc}", b"\x03abc"),
    ("{length_prefix: varint, of: {times: 300, of: x}}", b"\xac\x02" + b"x" * 300),
    ("{length_prefix: B, of: {length_prefix: B, of: a}}", b"\x02\x01a"),
]


@pytest.mark.parametrize(("text", "data"), KNOWN)
def test_what_needs_no_scope_is_known_when_the_file_is_read(text: str, data: bytes) -> None:
    payload = compiled(text)
    assert payload.constant == data
    assert payload.size == len(data)
    assert payload.evaluate(Names()) == data
    assert b"".join(payload.pieces(Names())) == data


MADE = [
    ('"id ${id}\\n"', b"id 4711\n", None),
    ("${word}", b"x\xffy", None),
    ("${row}", b"\x07\x08", None),
    ("${flag}", b"true", None),
    ("[1, '${row[0]}']", b"\x01\x07", 2),
    ("{hex: '${digits}'}", b"\x0a\x0b", None),
    ("{base64: '${base64(word)}'}", b"x\xffy", None),
    ("{text: 'é${some}', encoding: latin-1}", b"\xe9abc", None),
    ('{struct: "!IB", values: ["${id}", 0]}', b"\x00\x00\x12\x67\x00", 5),
    ('{json: ["${id}", "${some}", "${row}", "${flag}"]}', b'[4711,"abc",[7,8],true]', None),
    ("{random: '${len(some)}', seed: 7}", random.Random(7).randbytes(3), None),
    ("{random: 3, seed: '${id}'}", random.Random(4711).randbytes(3), 3),
    ("{join: [a, '${some}']}", b"aabc", None),
    ("{join: [a, ['${row[0]}']]}", b"a\x07", 2),
    ("{times: '${n}', of: ab}", b"ababab", None),
    ("{times: 2, of: '${some}'}", b"abcabc", None),
    ("{times: 2, of: ['${row[1]}']}", b"\x08\x08", 2),
    ('{length_prefix: "!H", of: "${some}"}', b"\x00\x03abc", None),
    ('{length_prefix: "!H", of: ["${row[0]}"]}', b"\x00\x01\x07", 3),
    ('{length_prefix: "!H", of: a, adjust: "${id}"}', b"\x12\x68a", 3),
]


@pytest.mark.parametrize(("text", "data", "size"), MADE)
def test_what_needs_a_scope_is_made_with_it(text: str, data: bytes, size: int | None) -> None:
    payload = compiled(text)
    assert payload.constant is None
    assert payload.size == size
    assert payload.evaluate(SCOPE) == data
    assert b"".join(payload.pieces(SCOPE)) == data


@pytest.mark.parametrize("text", [case[0] for case in MADE])
def test_a_value_that_is_missing_is_told_before_the_first_piece(text: str) -> None:
    """A role that has to wait for a value has sent nothing by then."""
    payload = compiled(f"join:\n- {{random: 100000}}\n- {text}")
    with pytest.raises(NotYet):
        payload.pieces(Names())


def test_every_form_is_in_these_tables() -> None:
    texts = [case[0] for case in KNOWN] + [case[0] for case in MADE]
    assert {form for form in FORMS if not any(f"{{{form}:" in text for text in texts)} == {"file"}


# --- errors ------------------------------------------------------------------------------------

AMBIGUOUS = "in a text is ambiguous: it is one character, which UTF-8 writes as two bytes"
UNFINISHED = "this base64 text is not complete: its digits come in fours, filled up with ="
ERRORS = [
    ("5", "this is the number 5: put it in quotes to send its digits", "5"),
    ("1.5", "this is the number 1.5: put it in quotes to send its digits", "1.5"),
    ("true", "this is the boolean true: put it in quotes to send the word", "true"),
    ("{join: [null]}", 'this is nothing (null): write "" for no bytes', "null"),
    ("{text: 5}", "this is the number 5: put it in quotes to send its digits", "5"),
    (r'"a\xffb"', rf"\xff {AMBIGUOUS}", r'"a\xffb"'),
    (r'{join: ["\\x80\x80"]}', rf"\x80 {AMBIGUOUS}", r'"\\x80\x80"'),
    ("[1, 256]", "a byte is a number from 0 to 255, and this is 256", "256"),
    ("[-1]", "a byte is a number from 0 to 255, and this is -1", "-1"),
    ("[true]", "a byte is a number from 0 to 255, and this is true", "true"),
    ("[a]", "a byte is a number from 0 to 255, and this is a", "a"),
    ("[[1]]", "a byte is a number from 0 to 255, and this is a list", "[1]"),
    ("{hex: 00}", "text is wanted here", "00"),
    ("{hex: 0g}", "'g' is not a hexadecimal digit", "0g"),
    ('{hex: "de a"}', "every byte needs two hexadecimal digits, and here are 3", '"de a"'),
    ("{base64: SGVsbG8}", UNFINISHED, "SGVsbG8"),
    ("{base64: SGVs*G8=}", "'*' is not a base64 digit", "SGVs*G8="),
    ("{text: a, encoding: latin-99}", "'latin-99' is no encoding that Python knows", "latin-99"),
    ("{text: a, encoding: rot13}", "'rot13' is no encoding that Python knows", "rot13"),
    ("{text: €, encoding: latin-1}", "'€' cannot be written in latin-1", "€"),
    ("{struct: '!Y', values: []}", "'!Y' is no struct format: bad char in struct format", "'!Y'"),
    ("{struct: '!H'}", "'values' is missing here", "{struct: '!H'}"),
    (
        "{struct: '!HH', values: [1]}",
        "these values do not fit the struct '!HH': pack expected 2 items for packing (got 1)",
        "[1]",
    ),
    (
        "{struct: '!H', values: [70000]}",
        "these values do not fit the struct '!H': 'H' format requires 0 <= number <= 65535",
        "[70000]",
    ),
    ("{struct: 999999999x, values: []}", "the struct '999999999x' has over 16 MiB", "999999999x"),
    ("{random: -1}", "-1 is less than 0", "-1"),
    ("{random: 1, seed: x}", "'x' is not a whole number", "x"),
    ("{times: 1.5, of: a}", "1.5 is not a whole number", "1.5"),
    ("{times: 3}", "'of' is missing here", "{times: 3}"),
    ("{length_prefix: B, of: {times: 256, of: a}}", "a length of 256 does not fit into B", "B"),
    ("{length_prefix: B, of: a, adjust: -2}", "a length of -1 does not fit into B", "B"),
    ("{length_prefix: u24, of: {random: 16777216}}", "a length of 16777216 does not fit into u24", "u24"),
    ("{length_prefix: varint, of: a, adjust: -2}", "a length of -1 does not fit into varint", "varint"),
    (
        "{length_prefix: u32, of: a}",
        "'u32' is no length: say u24, u24le, varint, or a struct format of one whole number (!H)",
        "u32",
    ),
    (
        "{length_prefix: HH, of: a}",
        "'HH' is no length: say u24, u24le, varint, or a struct format of one whole number (!H)",
        "HH",
    ),
    (
        "{bytes: a}",
        "this is no payload: it should have one of the keys "
        "text, hex, base64, file, struct, json, random, join, times, length_prefix",
        "{bytes: a}",
    ),
    ("{hex: '${'}", "a '}' is missing", "'${'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "marked"), ERRORS)
def test_what_is_wrong_in_the_file_is_told_at_its_place(text: str, message: str, marked: str) -> None:
    assert refusal(text) == (message, marked)


RUN_TIME_ERRORS = [
    ("['${wide}']", "a byte is a number from 0 to 255, and this is 300"),
    ("['${some}']", "a byte is a number from 0 to 255, and this is abc"),
    ("{hex: '${some}'}", "every byte needs two hexadecimal digits, and here are 3"),
    ("{base64: '${n}'}", UNFINISHED),
    (
        "{struct: '!H', values: ['${wide * 300}']}",
        "these values do not fit the struct '!H': 'H' format requires 0 <= number <= 65535",
    ),
    ("{json: '${word}'}", r"this is not UTF-8 text: b'\xff' is in it"),
    ("{text: '${word}', encoding: latin-1}", r"this is not UTF-8 text: b'\xff' is in it"),
    ("{times: '${some}', of: a}", "'abc' is not a whole number"),
    ("{length_prefix: B, of: {random: '${wide}'}}", "a length of 300 does not fit into B"),
    ("{random: '${id * 4000}'}", "this has 18,844,000 bytes, and a message holds 16 MiB at most"),
]


@pytest.mark.parametrize(("text", "message"), RUN_TIME_ERRORS)
def test_what_a_value_makes_wrong_is_told_in_the_same_words(text: str, message: str) -> None:
    payload = compiled(text)
    with pytest.raises(ExpressionError) as raised:
        payload.evaluate(SCOPE)
    assert raised.value.message == message


def test_all_problems_of_a_payload_are_told() -> None:
    problems = Problems()
    text = "{join: [5, {hex: g}, {struct: '!H', values: [a, b]}, {times: -1, of: null}]}"
    assert compile_payload(node_of(text), Context(problems, CONSTANTS, Path())) is None
    assert len(problems.found) == 5


# --- sizes -------------------------------------------------------------------------------------


def test_what_is_large_is_no_constant() -> None:
    payload = compiled("{times: 65537, of: a}")
    assert (payload.constant, payload.size) == (None, 65537)
    assert payload.evaluate(Names()) == b"a" * 65537


@pytest.mark.parametrize("text", ["{random: 16777217}", "{times: 16777217, of: a}"])
def test_over_16_mib_there_are_only_pieces(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"^this has 16,777,217 bytes, and a message holds 16 MiB at most$"):
        compiled(text).evaluate(Names())
    assert sum(map(len, compiled(text).pieces(Names()))) == 16_777_217


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("{random: 1099511627776}", None),
        ("{times: 1000000000000, of: ab}", b"abab"),
        ("{times: 1000000, of: {random: 1000000, seed: 3}}", random.Random(3).randbytes(4)),
        ("{join: [head, {times: 1000000000000, of: {join: [x, yz]}}]}", b"headxyzx"),
        (
            "{length_prefix: '!Q', of: {times: 1000000000000, of: ab}}",
            struct.pack("!Q", 2 * 10**12) + b"abab",
        ),
    ],
)
def test_terabytes_come_in_pieces(text: str, start: bytes | None) -> None:
    payload = compiled(text)
    pieces = list(islice(payload.pieces(Names()), 5))
    assert payload.size is not None
    assert payload.size > GIB
    assert all(0 < len(piece) <= 64 * KIB for piece in pieces)
    assert sum(map(len, pieces)) > 4 * 60 * KIB
    assert b"".join(pieces).startswith(start or b"")


def test_small_parts_share_a_piece() -> None:
    """A thousand words are one segment's worth, not a thousand system calls."""
    payload = compiled("{join: [" + ", ".join(["'${some}'"] * 1000) + "]}")
    assert [len(piece) for piece in payload.pieces(SCOPE)] == [3000]


TEXTS = st.sampled_from(["abc", "'${some}'", "{hex: '00 ff'}", "['${row[0]}', 1]", "''", "{json: ['${id}']}"])
BULKS = st.builds("{{random: {}, seed: {}}}".format, st.integers(0, 200_000), st.integers(0, 9))


def nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.lists(inner, max_size=4).map(lambda texts: f"{{join: [{', '.join(texts)}]}}")
    times = st.builds("{{times: {}, of: {}}}".format, st.integers(0, 5), inner)
    prefixed = st.builds("{{length_prefix: {}, of: {}}}".format, st.sampled_from(["'!Q'", "varint"]), inner)
    return joined | times | prefixed


@given(st.recursive(TEXTS | BULKS, nested, max_leaves=6))
@settings(max_examples=150)
def test_pieces_are_the_whole(text: str) -> None:
    payload = compiled(text)
    pieces = list(payload.pieces(SCOPE))
    size = sum(map(len, pieces))
    assert all(0 < len(piece) <= 64 * KIB for piece in pieces)
    assert payload.size in (None, size)
    if size <= 16 * MIB:
        assert payload.evaluate(SCOPE) == b"".join(pieces)


# --- summaries ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        ('"Hello World\\n"', r'"Hello World\n"'),
        ('"Hello ${who}"', '"Hello ${who}"'),
        ('"id ${id}\\n"', r'"id ${id}\n"'),
        ("[1, 2, 3]", "3 bytes (01 02 03)"),
        ("['${id}', 2]", "2 bytes"),
        ("{hex: '${digits}'}", "hex ${digits}"),
        ("{base64: '${digits}'}", "base64 ${digits}"),
        ('{struct: "!I", values: ["${id}"]}', "struct !I"),
        ("{json: ['${id}']}", "JSON"),
        ("{json: [1]}", '"[1]"'),
        ("{random: 1048576}", "1 MiB of random bytes"),
        ("{random: '${id}'}", "${id} random bytes"),
        ("{times: 100, of: ab}", '100 times "ab"'),
        ("{times: '${n}', of: ab}", '${n} times "ab"'),
        ("{join: [a, '${some}']}", '"a" + "${some}"'),
        ("{length_prefix: B, of: '${some}'}", '"${some}" behind its length'),
        ("{length_prefix: '!Q', of: {random: 1048576}}", "1 MiB of random bytes behind its length"),
    ],
)
def test_summary(text: str, summary: str) -> None:
    assert compiled(text).summary == summary


# --- files -------------------------------------------------------------------------------------


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    folder = tmp_path / "pack"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"a file\n")
    (folder / "sub" / "large").write_bytes(bytes(200_000))
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "in").symlink_to("a.txt")
    (tmp_path / "secret").write_bytes(b"not yours")
    return folder


@pytest.mark.parametrize("name", ["a.txt", "sub/../a.txt", "in"])
def test_a_small_file_of_the_pack_is_known(pack: Path, name: str) -> None:
    payload = compiled(f"{{file: {name}}}", pack)
    assert payload.constant == b"a file\n"
    assert payload.size == 7
    assert payload.summary == f"the file {name}"


def test_a_large_file_comes_in_pieces(pack: Path) -> None:
    payload = compiled("{file: sub/large}", pack)
    assert (payload.constant, payload.size) == (None, 200_000)
    assert [len(piece) for piece in payload.pieces(Names())] == [65536, 65536, 65536, 3392]
    assert payload.evaluate(Names()) == bytes(200_000)


def test_a_file_that_became_shorter_is_told(pack: Path) -> None:
    payload = compiled("{length_prefix: '!I', of: {file: sub/large}}", pack)
    (pack / "sub" / "large").write_bytes(bytes(100_000))
    with pytest.raises(ExpressionError, match=r"large' became shorter while the scenario ran$"):
        list(payload.pieces(Names()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.txt", "there is no file 'no.txt'"),
        ("sub", "there is no file 'sub'"),
        ("../secret", "the file '../secret' is neither in the pack nor in ${dir}"),
        ("/etc/hostname", "the file '/etc/hostname' is neither in the pack nor in ${dir}"),
        ("out", "the file 'out' is neither in the pack nor in ${dir}"),
        ("../no", "the file '../no' is neither in the pack nor in ${dir}"),
        (r'"a\0b"', r"the file 'a\x00b' cannot be read: no file's name has a zero byte"),
    ],
)
def test_a_file_that_cannot_be_sent_is_told(pack: Path, name: str, message: str) -> None:
    assert refusal(f"{{file: {name}}}", pack) == (message, name)


def test_a_file_of_the_scenarios_own_folder_is_read_when_it_is_sent(pack: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    scope = Names(dir=str(folder).encode(), name=b"../secret")
    payload = compiled("{file: '${dir}/made'}", pack)
    assert (payload.constant, payload.size) == (None, None)
    with pytest.raises(ExpressionError, match=r"^there is no file '.*/run/made'$"):
        payload.evaluate(scope)
    (folder / "made").write_bytes(b"made later")
    assert payload.evaluate(scope) == b"made later"
    with pytest.raises(ExpressionError, match=r"is neither in the pack nor in \$\{dir\}$"):
        compiled("{file: '${dir}/${name}'}", pack).evaluate(scope)


def test_a_file_of_the_pack_may_be_chosen_by_a_value(pack: Path, tmp_path: Path) -> None:
    scope = Names(dir=str(tmp_path / "run").encode(), name=b"a")
    assert compiled("{file: '${name}.txt'}", pack).evaluate(scope) == b"a file\n"
