"""Diagnostics as people and tools see them: the exact text is the promise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockrun.diagnostics import (
    Diagnostic,
    Invalid,
    Problems,
    as_dict,
    did_you_mean,
    in_order,
    nearest,
    quoted,
    render,
)
from sockrun.source import Source, Span

TEXT = 'name: x\nroles:\n  server:\n    protocol: tcp\n    side: server\n    steps:\n      - expct: "hi\\n"\n'
SOURCE = Source("scenarios/x.yaml", TEXT)


def span(line: int, column: int, end_line: int, end_column: int, source: Source = SOURCE) -> Span:
    return Span(source, line, column, end_line, end_column)


def line_of(text: str, column: int, width: int = 1) -> str:
    """The two lines rendered below the message for a place in the only line of a file."""
    place = span(1, column, 1, column + width, Source("x", text))
    return render(Diagnostic("code", "message", place)).partition("\n")[2]


def test_a_short_hint_stands_beside_the_marks() -> None:
    found = Diagnostic("unknown-key", "unknown key 'expct'", span(7, 9, 7, 14), "did you mean 'expect'?")
    assert render(found) == (
        "scenarios/x.yaml:7:9: error: unknown key 'expct'\n"
        '   7 |       - expct: "hi\\n"\n'
        "     |         ^^^^^ did you mean 'expect'?"
    )


def test_a_long_hint_stands_on_its_own_line() -> None:
    hint = "a step is one of send, expect, expect_close, expect_reset, close, shutdown, reset"
    assert render(Diagnostic("code", "no step", span(7, 9, 7, 14), hint, "warning")) == (
        "scenarios/x.yaml:7:9: warning: no step\n"
        '   7 |       - expct: "hi\\n"\n'
        "     |         ^^^^^\n"
        f"     = help: {hint}"
    )


def test_related_places_follow_in_the_same_form() -> None:
    related = ((span(3, 3, 3, 9), "the first one"),)
    assert render(Diagnostic("code", "said twice", span(5, 5, 5, 9), "leave one out", related=related)) == (
        "scenarios/x.yaml:5:5: error: said twice\n"
        "   5 |     side: server\n"
        "     |     ^^^^ leave one out\n"
        "scenarios/x.yaml:3:3: note: the first one\n"
        "   3 |   server:\n"
        "     |   ^^^^^^"
    )


def test_a_place_of_several_lines_is_marked_to_the_end_of_its_first() -> None:
    assert render(Diagnostic("code", "message", span(4, 5, 6, 3))) == (
        "scenarios/x.yaml:4:5: error: message\n   4 |     protocol: tcp\n     |     ^^^^^^^^^^^^^"
    )


def test_a_file_without_text_has_no_excerpt() -> None:
    found = Diagnostic("file", "the file is empty", span(1, 1, 1, 1, Source("x.yaml", "")), "write one")
    assert render(found) == "x.yaml:1:1: error: the file is empty\n     = help: write one"


def test_an_empty_place_has_one_mark_even_behind_the_end() -> None:
    assert line_of("ab", 3, 0) == "   1 | ab\n     |   ^"
    assert line_of("ab", 9, 5) == "   1 | ab\n     |   ^"


def test_a_place_in_a_line_that_does_not_exist_has_no_excerpt() -> None:
    assert render(Diagnostic("code", "message", span(99, 1, 99, 2))) == "scenarios/x.yaml:99:1: error: message"


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "a" * 500 + "HERE" + "b" * 500
    excerpt, marks = line_of(text, 501, 4).split("\n")
    assert excerpt == "   1 | ..." + "a" * 40 + "HERE" + "b" * 56 + "..."
    assert marks == "     |    " + " " * 40 + "^^^^"


def test_a_long_line_is_cut_on_one_side_where_the_place_is_near_an_end() -> None:
    assert line_of("a" * 500, 1) == f"   1 | {'a' * 100}...\n     | ^"
    assert line_of("a" * 500, 500) == f"   1 | ...{'a' * 100}\n     | {' ' * 102}^"


def test_marks_never_reach_beyond_the_cut() -> None:
    assert line_of("a" * 500, 1, 500) == f"   1 | {'a' * 100}...\n     | {'^' * 100}"


def test_control_characters_are_made_visible() -> None:
    assert line_of("\t\x1b[31mx\x7f\u202e", 7) == "   1 | ␉␛[31mx␡\ufffd\n     |       ^"


def test_wide_and_combining_characters_keep_the_marks_in_place() -> None:
    assert line_of("日本: x", 5) == "   1 | 日本: x\n     |       ^"
    assert line_of("日本: x", 1, 2) == "   1 | 日本: x\n     | ^^^^"
    assert line_of("e\u0301: x", 5) == "   1 | e\u0301: x\n     |    ^"


def test_color_changes_nothing_but_the_color() -> None:
    found = Diagnostic("code", "message", span(7, 9, 7, 14), "hint", related=((span(1, 1, 1, 5), "here"),))
    colored = render(found, color=True)
    for style in ("1;31", "1;36", "1", "34"):
        colored = colored.replace(f"\x1b[{style}m", "")
    assert "\x1b[1;31m" in render(found, color=True)
    assert colored.replace("\x1b[0m", "") == render(found)


@given(st.text(max_size=150), st.text(max_size=20), st.integers(1, 200), st.integers(0, 200))
def test_no_text_of_a_file_reaches_the_terminal_as_a_command(text: str, message: str, column: int, width: int) -> None:
    place = span(1, column, 1, column + width, Source("x\x1b.yaml", text))
    assert render(Diagnostic("code", message, place, message)).replace("\n", "").isprintable()


def test_json_has_everything_that_the_text_has() -> None:
    related = ((span(3, 3, 3, 9), "here"),)
    found = as_dict(Diagnostic("unknown-key", "message", span(7, 9, 7, 14), None, "warning", related))
    assert json.loads(json.dumps(found)) == {
        "code": "unknown-key",
        "severity": "warning",
        "message": "message",
        "hint": None,
        "file": "scenarios/x.yaml",
        "line": 7,
        "column": 9,
        "end_line": 7,
        "end_column": 14,
        "related": [
            {
                "message": "here",
                "file": "scenarios/x.yaml",
                "line": 3,
                "column": 3,
                "end_line": 3,
                "end_column": 9,
            }
        ],
    }


def test_diagnostics_are_told_in_the_order_of_the_file_each_once() -> None:
    problems = Problems()
    problems.error("code", "last", span(10, 1, 10, 2))
    problems.error("code", "second", span(2, 5, 2, 6))
    problems.error("code", "first", span(2, 1, 2, 2))
    problems.warning("code", "first", span(2, 1, 2, 2))
    problems.error("code", "second", span(2, 5, 2, 6, Source(SOURCE.path, TEXT)))
    with pytest.raises(Invalid) as caught:
        problems.raise_errors()
    told = [(found.severity, found.message) for found in caught.value.diagnostics]
    assert told == [("error", "first"), ("warning", "first"), ("error", "second"), ("error", "last")]


def test_warnings_alone_are_no_reason_to_refuse_a_file() -> None:
    problems = Problems()
    problems.warning("code", "message", span(1, 1, 1, 2))
    problems.raise_errors()
    assert in_order(problems.found) == problems.found


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("expct", "expect"), ("EXPECT", "expect"), ("expect-close", "expect_close"), ("sned", "send")],
)
def test_the_nearest_word_is_offered(word: str, wanted: str) -> None:
    verbs = ["send", "expect", "expect_close", "shutdown"]
    assert nearest(word, verbs) == wanted
    assert did_you_mean(word, verbs) == f"did you mean '{wanted}'?"


@pytest.mark.parametrize("word", ["", "zzz", "x" * 1_000_000])
def test_no_word_is_offered_where_none_is_near(word: str) -> None:
    assert did_you_mean(word, ["send", "expect"]) is None


def test_a_long_word_is_cut_in_a_message() -> None:
    assert quoted("send") == "'send'"
    assert quoted("x" * 1000) == "'" + "x" * 60 + "...'"
