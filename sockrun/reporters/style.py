"""Colours, where they are wanted: on a terminal, unless `NO_COLOR` is set (https://no-color.org)."""

from __future__ import annotations

import os
from typing import TextIO

_CODES = {"good": "32", "bad": "1;31", "odd": "33", "strong": "1", "dim": "2"}


class Style:
    """Paints text, or leaves it alone where `color` is false."""

    def __init__(self, color: bool) -> None:
        self.color = color

    def __call__(self, name: str, text: str) -> str:
        return f"\x1b[{_CODES[name]}m{text}\x1b[0m" if self.color else text


def style_for(stream: TextIO) -> Style:
    return Style(stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb")
