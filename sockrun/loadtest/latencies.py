"""Durations by the thousand, as an HDR histogram (http://hdrhistogram.org). The only home of `hdrh`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sockrun.diagnostics import EnvironmentRefused

MISSING = "load needs the package 'hdrhistogram': type `pip install 'sockrun[load]'`"
LEAST, MOST = 1, 3_600_000_000  # microseconds: an hour
UNIT = 1e-6  # seconds


def check() -> None:
    """Raises: EnvironmentRefused, where the library is missing."""
    _empty(2)


def _empty(digits: int) -> Any:
    try:
        from hdrh.histogram import HdrHistogram
    except ImportError:
        raise EnvironmentRefused(MISSING) from None
    return HdrHistogram(LEAST, MOST, digits)


class Latencies:
    """All in seconds, true to so many significant `digits`, from a microsecond to an hour."""

    def __init__(self, digits: int = 3) -> None:
        self._digits = digits
        self._histogram = _empty(digits)
        self._sum = 0.0  # the library would go through all of its counts

    def add(self, seconds: float) -> None:
        self._sum += seconds
        self._histogram.record_value(min(max(round(seconds / UNIT), LEAST), MOST))

    def merge(self, other: Latencies) -> None:
        self._histogram.add(other._histogram)
        self._sum += other._sum

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    @property
    def mean(self) -> float:
        return self._sum / self.count if self.count else 0.0

    @property
    def least(self) -> float:
        return float(self._histogram.get_min_value()) * UNIT if self.count else 0.0

    @property
    def most(self) -> float:
        return float(self._histogram.get_max_value()) * UNIT if self.count else 0.0

    def at(self, percent: float) -> float:
        """What so many percent do not exceed; 0 where there is none at all."""
        return self.all_at([percent])[0]

    def all_at(self, percents: Sequence[float]) -> list[float]:
        """The same of several, in one go."""
        found = self._histogram.get_percentile_to_value_dict(percents)
        return [float(found[percent]) * UNIT if self.count else 0.0 for percent in percents]

    # The library's own form, which other programs can read, too.

    def __getstate__(self) -> tuple[int, float, bytes]:
        return self._digits, self._sum, self._histogram.encode()

    def __setstate__(self, state: tuple[int, float, bytes]) -> None:
        self._digits, self._sum, encoded = state
        self._histogram = _empty(self._digits)
        self._histogram.decode_and_add(encoded)
