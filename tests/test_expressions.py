"""Expressions and templates: what each operator and function means; nothing gets out or takes for ever."""

from __future__ import annotations

import hashlib
import operator
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sockrun.expressions import Reference, compile_expression, compile_template, written
from sockrun.expressions.functions import FUNCTIONS
from sockrun.expressions.operators import BINARY, COMPARE, MAX_BITS, MAX_BYTES, UNARY
from sockrun.expressions.syntax import MAX_DEPTH
from sockrun.values import ExpressionError, NotYet, Operand, Value

NAMES: dict[str, Value] = {
    "word": b"hi",
    "n": 7,
    "half": 0.5,
    "yes": True,
    "codes": (200, 404),
    "big": 2**2000,
}


class Scope:
    """A scope with a few names, of which `late` has still to come, and a clock that stands still."""

    def name(self, name: str) -> Value:
        if name == "late":
            raise NotYet("variable", "role.late")
        if name not in NAMES:
            raise ExpressionError(f"nothing binds '{name}'")
        return NAMES[name]

    def attribute(self, base: str, index: int | None, attribute: str) -> Value:
        return f"{base}|{index}|{attribute}".encode()

    def now(self) -> float:
        return 12.5

    def random_bytes(self, count: int) -> bytes:
        return b"\xaa" * count


def value(text: str, constants: dict[str, Value] | None = None) -> Value:
    return compile_expression(text, constants or {}).evaluate(Scope())


