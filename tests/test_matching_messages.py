"""Matchers on whole messages, what a file may not say, and what is told about it."""

from __future__ import annotations

import hashlib

import pytest

from sockrun.commands import Match, Mismatch
from sockrun.matching import FORMS
from sockrun.values import ExpressionError, NotYet
from tests.matching_tools import Names, Outcome, compiled, judged, matcher, taken, wrong

HELLO = hashlib.sha256(b"hello").hexdigest()
EMPTY = hashlib.sha256(b"").hexdigest()

# matcher, message, outcome
CASES: list[tuple[str, bytes, Outcome]] = [
    ('"hello"', b"hello", taken(b"hello")),
    ('"hello"', b"hell", wrong("is 4 bytes long, not 5", 4)),
    ('"hello"', b"hello!", wrong("is 6 bytes long, not 5", 5)),
    ('"hello"', b"jello", wrong("byte 0 is 0x6a, not 0x68", 0)),
    ('"hello"', b"help!!", wrong("is 6 bytes long, not 5", 3)),
    ('""', b"", taken(b"")),
    ("${word}", b"x+y", taken(b"x+y")),
    ("{times: 20000, of: abcd}", b"abcd" * 20_000, taken(b"abcd" * 20_000)),
    ("{times: 20000, of: abcd}", b"abcd", wrong("is 4 bytes long, not 80,000", 4)),
    ('{hex: "01 ?? 03"}', b"\1\2\3", taken(b"\1\2\3")),
    ('{hex: "01 ?? 03"}', b"\1\2\3\4", wrong("is 4 bytes long, not 3", 3)),
    ('{hex: "01 ?? 03"}', b"\1\2\4", wrong("byte 2 is 0x04, not 0x03", 2)),
    ('{hex: "01 * 03"}', b"\1\3\3\3", taken(b"\1\3\3\3")),
    ('{hex: "01 * 03"}', b"\1", wrong("ends before all of hex 01 * 03 is there", 1)),
    ('{hex: "01 * 03"}', b"\1\3\4", wrong("byte 2 is 0x04, not 0x03", 2)),
    ('{hex: "01 * 02 * 03"}', b"\1\3\3", wrong("has not all of hex 01 * 02 * 03 in its 3 bytes", 1)),
    ('{hex: "01 * 02 * 03"}', b"\1\2\2\3", taken(b"\1\2\2\3")),
    ('{hex: "01 *"}', b"\1\2\3", taken(b"\1\2\3")),
    ('{hex: "*"}', b"", taken(b"")),
    (r'{regex: "(?P<who>\\w+)"}', b"ann, bob", taken(b"ann, bob", who=b"ann")),
    (r'{regex: "\\w+", whole: true}', b"ann, bob", wrong(r"is not a match of /\w+/: byte 3 is 0x2c", 3)),
    ("{prefix: ping}", b"ping 1", taken(b"ping 1")),
    ("{prefix: ping}", b"pong", wrong('does not start with "ping"', 1)),
    ("{prefix: ping}", b"pi", wrong('does not start with "ping"', 2)),
    ("{suffix: ing}", b"ping", taken(b"ping")),
    ("{suffix: ing}", b"pong", wrong('does not end with "ing"', None)),
    ("{contains: in}", b"ping", taken(b"ping")),
    ("{contains: in}", b"pong", wrong('has no "in" in its 4 bytes', None)),
    ("{length: 4}", b"ping", taken(b"ping")),
    ("{length: 4}", b"pings", wrong("is 5 bytes long, not 4", 4)),
    ("{length: {min: 2, max: 4}}", b"abc", taken(b"abc")),
    ("{length: {min: 2, max: 4}}", b"a", wrong("is 1 byte long, not 2 to 4", 1)),
    ("{length: {min: 2, max: 4}}", b"abcde", wrong("is 5 bytes long, not 2 to 4", 4)),
    ("{length: {min: 2}}", b"a", wrong("is 1 byte long, not at least 2", 1)),
    ("{length: {max: 2}}", b"", taken(b"")),
    (f"{{length: {{min: 2}}, sha256: {HELLO.upper()}}}", b"hello", taken(b"hello")),
    (f"{{length: 5, sha256: {EMPTY}}}", b"hello", wrong(f"has the SHA-256 {HELLO}, not {EMPTY}", None)),
    ('{struct: "!HB", fields: {id: any, op: 7}}', b"\1\2\7", taken(b"\1\2\7", id=258, op=7)),
    ('{struct: "!HB", fields: {id: any, op: 7}}', b"\1\2\x08", wrong("field op is 8, not 7", 2)),
    ('{struct: "!HB", fields: {id: any, op: 7}}', b"\1\2", wrong("is 2 bytes long, not 3", 2)),
    ('{struct: "!Bx2s", fields: {a: 1, b: "${one}"}}', b"\1\0a\0", taken(b"\1\0a\0", a=1, b=b"a\0")),
    ('{struct: "!2s", fields: {c: ab}}', b"ac", wrong('field c is "ac", not "ab"', 0)),
    ('{struct: "@BI", fields: {a: any, b: 5}}', b"\1\0\0\0\4\0\0\0", wrong("field b is 4, not 5", 4)),
    ('{struct: "!?", fields: {ok: true}}', b"\2", taken(b"\2", ok=True)),
    ("{json: {a: 1, b: [null]}}", b'{"b":[null],"c":2,"a":1.0}', taken(b'{"b":[null],"c":2,"a":1.0}')),
    ("{json: {a: {b: ann}}}", b'{"a": {"b": "bob"}}', wrong('member a.b is "bob", not "ann"', None)),
    ("{json: {a: {b: ann}}}", b'{"a": {}}', wrong("has no member a.b", None)),
    ("{json: {a: true}}", b'{"a": 1}', wrong("member a is 1, not true", None)),
    ("{json: {a: [1, 2]}}", b'{"a": [1]}', wrong("member a is a list of 1, not of 2", None)),
    ("{json: [{a: 1}]}", b'[{"a": 2}]', wrong("member [0].a is 2, not 1", None)),
    ('{json: {a: "${n}", b: "x${one}"}}', b'{"a": 3, "b": "xa"}', taken(b'{"a": 3, "b": "xa"}')),
    ("{json: null}", b"null", taken(b"null")),
    ("{json: {}}", b"{]", wrong("is not JSON: Expecting property name enclosed in double quotes", 1)),
    ("{json: {}}", b"NaN", wrong("is not JSON: NaN is no number of JSON", None)),
    ("{json: {}}", b"{\xff", wrong("is not JSON: it is not UTF-8 text", 1)),
    ("{json: {}}", b"[" * 100_000, wrong("is not JSON: it is nested too deeply", None)),
    ("{one_of: [abc, {prefix: x}]}", b"xyz", taken(b"xyz")),
    (
        "{one_of: [abc, {prefix: x}]}",
        b"abd",
        wrong('matches none of the 2; nearest is "abc": byte 2 is 0x64, not 0x63', 2),
    ),
    (r'{regex: "ab+c"}', b"abb", wrong("is not a match of /ab+c/: it ends too early", 3)),
    ("{one_of: [abc, {suffix: x}]}", b"abd", wrong("matches none of the 2", None)),
    (
        r'{all_of: [{regex: "(?P<a>.)"}, {struct: "!BB", fields: {x: any, y: 98}}]}',
        b"ab",
        taken(b"ab", a=b"a", x=97, y=98),
    ),
    ("{all_of: [{prefix: a}, {suffix: c}]}", b"ab", wrong('does not end with "c"', None)),
    ("{not: {prefix: a}}", b"ba", taken(b"ba")),
    ("{not: {prefix: a}}", b"ab", wrong('is a start of "a", and must not be', None)),
    ("{any: true}", b"", taken(b"")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "outcome"), CASES)
