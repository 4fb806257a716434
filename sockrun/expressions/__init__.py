"""Expressions of the file, compiled once: `${...}` in texts, and the conditions of `check` and `when`."""

from sockrun.expressions.templates import (
    Expression,
    Reference,
    Template,
    compile_expression,
    compile_template,
    literal_text,
    written,
)

__all__ = ["Expression", "Reference", "Template", "compile_expression", "compile_template", "literal_text", "written"]
