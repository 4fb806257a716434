"""ARCHITECTURE.md holds: who may import whom, where each outside thing has its home, and how long things may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import sockrun

PACKAGE = Path(sockrun.__file__).parent

# Each layer and the layers it may import, which stand above it in this table: so no circle is possible.
# `wire.contents` (bytes in pieces), `compiling.context` and `compiling.scalars` (what every form is compiled with)
# are lower than the rest of their packages.
# `records` stands below all of them, and everybody may import it.
LAYERS: dict[str, str] = {
    "records": "",
    "source": "",
    "values": "",
    "units": "",
    "hexdump": "",
    "diagnostics": "source",
    "masking": "diagnostics hexdump source values",
    "commands": "values",
    "program": "commands masking source values",
    "results": "commands program source values",
    "expressions": "diagnostics values",
    "reading": "diagnostics source",
    "wire.contents": "hexdump values",
    "compiling.context": "diagnostics expressions source values wire.contents",
    "compiling.scalars": "compiling.context expressions source units values",
    "wire": "commands compiling.context compiling.scalars diagnostics expressions hexdump source values wire.contents",
    "matching": "commands compiling.context compiling.scalars diagnostics expressions hexdump source values wire "
    "wire.contents",
    "compiling": "commands compiling.context compiling.scalars diagnostics expressions hexdump masking matching "
    "program reading source units values wire wire.contents",
    "network": "commands diagnostics masking program values",
    "playing": "commands diagnostics hexdump masking network program results values",
    "reporters": "commands diagnostics hexdump program results source values",
    "pairing": "commands compiling diagnostics hexdump network playing program reading results source values",
    "drawing": "diagnostics pairing playing program reporters results",
    "auditing": "commands compiling diagnostics hexdump matching network playing program results source values wire",
    "outline": "commands diagnostics hexdump program values",
    "ending": "diagnostics",
    "choosing": "program",
    "remembering": "diagnostics program reading reporters results",
    "watching": "diagnostics",
    "capture": "diagnostics network reporters results",
    "session": "commands compiling diagnostics network playing program reporters results",
    "spreading": "commands compiling diagnostics network program reporters results session",
    "loadtest": "commands compiling diagnostics hexdump masking network playing program reporters results session "
    "source spreading units values",
    "templates": "",
    "recording": "commands compiling diagnostics network pairing playing program reporters results",
    "background": "commands network playing program reporters results",
    "exploring": "commands diagnostics hexdump masking network playing program reporters results values",
    "api": "auditing background commands compiling diagnostics network pairing playing program reporters results "
    "session spreading wire.contents",
    "testing": "api background compiling diagnostics network playing program reporters results",
    "cli": "auditing capture choosing commands compiling diagnostics drawing ending exploring loadtest network outline "
    "pairing playing program reading recording remembering reporters results session spreading templates units "
    "watching",
    "__main__": "cli",
    "": "api auditing background diagnostics program results",  # sockrun/__init__.py: the public names
}

# Outside modules that only some of ours may import.
HOMES: dict[str, str] = {
    "concurrent": "api spreading",
    "dataclasses": "records",  # whose classes are made more quickly: start-up
    "distributed": "spreading.pools spreading.crews",
    "hdrh": "loadtest.latencies",
    "fcntl": "network",
    "multiprocessing": "spreading",
    "_pytest": "testing",
    "jsonschema": "reading.schema",
    "pytest": "testing",
    "regex": "masking matching",
    "selectors": "network",
    "signal": "network __main__",
    "socket": "network",
    "ssl": "network",
    "subprocess": "network",
    "termios": "network",
    "threading": "background spreading.work spreading.crews",
    "cryptography": "network.authority",
    "dpkt": "recording.captures",
    "trustme": "network.authority",
    "typer": "cli",
    "watchfiles": "watching",
    "yaml": "reading.document",
}
# One loop, one thread; a second thread is there for the caller of `background` alone, and other processes each have
# a run of their own (`spreading`).
NOWHERE = frozenset({"asyncio"})
FILE_LINES, FUNCTION_LINES = 450, 60


class Import(NamedTuple):
    file: str
    line: int
    importer: str
    imported: str


def modules() -> Iterator[tuple[str, Path, ast.Module]]:
    """Each module's name below `sockrun`, its file, its code; a package has its own name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path, ast.parse(path.read_text("utf-8"))


