"""The whole way from a file to its programs, in one function.

A stage is left out only where its input makes no sense: a file that is no YAML has no shape, and one of a
wrong shape has no model, unless only single steps are wrong (`holes.py`). All that is found on the way is
reported, once, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sockrun.compiling import checks
from sockrun.compiling.builder import build
from sockrun.compiling.compiler import compile_scenario
from sockrun.compiling.constants import combinations
from sockrun.compiling.context import Context
from sockrun.compiling.holes import with_holes
from sockrun.diagnostics import Diagnostic, Invalid, Problems, in_order
from sockrun.program import Program
from sockrun.reading import document, schema
from sockrun.source import Node, Source, Span

_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Options:
    """What the command line says about all scenarios. `timeout` (seconds) stands for each scenario's own."""

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    time_scale: float = 1.0
    timeout: float | None = None


@dataclass(frozen=True)
class Loaded:
    """A file and its programs: one for each combination of the matrix, none where there is an error."""

    path: str
    programs: tuple[Program, ...]
    diagnostics: tuple[Diagnostic, ...]


def find(paths: Sequence[Path]) -> list[Path]:
    """Files as they are given, and all scenario files below a folder, sorted; each once.

    Raises: Invalid, for every path that does not exist.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise Invalid([_no_such_path(path) for path in missing])
    found = (file for path in paths for file in (_below(path) if path.is_dir() else [path]))
    return list(dict.fromkeys(found))


def load(path: Path, options: Options | None = None) -> Loaded:
    """Read, check and compile a file. Raises nothing that is the file's fault: see `Loaded.diagnostics`."""
    try:
        source = document.load(path)
    except Invalid as invalid:
        return Loaded(str(path), (), invalid.diagnostics)
    return _load(source, path.parent, options or Options())


def load_text(text: str, name: str, options: Options | None = None) -> Loaded:
    """The same for text that is no file; `name` stands for its path."""
    return _load(Source(name, text), Path(name).parent, options or Options())


def _load(source: Source, pack: Path, options: Options) -> Loaded:
    """Several combinations of the matrix may find the same: `in_order` tells it once."""
    problems = Problems()
    programs: list[Program] = []
    try:
        root = document.read(source)
    except Invalid as invalid:
        return Loaded(source.path, (), invalid.diagnostics)
    problems.found.extend(schema.check(root))
    wrong = [diagnostic.span for diagnostic in problems.errors]
    usable = with_holes(root, wrong) if wrong else root
    if usable is not None:
        programs = list(_programs(usable, pack, options, problems))
    return Loaded(source.path, () if problems.errors else tuple(programs), tuple(in_order(problems.found)))


def _programs(root: Node, pack: Path, options: Options, problems: Problems) -> Iterable[Program]:
    for suffix, constants in combinations(root, options.variables, options.secrets, problems):
        context = Context(problems, constants, pack)
        scenario = build(root, context)
        compilation = compile_scenario(
            scenario, context, f"{root.span.source.path}{suffix}", options.time_scale, options.timeout
        )
        checks.check(root, compilation)
        yield compilation.program


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in _SUFFIXES and path.is_file())


def _no_such_path(path: Path) -> Diagnostic:
    span = Span(Source(str(path), ""), 1, 1, 1, 1)
    return Diagnostic("no-such-path", "there is no such file or folder", span)
