"""How much load there is to be: how many users, or how many iterations a second, and for how long.

The one theory: an iteration's number decides when it is due and which row of data it has, so that workers who each
take every n-th one need not speak to each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from math import inf, sqrt

from sockrun.records import dataclass
from sockrun.values import Value

DURATION = 10.0  # seconds, where neither a duration nor a number of iterations is said

Row = dict[str, Value]


@dataclass(frozen=True)
class Plan:
    """With `rate` (iterations a second) the model is open: they begin when they are due, whoever is late.

    Without it each of `users` begins the next iteration when the one before has ended. `ramp` seconds pass until all
    users are there, or the rate is reached. `rows` are the values that iterations have, one after the other.
    """

    users: int | None = None
    rate: float | None = None
    ramp: float = 0.0
    duration: float = inf
    iterations: int | None = None
    rows: Sequence[Row] = ()

    def due(self, number: int) -> float:
        """When that iteration begins, in seconds from the start (open model); the rate grows evenly in the ramp."""
        assert self.rate is not None
        in_the_ramp = self.rate * self.ramp / 2
        if number < in_the_ramp:
            return sqrt(2 * number * self.ramp / self.rate)
        return self.ramp / 2 + number / self.rate

    def row(self, number: int) -> Row:
        """They begin anew behind the last."""
        return self.rows[number % len(self.rows)] if self.rows else {}


@dataclass(frozen=True)
class Share:
    """Every `of`-th iteration and user, from `index` on: one worker's."""

    index: int = 0
    of: int = 1

    def numbers(self, most: int | None) -> Iterator[int]:
        """Those of all numbers below `most` that are in the share."""
        return iter(range(self.index, most, self.of)) if most is not None else count(self.index, self.of)