def test_a_message_is_judged_whole(text: str, message: bytes, outcome: Outcome) -> None:
    """The data is the whole message, a mismatch says what is wrong and where."""
    assert judged(matcher(text, message=True).judge(message)) == outcome


def test_a_mismatch_holds_what_was_wanted_and_what_came() -> None:
    assert matcher('"hello"', message=True).judge(b"jello") == Mismatch(
        "byte 0 is 0x6a, not 0x68", b"jello", b"hello", 0
    )


def test_every_form_is_tried_on_a_message() -> None:
    """A new entry of the table needs a case here."""
    assert set(FORMS) <= {key for key in FORMS for text, _, _ in CASES if text.startswith(f"{{{key}:")}


# --- what does not depend on received bytes is said when the file is read -----------------------

NEEDS = "{} judges a whole message, and an unframed stream has none"
NOTHING = "at least one byte is wanted here: nothing is always there"
ERRORS: list[tuple[str, str, str]] = [
    ("{suffix: a}", "needs-a-message", NEEDS.format("'suffix'")),
    ("{json: {}}", "needs-a-message", NEEDS.format("'json'")),
    ("{all_of: [a]}", "needs-a-message", NEEDS.format("'all_of'")),
    ("{not: a}", "needs-a-message", NEEDS.format("'not'")),
    ("{one_of: [a, {not: a}]}", "needs-a-message", NEEDS.format("'not'")),
    ("{length: {min: 1}}", "needs-a-message", NEEDS.format("'length: {min, max}'")),
    ('""', "bad-value", NOTHING),
    ('{contains: ""}', "bad-value", NOTHING),
    ('{hex: "01 *"}', "bad-value", "a '*' at the end has no end on an unframed stream"),
    ('{hex: "01 ** 02"}', "bad-value", "two '*' with nothing between them are one"),
    ('{hex: "0? 1"}', "bad-value", "'1' is half a byte: every byte needs two digits, and '??' is any byte"),
    ('{hex: "??xy"}', "bad-value", "'x' is neither a hexadecimal digit nor one of"),
    ('{hex: "{999999999}"}', "bad-value", "at most 64 KiB can stand here: use 'length' for more"),
    ('{regex: "a("}', "bad-pattern", "this is no pattern: missing ) at position 2"),
    ('{regex: "[é]"}', "bad-pattern", "a class holds bytes, and [é] has a character of several"),
    ('{regex: "(?P<if>a)"}', "bad-name", "'if' cannot be the name of a variable"),
    ('{regex: "a(?=b)"}', "look-ahead", "a look-ahead at the end of a pattern"),
    ('{regex: "${a b}"}', "expression", ""),
    ("{length: -1}", "bad-value", "-1 is less than 0"),
    ("{length: 1, sha256: ab}", "bad-value", "'ab' is no SHA-256: it has 64 hexadecimal digits"),
    ('{struct: "!HH", fields: {a: any}}', "bad-value", "'!HH' has 2 values, and 'fields' names 1"),
    ('{struct: "!Q!", fields: {a: any}}', "bad-value", "'!Q!' is no struct format"),
    ('{struct: "!B", fields: {a: 300}}', "bad-value", "300 does not fit the field a: "),
    ('{struct: "!2s", fields: {a: abc}}', "bad-value", '"abc" is too long for the field a'),
    ('{struct: "!B", fields: {class: any}}', "bad-name", "'class' cannot be the name of a variable"),
    ("{nonsense: 1}", "not-a-payload", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "message"), ERRORS)
