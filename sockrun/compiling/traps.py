"""What is legal in a scenario and yet seldom meant: one table of warnings.

Lives here: the warnings that look at a role or at several. Must not live here: errors (`checks.py`), and the two
warnings that only a matcher can give when it is compiled: `open-repetition` and `any-on-a-stream`.

The one theory: a warning is worth its line only where nobody would write the thing on purpose. Each rule says what
it leaves alone, and no example of the project may set one off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from sockrun.compiling.compiler import Compilation, CompiledRole
from sockrun.compiling.delimiters import Never, never_matching
from sockrun.compiling.model import Role, Step
from sockrun.compiling.processes import is_awaited
from sockrun.expressions import literal_text
from sockrun.records import NamedTuple
from sockrun.source import Node, Span

_EXAMPLE_PORT = 12321  # what the first examples of the language use, so that a reader has one number to try
# What holds texts, payloads or matchers in a payload or matcher.
_HOLDERS = ("prefix", "suffix", "contains", "text", "of", "not", "join", "one_of", "all_of")


class Trap(NamedTuple):
    """`message`, `span`, `hint` and `related` as in a diagnostic."""

    message: str
    span: Span
    hint: str
    related: tuple[tuple[Span, str], ...] = ()


def check(compilation: Compilation) -> None:
    """Report every trap to the compilation's problems, as warnings."""
    for code, rule in TRAPS.items():
        for trap in rule(compilation):
            compilation.context.problems.warning(code, trap.message, trap.span, hint=trap.hint, related=trap.related)


# --- the texts of a role -----------------------------------------------------------------------


class _Text(NamedTuple):
    """A text that is sent or expected. `framed`: it is a message of its own, `own`: its step says a framing itself."""

    node: Node
    framed: bool
    own: bool

    @property
    def written(self) -> str:
        """Without its expressions."""
        return literal_text(str(self.node.value))


def _texts(role: Role, steps: tuple[Step, ...]) -> Iterator[_Text]:
    for step in _all(steps):
        own = "framing" in step.options
        framed = role.datagram or _is_framed(step.options.get("framing") or role.framing)
        if step.verb in ("send", "expect", "expect_in_any_order", "react"):
            for node in [step.argument, *(case.expect for case in step.cases)]:
                yield from (_Text(text, framed, own) for text in _texts_in(node))