def refusal(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value(text)
    return caught.value


MEANING: list[tuple[str, Value]] = [
    # constants
    ("'a'", b"a"),
    ("b'a'", b"a"),
    ('"a"', b"a"),
    ("'a' == b'a'", True),
    ("'a' 'b'", b"ab"),
    ("'é'", b"\xc3\xa9"),
    (r"'\u00e9'", b"\xc3\xa9"),
    (r"b'\xe9'", b"\xe9"),
    (r"'\\xe9'", rb"\xe9"),
    ("'\r\n\0'", b"\r\n\0"),
    ("0x1F", 31),
    ("1_000", 1000),
    ("2.5", 2.5),
    ("True", True),
    ("true", True),
    ("false", False),
    ("()", ()),
    ("(1, 'a')", (1, b"a")),
    ("[1, 2]", (1, 2)),
    ("1, 2", (1, 2)),
    (" 1 +\n\t1 ", 2),
    # arithmetic
    ("1 + 2", 3),
    ("1 + .5", 1.5),
    ("'a' + 'b'", b"ab"),
    ("5 - 7", -2),
    ("6 * 7", 42),
    ("'ab' * 2", b"abab"),
    ("2 * 'ab'", b"abab"),
    ("'ab' * -1", b""),
    ("'' * 99999999999999999999", b""),
    ("7 / 2", 3.5),
    ("7 // 2", 3),
    ("-7 // 2", -4),
    ("7 % 4", 3),
    ("-3", -3),
    ("+3", 3),
    ("~0", -1),
    ("6 & 3", 2),
    ("6 | 3", 7),
    ("6 ^ 3", 5),
    ("1 << 4", 16),
    ("256 >> 4", 16),
    ("1 >> 99999999999999", 0),
    ("2 + 3 * 4", 14),
    ("(2 + 3) * 4", 20),
    # comparison
    ("1 == 1.0", True),
    ("1 == 'a'", False),
    ("1 != 2", True),
    ("1 < 2", True),
    ("2 <= 2", True),
    ("'b' > 'a'", True),
    ("1 >= 2", False),
    ("200 <= 204 < 300", True),
    ("200 <= 304 < 300", False),
    ("1 > 2 < word", False),
    ("'b' in 'abc'", True),
    ("'x' not in 'abc'", True),
    ("200 in codes", True),
    ("n in (1, 2)", False),
    ("word in ('hi', 'ho')", True),
    # logic
    ("not ''", True),
    ("0 or 'x'", b"x"),
    ("1 or nobody", 1),
    ("0 and nobody", 0),
    ("1 and 2 and 3", 3),
    ("'a' if n else nobody", b"a"),
    ("nobody if n == 0 else 'b'", b"b"),
    ("0 or'a'", b"a"),
    # parts
    ("'abc'[0]", 97),
    ("'abc'[-1]", 99),
    ("'abc'[1:]", b"bc"),
    ("'abc'[:2]", b"ab"),
    ("'abcd'[::2]", b"ac"),
    ("'abc'[9:]", b""),
    ("'abc'[1:99999999999999999999]", b"bc"),
    ("codes[1]", 404),
    ("codes[:1]", (200,)),
    # names
    ("word", b"hi"),
    ("peer.host", b"peer|None|host"),
    ("client[3].n", b"client|3|n"),
    ("client[n - 4].n", b"client|3|n"),
    # functions
    ("int('42')", 42),
    ("int(' 42\\r\\n')", 42),
    ("int('-2a', 16)", -42),
    ("int(3.9)", 3),
    ("int(1 == 1)", 1),
    ("len('é')", 2),
    ("len(codes)", 2),
    (r"hex(b'\xde\xad')", b"dead"),
    ("unhex('DE ad:be\\nef')", b"\xde\xad\xbe\xef"),
    ("base64('hello')", b"aGVsbG8="),
    ("unbase64('aGVs bG8=')", b"hello"),
    ("reversed('abc')", b"cba"),
    ("upper('aé1')", b"A\xc3\xa91"),
    ("lower('AB')", b"ab"),
    ("find('abcabc', 'c')", 2),
    ("find('abcabc', 'c', 3)", 5),
    ("find('abc', 'x')", -1),
    ("pack('!HB', 258, 3)", b"\x01\x02\x03"),
    ("pack('2s', 'ab')", b"ab"),
    ("unpack('!HB', pack('!HB', 258, 3))", (258, 3)),
    ("unpack('!H', 'ab')[0]", 0x6162),
    ("crc32('123456789')", 0xCBF43926),
    ("checksum16(unhex('0001 f203 f4f5 f6f7'))", 0x220D),  # RFC 1071, section 3
    ("checksum16('')", 0xFFFF),
    ("checksum16('a')", 0xFFFF - 0x6100),
    ("md5('a')", hashlib.md5(b"a").digest()),
    ("sha1('a')", hashlib.sha1(b"a").digest()),
    ("hex(sha256(''))", b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    # RFC 4231, test case 2
    (
        "hex(hmac('sha256', 'Jefe', 'what do ya want for nothing?'))",
        b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("now()", 12.5),
    ("random_bytes(2)", b"\xaa\xaa"),
]


@pytest.mark.parametrize(("text", "expected"), MEANING, ids=[text for text, _ in MEANING])
def test_meaning(text: str, expected: Value) -> None:
    """Every operator and function means what its row says, with a value of exactly that kind."""
    got = value(text)
    assert got == expected
    assert type(got) is type(expected)


def test_the_table_of_meanings_is_complete() -> None:
    """No function stands in the language without a row above."""
    assert {name for name in FUNCTIONS if any(f"{name}(" in text for text, _ in MEANING)} == set(FUNCTIONS)
    assert (len(BINARY), len(UNARY), len(COMPARE)) == (11, 4, 8)


# --- what is refused --------------------------------------------------------------------------------

ESCAPES = [
    "__import__('os')",
    "__builtins__",
    "__builtins__.eval",
    "().__class__",
    "(1).__class__",
    "'a'.__class__",
    "word.__class__",
    "word[0].__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(word, 'upper')",
    "globals()",
    "print(1)",
    "type(1)",
    "str(1)",
    "word.upper()",
    "'a'.upper()",
    "'{0.__class__}'.format(1)",
    "'%s' % 1",
    "f'{word}'",
    "f'{().__class__}'",
    "rf'{word}'",
    "r'a'",
    "u'a'",
    "lambda: 1",
    "(lambda: 1)()",
    "[x for x in codes]",
    "{x for x in codes}",
    "{x: 1 for x in codes}",
    "(x for x in codes)",
    "(x := 1)",
    "x = 1",
    "x += 1",
    "import os",
    "1; 2",
    "1\n2",
    "del word",
    "yield 1",
    "await word",
    "*codes",
    "[*codes]",
    "pack(*codes)",
    "int(**codes)",
    "len(data='a')",
    "{'a': 1}",
    "{1, 2}",
    "...",
    "None",
    "1j",
    "word is word",
    "word is not word",
    "codes @ codes",
    "a.b.c",
    "a[0][1].b",
    "a[1:2].b",
    "f().x",
    "len.x()",
    "codes[0]()",
    "len(len)(1)",
    "word.x[0].y",
    "1 + 1 # comment",
    "1) + (1",
    "1}",
    "\\",
    "'a",
    "'a\\",
    "'\\d'",
    "'\\xff'",
    "1if 1else 2",
    "0777",
    "",
    "  \n ",
    "word\0",
    "w\u200bord",
    "\u2018a\u2019",
    "\uff45val('1')",
    "__\uff49mport__('os')",
    "'\ud800'",
    "'\\ud800'",
    "b'é'",
]

BOMBS = [
    "2 ** 9",
    "9 ** 9 ** 9 ** 9",
    "'a' * 10**9",
    "'a' * 1000000000",
    "1000000000 * 'a'",
    "('a' * 4194304) * 5",
    "'a' * 16777216 + 'a'",
    "'a' * (1 << 200)",
    "codes * 1000000000",
    "codes + codes",
    "(codes, codes)",
    "1 << 10**9",
    "1 << 1000000000",
    "1 << 2048",
    "1 << -1",
    "1 >> -1",
    "big * big",
    "big << 50",
    "-(1 << 2047) * 3",
    "big / .5 * big",
    "big * 1e300",
    "9" * 1000,
    "0x" + "f" * 900,
    "int('9' * 700)",
    "int('9' * 5000)",
    "int('f' * 1000000, 16)",
    "int('1', 37)",
    "int('1', 1)",
    "int('1_000')",
    "int(1e999)",
    "int(1e999 - 1e999)",
    "word[99999999999999999999]",
    "word[-99999999999999999999]",
    "word[::0]",
    "pack('999999999s', 'a')",
    "pack('99999999999999999999s', 'a')",
    "pack('999999999x')",
    "pack('x' * 201)",
    "pack('9999999x' * 20)",
    "unpack('!' + 'B' * 201, 'a')",
    "unpack('100000B', 'a' * 100000)",
    "unpack('999999999B', '')",
    "unpack('!H', 'abc')",
    "pack('B', 256)",
    "pack('B', 'a')",
    "pack('e', 1e30)",
    "pack('z', 1)",
    "pack('\0', 1)",
    "pack('B', codes)",
    "random_bytes(16777217)",
    "random_bytes(-1)",
    "hex('a' * 16777216)",
    "base64('a' * 16777216)",
    "(" * 61 + "1" + ")" * 61,
    "(" * 499 + "1" + ")" * 499,
    "[" * 499 + "]" * 499,
    "[" * 1000,
    "-" * 999 + "1",
    "not " * 200 + "1",
    "1" + "+1" * 400,
    "1" + " if 1 else 1" * 80,
    "word" + "[0]" * 300,
    "a" + ".a" * 499,
    "len(" * 200 + "''" + ")" * 200,
    "1" + " " * 1000,
    "'" + "a" * 999 + "'",
    "1 / 0",
    "1 // 0",
    "1.5 % 0",
]


@pytest.mark.parametrize("text", ESCAPES + BOMBS)
def test_refused(text: str) -> None:
    """What would get out of the language, or take for ever, is an error: one sentence, with its place."""
    error = refusal(text)
    assert error.message
    assert "\n" not in error.message
    assert 0 <= error.offset <= len(text)


@pytest.mark.parametrize("text", BOMBS)
def test_refused_before_it_is_computed(text: str) -> None:
    """A bomb is refused before memory for its result is taken."""
    tracemalloc.start()
    try:
        refusal(text)
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("'a' * 16777216", MAX_BYTES),
        ("random_bytes(16777216)", MAX_BYTES),
        ("pack('16777216x')", MAX_BYTES),
        ("'" + "a" * 998 + "'", 998),
    ],
)
def test_the_largest_texts(text: str, size: int) -> None:
    """Exactly 16 MiB, and an expression of exactly 1,000 characters, are still allowed."""
    got = value(text)
    assert isinstance(got, bytes)
    assert len(got) == size


def test_the_largest_numbers() -> None:
    """A number of exactly MAX_BITS bits is allowed, and can be written and read back."""
    largest = 2**MAX_BITS - 1
    assert value("(1 << 2047) - 1 + (1 << 2047)") == largest
    assert value("int(text)", {"text": written(largest)}) == largest


def test_deepest_nesting() -> None:
    """Brackets may nest MAX_DEPTH deep, and no deeper."""
    assert value("(" * MAX_DEPTH + "1" + ")" * MAX_DEPTH) == 1
    assert refusal("(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1)).offset == MAX_DEPTH


MESSAGES = [
    ("1 + 'a'", 0, "'+' needs two numbers or two texts, not a number and a text"),
    ("(1, 2) * 2", 0, "'*' needs two numbers, or a text and a whole number, not a list and a number"),
    ("1.5 & 2", 0, "'&' needs two whole numbers, not a fraction and a number"),
    ("-'a'", 0, "'-' needs a number, not a text"),
    ("1 < 'a'", 0, "'<' needs two numbers or two texts, not a number and a text"),
    ("1 in 'a'", 0, "'in' looks for a text in a text, or anything in a list, not for a number in a text"),
    ("'é' + (1 / 0)", 7, "'/' divides by zero"),
    ("'\n' + (1 / 0)", 7, "'/' divides by zero"),
    ("word + nobody", 7, "nothing binds 'nobody'"),
    ("hex(1)", 0, "hex() needs a text as 'data', not a number"),
    ("find('a', 'b', 1.5)", 0, "find() needs a whole number as 'start', not a fraction"),
    ("len(1)", 0, "len() needs a text or a list as 'data', not a number"),
    ("find('a')", 0, "find() is called as find(data, part, start)"),
    ("now(1)", 0, "now() is called as now()"),
    ("hxe('a')", 0, "there is no function 'hxe': did you mean 'hex'?"),
    ("word.upper()", 0, "values have no methods: write upper(value), not value.upper()"),
    ("word = 1", 0, "'=' gives no name a value here: '==' compares"),
    ("'abc'[3]", 0, "the index is out of range: there are 3 bytes"),
    ("client['a'].x", 0, "an index must be a whole number, not a text"),
    ("int('x1')", 0, "int() cannot read 'x1' as a number in base 10"),
    ("int((1, 2))", 0, "int() needs a text, not a list"),
    ("int(7, 16)", 0, "int() needs digits beside a base, not a number"),
    ("unhex('abc')", 0, "unhex() needs an even number of hexadecimal digits"),
    ("unbase64('a')", 0, "unbase64() needs base64 with its padding"),
    (
        "hmac('crc', 'k', 'd')",
        0,
        "hmac() knows the digests md5, sha1, sha224, sha256, sha384, sha512",
    ),
    ("1 + (2", 6, "a ')' is missing"),
    ("(1]", 2, "a ')' is missing"),
    ("2 ** 3", 0, "'**' cannot stand in an expression"),
    ("lambda: 1", 0, "a lambda cannot stand in an expression"),
    ("1 'a", 2, "a quote is not closed"),
]


@pytest.mark.parametrize(("text", "offset", "message"), MESSAGES, ids=[text for text, _, _ in MESSAGES])
def test_messages(text: str, offset: int, message: str) -> None:
    """An error says in the words of the language what is wrong, and where."""
    error = refusal(text)
    assert (error.message, error.offset) == (message, offset)


# --- names and constants ----------------------------------------------------------------------------


class Nowhere(Scope):
    """A scope that nobody may ask."""

    def name(self, name: str) -> Value:
        raise AssertionError(name)


def test_references() -> None:
    """Every free name is told once, with its first place; functions and `true` are none."""
    found = compile_expression("len(word) + control.port + client[n].x + n + (1 if true else word)", {}).references
    assert found == (
        Reference("word", offset=4),
        Reference("control", "port", offset=12),
        Reference("n", offset=34),
        Reference("client", "x", True, offset=27),
    )


def test_a_constant_is_computed_once() -> None:
    """Where every name is a constant, the value is there before anything runs, and no scope is asked."""
    expression = compile_expression("word + env.HOME", {"word": b"at ", "env.HOME": b"/root"})
    assert expression.constant == b"at /root"
    assert expression.evaluate(Nowhere()) == b"at /root"
    assert [reference.key for reference in expression.references] == ["word", "env.HOME"]


def test_constants_fill_in_part_of_an_expression() -> None:
    """A name that is a constant is never asked of the scope, even beside one that is."""
    expression = compile_expression("word + other.name", {"word": b"x"})
    assert expression.constant is None
    assert expression.evaluate(Nowhere()) == b"xother|None|name"


@pytest.mark.parametrize("text", ["now()", "random_bytes(1)", "len(random_bytes(1))", "1 if true else now()"])
def test_what_is_not_constant(text: str) -> None:
    """A clock and randomness belong to the network: what uses them has no constant value."""
    assert compile_expression(text, {}).constant is None


def test_a_false_constant_is_a_constant() -> None:
    """0, false, and the empty text are values."""
    assert [compile_template(text, {}).constant for text in ("${0}", "${1 > 2}", "")] == [0, False, b""]


def test_an_error_in_a_constant_is_found_when_it_is_compiled() -> None:
    """What can never have a value is an error of the file."""
    with pytest.raises(ExpressionError, match="divides by zero"):
        compile_expression("1 / zero", {"zero": 0})


def test_a_long_constant_is_not_kept() -> None:
    """A file of many long constants does not fill the memory: they are computed when they are needed."""
    for text in ("'a' * 65537", "unpack('65536B', 'a' * 65536)"):
        expression = compile_expression(text, {})
        assert expression.constant is None
        assert expression.references == ()
        assert len(expression.evaluate(Nowhere())) >= 65536  # type: ignore[arg-type]
    template = compile_template("${'a' * 40000}${'a' * 40000}", {})
    assert template.constant is None
    assert len(template.render(Nowhere())) == 80000


def test_what_is_not_there_yet_passes_through() -> None:
    """A name that another role has still to provide is no error: the role waits."""
    for operand in (compile_expression("len(late)", {}), compile_template("a ${late}", {})):
        with pytest.raises(NotYet):
            operand.evaluate(Scope())


def test_values_of_names() -> None:
    """A failed check shows what its names are; those without a value are left out."""
    expression = compile_expression("word == late or client[n].x in nobody or one < n", {"one": 1})
    expected = [("word", b"hi"), ("n", 7), ("client[n].x", b"client|7|x"), ("one", 1)]
    assert expression.values(Scope()) == expected


# --- templates --------------------------------------------------------------------------------------

RENDERED = [
    ("", b""),
    ("plain", b"plain"),
    ("héé", "héé".encode()),
    ("cost: 5$ {x} $x", b"cost: 5$ {x} $x"),
    ("hello ${word}!", b"hello hi!"),
    ("${word}${n}", b"hi7"),
    ("${ word }", b"hi"),
    ("${n}", b"7"),
    ("${half} ${yes} ${1 > 2}", b"0.5 true false"),
    ("$${word}", b"${word}"),
    ("$$${word}", b"$${word}"),
    ("$${${word}}", b"${hi}"),
    ("$ ${word}", b"$ hi"),
    ("$$ ${word}", b"$$ hi"),
    ("${find('a}b', '}')}", b"1"),
    ("${upper('{}')}}", b"{}}"),
    ("${'it\\'s }'}", b"it's }"),
    ("${'\"}'}", b'"}'),
    ("${'abc'[0:2]} ${(1, 2)[0]}", b"ab 1"),
    ("${'${word}'}", b"${word}"),
    ("${'a\r\n'}", b"a\r\n"),
    ("${word\n+\n'!'}", b"hi!"),
    ("${'a'}" * 500, b"a" * 500),
]


@pytest.mark.parametrize(("text", "expected"), RENDERED, ids=[text[:30] for text, _ in RENDERED])
def test_templates(text: str, expected: bytes) -> None:
    """The expressions of a template are filled in, and all else stays as it is."""
    assert compile_template(text, {}).render(Scope()) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("${n}", 7), ("${n > 1}", True), ("${codes}", (200, 404)), ("${n} ", b"7 ")]
)
def test_an_expression_alone_keeps_its_kind(text: str, expected: Value) -> None:
    """A number stays a number where it is all there is, whether its names are constants or not."""
    for template in (compile_template(text, {}), compile_template(text, NAMES)):
        assert template.evaluate(Scope()) == expected
        assert (template.alone is not None) == (not isinstance(expected, bytes))
    assert compile_template(text, NAMES).constant == expected