MODULES = list(modules())
NAMES = {name for name, _, _ in MODULES}


def imports() -> Iterator[Import]:
    """Every import, those inside functions and those for types only too."""
    for importer, path, tree in MODULES:
        for node in ast.walk(tree):
            for imported in _named(node):
                yield Import(str(path.relative_to(PACKAGE)), getattr(node, "lineno", 0), importer, imported)


def _named(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, "an import says the whole name"
    return [_deepest(node.module or "", alias.name) for alias in node.names]


def _deepest(module: str, name: str) -> str:
    """`from sockrun.playing import quiet` is an import of `sockrun.playing.quiet`."""
    return f"{module}.{name}" if f"{module}.{name}".removeprefix("sockrun.") in NAMES else module


def layer(module: str) -> str:
    """The layer that a module of ours belongs to: itself where it is named, else its package."""
    return module if module in LAYERS else module.partition(".")[0]


def test_every_module_has_a_layer_and_every_layer_a_module() -> None:
    assert {layer(name) for name in NAMES} == set(LAYERS)


def test_the_table_of_layers_has_no_circle() -> None:
    """Each layer names only layers above it in the table, which are lower ones."""
    seen: set[str] = set()
    for name, allowed in LAYERS.items():
        assert set(allowed.split()) <= seen, name
        seen.add(name)


def test_a_lower_layer_never_imports_a_higher_one() -> None:
    wrong = []
    for found in imports():
        if not found.imported.startswith("sockrun."):
            continue
        ours, theirs = layer(found.importer), layer(found.imported.removeprefix("sockrun."))
        if theirs not in (ours, "records", *LAYERS[ours].split()):
            wrong.append(found)
    assert wrong == []


def test_each_outside_thing_has_one_home() -> None:
    """A module that only one place may use is imported nowhere else."""
    wrong = []
    for found in imports():
        outside = found.imported.partition(".")[0]
        homes = HOMES.get(outside, "").split()
        if outside in HOMES and not any(f"{found.importer}.".startswith(f"{home}.") for home in homes):
            wrong.append(found)
    assert wrong == []


def test_there_is_one_loop_and_one_thread() -> None:
    assert [found for found in imports() if found.imported.partition(".")[0] in NOWHERE] == []


@pytest.mark.parametrize(("name", "path", "tree"), MODULES, ids=[name or "sockrun" for name, _, _ in MODULES])
def test_a_module_and_its_functions_can_be_read_in_one_go(name: str, path: Path, tree: ast.Module) -> None:
    assert path.read_text("utf-8").count("\n") <= FILE_LINES, f"{path.name} is too long: split it by its ideas"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= FUNCTION_LINES, f"{name}.{node.name} has {lines} lines"


@pytest.mark.parametrize(("name", "path", "tree"), MODULES, ids=[name or "sockrun" for name, _, _ in MODULES])
def test_named_tuples_are_those_of_records(name: str, path: Path, tree: ast.Module) -> None:
    """Those of `typing` take ten times as long to make: start-up."""
    taken = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "typing"]
    found = [alias.name for node in taken for alias in node.names]
    assert name == "records" or "NamedTuple" not in found


@pytest.mark.parametrize(("name", "path", "tree"), MODULES, ids=[name or "sockrun" for name, _, _ in MODULES])
def test_a_module_says_what_lives_there(name: str, path: Path, tree: ast.Module) -> None:
    assert not tree.body or ast.get_docstring(tree), f"{path.name} has no docstring"
