"""What stands under `network`, a proxy's or the whole scenario's, as the faults of its links.

Must not live here: what a fault does (`network/link.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sockrun import units
from sockrun.compiling.context import Context
from sockrun.compiling.model import Role
from sockrun.compiling.scalars import settled, to_count, to_integer, to_natural, to_seconds, to_text
from sockrun.program import Corrupt, Faults
from sockrun.source import Node
from sockrun.values import Value


def _rate(value: Value) -> float:
    return units.rate(to_text(value))


def _share(value: Value) -> float:
    return units.share(to_text(value))


def _direction(value: Value) -> str:
    text = to_text(value)
    if text not in ("to_server", "to_client", "both"):
        raise ValueError(f"{text!r} is no direction: say to_server, to_client or both")
    return text


def _byte(value: Value) -> int:
    number = to_natural(value)
    if number > 255:
        raise ValueError(f"{number} is no byte: a byte is a number from 0 to 255")
    return number


_VALUES: Mapping[str, Callable[[Value], Any]] = {
    "latency": to_seconds,
    "jitter": to_seconds,
    "bandwidth": _rate,
    "segment": to_count,
    "loss": _share,
    "duplicate": _share,
    "reorder": _share,
    "close_after": to_natural,
    "reset_after": to_natural,
    "direction": _direction,
    "connection": to_natural,
    "seed": to_integer,
    "buffer": to_count,
}
# What cannot happen there, and what to do instead.
_NOT_ON_STREAMS = {
    "loss": "a stream loses nothing, it only gets slower or ends: use 'latency', 'close_after' or 'reset_after'",
    "duplicate": "a stream keeps what was sent once: use 'corrupt' to change it",
    "reorder": "a stream keeps its order: use 'latency', 'jitter' or 'segment'",
}
_NOT_ON_DATAGRAMS = {
    "segment": "a datagram arrives whole or not at all: use 'loss'",
    "close_after": "datagrams have no connection: use 'loss'",
    "reset_after": "datagrams have no connection: use 'loss'",
}


def faults(role: Role, context: Context) -> Faults:
    """What a proxy does to what passes; problems go to the context."""
    node = role.network
    if node is None or role.side != "proxy":
        return Faults()
    _check_place(role, node, context)
    return _faults(node, context)


def weather(node: Node | None, context: Context) -> Faults:
    """How the simulated network behaves; problems go to the context."""
    return Faults() if node is None else _faults(node, context)


def _faults(node: Node, context: Context) -> Faults:
    given = {key: settled(value, context, _VALUES[key], None) for key, value in node.mapping.items() if key in _VALUES}
    corrupt = node.get("corrupt")
    if corrupt is not None:
        at = settled(corrupt.get("at"), context, to_natural, 0)
        given["corrupt"] = Corrupt(at, settled(corrupt.get("xor"), context, _byte, 0))
    return Faults(**{key: value for key, value in given.items() if value is not None})


def _check_place(role: Role, node: Node, context: Context) -> None:
    wrong, what = (_NOT_ON_DATAGRAMS, "datagrams") if role.datagram else (_NOT_ON_STREAMS, "a stream")
    for key, hint in wrong.items():
        if key in node.keys:
            context.problems.error("misplaced-fault", f"{key!r} is not for {what}", node.keys[key], hint=hint)
    if role.protocol == "unix" and "reset_after" in node.keys and not role.datagram:
        message, hint = "'reset_after' is not for unix", "only tcp has a reset: use 'close_after'"
        context.problems.error("misplaced-fault", message, node.keys["reset_after"], hint=hint)
