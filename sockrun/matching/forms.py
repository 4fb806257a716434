"""The table of matchers: key -> how it is compiled. A new form is one entry here."""

from __future__ import annotations

from collections.abc import Mapping

from sockrun.compiling.context import Context
from sockrun.matching import combined, documents, length, literals, patterns, shapes, structures, wildcards
from sockrun.matching.expectation import Expectation, Form, Request
from sockrun.source import Node

FORMS: Mapping[str, Form] = {
    "hex": wildcards.hexadecimal,
    "regex": patterns.regular_expression,
    "prefix": shapes.prefix,
    "suffix": shapes.suffix,
    "contains": shapes.contains,
    "length": length.length,
    "struct": structures.structure,
    "json": documents.document,
    "one_of": combined.one_of,
    "all_of": combined.all_of,
    "not": combined.negation,
    "any": shapes.anything,
}


def compile_matcher(node: Node, context: Context, *, keep: bool = False) -> Expectation | None:
    """What an `expect` wants; None, with the problem reported, where the node says nothing of the kind.

    `context.message` tells whether whole messages or an unframed stream will be judged. `keep`: all that is
    taken is wanted as `Match.data`, up to 16 MiB; without it, what is over 64 KiB may be left out. Every form
    of a payload is a matcher too: exactly these bytes.
    """
    form = next((FORMS[key] for key in node.mapping if key in FORMS), literals.literal)
    return form(Request(node, context, keep, compile_matcher))
