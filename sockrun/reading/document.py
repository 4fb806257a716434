"""YAML text to a tree of nodes with places: the only module that imports `yaml`.

Lives here: reading a file's bytes as text, and turning YAML's events into nodes. Must not live here:
what a key means (`schema.py`, `builder.py`), and the wording of syntax errors (`yaml_errors.py`).

The one theory: the tree is built straight from the parser's *events*, and never composed. PyYAML's
composer and resolver would read scalars as YAML 1.1 does (`on` is true, `010` is 8), keep the last of two
equal keys, expand aliases without a limit, and crash on deep nesting. On events, each limit is counted
before anything is kept.
"""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from sockrun.diagnostics import Diagnostic, Invalid, Problems, in_order, quoted
from sockrun.reading.core_schema import meaning, short_tag
from sockrun.records import NamedTuple
from sockrun.source import Node, Scalar, Source, Span

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 64
MAX_NODES = 50_000
MAX_CHARACTERS = 4 * 1024 * 1024  # of all scalars, with aliases written out

_Loader: TypeAlias = "type[yaml.SafeLoader] | type[yaml.CSafeLoader]"

# Both loaders give the same events; libyaml's is several times quicker, and stricter in a few corners.
_LOADER: _Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# --- a file's text -----------------------------------------------------------------------------

_KINDS: dict[int, str] = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def load(path: Path, shown: str | None = None) -> Source:
    """The file's text, of at most 1 MiB, read as UTF-8; `shown` is its name in messages.

    A byte order mark is dropped, and every line ends in LF. Raises: Invalid.
    """
    name = str(path) if shown is None else shown
    try:
        data = _file_bytes(path, name)
    except FileNotFoundError:
        _refuse_file(name, "there is no such file")
    except OSError as error:
        _refuse_file(name, f"the file cannot be read: {error.strerror or error}")
    except ValueError:
        _refuse_file(name, "the name of a file cannot hold a NUL")
    return Source(name, _decode(name, data).replace("\r\n", "\n").replace("\r", "\n"))


def _file_bytes(path: Path, name: str) -> bytes:
    """Raises: Invalid, OSError, ValueError (of stat, for a NUL in the path)."""
    # Asked before it is opened: opening a named pipe would block, opening a device may act on it.
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "something else")
        _refuse_file(name, f"this is {kind}, not a regular file")
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        _refuse_file(name, "the file is larger than 1 MiB")
    return data


def _decode(name: str, data: bytes) -> str:
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) or b"\0" in data[:2]:
        _refuse_file(name, "the file is UTF-16 or UTF-32, not UTF-8", "save it as UTF-8")
    body = data.removeprefix(codecs.BOM_UTF8)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        valid = body[: error.start].decode()
        line, column = valid.count("\n") + 1, len(valid) - valid.rfind("\n")
        offset = error.start + len(data) - len(body)
        diagnostic = Diagnostic(
            "encoding",
            f"the byte 0x{data[offset]:02x} at offset {offset} is not UTF-8",
            Span(Source(name, body.decode(errors="replace")), line, column, line, column + 1),
            "save the file as UTF-8; bytes that are no text are written as {hex: ...}",
        )
        raise Invalid([diagnostic]) from None


def _refuse_file(name: str, message: str, hint: str | None = None) -> NoReturn:
    raise Invalid([Diagnostic("file", message, Span(Source(name, ""), 1, 1, 1, 1), hint)]) from None


# What libyaml says since 0.2.6, which looks ahead of its events and gives up at 1,000 levels.
_TOO_DEEP = "maximum nesting depth"

# --- the tree ----------------------------------------------------------------------------------

GAPS = frozenset({"scalar", "alias", "key"})  # the errors after which a value, or a key with it, is missing

# What YAML 1.2 does not call printable; also CR (`load` leaves none), the line breaks of YAML 1.1 (U+0085,
# U+2028, U+2029) and the byte order mark: nobody sees these, and parsers disagree about them.
_UNPRINTABLE = "[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]"


def read(source: Source, loader: _Loader = _LOADER) -> Node:
    """The tree of the one YAML document that the text holds. Raises: Invalid, with every error found.

    The parser stops at the first error of syntax; mistakes that are none of syntax are all found.
    """
    problems = Problems()
    node = read_with_gaps(source, problems, loader)
    problems.raise_errors()
    return node