def test_a_wrong_matcher_is_told_when_the_file_is_read(text: str, code: str, message: str) -> None:
    """No matcher, one error with its code, and its sentence where that is ours."""
    found, problems = compiled(text)
    assert found is None
    assert [(one.code, one.severity) for one in problems] == [(code, "error")]
    assert message in problems[0].message


def test_a_length_that_nothing_has_is_an_error() -> None:
    _, problems = compiled("{length: {min: 3, max: 2}}", message=True)
    assert [one.message for one in problems] == ["no length is at least 3 and at most 2"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (r'{regex: "a\\d+"}', "open-repetition"),
        ("{any: true}", "any-on-a-stream"),
        ("{one_of: [{any: true}]}", "any-on-a-stream"),
    ],
)
def test_what_depends_on_the_stream_is_warned_of(text: str, code: str) -> None:
    """On a stream a warning, and a matcher all the same; on a message nothing."""
    found, problems = compiled(text)
    assert found is not None
    assert [(one.code, one.severity) for one in problems] == [(code, "warning")]
    assert compiled(text, message=True)[1] == []


@pytest.mark.parametrize("text", ['{regex: "a(?=b)"}', '{hex: "01 *"}', '""'])
def test_what_has_no_end_on_a_stream_is_allowed_on_a_message(text: str) -> None:
    assert compiled(text, message=True)[1] == []


