"""What a step is compiled with: the role it belongs to, and the few questions that every verb asks.

Must not live here: verbs (`steps.py`) and what is checked once the whole scenario is known (`checks.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.compiling.context import Context
from sockrun.compiling.model import Role, Step
from sockrun.compiling.scalars import settled, to_seconds, to_text
from sockrun.program import Place
from sockrun.records import dataclass, field, replace
from sockrun.source import Node
from sockrun.wire.framing import Framing, compile_framing

_LABEL = 60  # characters


def framing_of(node: Node, context: Context) -> Framing | None:
    """The framing that a node says; None for `none`."""
    framing = compile_framing(node, context)
    return None if framing is None or framing.name == "none" else framing


def shortened(label: str) -> str:
    return label if len(label) <= _LABEL else label[: _LABEL - 1] + "…"


def written(node: Node | None) -> str:
    """A step's argument in a few words, as the file writes it."""
    if node is None or node.value is None:
        return ""
    if isinstance(node.value, tuple):
        return ", ".join(written(item) for item in node.value)
    return str(node.value)


@dataclass(frozen=True)
class Workshop:
    """One role's steps being compiled. `scale` multiplies timeouts; `keeps`: `received` is read somewhere.

    `gaps` collects the steps that were left out (`gaps.py` says what is not known without them), `hosts` the hosts
    that steps name.
    """

    role: Role
    roles: Mapping[str, Role]
    context: Context
    framing: Framing | None
    scale: float
    keeps: bool = False
    gaps: list[Step] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def inside(self, context: Context, timeout: float | None = None) -> Workshop:
        """The same for steps inside a step; `timeout` (seconds) is then that of those that say none."""
        role = self.role if timeout is None else replace(self.role, timeout=timeout)
        return replace(self, context=context, role=role)


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
        label = shortened(f"{self.step.word} {what}".strip())
        note = self.step.options.get("note")
        return Place(self.number, label, self.step.span, None if note is None else str(note.value))

    def seconds(self) -> float:
        """How long the step may wait for the peer: its own timeout, else the role's."""
        return self.own_timeout() * self.shop.scale

    def own_timeout(self) -> float:
        """The same, before the run's `--time-scale`."""
        return settled(self.step.options.get("timeout"), self.context, to_seconds, self.role.timeout)

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
