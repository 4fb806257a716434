"""Patterns on streams against their definition: the first n bytes match in full, for the smallest n."""

from __future__ import annotations

from itertools import product

import pytest
import regex
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sockrun.commands import Match, Mismatch
from sockrun.matching import pattern_text
from sockrun.matching.patterns import Regex
from sockrun.values import ExpressionError
from tests.matching_tools import MORE, Outcome, cut, fed, judged

ALPHABET = b"ab\n"

_atoms = st.sampled_from(["a", "b", "ab", r"\n", ".", "[ab]", "[^a]", r"\w", r"\s", r"\x61"])
_looks = st.sampled_from(["$", r"\b", r"\B", "^", "(?=a)", "(?!a)", "(?<=a)", "(?<!b)", "(?>a|ab)", "a++"])
_repeats = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{2,}", "{1,}?"])


def _patterns(atoms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        atoms,
        lambda inner: st.one_of(
            st.tuples(inner, inner).map("".join),
            st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
            st.tuples(inner, _repeats).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
            inner.map(lambda text: f"({text})"),
        ),
        max_leaves=6,
    )


PLAIN = _patterns(_atoms)
LOOKING = _patterns(st.one_of(_atoms, _looks))
BYTES = st.lists(st.sampled_from(ALPHABET), max_size=10).map(bytes)


def _shortest(pattern: bytes, wire: bytes) -> int | None:
    """By the definition: how many bytes the shortest match in full has."""
    compiled = regex.compile(pattern)
    return next((n for n in range(1, len(wire) + 1) if compiled.fullmatch(wire[:n])), None)


@settings(max_examples=400)
@given(PLAIN, BYTES, st.sets(st.integers(1, 9)))
def test_a_pattern_that_looks_no_further_is_decided_as_by_the_loop(text: str, wire: bytes, places: set[int]) -> None:
    """Match, mismatch and place of the mismatch are those of the loop, however the bytes are split."""
    pattern = text.encode()
    compiled, expected = regex.compile(pattern), MORE
    for n in range(1, len(wire) + 1):
        found = compiled.fullmatch(wire[:n], partial=True)
        if found is None:
            expected = Outcome(reason=f"is not it: byte {n - 1} is 0x{wire[n - 1]:02x}", offset=n - 1)
        elif not found.partial:
            expected = judged(Match(wire[:n]), wire[n:])
        if expected != MORE:
            break
    assert fed(Regex(pattern, "it"), cut(wire, places)) == expected


@settings(max_examples=400)
@given(LOOKING, BYTES, st.sets(st.integers(1, 9)))
@example(r"\s\b\w", b"\na", {1})
@example(r"a\w*?(?<=b)", b"aab", {1, 2})
def test_a_pattern_that_looks_further_takes_the_shortest_run(text: str, wire: bytes, places: set[int]) -> None:
    """Also with boundaries and look-around: the shortest run, and the same verdict for every split."""
    pattern = text.encode()
    assume(not pattern_text.ends_in_look_ahead(pattern))
    outcome = fed(Regex(pattern, "it"), cut(wire, places))
    shortest = _shortest(pattern, wire)
    assert (None if outcome.data is None else len(outcome.data)) == shortest
    assert outcome == fed(Regex(pattern, "it"), [wire])


@settings(max_examples=150)
@given(LOOKING, BYTES.filter(lambda wire: len(wire) <= 3))
def test_never_means_never(text: str, wire: bytes) -> None:
    """After a mismatch no continuation of up to three bytes could have matched."""
    pattern = text.encode()
    assume(fed(Regex(pattern, "it"), [wire]).reason is not None)
    longer = (wire + bytes(more) for size in range(4) for more in product(ALPHABET, repeat=size))
    assert [run for run in longer if _shortest(pattern, run) is not None] == []


# --- limits ------------------------------------------------------------------------------------


def test_a_match_on_a_stream_has_64_kib_at_most() -> None:
    longest = b"a" * (64 * 1024 - 1) + b"\n"
    assert fed(Regex(rb"a*\n", "it"), [longest + b"a"]) == judged(Match(longest), b"a")
    assert fed(Regex(rb"a*\n", "it"), [b"a" + longest]).reason == "is not it within 64 KiB"
    assert fed(Regex(rb"a*\n", "it"), cut(b"a" + longest, [9, 65_000])).reason == "is not it within 64 KiB"


def test_a_pattern_that_takes_too_long_is_a_mismatch() -> None:
    """Both on a message and on a stream: no pattern of a file stops the others for good."""
    wanted = Regex(rb"(a|aa)+c", "it")
    reason = "the pattern takes too long (over 100 ms) on these 60 bytes: make it simpler"
    data = b"a" * 59 + b"b"
    assert judged(wanted.judge(data)).reason == reason
    assert fed(wanted, [data]).reason == reason


