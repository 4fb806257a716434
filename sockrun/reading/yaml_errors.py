"""What is wrong where YAML's parser gave up, in words for people who do not know YAML's grammar.

Lives here: the wording of syntax errors. Must not live here: YAML itself (`document.py`).

The one theory: the parser tells what it wanted to see next, which is seldom what the author got wrong. That
shows in the text around the place. So the parser's problem, in libyaml's words or in PyYAML's, only selects
an explanation; the explanation looks at the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TypeAlias

from sockrun.diagnostics import Diagnostic
from sockrun.records import NamedTuple, dataclass
from sockrun.source import Source, Span

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 0, as YAML's parser counts them."""

_QUOTE_IT = "put the whole text in quotes"


@dataclass(frozen=True)
class Failure:
    """`problem` is the parser's context and problem; `began` where the construct in question begins."""

    source: Source
    problem: str
    place: Place
    began: Place | None = None

    @cached_property
    def at(self) -> Place:
        """The place; the end of the last line that has text for a place behind it."""
        lines = self.source.lines
        line = min(self.place[0], len(lines) - 1)
        if self.place[0] > line or (line and not lines[line]):
            line = max((i for i in range(line + 1) if lines[i].strip()), default=0)
            return line, len(lines[line])
        return line, min(self.place[1], len(lines[line]))

    @property
    def before(self) -> str:
        """The text of the line up to the place."""
        line, column = self.at
        return self.source.lines[line][:column]

    @property
    def after(self) -> str:
        """The text of the line from the place on."""
        line, column = self.at
        return self.source.lines[line][column:]


class Explanation(NamedTuple):
    """Marked are `width` characters from `place` on; without one, from where the parser gave up."""

    message: str
    hint: str
    place: Place | None = None
    width: int = 1


def explain(failure: Failure) -> Diagnostic:
    """The first of `_EXPLANATIONS` that knows the parser's problem; else the parser's own words."""
    for pattern, explanation in _EXPLANATIONS.items():
        if re.search(pattern, failure.problem):
            found = explanation(failure)
            break
    else:
        found = Explanation(f"this is not valid YAML ({failure.problem})", _QUOTE_IT)
    line, column = found.place or failure.at
    span = Span(failure.source, line + 1, column + 1, line + 1, column + 1 + found.width)
    return Diagnostic("syntax", found.message, span, found.hint)


def _open_quote(failure: Failure) -> Explanation:
    return Explanation("the quote that opens here is not closed", "add the closing quote", failure.began)


def _escape(failure: Failure) -> Explanation:
    line, column = failure.at
    text = failure.source.lines[line]
    begin = max(text.rfind("\\", 0, column + 1), 0)
    found = re.match(r"\\[xuU][0-9a-fA-F]*|\\.|", text[begin:])
    escape = found[0] if found else ""
    return Explanation(
        f"{escape} is no escape of YAML's double quotes",
        "write \\\\ for a backslash, or use single quotes, where it is an ordinary character",
        (line, begin),
        len(escape),
    )


def _first_character(failure: Failure) -> Explanation:
    if failure.after.startswith("\t"):
        return Explanation("a tab where only spaces may stand", "indent with spaces")
    return Explanation(f"a text without quotes cannot begin with '{failure.after[:1]}'", _QUOTE_IT)


def _colon(failure: Failure) -> Explanation:
    if failure.before.rfind("${") > failure.before.rfind("}"):
        return Explanation("a ': ' within '${...}' ends the text here", 'write "${...}", in quotes')
    if re.search(r":\s", failure.before):
        return Explanation("a second ': ' in a text without quotes", _QUOTE_IT)
    return Explanation(
        "a key cannot stand here",
        "indent it like the keys beside it; a key with keys below it has no value of its own",
    )


