"""What a YAML scalar means: the core schema of YAML 1.2.2 (section 10.3.2), and nothing of YAML 1.1.

So `on`, `no`, `1:30` and dates are text, `010` is ten, and digits are ASCII digits. Two departures: infinity
and not-a-number are refused, since no key of a scenario could use them, and so are numbers so long that
they are a mistake. Must not live here: YAML's grammar (`document.py`), and what a key wants.
"""

from __future__ import annotations

import math
import re

from sockrun.diagnostics import quoted
from sockrun.source import Scalar

MAX_NUMBER = 40

_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Compiled, and kept by `re`, when they are first looked for: many a file has no number.
_INTEGER = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
_NOT_FINITE = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
_SURROGATE = "[\ud800-\udfff]"
_BASES = {"0o": 8, "0x": 16}

_TYPES: dict[str, tuple[type, ...]] = {
    "!!str": (str,),
    "!!int": (int,),
    "!!float": (float, int),
    "!!bool": (bool,),
    "!!null": (type(None),),
}


def _resolve(text: str) -> Scalar:
    """What an unquoted scalar means. Raises: ValueError, for a number that cannot be used."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    integer = re.fullmatch(_INTEGER, text)
    if integer is None and re.fullmatch(_FLOAT, text) is None:
        if re.fullmatch(_NOT_FINITE, text):
            raise ValueError(f"{text} is not a number that can be used here")
        return text
    if len(text) > MAX_NUMBER:
        raise ValueError(f"the number {text[:12]}... has more than {MAX_NUMBER} characters")
    if integer:
        return int(text, _BASES.get(text[:2], 10))
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is not a number that can be used here")
    return number


def meaning(text: str, tag: str | None, plain: bool) -> Scalar:
    """What a scalar means; `plain` is one without quotes. Raises: ValueError, where it cannot be used."""
    if not text.isascii() and re.search(_SURROGATE, text):  # only PyYAML's own loader lets these pass
        raise ValueError("half of a surrogate pair is no character")
    if tag is not None:
        return _tagged(short_tag(tag), text)
    return _resolve(text) if plain else text


def _tagged(tag: str, text: str) -> Scalar:
    types = _TYPES.get(tag)
    if types is None:
        raise ValueError(f"the tag {quoted(tag)} is none of YAML's core tags for a scalar")
    value = text if tag == "!!str" else _resolve(text)
    if type(value) not in types:
        raise ValueError(f"the tag {quoted(tag)} does not fit {quoted(text)}")
    return float(value) if tag == "!!float" and isinstance(value, int) else value


def short_tag(tag: str) -> str:
    """A tag as people write it: `!!int` for `tag:yaml.org,2002:int`."""
    return tag.replace("tag:yaml.org,2002:", "!!", 1)