def read_with_gaps(source: Source, problems: Problems, loader: _Loader = _LOADER) -> Node:
    """The tree without what is wrong at the places of `GAPS`. All that is wrong is reported to `problems`.

    Raises: Invalid, where there is no tree.
    """
    _check_characters(source)
    parser: Any = loader(source.text)
    try:
        node = _Builder(source, parser.get_event, problems).document()
    except yaml.MarkedYAMLError as error:
        problem = ": ".join(filter(None, (error.context, error.problem)))
        found = _explained(source, error.problem_mark, error.context_mark, problem)
        if _TOO_DEEP in problem:
            found = Diagnostic("too-deep", f"more than {MAX_DEPTH} levels of nesting", found.span)
        problems.found.append(found)
        problems.raise_errors()
    except (ValueError, OverflowError):  # of chr(): PyYAML's own loader checks no escape beyond U+10FFFF
        problems.found.append(_explained(source, parser.get_mark(), None, "quoted scalar: bad escape"))
        problems.raise_errors()
    return node


def _check_characters(source: Source) -> None:
    if source.text.replace("\n", "").replace("\t", "").isprintable():
        return  # as nearly every file: compiling the pattern would be a hundredth of a short run
    found = re.search(_UNPRINTABLE, source.text)
    if found is None:
        return
    before = source.text[: found.start()]
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    code = f"{ord(found[0]):04X}"
    diagnostic = Diagnostic(
        "character",
        f"the character U+{code} cannot stand in a file as it is",
        Span(source, line, column, line, column + 1),
        f'in double quotes, "\\u{code}" means it',
    )
    raise Invalid([diagnostic])


def _explained(source: Source, at: yaml.Mark | None, began: yaml.Mark | None, problem: str) -> Diagnostic:
    place = (at.line, at.column) if at else (0, 0)
    from sockrun.reading.yaml_errors import Failure, explain  # start-up

    return explain(Failure(source, problem, place, (began.line, began.column) if began else None))


class _Anchored(NamedTuple):
    """What an alias stands for: a node, how many nodes and characters it is when written out, how many levels deep."""

    node: Node
    nodes: int
    characters: int
    levels: int