def test_literal() -> None:
    """`literal` is the bytes of a template that needs no scope."""
    assert compile_template("a ${n}", {"n": 1}).literal == b"a 1"
    assert compile_template("${n}", {"n": 1}).literal == b"1"
    assert compile_template("${n}", {}).literal is None
    assert compile_template("${(1, 2)}", {}).literal is None


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("ab ${word", 3, "a '}' is missing"),
        ("ab ${word) }", 9, "nothing is open that ')' closes"),
        ("ab ${f(word}", 11, "a ')' is missing"),
        ("ab ${'word}", 5, "a quote is not closed"),
        ("ab ${}", 5, "the expression is empty"),
        ("é ${1} ${1 / 0}", 9, "'/' divides by zero"),
        ("é ${word} ${(1, 2)}", 12, "a list cannot be written as text: pack() makes bytes of numbers"),
        ("é ${word} ${nobody}", 12, "nothing binds 'nobody'"),
        ("${" + "a" * 1001 + "}", 2, "an expression has at most 1,000 characters"),
        ("${word}\ud800", 7, "half of a surrogate pair is no text"),
    ],
)
def test_errors_in_templates(text: str, offset: int, message: str) -> None:
    """An error in a template says where in the whole text it is."""
    with pytest.raises(ExpressionError) as caught:
        compile_template(text, {}).render(Scope())
    assert (caught.value.message, caught.value.offset) == (message, offset)


