"""The two programs that a load plays: the servers of a scenario, and its clients as one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sockrun.compiling.loading import Options, load_scenario
from sockrun.compiling.swaps import Half, Swaps
from sockrun.diagnostics import Diagnostic, EnvironmentRefused, in_order
from sockrun.loadtest.users import ITERATION, USER
from sockrun.program import Program
from sockrun.records import NamedTuple, dataclass, replace
from sockrun.session import Selection
from sockrun.values import Value

NUMBERS: Mapping[str, Value] = {USER: 0, ITERATION: 0}  # what every iteration knows of itself


@dataclass(frozen=True)
class Order:
    """Which scenario of which file is loaded: any process that has the file can make its own half of it.

    `text` must be in the scenario's id or name; `columns` are the names that rows of data give a value.
    """

    path: Path
    options: Options
    text: str = ""
    columns: Sequence[str] = ()


class Halves(NamedTuple):
    users: Program
    servers: Program


class Unfit(NamedTuple):
    """Why there are none: errors of the file, or not just one scenario that is meant; `ids` are those that are."""

    errors: Sequence[Diagnostic]
    ids: Sequence[str]


def halves(order: Order) -> Halves | Unfit:
    """Both. What is wrong with the file is told once."""
    users, servers = _half(order, "users"), _half(order, "servers")
    errors = tuple(in_order([*users[1], *servers[1]]))
    if errors or len(users[0]) != 1:
        return Unfit(errors, [program.id for program in users[0]])
    return Halves(users[0][0], servers[0][0])


def users_half(order: Order) -> Program:
    """The users alone, where the starter has found the order good. Raises: EnvironmentRefused."""
    programs, errors = _half(order, "users")
    if len(programs) != 1:
        why = errors[0].message if errors else "it is another file there"
        raise EnvironmentRefused(f"a worker cannot play {order.path}: {why}")
    return programs[0]


def _half(order: Order, half: Half) -> tuple[list[Program], Sequence[Diagnostic]]:
    late: dict[str, Value] = {**NUMBERS, **dict.fromkeys(order.columns, b"")}
    options = replace(order.options, late=late, swaps=Swaps(real=order.options.swaps.real, half=half))
    loaded = load_scenario(order.path, options)
    return list(filter(Selection(text=order.text).takes, loaded.programs)), loaded.errors