def _bracket(failure: Failure) -> Explanation:
    line, column = failure.at
    if failure.before.endswith("$") and failure.after.startswith("{"):
        message = "within [ ] and { }, '${...}' must stand in quotes"
        return Explanation(message, 'write "${...}"', (line, column - 1), 2)
    began = failure.began or failure.at
    opening = failure.source.lines[began[0]]
    bracket = opening[began[1] : began[1] + 1]
    closing = _CLOSING.get(bracket, "]")
    if not failure.after or (line > began[0] and _indentation(failure.before) <= _indentation(opening)):
        return Explanation(f"the '{bracket}' that opens here is not closed", f"add '{closing}'", failure.began)
    return Explanation(f"a ',' or '{closing}' is missing before this", "a text with , [ ] { } or ': ' needs quotes")


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _missing_value(failure: Failure) -> Explanation:
    if not failure.after.strip():
        return Explanation("the file ends where a value should stand", "close every [ and {")
    return Explanation(f"a value cannot begin with '{failure.after[:1]}'", _QUOTE_IT)


def _no_colon(failure: Failure) -> Explanation:
    return Explanation(
        "a key without ':'", "write 'key: value', or put a text of several lines in quotes", failure.began
    )


def _misplaced(failure: Failure) -> Explanation:
    before = failure.before.rstrip()
    if before.endswith(('"', "'")):
        return Explanation("there is text behind the closing quote", "put the whole text in one pair of quotes")
    if before and not before.endswith(("-", ":")):
        return Explanation("this cannot stand behind the value", _QUOTE_IT)
    if re.match(r":(\s|$)", failure.after):
        return Explanation("a key is missing here", "write one before the ':'")
    if re.match(r"-(\s|$)", failure.after):
        return Explanation("a list entry among keys", "indent the list below the key that it belongs to")
    return Explanation(
        "this line's indentation fits none of the lines above", "give it the indentation of its neighbours"
    )


def _no_entry(_: Failure) -> Explanation:
    return Explanation("every entry of this list begins with '- '", "add it, or mend the indentation")


def _entry(_: Failure) -> Explanation:
    return Explanation("a list cannot begin on the line of its key", "begin it on the next line, or write [...]")


def _block_header(failure: Failure) -> Explanation:
    return Explanation("behind | or > the line must end", "begin the text on the next line, or put it in quotes")


def _name(failure: Failure) -> Explanation:
    kind, sign = ("alias", "*") if "alias" in failure.problem else ("anchor", "&")
    return Explanation(f"'{sign}' begins the name of an {kind}, and none follows", _QUOTE_IT, failure.began)


def _tag(failure: Failure) -> Explanation:
    return Explanation("'!' begins a tag, and this is none of YAML's core tags", _QUOTE_IT, failure.began)


def _directive(_: Failure) -> Explanation:
    return Explanation("this is no directive of YAML 1.2", "leave it out")


def _question_mark(_: Failure) -> Explanation:
    return Explanation("a '?' begins a key, which cannot stand here", _QUOTE_IT)


def _lone_colon(_: Failure) -> Explanation:
    return Explanation("within [ ] and { }, a ':' needs a space behind it", "add it, or put the text in quotes")


def _second_value(_: Failure) -> Explanation:
    return Explanation("the document has ended before this", "a file holds one mapping: mend the indentation")


_CLOSING = {"[": "]", "{": "}"}

# A pattern over 'context: problem' -> its explanation; the first that is found counts.
_EXPLANATIONS: dict[str, Callable[[Failure], Explanation]] = {
    r"quoted scalar: found unexpected (end of stream|document)": _open_quote,
    r"quoted scalar: .*(escape|hexa?decimal)": _escape,
    r"tab character|cannot start any token": _first_character,
    r"mapping values are not allowed": _colon,
    r"mapping keys are not allowed": _question_mark,
    r"unexpected ':'": _lone_colon,
    r"expected ',' or '[\]}]'": _bracket,
    r"node content": _missing_value,
    r"could not find expected ':'": _no_colon,
    r"block mapping: ": _misplaced,
    r"block collection: ": _no_entry,
    r"sequence entries are not allowed": _entry,
    r"block scalar: ": _block_header,
    r"scanning an (alias|anchor): ": _name,
    r"tag": _tag,
    r"directive|incompatible YAML": _directive,
    r"<document start>": _second_value,
}
