"""What is wrong with a file's shape, said about its own words.

Lives here: from the validator's errors to diagnostics with places, one for each cause. Must not live here:
asking the validator, and which forms there are (`schema.py`).

The one theory: the schema's titles are noun phrases ('a duration such as 250ms, 2s or 1m'), and messages are
made of them. A new kind of value needs a title there and nothing here. `EXPLAIN` has one entry for each
keyword of JSON Schema that the schema uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal, TypeAlias

from sockrun.diagnostics import MOST, Diagnostic, did_you_mean, in_order, quoted
from sockrun.reading.schema import Mistake, Place, Schema, bare_verbs, beside, definition, forms, matcher_forms, verbs
from sockrun.records import NamedTuple
from sockrun.source import Node, Span


class Finding(NamedTuple):
    """Of several findings about the same key, or the same value, the one with the lowest rank is told."""

    diagnostic: Diagnostic
    about: Literal["key", "value", "lack"]
    rank: int = 0


def explain(root: Node, mistakes: Iterable[Mistake]) -> list[Diagnostic]:
    """The diagnostics for the errors of one file, in the order of its places."""
    file = _File(root)
    best: dict[tuple[str, Span], Finding] = {}
    # Unknown keys first: a key that is missing may be there with a slip in it.
    for mistake in sorted(mistakes, key=lambda mistake: mistake.keyword != "additionalProperties"):
        for finding in _findings(file, mistake):
            place = (finding.about, finding.diagnostic.span)
            if place not in best or finding.rank < best[place].rank:
                best[place] = finding
    return in_order(finding.diagnostic for finding in best.values())


class _File:
    """Places in one file, and the unknown keys that were found in each of its mappings."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.unknown: dict[Place, list[str]] = {}

    def node(self, path: Place) -> Node:
        node = self.root
        for part in path:
            node = node.mapping[part] if isinstance(part, str) else node.items[part]
        return node

    def value(self, path: Place) -> Span:
        """The value itself, or, where it goes over several lines, a short place that stands for it."""
        span = self.node(path).span
        return span if span.line == span.end_line else self.head(path)

    def key(self, path: Place, key: str) -> Span:
        """The place of a key in the mapping at `path`."""
        return self.node(path).keys[key]

    def head(self, path: Place) -> Span:
        """A short place that stands for all of the value at `path`: the key before it, or its first key."""
        if path and isinstance(path[-1], str):
            return self.key(path[:-1], path[-1])
        node = self.node(path)
        return next(iter(node.keys.values()), node.span)


def _findings(file: _File, mistake: Mistake) -> Iterator[Finding]:
    if mistake.value is None and not mistake.named:
        yield _nothing(file, mistake)
    else:
        yield from EXPLAIN[mistake.keyword](file, mistake)


def _nothing(file: _File, mistake: Mistake) -> Finding:
    key = _label(mistake)
    message = f"nothing stands after {quoted(key)}" if _is_entry(mistake) else "this entry is empty"
    return Finding(Diagnostic("no-value", message, file.head(mistake.path)), "value")


# --- keys --------------------------------------------------------------------------------------


def _unknown_keys(file: _File, mistake: Mistake) -> Iterator[Finding]:
    known = mistake.schema["properties"]
    unknown = (key for key in mistake.value if key not in known)
    for key in islice(unknown, MOST + 1):
        file.unknown.setdefault(mistake.path, []).append(key)
        message = f"unknown key {_shown(key)} in {_subject(mistake)}"
        hint = _elsewhere(mistake, key) or did_you_mean(key, known) or _allowed(known)
        yield Finding(Diagnostic("unknown-key", message, file.key(mistake.path, key), hint), "key")


def _elsewhere(mistake: Mistake, key: str) -> str | None:
    """The hint for a word that is right in another place: beside the verb, or in a matcher."""
    path = mistake.path
    in_step = len(path) > 1 and isinstance(path[-2], int) and path[-3] != "react"
    if in_step and key in beside(definition("step"), str(path[-1])):
        return f"it stands beside {quoted(str(path[-1]))}, one level up"
    if mistake.schema is definition("payload") and key in matcher_forms():
        return "only a matcher has it, and this is a payload"
    return None


def _allowed(words: Iterable[object], most: int = 12) -> str | None:
    """A hint that lists what may stand here, where that is a short list."""
    listed = [_written(word) for word in words]
    return f"allowed here: {', '.join(listed)}" if len(listed) <= most else None


