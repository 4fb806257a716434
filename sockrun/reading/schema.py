"""The shape of a file, held against the JSON Schema: the only module that imports `jsonschema`.

Lives here: finding the schema, reading its tables, asking it. Must not live here: which keys and values exist
(`schema/scenario.schema.json` says it, once and for all), how a mistake is worded (`schema_errors.py`), and
what keys mean (`builder.py` and after).

The one theory: the schema never chooses by trial (`oneOf`, `anyOf`). Where a mapping has one of several
forms (a step its verb, a payload its form), the form's own key chooses, through `dependentSchemas`, and says
in `propertyNames` what may stand beside it. So each error of the validator is already about one word. What
only accompanies a form is listed under `not`: a mapping that has nothing else is no form at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sockrun.diagnostics import MOST, Diagnostic, Invalid
from sockrun.reading.shapes import Shapes
from sockrun.records import NamedTuple
from sockrun.source import Node

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Part: TypeAlias = Literal["scenario", "fragment"]
Schema: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str | int, ...]

_FILE = "scenario.schema.json"

# --- the schema and its tables -----------------------------------------------------------------


@cache
def text() -> str:
    """The schema's own text. In a checkout it lies beside the package, in an installed package inside it."""
    package = Path(__file__).parent.parent
    installed = package / _FILE
    path = installed if installed.exists() else package.parent / "schema" / _FILE
    return path.read_text(encoding="utf-8")


def verbs() -> frozenset[str]:
    """What a step may do."""
    return frozenset(forms(definition("step")))


def bare_verbs() -> frozenset[str]:
    """The verbs that may stand alone, without a value."""
    return frozenset(definition("step")["then"]["enum"])


def payload_forms() -> frozenset[str]:
    """The keys that choose a form of payload."""
    return frozenset(forms(definition("payload")))


def matcher_forms() -> frozenset[str]:
    """The keys that choose a form of matcher, those of payloads among them."""
    return frozenset(forms(definition("matcher")))


def framing_forms() -> frozenset[str]:
    """The framings that are a mapping, by the key that chooses them."""
    return frozenset(forms(definition("framing")))


def framing_names() -> frozenset[str]:
    """The framings that are a word."""
    return frozenset(definition("framing")["then"]["enum"])


def ready_forms() -> frozenset[str]:
    """The conditions for a process being ready."""
    return frozenset(forms(definition("ready")))


def keys(name: str) -> frozenset[str]:
    """The keys of a mapping that the schema defines: 'role', 'process', 'socket', 'tls', 'step', ..."""
    return frozenset(definition(name)["properties"])


def companions(name: str, form: str) -> frozenset[str]:
    """What may stand beside a form: `companions("step", "include")` has `with`, `timeout` and `note`."""
    return frozenset(beside(definition(name), form)) - {form}


def definition(name: str) -> Schema:
    """A schema under `$defs`."""
    found: Schema = _schema()["$defs"][name]
    return found


def forms(owner: Schema) -> list[str]:
    """The keys that choose a form in a mapping that has one of several."""
    companion = owner["not"]["propertyNames"]["enum"]
    return [key for key in owner["dependentSchemas"] if key not in companion]


def beside(owner: Schema, form: str) -> Sequence[str]:
    """The keys that a mapping of this form may have, its own included."""
    branch = owner["dependentSchemas"].get(form, {})
    names: Schema = branch.get("propertyNames") or branch.get("else", {}).get("propertyNames", {})
    allowed: Sequence[str] = names.get("enum", ())
    return allowed


@cache
def _schema() -> Schema:
    import json  # start-up

    schema: Schema = json.loads(text())
    return schema


def _part(part: Part) -> Schema:
    return _schema() if part == "scenario" else definition(part)


# --- checking ----------------------------------------------------------------------------------


class Mistake(NamedTuple):
    """One error of the validator.

    `keyword`, `wanted`: the keyword of the schema that does not hold, and what it says.
    `schema`: where that keyword stands.
    `path`: the place of `value` in the file.
    `named`: `value` is a key of the mapping at `path`.
    `form`, `owner`: the form whose rule does not hold, and the schema that has a rule for each of its forms.
    """

    keyword: str
    wanted: Any
    schema: Any
    path: Place
    value: Any
    named: bool = False
    form: str | None = None
    owner: Schema | None = None


def check(root: Node, part: Part = "scenario", shapes: Shapes | None = None) -> list[Diagnostic]:
    """What is wrong with the shape of a file, by place; a `fragment` is a file for `include`.

    Raises: Invalid, where that is so much that the rest is not looked for.
    """
    text = root.span.source.text
    if shapes is not None and shapes.has(text, part):
        return []
    plain: Any = root.plain()
    errors = list(islice(_validator(part).iter_errors(plain), MOST + 1))
    if not errors:
        if shapes is not None:
            shapes.add(text, part)
        return []
    from sockrun.reading.schema_errors import explain  # here, since a file without mistakes should not pay for it

    found = explain(root, [_mistake(error, _part(part)) for error in errors])
    if max(len(errors), len(found)) > MOST:
        raise Invalid(found[:MOST])
    return found


@cache
def _validator(part: Part) -> Validator:
    """The one validator. That the schema is a valid schema is for the tests to say."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    make: Callable[[Schema], Validator] = extend(Draft202012Validator, {"$ref": _follow})  # type: ignore[no-untyped-call]
    return make(_part(part))


def _follow(validator: Any, reference: str, instance: object, schema: Schema) -> Iterator[ValidationError]:
    """References are local: followed without the general machinery, a check takes a fifth less time."""
    found: Iterator[ValidationError] = validator.descend(instance, _target(reference))
    return found


def _target(reference: str) -> Schema:
    return definition(reference.removeprefix("#/$defs/"))


def _mistake(error: ValidationError, root: Schema) -> Mistake:
    steps = list(error.absolute_schema_path)
    form, owner = None, None
    if "dependentSchemas" in steps:
        at = len(steps) - 1 - steps[::-1].index("dependentSchemas")
        form, owner = str(steps[at + 1]), _owner(root, steps[:at])
    return Mistake(
        keyword=str(error.validator),
        wanted=error.validator_value,
        schema=error.schema,
        path=tuple(error.absolute_path),
        value=error.instance,
        named=steps[-2:-1] == ["propertyNames"],
        form=form,
        owner=owner,
    )


def _owner(root: Schema, steps: Sequence[str | int]) -> Schema:
    """The schema with `dependentSchemas` at a path of the validator's, which leaves references out."""
    schema: Any = root
    for step in (*steps, "dependentSchemas"):
        while isinstance(schema, dict) and step not in schema:
            schema = _target(schema["$ref"])
        owner, schema = schema, schema[step]
    found: Schema = owner
    return found
