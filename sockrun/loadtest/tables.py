"""The figures for other programs: JSON, with all of them, and CSV, with a line for each piece of the time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from sockrun import __version__
from sockrun.loadtest.figures import Figures, Interval
from sockrun.loadtest.latencies import Latencies
from sockrun.loadtest.summary import PERCENTILES
from sockrun.loadtest.thresholds import Condition

Told: TypeAlias = dict[str, Any]

COLUMNS = ("seconds", "users", "iterations", "failed", "p50", "p90", "p99", "p99.9", "max")


def as_json(identity: str, figures: Figures, conditions: Sequence[Condition]) -> str:
    """One object; durations are in seconds, sizes in bytes."""
    told: Told = {
        "sockrun": __version__,
        "scenario": identity,
        "seconds": round(figures.seconds, 6),
        "users": figures.most_users,
        "workers": figures.workers,
        "iterations": {
            "passed": figures.iterations,
            "failed": figures.failed,
            "unfinished": figures.unfinished,
            "delayed": figures.delayed,
            "rate": round(figures.rate, 3),
            "latency": _latency(figures.latencies),
        },
        "steps": {name: _latency(latencies) for name, latencies in figures.steps.items()},
        "errors": dict(figures.errors),
        "server_errors": dict(figures.server_errors),
        "connections": figures.connections,
        "bytes": {"sent": figures.sent, "received": figures.received},
        "loop": {"late": _latency(figures.late), "busy": round(figures.busy, 6)},
        "lost_workers": figures.lost,
        "conditions": [
            {"condition": one.text, "value": round(one.value(figures), 9), "failed": one.holds(figures)}
            for one in conditions
        ],
        "intervals": [dict(zip(COLUMNS, row, strict=True)) for row in rows(figures)],
    }
    return json.dumps(told, indent=1) + "\n"


def as_csv(figures: Figures) -> str:
    """A line for each interval (RFC 4180); durations are in seconds."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(rows(figures))
    return text.getvalue()


def rows(figures: Figures) -> list[tuple[float, ...]]:
    """The values of `COLUMNS` in each interval; it is named by the second that it begins with."""
    return [(number * figures.span, *_cells(interval)) for number, interval in enumerate(figures.intervals)]


def _cells(interval: Interval) -> tuple[float, ...]:
    latencies = interval.latencies
    percentiles = (round(value, 6) for value in latencies.all_at(PERCENTILES))
    return interval.users, interval.iterations, interval.failed, *percentiles, round(latencies.most, 6)


def _latency(latencies: Latencies) -> Told:
    told: Told = {
        f"p{percent:g}": value for percent, value in zip(PERCENTILES, latencies.all_at(PERCENTILES), strict=True)
    }
    told |= {"min": latencies.least, "max": latencies.most, "mean": latencies.mean}
    return {"count": latencies.count, **{name: round(value, 6) for name, value in told.items()}}
