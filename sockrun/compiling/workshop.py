"""What a step is compiled with: the role it belongs to, and the few questions that every verb asks.

Must not live here: verbs (`steps.py`) and what is checked once the whole scenario is known (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sockrun.compiling.context import Context
from sockrun.compiling.model import Role, Step
from sockrun.compiling.scalars import settled, to_seconds, to_text
from sockrun.program import Place
from sockrun.source import Node
from sockrun.wire.framing import Framing, compile_framing

_LABEL = 60  # characters


def framing_of(node: Node, context: Context) -> Framing | None:
    """The framing that a node says; None for `none`."""
    framing = compile_framing(node, context)
    return None if framing is None or framing.name == "none" else framing


@dataclass(frozen=True)
class Workshop:
    """One role's steps being compiled. `scale` multiplies timeouts; `keeps`: `received` is read somewhere.

    `gaps` collects the steps that were left out although they may bind a name or give a signal: where there
    is one, nobody can say that something is never bound or given.
    """

    role: Role
    roles: Mapping[str, Role]
    context: Context
    framing: Framing | None
    scale: float
    keeps: bool = False
    gaps: list[Step] = field(default_factory=list)

    def inside(self, context: Context) -> Workshop:
        return replace(self, context=context)


@dataclass(frozen=True)
class Job:
    """One step being compiled; `number` is its place in its list."""

    step: Step
    number: str
    shop: Workshop

    @property
    def role(self) -> Role:
        return self.shop.role

    @property
    def context(self) -> Context:
        return self.shop.context

    @property
    def node(self) -> Node:
        """The verb's argument; the whole step stands for one that has none."""
        return self.step.argument or Node(None, self.step.span)

    def place(self, what: str = "") -> Place:
        label = f"{self.step.word} {what}".strip()
        short = label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"
        note = self.step.options.get("note")
        return Place(self.number, short, self.step.span, None if note is None else str(note.value))

    def seconds(self) -> float:
        """How long the step may wait for the peer: its own timeout, else the role's."""
        own = settled(self.step.options.get("timeout"), self.context, to_seconds, self.role.timeout)
        return own * self.shop.scale

    def framing(self) -> Framing | None:
        """The step's own framing, else the role's; None on an unframed stream, and for datagrams."""
        if self.role.datagram:
            return None
        own = self.step.options.get("framing")
        return self.shop.framing if own is None else framing_of(own, self.context)

    def names(self) -> tuple[str, ...]:
        """The argument as one name or a list of them, known before the scenario runs."""
        nodes = self.node.items or (self.node,)
        return tuple(settled(node, self.context, to_text, "") for node in nodes)