class _Builder:
    """Builds nodes from events. `depth` is how many sequences and mappings a node stands in."""

    def __init__(self, source: Source, next_event: Callable[[], Any], problems: Problems) -> None:
        self._source = source
        self._next = next_event
        self._problems = problems
        self._nodes = 0  # so far, with aliases written out
        self._characters = 0
        self._deepest = 0  # of the collection being read
        self._end: Any = None  # the mark behind the last text that was read
        self._anchors: dict[str, _Anchored | None] = {}  # None: its value is still being read

    def document(self) -> Node:
        """The one document. Raises: Invalid (at a limit), yaml.MarkedYAMLError."""
        self._next()  # the stream begins
        start = self._next()
        root = start if type(start) is StreamEndEvent else self._next()
        if root is start or (type(root) is ScalarEvent and not root.value and not root.style):
            self._give_up("empty", "the file is empty", Span(self._source, 1, 1, 1, 1))
        node = self._node(root, 0)
        self._next()  # the document ends
        following = self._next()
        if type(following) is not StreamEndEvent:
            message = "a second document begins here"
            self._error("second-document", message, following, "a file holds one only")
        return node

    def _node(self, event: Any, depth: int) -> Node:
        kind = type(event)
        if kind is AliasEvent:
            return self._alias(event, depth)
        self._count(event, 1, len(event.value) if kind is ScalarEvent else 0)
        if kind is not ScalarEvent:
            return self._collection(event, depth + 1)
        self._end = event.end_mark
        node = Node(self._scalar(event), self._span(event), style=event.style or "")
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, len(event.value), 0)
        return node

    def _scalar(self, event: Any) -> Scalar:
        try:
            return meaning(event.value, event.tag, not event.style)
        except ValueError as error:
            self._error("scalar", str(error), event, "put it in quotes if it is text")
            return None

    def _collection(self, start: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._give_up("too-deep", f"more than {MAX_DEPTH} levels of nesting", self._span(start))
        nodes_before, characters_before, deepest_before = self._nodes, self._characters, self._deepest
        self._deepest = depth
        if start.anchor is not None:
            self._anchors[start.anchor] = None
        read = self._mapping if type(start) is MappingStartEvent else self._sequence
        node = read(start, depth)
        if start.anchor is not None:
            nodes, levels = self._nodes - nodes_before + 1, self._deepest - depth + 1
            characters = self._characters - characters_before
            self._anchors[start.anchor] = _Anchored(node, nodes, characters, levels)
        self._deepest = max(self._deepest, deepest_before)
        return node

    def _sequence(self, start: Any, depth: int) -> Node:
        entries = []
        while type(event := self._next()) is not SequenceEndEvent:
            entries.append(self._node(event, depth))
        self._check_tag(start, "!!seq", "a list")
        return Node(tuple(entries), self._extent(start, event))

    def _mapping(self, start: Any, depth: int) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Span] = {}
        while type(event := self._next()) is not MappingEndEvent:
            key = self._key(event, depth)
            value = self._node(self._next(), depth)
            if key is None:
                continue
            if key in entries:
                self._equal_key(key, event, keys[key])
            else:
                entries[key] = value
                keys[key] = self._span(event)
        self._check_tag(start, "!!map", "a mapping")
        return Node(entries, self._extent(start, event), keys)

    def _key(self, event: Any, depth: int) -> str | None:
        """The key; None, with the problem reported, where it cannot be one."""
        if type(event) is not ScalarEvent:
            self._error("key", "a key must be a text", event, "put it in quotes if it is text")
            self._node(event, depth)
            return None
        if event.anchor is not None:
            self._error("key", "an anchor cannot stand at a key", event, "put it at a value")
        if event.value == "<<" and not event.style:
            self._error("key", "'<<' merges nothing in YAML 1.2", event, "write the keys out")
            return None
        try:
            key = meaning(event.value, event.tag, not event.style)
        except ValueError:
            key = None
        if isinstance(key, str):
            return key
        if event.value:
            self._error("key", f"the key {event.value[:40]} is not a text", event, "put it in quotes")
        else:
            self._error("key", "a key is missing here", event, "write one before the ':'")
        return None

    def _equal_key(self, key: str, event: Any, first: Span) -> None:
        self._problems.error(
            "equal-keys",
            f"the key {quoted(key)} stands here a second time",
            self._span(event),
            hint="leave one of them out",
            related=[(first, "the first one")],
        )

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        self._end = event.end_mark
        missing = Node(None, self._span(event))
        if name not in self._anchors:
            message = f"there is no anchor {quoted('&' + name)} above this alias"
            self._error("alias", message, event, "put it in quotes if it is text")
            return missing
        anchored = self._anchors[name]
        if anchored is None:
            self._error("alias", f"the alias {quoted('*' + name)} stands within its own value", event)
            return missing
        self._count(event, anchored.nodes, anchored.characters)
        self._deepest = max(self._deepest, depth + anchored.levels)
        if self._deepest > MAX_DEPTH:
            self._give_up("too-deep", f"more than {MAX_DEPTH} levels of nesting", missing.span)
        return anchored.node

    def _check_tag(self, start: Any, wanted: str, shown: str) -> None:
        if start.tag is not None and short_tag(start.tag) != wanted:
            message = f"the tag {quoted(short_tag(start.tag))} does not fit {shown}"
            self._error("tag", message, start, "leave the tag out")

    def _count(self, event: Any, nodes: int, characters: int) -> None:
        self._nodes += nodes
        self._characters += characters
        if self._characters > MAX_CHARACTERS:
            message = f"more than {MAX_CHARACTERS:,} characters, with aliases written out"
            self._give_up("too-much", message, self._span(event))
        if self._nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values, with aliases written out"
            self._give_up("too-many", message, self._span(event))

    def _extent(self, start: Any, end: Any) -> Span:
        """A whole collection's place. One without brackets ends where its last text does: the parser's
        mark stands where the next token begins."""
        if start.flow_style:
            self._end = end.end_mark
        return self._between(start.start_mark, self._end)

    def _span(self, event: Any) -> Span:
        return self._between(event.start_mark, event.end_mark)

    def _between(self, start: Any, end: Any) -> Span:
        return Span(self._source, start.line + 1, start.column + 1, end.line + 1, end.column + 1)

    def _error(self, code: str, message: str, event: Any, hint: str | None = None) -> None:
        self._problems.error(code, message, self._span(event), hint=hint)

    def _give_up(self, code: str, message: str, span: Span) -> NoReturn:
        self._problems.error(code, message, span)
        raise Invalid(in_order(self._problems.found))
