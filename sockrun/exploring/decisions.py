"""What may be decided in a simulated run, as data: each decision departs from the plain run in one thing.

Lives here: the decisions, and the token that names a set of them. Must not live here: how they are carried out
(`steering.py`), and which of them are tried (`plans.py`).

The one theory: a run is the plain one but for its decisions, which are named by numbers that the simulation counts in
the order of what happens. So the same decisions give the same run, in any process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias, get_args

from sockrun.network.simulated.conditions import How
from sockrun.records import dataclass

Kind: TypeAlias = Literal["split", "order", "loss", "end"]
KINDS: tuple[Kind, ...] = get_args(Kind)
Mishap: TypeAlias = Literal["lost", "doubled", "late"]
Streams: TypeAlias = int | None  # the number of a stream; None: all of them


@dataclass(frozen=True, slots=True)
class Cut:
    """No read crosses this offset of the stream; what is behind it comes when nothing else can be done."""

    stream: int
    offset: int

    def __str__(self) -> str:
        return f"cut={self.stream}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Apart:
    """Every byte arrives alone."""

    stream: Streams = None

    def __str__(self) -> str:
        return f"apart={_all(self.stream)}"


@dataclass(frozen=True, slots=True)
class Joined:
    """All that is sent before anybody has to wait arrives together."""

    stream: Streams = None

    def __str__(self) -> str:
        return f"joined={_all(self.stream)}"


@dataclass(frozen=True, slots=True)
class Stall:
    """The bytes from this offset on take a while longer."""

    stream: int
    offset: int

    def __str__(self) -> str:
        return f"stall={self.stream}:{self.offset}"


@dataclass(frozen=True, slots=True)
class Turn:
    """Where several may go on, at the choice with this number, it is the one with this index in their order."""

    choice: int
    index: int

    def __str__(self) -> str:
        return f"turn={self.choice}:{self.index}"


@dataclass(frozen=True, slots=True)
class Slow:
    """A role that may go on does so a while later; `turn` counts those that may."""

    turn: int

    def __str__(self) -> str:
        return f"slow={self.turn}"


@dataclass(frozen=True, slots=True)
class Befalls:
    """What becomes of a datagram."""

    datagram: int
    what: Mishap

    def __str__(self) -> str:
        return f"{self.what}={self.datagram}"


@dataclass(frozen=True, slots=True)
class Slowest:
    """All that passes takes as long as `network` lets it: its latency, and its whole jitter."""

    def __str__(self) -> str:
        return "slowest"


@dataclass(frozen=True, slots=True)
class Ends:
    """The stream ends there, behind so many bytes, whatever its sender does."""

    stream: int
    offset: int
    how: How

    def __str__(self) -> str:
        return f"{self.how}={self.stream}:{self.offset}"


Decision: TypeAlias = Cut | Apart | Joined | Stall | Turn | Slow | Befalls | Slowest | Ends
Decisions: TypeAlias = tuple[Decision, ...]

KIND_OF: dict[type[Decision], Kind] = {
    Cut: "split",
    Apart: "split",
    Joined: "split",
    Stall: "order",
    Turn: "order",
    Slow: "order",
    Befalls: "loss",
    Slowest: "loss",
    Ends: "end",
}

# --- tokens ------------------------------------------------------------------------------------


def token(decisions: Iterable[Decision]) -> str:
    """What `--replay` takes: 'cut=1:3,turn=4:1'; the plain run is 'plain'."""
    return ",".join(map(str, decisions)) or "plain"


def decided(text: str) -> Decisions:
    """The decisions that a token names. Raises: ValueError, with a sentence that says which part is none."""
    parts = text.replace(" ", "").split(",")
    return tuple(_decision(part) for part in parts if part != "plain")


def _decision(text: str) -> Decision:
    name, _, numbers = text.partition("=")
    try:
        return _made(name, numbers.split(":") if numbers else [])
    except (ValueError, TypeError):
        raise ValueError(f"{text!r} is no decision: one is written like cut=1:3, turn=4:1 or lost=0") from None


def _made(name: str, given: list[str]) -> Decision:
    if name in ("apart", "joined"):
        (which,) = given
        stream = None if which == "all" else int(which)
        return Apart(stream) if name == "apart" else Joined(stream)
    numbers = [int(number) for number in given]
    if min(numbers, default=0) < 0:
        raise ValueError
    for how in _HOWS:
        if name == how:
            stream, offset = numbers
            return Ends(stream, offset, how)
    for what in _FATES:
        if name == what:
            (datagram,) = numbers
            return Befalls(datagram, what)
    return _OTHERS.get(name, _none)(*numbers)


def _none(*numbers: int) -> Decision:
    raise ValueError


_HOWS: tuple[How, ...] = get_args(How)
_FATES: tuple[Mishap, ...] = get_args(Mishap)
_OTHERS = {"cut": Cut, "stall": Stall, "turn": Turn, "slow": Slow, "slowest": Slowest}


def _all(stream: Streams) -> str:
    return "all" if stream is None else str(stream)