def test_references_of_a_template_are_placed_in_its_text() -> None:
    """An offset counts from the start of the template, in characters."""
    references = compile_template("é ${word} $${x} ${a.b}", {}).references
    assert references == (Reference("word", offset=4), Reference("a", "b", offset=18))


def test_a_rendered_template_is_bounded() -> None:
    """Parts that are allowed each may still be too long together."""
    with pytest.raises(ExpressionError, match="16 MiB"):
        compile_template("${random_bytes(16777216)} ${word}", {}).render(Scope())


def test_a_list_is_not_written() -> None:
    """Nobody can say how a list should stand in text."""
    with pytest.raises(ExpressionError, match="a list"):
        written((1, 2))


# --- laws -------------------------------------------------------------------------------------------

WORDS = "late nobody peer.host role[0].x 'a' b'\\xff' '!H' 'sha1' 0 1 2.5 1e999 99999999999999999999 ${ $${"
SIGNS = "( ) [ ] { } , : + - * / % & | ^ ~ < > = . ' \" \\ # // ** << >> == != not if else lambda is in and or"
TOKENS = st.sampled_from([*FUNCTIONS, *NAMES, *WORDS.split(), *SIGNS.split(), *" \n\0é$"])
SOUP = st.one_of(st.text(max_size=40), st.lists(TOKENS, max_size=25).map("".join))


