"""Writes the pages that say what stands elsewhere: keys.md, from the schema, and examples.md, from scenarios/.

`python docs/generate.py` after a change to either; the tests compare the pages with what this gives.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
TOP = HERE.parent
Schema = dict[str, Any]

KEYS = """# Every key

Made from the JSON Schema (`sockrun schema`), which editors complete and check by. What the keys do together is in
[language.md](language.md). A value may also be an expression in `${...}`.
"""

EXAMPLES = """# Examples

The scenarios that come with the source, each to be played as it stands: `sockrun run scenarios/tcp_hello.yaml`. Those
in `scenarios/real/` start a real program, or play the peer of one, and are skipped where it is not installed; each of
them has a twin, named `_fails`, with one thing wrong, which must fail and does.
"""


class Quoting(yaml.SafeDumper):
    """Text with line ends is in double quotes, so that it stays on its line."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, '"' if "\n" in data or "\0" in data else None)


Quoting.add_representer(str, Quoting.represent_str)


# --- keys --------------------------------------------------------------------------------------


def keys(schema: Schema) -> str:
    """The page of all keys: a section for each mapping that the language has, the outer ones first."""
    sections = list(_mappings(schema))
    headings = {id(mapping): heading for heading, mapping in sections}
    return "\n".join([KEYS, *(_section(heading, mapping, schema["$defs"], headings) for heading, mapping in sections)])


def _mappings(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Each mapping with keys of its own, once, with the heading of its section."""
    waiting, seen = deque([("A scenario", schema)]), set()
    while waiting:
        heading, mapping = waiting.popleft()
        if id(mapping) not in seen:
            seen.add(id(mapping))
            yield heading, mapping
            for key, entry in mapping["properties"].items():
                waiting += _inside(entry, f"`{key}` of {heading[0].lower()}{heading[1:]}", schema["$defs"], ())
            waiting += _inside({**mapping, "properties": None}, heading, schema["$defs"], ())


def _inside(entry: Schema, heading: str, defs: Schema, above: tuple[str, ...]) -> Iterator[tuple[str, Schema]]:
    """The mappings that a value may be or hold; `above` are the definitions that led here."""
    if entry.get("properties"):
        yield heading, entry
    target = entry.get("$ref", "").rpartition("/")[2]
    if target and target not in above:
        title = defs[target]["title"]
        named = title.startswith(("a ", "an ")) and "mapping" not in title  # else it says how it is written
        yield from _inside(defs[target], title[0].upper() + title[1:] if named else heading, defs, (*above, target))
    for part in ("items", "additionalProperties", "then", "else"):
        if isinstance(entry.get(part), dict):
            yield from _inside(entry[part], heading, defs, above)


def _section(heading: str, mapping: Schema, defs: Schema, headings: dict[int, str]) -> str:
    rows = [_row(key, entry, mapping, defs, headings) for key, entry in mapping["properties"].items()]
    table = "\n".join(["| key | value | meaning | example |", "| --- | --- | --- | --- |", *rows])
    return f"## {heading}\n\n{mapping['description']}\n\n{table}\n"


def _row(key: str, entry: Schema, mapping: Schema, defs: Schema, headings: dict[int, str]) -> str:
    needed = " (needed)" if key in mapping.get("required", ()) else ""
    cells = (
        f"`{key}`{needed}",
        _value(entry, defs, headings),
        entry["description"],
        _example(key, entry["examples"][0]),
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _value(entry: Schema, defs: Schema, headings: dict[int, str]) -> str:
    """What the value is, with a link to its own section."""
    target = defs[entry["$ref"].rpartition("/")[2]] if "$ref" in entry else entry
    choices = " or ".join(f"`{one}`" for one in target.get("enum", ()))
    words = entry.get("title") or target.get("title") or choices or "any value"
    heading = headings.get(id(target))
    return f"[{words}](#{_anchor(heading)})" if heading else words


def _example(key: str, value: object) -> str:
    """The key with this value, as YAML on one line."""
    text = yaml.dump(
        {key: value}, Dumper=Quoting, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return f"`{text.strip()[1:-1]}`"


def _anchor(heading: str) -> str:
    return "".join(c for c in heading.lower() if c.isalnum() or c in "_- ").replace(" ", "-")


# --- examples ----------------------------------------------------------------------------------


def examples(folder: Path) -> str:
    """The page of all scenarios in the folder and in its folder real/, but for the twins that fail."""
    files = [path for path in sorted(folder.glob("**/*.yaml")) if not path.stem.endswith("_fails")]
    rows = [_shown(path) for path in sorted(files, key=lambda path: (path.parent, path.name))]
    return "\n".join([EXAMPLES, "| file | name | what it shows |", "| --- | --- | --- |", *rows, ""])


def _shown(path: Path) -> str:
    scenario = yaml.safe_load(path.read_text("utf-8"))
    place = path.relative_to(TOP).as_posix()
    words = " ".join(str(scenario.get("description", "")).split())
    return f"| [{place.removeprefix('scenarios/')}](../{place}) | {scenario['name']} | {words} |"


def pages() -> dict[Path, str]:
    """Each page that is made, and its text."""
    schema = json.loads((TOP / "schema" / "scenario.schema.json").read_text("utf-8"))
    return {HERE / "keys.md": keys(schema), HERE / "examples.md": examples(TOP / "scenarios")}


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text, "utf-8")