def test_a_pattern_of_rare_syntax_is_read_too() -> None:
    """Where its text is not understood it is never given up early, but matches as it should."""
    wanted = Regex(rb"a(?(?<=a)b|c);", "it")
    assert fed(wanted, [b"ab;", b"x"]) == judged(Match(b"ab;"), b"x")
    assert fed(wanted, [b"x"]) == MORE


def test_a_short_match_is_found_before_many_bytes() -> None:
    """A greedy pattern takes the first of many coalesced lines, with its own groups."""
    wanted = Regex(rb"(?s)(?P<word>a.*)\n", "it")
    reader, buffer = wanted.reader(), bytearray(b"ab\n" * 20_000)
    assert reader.feed(buffer, False) == Match(b"ab\n", {"word": b"ab"})
    assert len(buffer) == 59_997


def test_many_bytes_are_no_trouble_for_a_pattern_that_looks_further() -> None:
    """Where its last byte is known, not every run is tried: the verdict is there within the time allowed."""
    line = b"220 " + b"a" * 60_000 + b"\n"
    assert fed(Regex(rb"220 .*\b\n", "it"), [line + b"b"]) == judged(Match(line), b"b")


# --- messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "whole", "message", "outcome"),
    [
        (rb"220 ", False, b"220 ready", Match(b"220 ready")),
        (rb"(?P<code>\d+)(?P<more>-)?", False, b"220 x", Match(b"220 x", {"code": b"220", "more": b""})),
        (rb"\d+", True, b"220", Match(b"220")),
        (rb"\d+", True, b"220 ", Mismatch("is not it: byte 3 is 0x20", b"220 ", None, 3)),
        (rb"ready", False, b"220 ready", Mismatch("is not it: byte 0 is 0x32", b"220 ready", None, 0)),
        (rb"\w+$", False, b"two words", Mismatch("is not it: byte 3 is 0x20", b"two words", None, 3)),
        (rb"220 ", False, b"220", Mismatch("is not it: it ends too early", b"220", None, 3)),
        (rb"220 ", False, b"", Mismatch("is not it: it ends too early", b"", None, 0)),
        (rb"\bx\b", False, b"xy", Mismatch("is not it: byte 1 is 0x79", b"xy", None, 1)),
        (rb".*", False, b"", Match(b"")),
    ],
)
def test_a_message_is_judged_from_its_start(
    pattern: bytes, whole: bool, message: bytes, outcome: Match | Mismatch
) -> None:
    """`whole`: to its end. The difference is told where it is certain."""
    assert Regex(pattern, "it", whole).judge(message) == outcome


# --- a pattern's text --------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", [rb"\d+", rb"a.*", rb"(a{2,})", rb"(?:x|y+?)$", rb"(\w+)?", rb"a+\b", rb"a++"])
def test_an_open_repetition_at_the_end_is_seen(pattern: bytes) -> None:
    assert pattern_text.ends_in_open_repetition(pattern)


@pytest.mark.parametrize(
    "pattern", [rb"\d+;", rb"a\+", rb"[+*]", rb"a{2}", rb"a{2,3}", rb"a+(b)", rb"(?=a+)b", rb"\\\*"]
)
def test_what_is_no_open_repetition_is_not_taken_for_one(pattern: bytes) -> None:
    assert not pattern_text.ends_in_open_repetition(pattern)


@pytest.mark.parametrize("pattern", [rb"a(?=b)", rb"(a(?!b))", rb"a(?!b)$", rb"(x|a(?=(b)))"])
def test_a_look_ahead_at_the_end_is_seen(pattern: bytes) -> None:
    assert pattern_text.ends_in_look_ahead(pattern)


@pytest.mark.parametrize("pattern", [rb"a(?=b)b", rb"a(?<=a)", rb"a\(?=b\)", rb"a(?:b)", rb"[(?=]a"])
def test_what_is_no_look_ahead_at_the_end_is_not_taken_for_one(pattern: bytes) -> None:
    assert not pattern_text.ends_in_look_ahead(pattern)


@given(st.binary(max_size=20))
def test_an_escaped_value_matches_itself_only(value: bytes) -> None:
    """Alone, and each of its bytes in a class."""
    assert regex.compile(pattern_text.escape(value)).fullmatch(value)
    if value:
        members = regex.compile(b"[" + pattern_text.escape(value) + b"]")
        assert {byte for byte in range(256) if members.fullmatch(bytes([byte]))} == set(value)


@settings(max_examples=200)
@given(LOOKING)
def test_the_tokens_are_the_pattern(text: str) -> None:
    """No byte of a pattern is lost, and the relaxed pattern is well formed."""
    pattern = text.encode()
    assert b"".join(token.text for token in pattern_text.tokens(pattern)) == pattern
    assert regex.compile(pattern_text.relaxed(pattern))


def test_a_character_of_several_bytes_is_one_unit() -> None:
    assert pattern_text.encoded("aé+".encode()) == b"a(?:\xc3\xa9)+"
    with pytest.raises(ExpressionError, match=r"a class holds bytes, and \[é\] has a character of several"):
        pattern_text.encoded("[é]".encode())