# --- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        (r'{regex: "(?P<a>x)(?P<b>${word})"}', ("a", "b")),
        ('{struct: "!HB", fields: {id: any, op: 7}}', ("id", "op")),
        (r'{one_of: [{regex: "(?P<a>x)"}, {regex: "(?P<a>y)(?P<b>z)"}]}', ("a", "b")),
        (r'{not: {regex: "(?P<a>x)"}}', ()),
        ('"plain"', ()),
    ],
)
def test_the_variables_of_a_match_are_known_before(text: str, binds: tuple[str, ...]) -> None:
    found, _ = compiled(text, message=True)
    assert found is not None
    assert found.binds == binds


SCOPED = [
    "${word}", '{hex: "?? ${word}"}', '{regex: "${word}"}', '{contains: "${word}"}', '{length: "${n}"}',
    '{struct: "!B", fields: {x: "${n}"}}', '{json: {a: "${n}"}}', '{one_of: [a, "${word}"]}',
    '{not: "${word}"}', '{length: 1, sha256: "${word}"}',
]  # fmt: skip


@pytest.mark.parametrize("text", SCOPED)
def test_a_matcher_with_a_value_is_made_anew_for_each_step(text: str) -> None:
    """It is no constant, and waits for a value that another role has still to provide."""
    found, problems = compiled(text, message=True)
    assert problems == []
    assert found is not None
    assert found.constant is None
    with pytest.raises(NotYet):
        found.evaluate(Names())


@pytest.mark.parametrize("text", ['"abc"', '{regex: "${dot}"}', '{length: "${five}"}', '{one_of: [a, {hex: "?? 01"}]}'])
def test_a_matcher_of_constants_is_made_once(text: str) -> None:
    found, _ = compiled(text)
    assert found is not None
    assert found.constant is not None
    assert found.evaluate(Names()) is found.constant


@pytest.mark.parametrize("text", ['"${none}"', '{contains: "${none}"}'])
def test_a_value_that_turns_out_empty_cannot_be_waited_for(text: str) -> None:
    found, _ = compiled(text)
    assert found is not None
    with pytest.raises(ExpressionError, match="at least one byte is wanted"):
        found.evaluate(Names(none=b""))


def test_a_value_in_a_pattern_is_its_bytes() -> None:
    """What is special in a pattern is not, in a value."""
    found, _ = compiled('{regex: "${word}!", whole: true}', message=True)
    assert found is not None
    assert isinstance(found.evaluate(Names(word=b".*\xff")).judge(b".*\xff!"), Match)
    assert isinstance(found.evaluate(Names(word=b".*\xff")).judge(b"ab\xff!"), Mismatch)


@pytest.mark.parametrize(
    ("text", "summary"),
    [
        (r'"Hello\n"', r'"Hello\n"'),
        ('"hi ${word}"', '"hi ${word}"'),
        ('{regex: "220 "}', "a match of /220 /"),
        ("{length: 8}", "8 bytes"),
        ('{length: "${n}"}', "${n} bytes"),
        ('{hex: "01  ??"}', "hex 01 ??"),
        ("{contains: a}", 'something with "a"'),
        ('{struct: "!H", fields: {a: any}}', "struct !H"),
        ("{one_of: [a, {length: 1}]}", '"a" or 1 byte'),
        ("{any: true}", "anything"),
    ],
)
def test_the_summary_says_what_is_awaited(text: str, summary: str) -> None:
    found, _ = compiled(text)
    assert found is not None
    assert found.summary == summary