def _name(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """A key that is no name, or (`not`) one that expressions cannot use; or a value that must be a name."""
    if mistake.keyword == "not":
        message = f"{quoted(mistake.value)} is a word of the expression language and cannot be a name"
    else:
        message = f"{_shown(mistake.value)} is not {mistake.schema['title']}"
    span = file.key(mistake.path, mistake.value) if mistake.named else file.value(mistake.path)
    yield Finding(Diagnostic("bad-name", message, span), "key" if mistake.named else "value")


def _misplaced(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """A key that does not go with the form that was chosen."""
    owner, form, key = _rule(mistake)
    rivals, takers = _rivals(owner, file.node(mistake.path)), _takers(owner, key)
    if len(rivals) > 1:
        yield _several_forms(file, mistake, rivals)
    elif takers:  # else it is no key at all, and told as that
        message = f"{quoted(key)} does not go with {quoted(form)}"
        hint = f"it goes with {_listed(takers)}"
        yield Finding(Diagnostic("misplaced-key", message, file.key(mistake.path, key), hint), "key", 2)


def _rivals(owner: Schema, node: Node) -> list[str]:
    """The forms that a mapping has, without those that may stand beside another (`repeat` beside `send`)."""
    written = [word for word in node.mapping if word in forms(owner)]
    return [word for word in written if not any(word in beside(owner, other) for other in written if other != word)]


def _several_forms(file: _File, mistake: Mistake, written: list[str]) -> Finding:
    owner, _, _ = _rule(mistake)
    title, noun = owner["title"], _noun(owner)
    message = f"{title} has one {noun}, here are {_counted(written)}"
    hint = "write a step of its own for each" if noun == "verb" else None
    return Finding(Diagnostic(f"several-{noun}s", message, file.key(mistake.path, written[1]), hint), "key", 1)


def _rule(mistake: Mistake) -> tuple[Schema, str, str]:
    """The schema with forms, the form whose rule does not hold, and the key that it does not hold for."""
    assert mistake.owner is not None
    assert mistake.form is not None
    return mistake.owner, mistake.form, mistake.value


def _no_form(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """`not` on a mapping with forms: it has only companions of a form, or nothing."""
    owner, noun = mistake.schema, _noun(mistake.schema)
    message = f"{owner['title']} needs a {noun}"
    hint = _form_hint(owner, mistake.value)
    yield Finding(Diagnostic(f"no-{noun}", message, file.head(mistake.path), hint), "lack")


def _form_hint(owner: Schema, written: Iterable[str]) -> str | None:
    """What the lonely companion goes with; where it goes with many, what there is."""
    for key in written:
        if len(takers := _takers(owner, key)) <= 3:
            return f"{quoted(key)} goes with {_listed(takers)}"
    if owner is definition("step"):
        return f"say what is done, for example {_listed(forms(owner)[:2])}"
    return _allowed(forms(owner), most=20)


def _not(file: _File, mistake: Mistake) -> Iterator[Finding]:
    return (_name if "enum" in mistake.wanted else _no_form)(file, mistake)


def _required(file: _File, mistake: Mistake) -> Iterator[Finding]:
    slips = file.unknown.get(mistake.path, ())
    missing = [key for key in mistake.wanted if key not in mistake.value and not did_you_mean(key, slips)]
    if not missing:
        return
    if mistake.owner is not None and mistake.form is not None:
        if len(_rivals(mistake.owner, file.node(mistake.path))) > 1:
            return
        message = f"{quoted(mistake.form)} needs {_listed(missing, 'and')} beside it"
        span = file.key(mistake.path, mistake.form)
    else:
        message = f"{_subject(mistake)} needs {_listed(missing, 'and')}"
        span = file.head(mistake.path)
    yield Finding(Diagnostic("missing-key", message, span), "lack")


def _takers(owner: Schema, key: str) -> list[str]:
    """The forms beside which `key` may stand."""
    return [form for form in forms(owner) if key in beside(owner, form)]


def _noun(owner: Schema) -> str:
    return "verb" if owner is definition("step") else "form"


# --- values ------------------------------------------------------------------------------------


def _type(file: _File, mistake: Mistake) -> Iterator[Finding]:
    types = [mistake.wanted] if isinstance(mistake.wanted, str) else mistake.wanted
    expected = mistake.schema.get("title") or " or ".join(_TYPES[word] for word in types if word != "null")
    message = f"expected {expected}, found {_kind(mistake.value)}"
    hint = _type_hint(mistake, types)
    yield Finding(Diagnostic("wrong-type", message, file.value(mistake.path), hint), "value", 1)


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "a mapping"


def _type_hint(mistake: Mistake, types: list[str]) -> str | None:
    scalar = isinstance(mistake.value, bool | int | float)
    text = "string" in types and not {"number", "integer", "boolean"}.intersection(types)
    if scalar and any(mistake.schema is definition(name) for name in ("payload", "matcher")):
        meaning = "word" if isinstance(mistake.value, bool) else "digits, or write [1, 2] for bytes"
        return f"put it in quotes for its {meaning}"
    if scalar and text and "if" not in mistake.schema:  # a word of a few is no nearer in quotes
        return "put it in quotes"
    return "begin each entry with '-', or write [one, two]" if types == ["array"] else None


def _pattern(file: _File, mistake: Mistake) -> Iterator[Finding]:
    message = f"{_shown(mistake.value)} is not {mistake.schema['title']}"
    yield Finding(Diagnostic("bad-value", message, file.value(mistake.path)), "value", 2)


def _enum(file: _File, mistake: Mistake) -> Iterator[Finding]:
    words = [word for word in mistake.wanted if word is not None]
    if mistake.schema is definition("step")["then"]:
        yield _not_alone(file, mistake)
        return
    if len(words) == 1:
        message, hint = f"{quoted(_label(mistake))} must be {_written(words[0])}", None
    else:
        message = f"{_shown(mistake.value)} is not one of {', '.join(map(_written, words))}"
        hint = did_you_mean(str(mistake.value), [word for word in words if isinstance(word, str)])
    yield Finding(Diagnostic("bad-value", message, file.value(mistake.path), hint), "value", 2)


def _not_alone(file: _File, mistake: Mistake) -> Finding:
    """A step that is a word, and none of the verbs that take nothing."""
    word = str(mistake.value)
    verb, colon, _ = word.partition(":")
    if word in verbs():
        message, hint = f"nothing stands after {quoted(word)}", f"write '{word}: ...'"
    elif colon and verb in verbs():
        message, hint = f"{_shown(word)} is text, not a step", f"put a space after the colon of '{verb}:'"
    else:
        message = f"{_shown(word)} is not a step"
        hint = did_you_mean(word, verbs()) or f"alone may stand: {', '.join(sorted(bare_verbs()))}"
    return Finding(Diagnostic("bad-step", message, file.value(mistake.path), hint), "value", 2)


def _range(file: _File, mistake: Mistake) -> Iterator[Finding]:
    low, high = mistake.schema.get("minimum"), mistake.schema.get("maximum")
    if "exclusiveMinimum" in mistake.schema:
        rule = f"must be more than {mistake.schema['exclusiveMinimum']}"
    else:
        rule = f"is less than {low}" if high is None else f"is not between {low} and {high}"
    subject = f"{_label(mistake)} {mistake.value}" if _is_entry(mistake) else f"{mistake.value}"
    yield Finding(Diagnostic("out-of-range", f"{subject} {rule}", file.value(mistake.path)), "value", 2)


def _empty(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """`minLength`, `minItems` and `minProperties`, which the schema only uses with 1."""
    message = f"{quoted(_label(mistake))} is empty" if _is_entry(mistake) else "this entry is empty"
    yield Finding(Diagnostic("empty", message, file.value(mistake.path)), "value", 2)


def _several_roles(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """`maxProperties`, which the schema only uses for the scenario's own steps."""
    names = list(mistake.value)
    message = f"{mistake.schema['title']} names one role, here are {_counted(names)}"
    span = file.key(mistake.path, names[1])
    yield Finding(Diagnostic("several-roles", message, span, "begin an entry of its own for each"), "key", 1)


def _repeated(file: _File, mistake: Mistake) -> Iterator[Finding]:
    """`uniqueItems`."""
    values = mistake.value
    at = next(index for index, value in enumerate(values) if _seen(value, values[:index]))
    message = f"{_shown(values[at])} stands in this list twice"
    yield Finding(Diagnostic("repeated", message, file.value((*mistake.path, at))), "value", 2)


def _seen(value: object, before: list[object]) -> bool:
    """Whether the value is among these; 1 and true are two values."""
    return any(type(value) is type(other) and value == other for other in before)


# --- words -------------------------------------------------------------------------------------


def _label(mistake: Mistake) -> str:
    """The key that the value stands under, directly or in a list."""
    return next((part for part in reversed(mistake.path) if isinstance(part, str)), "scenario")


def _subject(mistake: Mistake) -> str:
    """What a mapping is called: by the key it stands under, else by its kind."""
    title: str = mistake.schema["title"]
    return quoted(_label(mistake)) if _is_entry(mistake) else title


def _is_entry(mistake: Mistake) -> bool:
    """Whether the value stands directly behind a key."""
    return bool(mistake.path) and isinstance(mistake.path[-1], str)


def _shown(value: object) -> str:
    return quoted(value.replace("\n", "\\n")) if isinstance(value, str) else _written(value)


def _written(value: object) -> str:
    """As YAML has it."""
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _counted(words: list[str]) -> str:
    """'two: send, expect'."""
    number = {2: "two", 3: "three", 4: "four"}.get(len(words), str(len(words)))
    return f"{number}: {', '.join(words)}"


def _listed(words: list[str], conjunction: str = "or") -> str:
    *first, last = [quoted(word) for word in words]
    return f"{', '.join(first)} {conjunction} {last}" if first else last


_Explain: TypeAlias = Callable[[_File, Mistake], Iterator[Finding]]

EXPLAIN: dict[str, _Explain] = {
    "additionalProperties": _unknown_keys,
    "required": _required,
    "not": _not,
    "type": _type,
    "pattern": lambda file, mistake: (_name if mistake.named else _pattern)(file, mistake),
    "enum": lambda file, mistake: (_misplaced if mistake.named else _enum)(file, mistake),
    "minimum": _range,
    "maximum": _range,
    "exclusiveMinimum": _range,
    "minLength": _empty,
    "minItems": _empty,
    "minProperties": _empty,
    "maxProperties": _several_roles,
    "uniqueItems": _repeated,
}
