"""What is wrong with a file: diagnostics with a place, and the errors that carry them.

A message says what is wrong in one sentence; the hint says what to do. Rendering (excerpt, marks)
lives here too, since every command prints diagnostics the same way. Must not live here: what can be wrong.

The one theory of rendering: every character of the file is shown in its own cell or two, none is sent to
the terminal that acts on it, and so marks can be put below any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

from sockrun.records import dataclass
from sockrun.source import Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding in a file.

    `code` is a stable kebab-case word for tools (`unknown-key`), `message` one sentence without a
    full stop, `span` the place marked, `hint` what to do about it, `related` other places that matter,
    each with a few words.
    """

    code: str
    message: str
    span: Span
    hint: str | None = None
    severity: Severity = "error"
    related: tuple[tuple[Span, str], ...] = ()


class Invalid(Exception):  # noqa: N818 (it says what the file is)
    """A file that cannot be played, with every diagnostic that was found."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("; ".join(f"{d.span}: {d.message}" for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class EnvironmentRefused(Exception):  # noqa: N818
    """The machine did not allow what is needed: a port taken, a permission missing (exit status 3)."""


class ReaderGone(EnvironmentRefused):
    """Whoever read standard output has closed it, as `| head` does: it ends the run, and nobody needs to be told."""


MOST = 1000  # diagnostics of one file: nobody reads more, and a hostile file has a million


class Problems:
    """Collects diagnostics, so that one run over a file reports all of them, `MOST` at most."""

    def __init__(self) -> None:
        self.found: list[Diagnostic] = []

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        hint: str | None = None,
        related: Iterable[tuple[Span, str]] = (),
    ) -> None:
        """Raises: Invalid, where this is one error too many."""
        self.found.append(Diagnostic(code, _cut(message), span, hint, "error", tuple(related)))
        if len(self.found) > MOST:
            self.raise_errors()

    def warning(
        self, code: str, message: str, span: Span, *, hint: str | None = None, related: Iterable[tuple[Span, str]] = ()
    ) -> None:
        if len(self.found) < MOST:
            self.found.append(Diagnostic(code, _cut(message), span, hint, "warning", tuple(related)))

    @property
    def errors(self) -> list[Diagnostic]:
        return [d for d in self.found if d.severity == "error"]

    def raise_errors(self) -> None:
        """Raises: Invalid, with all that was found, when there is an error among it."""
        if self.errors:
            raise Invalid(in_order(self.found)[:MOST])


def sort_key(diagnostic: Diagnostic) -> tuple[str, int, int, str, str]:
    """Orders diagnostics by file and place; equal for two that tell a reader the same."""
    span = diagnostic.span
    return span.source.path, span.line, span.column, diagnostic.severity, diagnostic.message


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The diagnostics in the order of the file, each once."""
    distinct = {sort_key(diagnostic): diagnostic for diagnostic in diagnostics}
    return [distinct[key] for key in sorted(distinct)]


def as_dict(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic for JSON; lines and columns count from 1, the end is exclusive."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "hint": diagnostic.hint,
        **_place(diagnostic.span),
        "related": [{"message": message, **_place(span)} for span, message in _related(diagnostic)],
    }


def _related(diagnostic: Diagnostic) -> Iterator[tuple[Span, str]]:
    """The other places that matter, and for a place in an included file those that include it."""
    yield from diagnostic.related
    place = diagnostic.span.source.included
    while place is not None:
        yield place, "included here"
        place = place.source.included


