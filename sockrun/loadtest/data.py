"""Rows of values for the iterations: a CSV file whose first line has the names (RFC 4180)."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence

from sockrun.compiling.constants import typed
from sockrun.loadtest.plan import Row
from sockrun.program import Program
from sockrun.records import dataclass
from sockrun.values import Value

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


@dataclass(frozen=True)
class Data:
    columns: Sequence[str] = ()
    rows: Sequence[Mapping[str, str]] = ()


def read(path: str) -> Data:
    """Raises: ValueError, with what is wrong with the file; OSError."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, cells) for cells in reader if cells]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} is no CSV file: {error}") from None
    if len(lines) < 2:
        raise ValueError(f"{path} has no row of values: the first line has the names, the values follow")
    _, columns = lines[0]
    for name in columns:
        if not NAME.fullmatch(name):
            raise ValueError(f"{path}:1: {name!r} is no name of a variable")
    if len(set(columns)) < len(columns):
        raise ValueError(f"{path}:1: two columns have the same name")
    for number, cells in lines[1:]:
        if len(cells) != len(columns):
            raise ValueError(f"{path}:{number}: this line has {len(cells)} values, and the first {len(columns)} names")
    return Data(columns, [dict(zip(columns, cells, strict=True)) for _, cells in lines[1:]])


def rows(data: Data, program: Program) -> list[Row]:
    """The values that the program asks for, of the kinds that it declares. Raises: ValueError."""
    return [
        {name: _value(text, name, number, program) for name, text in row.items() if name in program.late}
        for number, row in enumerate(data.rows, 1)
    ]


def _value(text: str, name: str, number: int, program: Program) -> Value:
    try:
        return typed(text, program.late[name])
    except ValueError as error:
        raise ValueError(f"row {number}: the value of {name!r} does not fit: {error}") from None
