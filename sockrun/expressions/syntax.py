"""From an expression's text to Python's syntax tree.

Lives here: where an expression ends, and all that is refused before there is a tree. Must not live here:
which nodes of the tree are allowed and what they mean (`closures.py`).

The one theory: `read` walks over the text's quotes and brackets. So it finds the `}` that closes a `${`,
refuses deep nesting before Python's parser sees it, and writes the text as *one* line of Python of which
every column leads back to its character.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from sockrun.records import NamedTuple
from sockrun.values import ExpressionError

if TYPE_CHECKING:
    import ast  # imported where text is parsed: most texts of a scenario hold no expression

MAX_LENGTH = 1_000  # characters
MAX_DEPTH = 60  # brackets in brackets, and operations in operations


class Line(NamedTuple):
    """An expression as one line of Python. `starts` holds the column (in UTF-8 bytes) of every character."""

    python: str
    starts: Sequence[int]
    offset: int

    def place(self, column: int) -> int:
        """The character of the original text that a column of the line belongs to."""
        return self.offset + max(0, bisect_right(self.starts, column) - 1)


# Compiled, and kept by `re`, when a file has an expression.
_TOKEN = r"""(?P<prefix>\b[A-Za-z]{1,2})?(?P<quoted>'(?:\\[^\r\n]|[^'\\])*'|"(?:\\[^\r\n]|[^"\\])*")
      | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<break>[\t\r\n]) | (?P<stray>['"\#])"""
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_PREFIXES = {None, "b", "B", "or", "in", "if"}  # the words are no prefixes, but operators without a space
_CONTROL = r"\\.|[\x00-\x1f]"
_HIGH_ESCAPE = r"(?<!\\)(?:\\\\)*\\x[89a-fA-F]"


def read(text: str, start: int) -> tuple[Line, int]:
    """The expression that begins at `start` and is closed by a `}`, and where that brace is.

    Raises: ExpressionError.
    """
    cells = list(text[start : start + MAX_LENGTH + 1])
    awaited: list[str] = []
    for token in re.compile(_TOKEN, re.VERBOSE | re.DOTALL).finditer(text, start, start + len(cells)):
        if token["close"] == "}" and not awaited:
            end = token.start()
            return _line(cells[: end - start], start), end
        _check_token(token, awaited)
        if token["break"]:
            cells[token.start() - start] = " "
        elif token["quoted"]:
            _escape_controls(token, cells, start)
    if len(cells) > MAX_LENGTH:
        raise ExpressionError(f"an expression has at most {MAX_LENGTH:,} characters", start)
    raise ExpressionError(f"a '{awaited[-1] if awaited else '}'}' is missing", max(0, start - 2))


def _check_token(token: re.Match[str], awaited: list[str]) -> None:
    """Keeps `awaited`, the brackets still to be closed. Raises: ExpressionError."""
    if token["open"]:
        awaited.append(_CLOSERS[token["open"]])
        if len(awaited) > MAX_DEPTH:
            raise ExpressionError(f"brackets are nested deeper than {MAX_DEPTH} levels", token.start())
    elif token["close"]:
        if not awaited:
            raise ExpressionError(f"nothing is open that '{token['close']}' closes", token.start())
        if awaited[-1] != token["close"]:
            raise ExpressionError(f"a '{awaited[-1]}' is missing", token.start())
        awaited.pop()
    elif token["stray"]:
        what = "a comment cannot stand in an expression" if token["stray"] == "#" else "a quote is not closed"
        raise ExpressionError(what, token.start())
    elif token["quoted"]:
        if token["prefix"] not in _PREFIXES:
            raise ExpressionError(f"'{token['prefix']}' cannot stand before a quote", token.start())
        if token["prefix"] not in ("b", "B") and re.search(_HIGH_ESCAPE, token["quoted"]):
            message = "\\x80 to \\xff in a text are ambiguous: put a b before the quote to mean the byte"
            raise ExpressionError(message, token.start())


def _escape_controls(token: re.Match[str], cells: list[str], start: int) -> None:
    """A line break inside quotes (YAML made it of `\\n`) means itself: Python wants it as an escape."""
    for control in re.finditer(_CONTROL, token["quoted"], re.DOTALL):
        if len(control[0]) == 1:
            cells[token.start("quoted") + control.start() - start] = f"\\x{ord(control[0]):02x}"


def _line(cells: Sequence[str], offset: int) -> Line:
    python = "".join(cells)
    if not python.strip():
        raise ExpressionError("the expression is empty", offset)
    widths = (len(cell.encode("utf-8", "surrogatepass")) for cell in cells)
    return Line(f"({python})", list(accumulate(widths, initial=1)), offset)


def parse(line: Line) -> ast.expr:
    """The tree of an expression. Raises: ExpressionError, for everything that Python itself refuses."""
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            for category in (SyntaxWarning, DeprecationWarning):  # of '\d', which Python will refuse some day
                warnings.simplefilter("error", category)
            return ast.parse(line.python, mode="eval").body
    except SyntaxError as error:
        column = len(line.python[: max(0, (error.offset or 1) - 1)].encode("utf-8", "surrogatepass"))
        raise ExpressionError(_explain(error.msg), line.place(column)) from None
    except (ValueError, MemoryError, RecursionError, Warning):
        raise ExpressionError("this is not a valid expression", line.offset) from None


def _explain(message: str) -> str:
    if "Maybe you meant '=='" in message:
        return "'=' gives no name a value here: '==' compares"
    return f"this is not a valid expression: {message.partition('. ')[0]}"
