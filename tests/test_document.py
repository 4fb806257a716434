"""From a file's bytes to a tree with places: what is read, what is refused, and in which words.

Both of PyYAML's parsers are held against the same promises: libyaml's, and the one that stands in where
libyaml is missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sockrun.diagnostics import Diagnostic, Invalid, render
from sockrun.reading.document import MAX_BYTES, MAX_DEPTH, MAX_NODES, load, read
from sockrun.source import Node, Source, Span

Loader: TypeAlias = type[yaml.SafeLoader] | type[yaml.CSafeLoader]
LOADERS: list[Loader] = [yaml.CSafeLoader, yaml.SafeLoader]

both = pytest.mark.parametrize("loader", LOADERS)


def tree(text: str, loader: Loader = LOADERS[0]) -> Node:
    return read(Source("x.yaml", text), loader)


def plain(text: str, loader: Loader = LOADERS[0]) -> object:
    return tree(text, loader).plain()


def found(text: str, loader: Loader = LOADERS[0]) -> tuple[Diagnostic, ...]:
    with pytest.raises(Invalid) as caught:
        tree(text, loader)
    return caught.value.diagnostics


def told(text: str, loader: Loader = LOADERS[0]) -> str:
    return "\n".join(map(render, found(text, loader)))


def marked(span: Span) -> str:
    """The text of a place that lies within one line."""
    assert span.line == span.end_line
    return span.source.lines[span.line - 1][span.column - 1 : span.end_column - 1]


# --- scalars -----------------------------------------------------------------------------------

SCALARS: list[tuple[str, object]] = [
    *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
    *[(text, True) for text in ("true", "True", "TRUE")],
    *[(text, False) for text in ("false", "False", "FALSE")],
    *[("0", 0), ("010", 10), ("+1", 1), ("-7", -7), ("0x1F", 31), ("0o17", 15), ("9" * 40, int("9" * 40))],
    *[("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("-1e3", -1000.0), ("1E-2", 0.01), ("+.5e1", 5.0)],
]
TEXTS = [
    *("on", "off", "yes", "no", "y", "tRUE", "nULL", "None", "1:30", "2001-01-01", "1_000", "0b1", "-0x1F"),
    *("0o8", "0x", "1e", ".", "-", "+", "1.2.3.4", "127.0.0.1", "10ms", "e5", "=", "\u0661\u0662", "1\u0660"),
    *("${x}", "${a[0] + 1}", "inf", "nan", "-.nan"),
]


@both
@pytest.mark.parametrize(("text", "wanted"), SCALARS)
def test_scalars_are_read_by_the_core_schema(text: str, wanted: object, loader: Loader) -> None:
    value = tree(f"a: {text}\n", loader).mapping["a"].value
    assert value == wanted
    assert type(value) is type(wanted)


@pytest.mark.parametrize("text", [text for text in TEXTS if text not in ("-",)])
def test_everything_else_is_text(text: str) -> None:
    assert plain(f"a: {text}") == {"a": text}


@pytest.mark.parametrize("text", ["true", "null", "12", "1.5", ".nan", "", "9" * 5000])
def test_what_stands_in_quotes_is_text(text: str) -> None:
    assert plain(f"""[ "{text}", '{text}' ]""") == [text, text]


@pytest.mark.parametrize(("text", "style"), [("x", ""), ('"x"', '"'), ("'x'", "'"), ("|\n  x", "|"), (">\n  x", ">")])
@both
def test_a_scalar_knows_how_it_was_written(text: str, style: str, loader: Loader) -> None:
    assert tree(f"a: {text}\n", loader).mapping["a"].style == style


@pytest.mark.parametrize("text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "-1e400"])
def test_what_is_not_finite_is_refused(text: str) -> None:
    assert f"{text} is not a number that can be used here" in told(f"a: {text}")


@pytest.mark.parametrize("text", ["1" * 41, "-" + "1" * 5000, "0x" + "f" * 5000, "1." + "0" * 5000])
def test_a_number_of_too_many_digits_is_refused(text: str) -> None:
    assert f"the number {text[:12]}... has more than 40 characters" in told(f"a: {text}")


@both
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("!!str 1", "1"),
        ("!!str", ""),
        ("!!int '5'", 5),
        ("!!float 1", 1.0),
        ("!!bool 'true'", True),
        ("!!null ''", None),
        ("!!map {}", {}),
        ("!!seq []", []),
        ("!<tag:yaml.org,2002:str> 1", "1"),
    ],
)
def test_core_tags_are_followed_where_they_fit(text: str, wanted: object, loader: Loader) -> None:
    value = tree(f"[ {text} ]", loader).items[0].plain()
    assert value == wanted
    assert type(value) is type(wanted)


@both
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("!!int x", "the tag '!!int' does not fit 'x'"),
        ("!!bool 1", "the tag '!!bool' does not fit '1'"),
        ("!!float true", "the tag '!!float' does not fit 'true'"),
        ("!!binary aGk=", "the tag '!!binary' is none of YAML's core tags for a scalar"),
        ("!!map x", "the tag '!!map' is none of YAML's core tags for a scalar"),
        ("!mine x", "the tag '!mine' is none of YAML's core tags for a scalar"),
        ("! x", "the tag '!' is none of YAML's core tags for a scalar"),
        ("!!python/name:os.system x", "'!!python/name:os.system' is none of"),
        ("!!str [x]", "the tag '!!str' does not fit a list"),
        ("!!set {x: }", "the tag '!!set' does not fit a mapping"),
    ],
)
def test_other_tags_are_refused(text: str, message: str, loader: Loader) -> None:
    assert message in told(f"a: {text}", loader)


# --- places ------------------------------------------------------------------------------------


@both
def test_places_count_characters_and_cover_the_quotes(loader: Loader) -> None:
    root = tree("größe 𝄞: \"ü\\n\"  # ä\n日本:\n  - 'it''s'\n  - x y\n", loader)
    assert marked(root.keys["größe 𝄞"]) == "größe 𝄞"
    assert marked(root.mapping["größe 𝄞"].span) == '"ü\\n"'
    assert [marked(node.span) for node in root.mapping["日本"].items] == ["'it''s'", "x y"]
    assert str(root.mapping["日本"].items[1].span) == "x.yaml:4:5"


@both
def test_a_collection_ends_where_its_last_text_ends(loader: Loader) -> None:
    root = tree("a:\n  b: [1, {c: 2}]\n  d: x\n\n# note\ne: 1\n", loader)
    inner = root.mapping["a"]
    assert (inner.span.line, inner.span.column) == (2, 3)
    assert (inner.span.end_line, inner.span.end_column) == (3, 7)
    assert marked(inner.mapping["b"].span) == "[1, {c: 2}]"
    assert marked(inner.mapping["b"].items[1].span) == "{c: 2}"


@both
def test_a_missing_value_has_an_empty_place_behind_its_key(loader: Loader) -> None:
    span = tree("a:\nb: 1\n", loader).mapping["a"].span
    assert (span.line, span.column, span.end_column) == (1, 3, 3)


def test_every_example_is_read_alike_by_both_parsers() -> None:
    for path in sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml")):
        source = load(path)
        assert read(source, LOADERS[0]).plain() == read(source, LOADERS[1]).plain()


# --- keys --------------------------------------------------------------------------------------


@both
def test_equal_keys_are_refused_and_both_are_shown(loader: Loader) -> None:
    assert told("a: 1\nb: 2\n'a': 3\n", loader) == (
        "x.yaml:3:1: error: the key 'a' stands here a second time\n"
        "   3 | 'a': 3\n"
        "     | ^^^ leave one of them out\n"
        "x.yaml:1:1: note: the first one\n"
        "   1 | a: 1\n"
        "     | ^"
    )


@both
@pytest.mark.parametrize("key", ["1", "true", "null", "~", "1.5", ".nan", "0x10", "9" * 50])
def test_a_key_that_is_no_text_is_refused(key: str, loader: Loader) -> None:
    (only,) = found(f"{key}: x\n", loader)
    assert (only.message, only.hint) == (f"the key {key[:40]} is not a text", "put it in quotes")


@pytest.mark.parametrize("key", ["on", "no", "1:30", "'1'", '"true"', "!!str 1", "'<<'"])
def test_a_key_that_is_text_is_taken(key: str) -> None:
    assert len(tree(f"{key}: x\n").mapping) == 1


@both
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "'<<' merges nothing in YAML 1.2"),
        ("? [a, b]\n: c\n", "a key must be a text"),
        ("? {a: b}\n: c\n", "a key must be a text"),
        ("a: &x b\n*x : c\n", "a key must be a text"),
        ("&x a: b\n", "an anchor cannot stand at a key"),
        (": x\n", "a key is missing here"),
        ("a: 1\n? \n: x\n", "a key is missing here"),
    ],
)
def test_other_keys_are_refused(text: str, message: str, loader: Loader) -> None:
    (only,) = found(text, loader)
    assert only.message == message


# --- the document ------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "---\n...\n", "%YAML 1.2\n---\n# x"])
def test_an_empty_file_is_refused(text: str, loader: Loader) -> None:
    (only,) = found(text, loader)
    assert (only.message, str(only.span)) == ("the file is empty", "x.yaml:1:1")


@both
@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "a: 1\n---\n", "--- a\n--- b\n--- c\n"])
def test_a_second_document_is_refused(text: str, loader: Loader) -> None:
    (only,) = found(text, loader)
    assert (only.message, marked(only.span)) == ("a second document begins here", "---")


@pytest.mark.parametrize("text", ["---\na: 1\n", "a: 1\n...\n", "%YAML 1.2\n---\na: 1\n...\n# end\n"])
def test_one_document_may_have_its_marks(text: str) -> None:
    assert plain(text) == {"a": 1}


def test_all_mistakes_are_told_up_to_the_one_of_syntax() -> None:
    messages = [diagnostic.message for diagnostic in found("a: .nan\n1: !x y\na: *z\nb: [1\n")]
    assert messages == [
        ".nan is not a number that can be used here",
        "the key 1 is not a text",
        "the tag '!x' is none of YAML's core tags for a scalar",
        "the key 'a' stands here a second time",
        "there is no anchor '&z' above this alias",
        "the '[' that opens here is not closed",
    ]


# --- aliases and limits ------------------------------------------------------------------------


@both
def test_an_alias_is_the_anchored_node_itself(loader: Loader) -> None:
    root = tree("a: &x {b: [1]}\nc: [*x, *x]\nd: &x 2\ne: *x\n", loader)
    assert root.mapping["c"].items == (root.mapping["a"], root.mapping["a"])
    assert root.mapping["e"].value == 2


@both
def test_an_alias_within_its_own_value_is_refused(loader: Loader) -> None:
    assert told("a: &x\n  b: [*x]\n", loader) == (
        "x.yaml:2:7: error: the alias '*x' stands within its own value\n   2 |   b: [*x]\n     |       ^^"
    )


def bomb(levels: int, width: int) -> str:
    lines = ["a0: &a0 [" + ", ".join("x" * width) + "]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * width) + "]")
    return "\n".join(lines)


@both
def test_an_alias_bomb_is_refused_before_it_is_expanded(loader: Loader) -> None:
    (only,) = found(bomb(levels=50, width=10), loader)
    assert only.message == f"more than {MAX_NODES:,} values, with aliases written out"


def count(node: Node) -> int:
    return 1 + sum(map(count, node.items)) + sum(map(count, node.mapping.values()))


def test_aliases_within_the_limit_are_taken_and_counted_as_written_out() -> None:
    root = tree(bomb(levels=4, width=10))
    spare = MAX_NODES - count(root)
    assert spare > 1
    filled = bomb(levels=4, width=10) + "\nlast: [" + "x," * (spare - 1) + "]"
    assert count(tree(filled)) == MAX_NODES
    (only,) = found(filled[:-1] + "x]")
    assert only.code == "too-many"


@both
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}"), ("- ", "")])
def test_the_deepest_nesting_allowed_is_taken_and_one_more_is_refused(
    opening: str, closing: str, loader: Loader
) -> None:
    tree(opening * MAX_DEPTH + "x" + closing * MAX_DEPTH, loader)
    (only,) = found(opening * (MAX_DEPTH + 1) + "x" + closing * (MAX_DEPTH + 1), loader)
    assert only.message == "more than 64 levels of nesting"


@both
@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 100_000, "{" * 100_000])
def test_endless_nesting_is_refused_at_the_limit(text: str, loader: Loader) -> None:
    assert found(text, loader)[-1].message == "more than 64 levels of nesting"


def test_levels_behind_an_alias_count() -> None:
    deep = "a: &a " + "[" * 40 + "]" * 40
    assert tree(f"{deep}\nb: " + "[" * 23 + "*a" + "]" * 23)
    (only,) = found(f"{deep}\nb: " + "[" * 24 + "*a" + "]" * 24)
    assert only.message == "more than 64 levels of nesting"


# --- syntax, in words --------------------------------------------------------------------------

SYNTAX = [
    ("a:\n\tb: 1\n", "2:1: error: a tab where only spaces may stand"),
    ("a: 1\n\tb: 1\n", "2:1: error: a tab where only spaces may stand"),
    ("a: |\n\tx\n", "2:1: error: a tab where only spaces may stand"),
    ("a: b: c\n", "1:5: error: a second ': ' in a text without quotes"),
    ("a: ${'x: y'}\n", "1:8: error: a ': ' within '${...}' ends the text here"),
    ("a: [${x}]\n", "1:5: error: within [ ] and { }, '${...}' must stand in quotes"),
    ("a: {b: ${x[0]}}\n", "1:8: error: within [ ] and { }, '${...}' must stand in quotes"),
    ("a: 1\n  b: 2\n", "2:4: error: a key cannot stand here"),
    ("b: 1\na: 'x\n", "2:4: error: the quote that opens here is not closed"),
    ('a: "x\nb: 1\n', "1:4: error: the quote that opens here is not closed"),
    ("a: [1, 2\n", "1:4: error: the '[' that opens here is not closed"),
    ("a: {b: 1\nc: 2\n", "1:4: error: the '{' that opens here is not closed"),
    ("a: {b: 1\n  c: 2}\n", "2:4: error: a ',' or '}' is missing before this"),
    ("a: [1}\n", "1:6: error: a ',' or ']' is missing before this"),
    ("a: [1,\n", "1:7: error: the file ends where a value should stand"),
    ("a: ]\n", "1:4: error: a value cannot begin with ']'"),
    ('a: "\\d+"\n', "1:5: error: \\d is no escape of YAML's double quotes"),
    ('a: "x \\xZZ"\n', "1:7: error: \\x is no escape of YAML's double quotes"),
    ('a: "\\U00110000"\n', "1:5: error: \\U00110000 is no escape of YAML's double quotes"),
    ("a: @x\n", "1:4: error: a text without quotes cannot begin with '@'"),
    ("a: %x\n", "1:4: error: a text without quotes cannot begin with '%'"),
    ("a: *.txt\n", "1:4: error: '*' begins the name of an alias, and none follows"),
    ("a: & b\n", "1:4: error: '&' begins the name of an anchor, and none follows"),
    ("a: !b!c d\n", "1:4: error: '!' begins a tag, and this is none of YAML's core tags"),
    ('a: "x" y\n', "1:8: error: there is text behind the closing quote"),
    ("a: {} y\n", "1:7: error: this cannot stand behind the value"),
    ("a:\n  b: 1\n c: 2\n", "3:2: error: this line's indentation fits none of the lines above"),
    ("a: 1\n- b\n", "2:1: error: a list entry among keys"),
    ("- a\nb: 1\n", "2:1: error: every entry of this list begins with '- '"),
    ("a: - b\n", "1:4: error: a list cannot begin on the line of its key"),
    ("a: 1\nkey\nb: 2\n", "2:1: error: a key without ':'"),
    ("a: |x\n", "1:5: error: behind | or > the line must end"),
    ("%YAML 3.0\n---\na\n", "1:1: error: this is no directive of YAML 1.2"),
    ("a: ? b\n", "1:4: error: a '?' begins a key, which cannot stand here"),
    ("{a: 1} b\n", "1:8: error: the document has ended before this"),
]


@both
@pytest.mark.parametrize(("text", "message"), SYNTAX)
def test_mistakes_of_syntax_are_told_in_words(text: str, message: str, loader: Loader) -> None:
    (only,) = found(text, loader)
    assert render(only).split("\n")[0] == f"x.yaml:{message}"
    assert only.hint


def test_a_colon_without_a_space_within_brackets_is_told_by_the_stricter_parser() -> None:
    (only,) = found("a: [b:, c]\n", yaml.CSafeLoader)
    assert only.message == "within [ ] and { }, a ':' needs a space behind it"


def test_a_mistake_of_syntax_looks_like_every_other_mistake() -> None:
    assert told("steps:\n  - send: ${'a: b'}\n") == (
        "x.yaml:2:15: error: a ': ' within '${...}' ends the text here\n"
        "   2 |   - send: ${'a: b'}\n"
        '     |               ^ write "${...}", in quotes'
    )


@pytest.mark.parametrize("character", ["\0", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800"])
def test_characters_that_nobody_sees_are_refused(character: str) -> None:
    (only,) = found(f"é: 1\nab: x{character}\n")
    assert str(only.span) == "x.yaml:2:6"
    assert only.message == f"the character U+{ord(character):04X} cannot stand in a file as it is"


@both
def test_escapes_of_such_characters_are_taken(loader: Loader) -> None:
    assert plain('"\\0 \\e \\N \\L \\uFEFF \\U0001F600"', loader) == "\0 \x1b \x85 \u2028 \ufeff \U0001f600"


@both
def test_half_a_surrogate_pair_is_refused(loader: Loader) -> None:
    assert len(found('a: "\\ud83d\\ude00"\n', loader)) == 1


# --- files -------------------------------------------------------------------------------------


def refused(path: Path) -> Diagnostic:
    with pytest.raises(Invalid) as caught:
        load(path, "x.yaml")
    (only,) = caught.value.diagnostics
    assert only.span.source.path == "x.yaml"
    return only


def written(folder: Path, data: bytes) -> Path:
    path = folder / "x.yaml"
    path.write_bytes(data)
    return path


def test_a_file_is_read_as_utf_8_with_unix_line_ends(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfa: \xc3\xbc\r\nb: 1\rc: 2\n")
    source = load(path)
    assert (source.path, source.text) == (str(path), "a: ü\nb: 1\nc: 2\n")
    assert load(path, "shown").path == "shown"


def test_a_byte_that_is_no_text_is_told_with_its_place(tmp_path: Path) -> None:
    only = refused(written(tmp_path, b"\xef\xbb\xbf# \xc3\xbc\nb: \xc3\xbc\xff\n"))
    assert render(only) == (
        "x.yaml:2:5: error: the byte 0xff at offset 13 is not UTF-8\n"
        "   2 | b: ü\ufffd\n"
        "     |     ^\n"
        "     = help: save the file as UTF-8; bytes that are no text are written as {hex: ...}"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_utf_16_is_told_by_name(tmp_path: Path, encoding: str) -> None:
    only = refused(written(tmp_path, "a: 1\n".encode(encoding)))
    assert render(only) == ("x.yaml:1:1: error: the file is UTF-16 or UTF-32, not UTF-8\n     = help: save it as UTF-8")


def test_the_largest_file_allowed_is_read_and_one_more_byte_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"a: " + b"x" * (MAX_BYTES - 3))
    assert tree(load(path).text).mapping["a"].value == "x" * (MAX_BYTES - 3)
    path.write_bytes(b"a: " + b"x" * (MAX_BYTES - 2))
    assert refused(path).message == "the file is larger than 1 MiB"


def test_a_mistake_in_a_line_of_a_megabyte_is_told_in_a_short_one() -> None:
    text = "a: [" + "'x'," * 20_000 + "x" * 900_000 + ", ${y}]"
    assert max(map(len, told(text).split("\n"))) < 120


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").message == "this is a named pipe, not a regular file"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (".", "this is a folder, not a regular file"),
        ("/dev/zero", "this is a device, not a regular file"),
        ("missing.yaml", "there is no such file"),
        ("x" * 300, "the file cannot be read: File name too long"),
        ("a\0b", "the name of a file cannot hold a NUL"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    only = refused(tmp_path / name)
    assert (only.message, str(only.span), only.span.source.text) == (message, "x.yaml:1:1", "")


# --- laws --------------------------------------------------------------------------------------

INDICATORS = [*"-?:,[]{}#&*!|>'\"%@\\", " ", "  ", "\n", "\t", "\r", "---", "...", "<<", "${"]
YAML_LIKE = st.lists(st.sampled_from([*INDICATORS, *TEXTS, "*x", "&x ", "\\u12", "é", "\ud800"]), max_size=30)


def shown(reading: Callable[[], Node]) -> list[str]:
    """What somebody would be told; nothing where there is a tree."""
    try:
        reading().plain()
    except Invalid as error:
        return [render(diagnostic) for diagnostic in error.diagnostics] or ["an error without a diagnostic"]
    return []


@both
@given(text=YAML_LIKE.map("".join) | st.text(max_size=40))
@example(text='"\\ud800": 1')
@example(text='"\\UFFFFFFFF"')
@example(text="%TAG ! tag:yaml.org,2002:\n---\n!int x")
@example(text="&a [*a, *a")
@settings(max_examples=300)
def test_any_text_gives_a_tree_or_diagnostics_that_can_be_shown(text: str, loader: Loader) -> None:
    assert all(message.startswith("x.yaml:") for message in shown(lambda: tree(text, loader)))


@given(data=st.binary(max_size=60) | YAML_LIKE.map(lambda pieces: "".join(pieces).encode(errors="replace")))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_give_a_tree_or_diagnostics(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    assert all(message.startswith("x.yaml:") for message in shown(lambda: read(load(path, "x.yaml"))))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def escaped(value: object) -> str:
    """JSON with what YAML wants escaped beyond it: the characters that nobody sees."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in text)


@both
@given(value=JSON)
@settings(max_examples=100)
def test_what_is_written_as_json_is_read_back(value: object, loader: Loader) -> None:
    assert plain(escaped(value), loader) == value