def _all(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        yield from _all(step.inside)


def _is_framed(framing: Node | None) -> bool:
    return framing is not None and framing.value != "none"


def _texts_in(node: Node | None) -> Iterator[Node]:
    """The texts of a payload or matcher; patterns, hex, JSON and what else has rules of its own left out."""
    if node is None:
        return
    if isinstance(node.value, str):
        yield node
    inner = (node.get(key) for key in _HOLDERS)
    for held in (*node.items, *filter(None, inner)):
        yield from _texts_in(held)


def _steps_of(one: CompiledRole, compilation: Compilation) -> tuple[Step, ...]:
    turns = (turn.step for turn in compilation.scenario.turns if turn.role.name == one.role.name)
    sequences = (*one.role.sequences, one.role.last, tuple(turns))
    return tuple(step for sequence in sequences for step in sequence)


# --- the rules ---------------------------------------------------------------------------------


def _fixed_port(compilation: Compilation) -> Iterator[Trap]:
    """An expression is left alone: whoever writes `${ports.name}` or a variable has chosen."""
    for one in compilation.roles.values():
        node = one.role.port
        if one.role.side != "server" or node is None or not isinstance(node.value, int):
            continue
        if node.value not in (0, _EXAMPLE_PORT):
            message = f"port {node.value} may be taken on another machine, or by another run on this one"
            hint = f"leave 'port' out: a free one is taken, which 'to' and ${{{one.role.name}.port}} know"
            yield Trap(message, node.span, hint)


def _bare_lf(compilation: Compilation) -> Iterator[Trap]:
    """Where a blank line occurs, bodies follow: then only texts that have a CRLF, up to their blank line, count.

    What `framed-delimiter` tells is left to it.
    """
    told = cache(lambda: {never.node.span for never in _never_matching(compilation)})
    texts = {name: list(_texts(one.role, _steps_of(one, compilation))) for name, one in compilation.roles.items()}
    for name, one in compilation.roles.items():
        talk = [text for other in _talking(name, compilation) for text in texts[other]]
        lines = any(_ends_in_crlf(compilation.roles[other].role) for other in _talking(name, compilation))
        if one.role.datagram or not (lines or any("\r\n" in text.written for text in talk)):
            continue
        bodies = any("\r\n\r\n" in text.written for text in talk)
        for text in texts[name]:
            head = text.written.partition("\r\n\r\n")[0]
            body = text.own or (bodies and "\r\n" not in head)
            if not body and re.search(r"(?<!\r)\n", head) and text.node.span not in told():
                message = "a line ends in LF alone here, while CRLF ends the lines of this conversation"
                framed = text.framed and text.written.endswith("\n")
                hint = "leave it out: 'framing' ends the line" if framed else "write \\r\\n"
                yield Trap(message, text.node.span, hint)


def _talking(name: str, compilation: Compilation) -> list[str]:
    """The role, whom it connects to, and who connects to it."""
    roles = compilation.roles
    others = [other for other, one in roles.items() if one.program.to == name]
    target = roles[name].program.to
    return [name, *(other for other in roles if other == target), *others]


def _ends_in_crlf(role: Role) -> bool:
    framing = role.framing
    return framing is not None and (framing.value == "crlf" or framing.plain() == {"delimiter": "\r\n"})


def _block_newline(compilation: Compilation) -> Iterator[Trap]:
    """On an unframed stream the line end is as likely meant as not; a message has it in its frame."""
    for one in compilation.roles.values():
        for text in _texts(one.role, _steps_of(one, compilation)):
            value = str(text.node.value)
            if text.framed and text.node.style in ("|", ">") and value.endswith("\n") and not value.endswith("\n\n"):
                message = f"the text behind '{text.node.style}' ends with a line end, which is part of the message"
                yield Trap(message, text.node.span, f"write '{text.node.style}-' to leave it out")


def _framed_delimiter(compilation: Compilation) -> Iterator[Trap]:
    """What `block-newline` tells is left to it."""
    for never in _never_matching(compilation):
        if not _is_block_newline(never):
            message = f"this never matches: no message holds {never.delimiter}, since the framing takes it off"
            yield Trap(message, never.node.span, never.hint)


def _never_matching(compilation: Compilation) -> Iterator[Never]:
    for one in compilation.roles.values():
        for step in _all(_steps_of(one, compilation)):
            yield from never_matching(one.role, step, compilation.context)


def _is_block_newline(never: Never) -> bool:
    text = str(never.node.value)
    return never.delimiter == "LF" and never.node.style in ("|", ">") and text.find("\n") == len(text) - 1


_ESCAPE = re.compile(r"\\(?:[nrt0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")


def _unread_escape(compilation: Compilation) -> Iterator[Trap]:
    """A block text is left alone: what has several lines is often code, in which a backslash is one."""
    for one in compilation.roles.values():
        for text in _texts(one.role, _steps_of(one, compilation)):
            found = _ESCAPE.search(text.written)
            if found and text.node.style in ("'", ""):
                where = "in single quotes" if text.node.style else "without quotes"
                message = f"{found[0]} {where} is no escape: it means a backslash and what follows"
                yield Trap(message, text.node.span, "double quotes read escapes; in them \\\\ is a backslash")


def _bound_twice(compilation: Compilation) -> Iterator[Trap]:
    """Of a role with copies, and of steps that are alternatives, nobody can say which comes first: left alone."""
    read = {
        (reference.base, reference.attribute)
        for one in compilation.roles.values()
        for reference, _ in one.context.references
        if reference.base != one.role.name
    }
    for name, one in compilation.roles.items():
        if one.role.copies:
            continue
        for variable, span in one.context.rebinds:
            first = one.context.binds[variable]
            if (name, variable) in read and not _same_step(first, span, _steps_of(one, compilation)):
                message = f"other roles never see this value of {variable!r}: they are given the first one"
                related = ((first, "bound here first"),)
                yield Trap(message, span, "use a name of its own for each value that others read", related)


def _same_step(one: Span, other: Span, steps: tuple[Step, ...]) -> bool:
    """Whether both lie in one step that has no steps inside, or in one `react`."""
    return any(_inside(one, step.span) and _inside(other, step.span) for step in _all(steps) if not step.body)


def _inside(span: Span, outer: Span) -> bool:
    start, end = (outer.line, outer.column), (outer.end_line, outer.end_column)
    return span.source is outer.source and start <= (span.line, span.column) < end


def _unawaited_ready(compilation: Compilation) -> Iterator[Trap]:
    """It would only be held that such a process becomes ready in time."""
    for name, node in compilation.scenario.processes.items():
        if is_awaited(node) and "ready" in node.mapping:
            message = f"nobody waits for {name!r} to be ready: it starts together with the roles"
            hint = "for a service, which is waited for, leave 'expect_exit' out; else let clients 'retry_for'"
            related = ((node.keys["expect_exit"], "its end is awaited"),)
            yield Trap(message, node.keys["ready"], hint, related)


TRAPS: Mapping[str, Callable[[Compilation], Iterator[Trap]]] = {
    "fixed-port": _fixed_port,
    "bare-lf": _bare_lf,
    "block-newline": _block_newline,
    "framed-delimiter": _framed_delimiter,
    "unread-escape": _unread_escape,
    "bound-twice": _bound_twice,
    "unawaited-ready": _unawaited_ready,
}
