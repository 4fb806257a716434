"""The table of matchers: key -> where it is compiled. A new form is one entry here.

A module is loaded when a file uses one of its forms: most files use none.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from sockrun.compiling.context import Context
from sockrun.matching.expectation import Expectation, Form, Request
from sockrun.matching.literals import literal
from sockrun.source import Node

FORMS: Mapping[str, tuple[str, str]] = {  # the module and its function, which is a `Form`
    "hex": ("wildcards", "hexadecimal"),
    "regex": ("patterns", "regular_expression"),
    "prefix": ("shapes", "prefix"),
    "suffix": ("shapes", "suffix"),
    "contains": ("shapes", "contains"),
    "length": ("length", "length"),
    "struct": ("structures", "structure"),
    "json": ("documents", "document"),
    "one_of": ("combined", "one_of"),
    "all_of": ("combined", "all_of"),
    "not": ("combined", "negation"),
    "any": ("shapes", "anything"),
}


def compile_matcher(node: Node, context: Context, *, keep: bool = False) -> Expectation | None:
    """What an `expect` wants; None, with the problem reported, where the node says nothing of the kind.

    `context.message` tells whether whole messages or an unframed stream will be judged. `keep`: all that is
    taken is wanted as `Match.data`, up to 16 MiB; without it, what is over 64 KiB may be left out. Every form
    of a payload is a matcher too: exactly these bytes.
    """
    key = next((key for key in node.mapping if key in FORMS), None)
    form = literal if key is None else _form(*FORMS[key])
    return form(Request(node, context, keep, compile_matcher))


def _form(module: str, function: str) -> Form:
    found: Form = getattr(import_module(f"sockrun.matching.{module}"), function)
    return found
