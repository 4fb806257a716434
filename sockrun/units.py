"""Durations, rates and shares as people write them: `250ms`, `100kB/s`, `10%`.

The schema has already held their spelling against the same patterns; a value that still does not parse
here came out of an expression. Must not live here: which key wants which of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "": 1.0}
_BYTES = {
    "B": 1,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
    "": 1,
}
_SHARES = {"%": 0.01, "": 1.0}
# The exponent is there for numbers: Python writes 0.00001 as 1e-05.
_FORM = r"([0-9]{1,40}(?:\.[0-9]{1,40})?(?:e[-+]?[0-9]{1,2})?)\s*([A-Za-z%]*)(/s)?"  # compiled where there is one


def seconds(text: str | int | float) -> float:
    """`250ms`, `2s`, `1m` or a number of seconds, in seconds. Raises: ValueError."""
    return _scaled(text, _SECONDS, "a duration such as 250ms, 2s or 1m")


def rate(text: str | int | float) -> float:
    """`100kB/s` or a number, in bytes a second; never 0. Raises: ValueError."""
    wanted = "a rate such as 100kB/s"
    found = _scaled(text, _BYTES, wanted, a_second=True)
    if not found:
        raise ValueError(f"{text!r} is not {wanted}: nothing would ever arrive")
    return found


def size(text: str | int | float) -> int:
    """`64kB`, `16MiB` or a number, in whole bytes; never 0. Raises: ValueError."""
    wanted = "a size such as 64kB or 16MiB"
    found = _scaled(text, _BYTES, wanted)
    if found < 1:
        raise ValueError(f"{text!r} is not {wanted}: no message would fit")
    return int(found)


def share(text: str | int | float) -> float:
    """`10%` or a number from 0 to 1, as a fraction. Raises: ValueError."""
    wanted = "a share such as 10%, or a number from 0 to 1"
    found = _scaled(text, _SHARES, wanted)
    if found > 1:
        raise ValueError(f"{text!r} is not {wanted}")
    return found


def _scaled(text: str | int | float, table: Mapping[str, float], wanted: str, *, a_second: bool = False) -> float:
    found = re.fullmatch(_FORM, str(text), re.ASCII)
    if found is None or found[2] not in table or (found[3] and not a_second):
        raise ValueError(f"{str(text)[:40]!r} is not {wanted}")
    return float(found[1]) * table[found[2]]