@settings(max_examples=500)
@given(text=SOUP)
def test_any_text_has_a_value_or_is_refused(text: str) -> None:
    """Whatever stands in the file, only ExpressionError and NotYet come out, and results are bounded."""
    for compiled in (compile_expression, compile_template):
        with suppress(NotYet):
            assert is_bounded(text, compiled)


def is_bounded(text: str, compiled: Callable[[str, dict[str, Value]], Operand]) -> bool:
    """Whether the value is not too long, or the place of its error is in the text."""
    try:
        result = compiled(text, {}).evaluate(Scope())
    except ExpressionError as error:
        return 0 <= error.offset <= len(text)
    return not isinstance(result, bytes | tuple) or len(result) <= MAX_BYTES


OPERATORS: dict[str, Callable[[int, int], int | float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@given(left=st.integers(-1000, 1000), right=st.integers(-1000, 1000), symbol=st.sampled_from([*OPERATORS]))
def test_numbers_behave_as_in_python(left: int, right: int, symbol: str) -> None:
    """On small numbers every operator is Python's."""
    text = f"({left}) {symbol} ({right})"
    if right == 0 and symbol in ("/", "//", "%"):
        assert "divides by zero" in refusal(text).message
    else:
        assert value(text) == OPERATORS[symbol](left, right)


@given(st.binary())
def test_encodings_are_inverse(data: bytes) -> None:
    """What was written as hex, base64 or reversed comes back as it was."""
    for text in ("unhex(hex(x))", "unbase64(base64(x))", "reversed(reversed(x))", "x[0:3] + x[3:]"):
        assert value(text, {"x": data}) == data


@given(st.integers(0, 2**32 - 1), st.integers(-(2**15), 2**15 - 1))
def test_unpack_is_the_inverse_of_pack(first: int, second: int) -> None:
    """`pack` is struct.pack, and `unpack` gives back what went in."""
    names: dict[str, Value] = {"a": first, "b": second}
    assert value("pack('!Ih', a, b)", names) == struct.pack("!Ih", first, second)
    assert value("unpack('!Ih', pack('!Ih', a, b))", names) == (first, second)


@given(st.binary(max_size=64))
def test_a_checksum_in_its_place_makes_the_whole_sum_zero(data: bytes) -> None:
    """RFC 1071: the checksum of data that holds its own checksum is 0."""
    assert value("checksum16(x + pack('!H', checksum16(x)))", {"x": data + bytes(len(data) % 2)}) == 0


@given(st.text(st.characters(exclude_characters="$", exclude_categories=["Cs"])))
def test_text_without_a_dollar_renders_itself(text: str) -> None:
    """Without a '$' nothing is special."""
    template = compile_template(text, {})
    assert template.literal == template.render(Nowhere()) == text.encode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_doubling_the_dollar_makes_any_text_literal(text: str) -> None:
    """`$${` stands for `${`, wherever it stands."""
    assert compile_template(text.replace("${", "$${"), {}).literal == text.encode()


@given(st.integers(-(2**MAX_BITS) + 1, 2**MAX_BITS - 1))
def test_a_number_that_was_written_can_be_read(number: int) -> None:
    """`int` takes back what a template writes."""
    assert value("int(x)", {"x": written(number)}) == number
