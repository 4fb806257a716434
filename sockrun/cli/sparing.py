"""A command whose parameters are converted only where they need it.

The reason is start-up: typer makes its converters with pydantic, and to import that takes as long as all the rest of a
short run. What is text, a default or not given is right as it was typed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup


def _paths(words: Sequence[str]) -> list[Path] | None:
    return [Path(word) for word in words] if all(os.access(word, os.R_OK) for word in words) else None


# By the type of a parameter: its value from the words that were typed, or None where typer shall look at them.
PLAIN: dict[Any, Callable[[Any], object]] = {str: str, list[str]: list, list[Path]: _paths}


class SparingCommand(TyperCommand):
    def get_params(self, ctx: Any) -> Any:
        return _sparing(super().get_params(ctx))


class SparingGroup(TyperGroup):
    def get_params(self, ctx: Any) -> Any:
        return _sparing(super().get_params(ctx))


def _sparing(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        parameter.process_value = _processing(parameter)
    return parameters


def _processing(parameter: Any) -> Callable[[Any, Any], Any]:
    """The parameter's `process_value`, which is called with what was typed, or with the default."""
    convert = type(parameter).process_value
    plain = PLAIN.get(parameter.type_descriptor.annotation)

    def process_value(ctx: Any, value: Any) -> Any:
        found = value
        if value is None and (parameter.multiple or parameter.nargs == -1):
            found = ()
        elif value is not None and value is not parameter.default:
            found = None if plain is None else plain(value)
        if parameter.required or (found is None and value is not None):
            return convert(parameter, ctx, value)
        return found if parameter.callback is None else parameter.callback(ctx, parameter, found)

    return process_value