def _place(span: Span) -> dict[str, object]:
    return {
        "file": span.source.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


# --- words -------------------------------------------------------------------------------------

_LONGEST_WORD = 60
_LONGEST_MESSAGE = 400
_MOST_CANDIDATES = 200


def quoted(word: str) -> str:
    """A word of the file, for a message: in single quotes, and cut where it is long."""
    return f"'{word}'" if len(word) <= _LONGEST_WORD else f"'{word[:_LONGEST_WORD]}...'"


def _cut(message: str) -> str:
    """A message that quotes too much of the file, shortened in its middle."""
    half = _LONGEST_MESSAGE // 2
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[:half]}...{message[-half:]}"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate that `word` was probably meant to be, if there is one."""
    from difflib import get_close_matches  # here, since a run without mistakes should not pay for it

    if len(word) > _LONGEST_WORD:  # its cost is quadratic
        return None
    by_lower = {candidate.lower(): candidate for candidate in sorted(candidates)}
    if len(by_lower) > _MOST_CANDIDATES:
        return None
    found = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """The hint for a mistyped word, if one of the candidates is near."""
    found = nearest(word, candidates)
    return None if found is None else f"did you mean {quoted(found)}?"


# --- text for people ---------------------------------------------------------------------------

_WIDTH = 100  # characters of a line of the file that are shown
_LEAD = 40  # of them before the place
_BESIDE = 60  # the longest hint that stands beside the marks
_SHOWN = 100  # diagnostics at a time
_STYLES = {"error": "1;31", "warning": "1;33", "note": "1;36", "place": "1", "gutter": "34"}
_Paint: TypeAlias = Callable[[str, str], str]


def render(diagnostic: Diagnostic, *, color: bool = False) -> str:
    """The diagnostic with the lines that it is about, the places marked; no line end behind the last line."""
    paint = _painted if color else _plain
    main = _block(diagnostic.span, diagnostic.severity, diagnostic.message, diagnostic.hint, paint)
    related = [_block(span, "note", message, None, paint) for span, message in _related(diagnostic)]
    return "\n".join([main, *related])


def render_all(diagnostics: Sequence[Diagnostic], *, color: bool = False) -> list[str]:
    """The first of them as `render` has them, and a line that says how many more there are."""
    blocks = [render(diagnostic, color=color) for diagnostic in diagnostics[:_SHOWN]]
    rest = len(diagnostics) - len(blocks)
    more = "at least " if len(diagnostics) >= MOST else ""
    return [*blocks, f"... and {more}{rest:,} more"] if rest else blocks


def visible(text: str) -> str:
    """The text with a sign for each character that a terminal would act on or not show."""
    return text if text.isprintable() else "".join(map(_sign, text))


def _sign(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else "\ufffd"


def _painted(style: str, text: str) -> str:
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def _plain(_: str, text: str) -> str:
    return text


def _block(span: Span, severity: str, message: str, hint: str | None, paint: _Paint) -> str:
    head = f"{paint('place', visible(str(span)) + ':')} {paint(severity, severity + ':')} {visible(message)}"
    lines = [head]
    hint = visible(hint or "")
    if span.source.text and span.line <= len(span.source.lines):
        before, marked, after = _excerpt(span)
        indent = " " * cells(before)
        marks = "^" * max(1, cells(marked))
        if hint and len(hint) <= _BESIDE and len(indent + marks + hint) < _WIDTH:
            marks, hint = f"{marks} {hint}", ""
        lines.append(f"{paint('gutter', f'{span.line:>4} |')} {before}{marked}{after}".rstrip())
        lines.append(f"{paint('gutter', '     |')} {indent}{paint(severity, marks)}")
    if hint:
        lines.append(f"{paint('gutter', '     =')} help: {hint}")
    return "\n".join(lines)


def _excerpt(span: Span) -> tuple[str, str, str]:
    """The line's text before, within and behind the place, made visible, and cut to what is near it."""
    text = span.source.lines[span.line - 1]
    start = min(span.column - 1, len(text))
    end = min(span.end_column - 1, len(text)) if span.end_line == span.line else len(text)
    left = max(0, min(start - _LEAD, len(text) - _WIDTH))
    right = left + _WIDTH
    end = max(start, min(end, right))
    before = ("..." if left else "") + visible(text[left:start])
    after = visible(text[end:right]) + ("..." if right < len(text) else "")
    return before, visible(text[start:end]), after


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
