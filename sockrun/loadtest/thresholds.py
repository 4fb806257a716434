"""Conditions that make a load fail: 'p99(login) > 50ms', 'errors > 0.1%', 'rate < 1000'."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping

from sockrun import units
from sockrun.diagnostics import did_you_mean
from sockrun.loadtest.figures import Figures
from sockrun.loadtest.latencies import Latencies
from sockrun.records import dataclass

FORM = re.compile(r"\s*(\w+(?:\.\d+)?)\s*(?:\(([^()]*)\))?\s*(>=|<=|>|<)\s*(\S.*?)\s*", re.ASCII)
PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,3})?|100)", re.ASCII)
COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
OF_LATENCIES: Mapping[str, Callable[[Latencies], float]] = {
    "mean": lambda latencies: latencies.mean,
    "min": lambda latencies: latencies.least,
    "max": lambda latencies: latencies.most,
}
NO_ERRORS = "errors > 0"
EXAMPLE = "as 'p99 > 50ms', 'p95(login) > 20ms', 'errors > 0.1%' and 'rate < 100' are"


@dataclass(frozen=True)
class Condition:
    """It holds, and the load fails, where `value` is to `limit` as `sign` says; `shown` writes such a value."""

    text: str
    value: Callable[[Figures], float]
    sign: str
    limit: float
    shown: Callable[[float], str]
    of_errors: bool = False

    def holds(self, figures: Figures) -> bool:
        return COMPARE[self.sign](self.value(figures), self.limit)

    def told(self, figures: Figures) -> str:
        """What it came to."""
        return f"{self.text.strip()} (it is {self.shown(self.value(figures))})"


def condition(text: str, steps: Collection[str]) -> Condition:
    """What `--fail-if` says; `steps` are the names that there are. Raises: ValueError."""
    found = FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no condition, {EXAMPLE}")
    metric, step, sign, limit = found.groups()
    if metric == "errors" and step is None:
        if limit.endswith("%"):
            return Condition(text, lambda figures: figures.share_failed, sign, units.share(limit), _percent, True)
        return Condition(text, lambda figures: figures.failed, sign, _number(limit), _count, True)
    if metric == "rate" and step is None:
        return Condition(text, lambda figures: figures.rate, sign, _number(limit.removesuffix("/s")), _rate)
    of = _of_latencies(metric)
    if of is None:
        raise ValueError(
            f"{metric!r} is nothing that can be compared: write p50, p99.9, mean, max, min, errors or rate"
        )
    if step is not None and step not in steps:
        hint = did_you_mean(step, steps) or f"there are {', '.join(map(repr, steps))}"
        raise ValueError(f"there is no step {step!r}: {hint}")
    return Condition(text, lambda figures: of(_latencies(figures, step)), sign, units.seconds(limit), duration)


def _of_latencies(metric: str) -> Callable[[Latencies], float] | None:
    found = PERCENTILE.fullmatch(metric)
    if found is not None:
        return lambda latencies: latencies.at(float(found[1]))
    return OF_LATENCIES.get(metric)


def _latencies(figures: Figures, step: str | None) -> Latencies:
    return figures.latencies if step is None else figures.steps.get(step, Latencies())


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None


# --- numbers for people ------------------------------------------------------------------------


def duration(seconds: float) -> str:
    """Three digits, and the unit that fits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds * 1e6)} µs" if seconds else "0"


def _three(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _count(number: float) -> str:
    return f"{number:,.0f}"


def _rate(number: float) -> str:
    return f"{number:,.0f}/s" if number >= 100 else f"{number:.3g}/s"
