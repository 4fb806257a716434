"""How a run is told: on the terminal, and in files for other programs.

Lives here: one module a form. Must not live here: any verdict. A reporter only reads what `results.py` holds,
and is told of it through the five methods of `base.Reporter`, in the order in which it happens.
"""

from __future__ import annotations

from collections.abc import Callable

from sockrun.reporters.base import Reporter


def _junit(path: str) -> Reporter:
    from sockrun.reporters.junit import JUnit

    return JUnit(path)


def _json(path: str) -> Reporter:
    from sockrun.reporters.jsonl import JsonLines

    return JsonLines(path)


def _tap(path: str) -> Reporter:
    from sockrun.reporters.tap import Tap

    return Tap(path)


def _html(path: str) -> Reporter:
    from sockrun.reporters.page.writing import Page

    return Page(path)


# The reports that go into a file, by their option's name; `-` stands for standard output. Each is imported
# only where it is asked for: a run that reports to nobody should not pay for it.
FILE_REPORTERS: dict[str, Callable[[str], Reporter]] = {"junit": _junit, "json": _json, "tap": _tap, "html": _html}
