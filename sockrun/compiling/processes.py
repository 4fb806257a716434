"""The programs that take part: from the file's `processes` to what the scene starts, feeds, judges and stops.

Lives here: what one process says. Must not live here: what it has to do with roles (`checks.py`), and what a
process is while the scenario plays (`playing/company.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, cast

from sockrun.commands import Matcher
from sockrun.compiling.context import Context
from sockrun.compiling.model import Scenario
from sockrun.compiling.scalars import (
    converted,
    converted_if_said,
    settled,
    to_bytes,
    to_flag,
    to_integer,
    to_port,
    to_seconds,
    to_text,
)
from sockrun.compiling.workshop import written
from sockrun.matching import compile_matcher
from sockrun.program import ProcessProgram, Ready
from sockrun.records import replace
from sockrun.source import Node, Span
from sockrun.values import Operand, Scope, Value
from sockrun.wire.payloads import compile_payload

OUTPUTS = ("stdout", "stderr")


def compile_processes(scenario: Scenario, shared: Context, scale: float) -> dict[str, ProcessProgram]:
    """All of them, in the file's order; `scale` multiplies timeouts. Problems go to `shared.problems`."""
    return {name: _process(name, node, scenario, shared, scale) for name, node in scenario.processes.items()}


def with_kept(processes: Mapping[str, ProcessProgram], referred: set[tuple[str, str]]) -> dict[str, ProcessProgram]:
    """`referred` are the (process, output) pairs that expressions ask for: these outputs are kept whole too."""
    return {
        name: replace(one, kept=one.kept | {output for output in OUTPUTS if (name, output) in referred})
        for name, one in processes.items()
    }


def is_awaited(node: Node) -> bool:
    """Whether the process is a participant, whose end is awaited, and not a service."""
    return "expect_exit" in node.mapping


def _process(name: str, node: Node, scenario: Scenario, shared: Context, scale: float) -> ProcessProgram:
    context = replace(shared, binds={}).for_messages(True)
    said = node.mapping
    timeout = settled(said.get("timeout"), context, to_seconds, 0.0)
    expect = {output: said[f"expect_{output}"] for output in OUTPUTS if f"expect_{output}" in said}
    stdin, user = said.get("stdin"), said.get("user")
    of_root = None if user is None else user.get("if_root")
    return ProcessProgram(
        name=name,
        span=scenario.names[name],
        command=_words(said.get("command"), context),
        setup=tuple(_words(command, context) for command in _items(said.get("setup"))),
        ready=_ready(said.get("ready"), context),
        stop=settled(said.get("stop"), context, to_text, "TERM"),
        stdin=None if stdin is None else compile_payload(stdin, context),
        stdin_open=settled(said.get("stdin_open"), context, to_flag, False),
        ends=_ends(said.get("expect_exit"), context),
        expect={output: make for output, node in expect.items() if (make := _matcher(node, context))},
        expect_files=tuple(_files(said.get("expect_files"), context)),
        marks={key: span for key, span in node.keys.items() if key.startswith("expect_")},
        timeout=timeout * scale if timeout else None,
        env=tuple(_env(said.get("env"), context)),
        cwd=converted_if_said(said.get("cwd"), context, to_bytes),
        user=converted_if_said(of_root or user, context, to_bytes),
        user_if_root=of_root is not None,
        kept=frozenset(expect),
    )


def _items(node: Node | None) -> tuple[Node, ...]:
    return node.items if node else ()


def _words(node: Node | None, context: Context) -> tuple[Operand, ...]:
    words = (converted(item, context, _to_word) for item in _items(node))
    return tuple(word for word in words if word is not None)


def _to_word(value: Value) -> bytes:
    word = to_bytes(value)
    if b"\0" in word:
        raise ValueError("a program cannot be given a zero byte in a word of its command")
    return word


def _env(node: Node | None, context: Context) -> Iterator[tuple[str, Operand]]:
    for name, value in (node.mapping if node else {}).items():
        operand = converted(value, context, _to_word)
        if operand is not None:
            yield name, operand


def _matcher(node: Node, context: Context) -> Callable[[Scope], Matcher] | None:
    expectation = compile_matcher(node, context)
    return None if expectation is None else expectation.evaluate


def _files(node: Node | None, context: Context) -> Iterator[tuple[Operand, Callable[[Scope], Matcher], Span]]:
    for name, value in (node.mapping if node else {}).items():
        span = node.keys[name] if node else value.span
        path = converted(Node(name, span), context, to_bytes)
        matcher = _matcher(value, context)
        if path is not None and matcher is not None:
            yield path, matcher, span


# --- how it begins, how it ends ----------------------------------------------------------------


def _ready(node: Node | None, context: Context) -> Ready | None:
    if node is None:
        return None
    said = node.mapping
    if "port" in said:
        protocol = settled(said.get("protocol"), context, to_text, "tcp")
        port = converted(said["port"], context, to_port)
        return Ready("port", port=port, protocol=cast(Literal["tcp", "udp"], protocol))
    if "path" in said:
        return Ready("path", path=converted(said["path"], context, to_bytes))
    if "output" in said:
        summary = f"output that matches /{written(said['output'])}/"
        return Ready(summary, output=_somewhere(said["output"], context))
    return Ready("time", after=settled(said.get("after"), context, to_seconds, 0.0))


def _somewhere(node: Node, context: Context) -> Callable[[Scope], Matcher] | None:
    """A pattern that may stand anywhere in a text, with `^` and `$` at its lines' ends."""
    pattern = replace(node, value=f"(?s:.*?)(?m:{written(node)})")
    return _matcher(Node({"regex": pattern}, node.span, {"regex": node.span}), context)


def _ends(node: Node | None, context: Context) -> tuple[int | str, ...] | None:
    """The exit statuses and signals that it may end with; () for any."""
    if node is None:
        return None
    nothing: int | str = 0
    found = [settled(item, context, _to_end, nothing) for item in node.items or (node,)]
    return () if "any" in found else tuple(found)


def _to_end(value: Value) -> int | str:
    """An exit status, or the name of a signal, or `any`."""
    if isinstance(value, bytes) and not value.isdigit():
        return to_text(value)
    return to_integer(value)
