"""The whole way from a file to its programs, in one function.

A stage is left out only where its input makes no sense: a file that is no YAML has no shape, and one whose shape is
wrong has no model, unless what is wrong can be cut out (`holes.py`). All that is found on the way is
reported, once, in the order of the file.
"""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sockrun.compiling import checks, includes, secrecy, untrusted
from sockrun.compiling.builder import build
from sockrun.compiling.compiler import Compilation, compile_scenario
from sockrun.compiling.constants import combinations, set_apart
from sockrun.compiling.context import Context, Room
from sockrun.compiling.holes import unknown, with_holes
from sockrun.compiling.swaps import Swaps
from sockrun.diagnostics import Diagnostic, Invalid, Problems, in_order
from sockrun.program import Program
from sockrun.reading import document, schema
from sockrun.reading.shapes import Shapes
from sockrun.records import dataclass, field, replace
from sockrun.source import Node, Source, Span
from sockrun.values import Value
from sockrun.wire.contents import MESSAGE_LIMIT

if TYPE_CHECKING:
    from sockrun.masking import Mask

_SUFFIXES = (".yaml", ".yml")
_FOREIGN = frozenset({"node_modules"})


@dataclass(frozen=True)
class Options:
    """What the command line says about all scenarios. `timeout` (seconds) stands for each scenario's own.

    `folders` are those that were named: each is a pack, with all that lies in it. `max_message` is in bytes. `shapes`:
    which texts need not be held against the schema. `late`: names that have a value only when it is played, each with
    one of its kind. `traps`: what is legal and seldom meant is looked for, too.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    time_scale: float = 1.0
    timeout: float | None = None
    folders: Sequence[Path] = ()
    swaps: Swaps = field(default_factory=Swaps)
    untrusted: bool = False
    max_message: int = MESSAGE_LIMIT
    shapes: Shapes | None = None
    late: Mapping[str, Value] = field(default_factory=dict)
    traps: bool = True

    def folder(self, path: Path) -> Path | None:
        """The first of `folders` that the file lies in; None for one that was named itself."""
        real = os.path.realpath(path)
        return next((folder for folder in self.folders if _lies_in(real, os.path.realpath(folder))), None)


@dataclass(frozen=True)
class Loaded:
    """A file and its programs: one for each combination of the matrix, none where there is an error.

    A `fragment` is no scenario: its steps are there to be included.
    """

    path: str
    programs: tuple[Program, ...]
    diagnostics: tuple[Diagnostic, ...]
    fragment: bool = False

    @property
    def errors(self) -> list[Diagnostic]:
        return [diagnostic for diagnostic in self.diagnostics if diagnostic.severity == "error"]


def find(paths: Sequence[Path]) -> list[Path]:
    """Files as they are given, and all scenario files below a folder, sorted; each once.

    Raises: Invalid, for every path that does not exist.
    """
    missing = [path for path in paths if not os.path.exists(path)]  # unlike pathlib it bears every name
    if missing:
        raise Invalid([_no_such_path(path) for path in missing])
    found = (file for path in paths for file in (_below(path) if path.is_dir() else [path]))
    return list(dict.fromkeys(found))


def load(path: Path, options: Options | None = None) -> Loaded:
    """Read, check and compile a file. Raises nothing that is the file's fault: see `Loaded.diagnostics`."""
    options = options or Options()
    try:
        source = document.load(path)
    except Invalid as invalid:
        return _refused(str(path), invalid)
    return _load(source, options.folder(path) or path.parent, options)


def load_scenario(path: Path, options: Options | None = None) -> Loaded:
    """The same for playing: a fragment is passed over in a folder, and an error where it was named itself."""
    options = options or Options()
    loaded = load(path, options)
    if not loaded.fragment:
        return loaded
    return Loaded(loaded.path, (), () if options.folder(path) else (_no_scenario(path),), True)


def load_text(text: str, name: str, options: Options | None = None) -> Loaded:
    """The same for text that is no file; `name` stands for its path."""
    return _load(Source(name, text), Path(name).parent, options or Options())


def _load(source: Source, pack: Path, options: Options) -> Loaded:
    """Whatever is wrong, and however early that is found, is told without the file's secrets."""
    mask, problems = None, Problems()
    try:
        root = document.read_with_gaps(source, problems)
        _check_trust(root, options)
        mask = secrecy.mask_of(root, options.variables, options.secrets)
        loaded = _loaded(root, pack, options, mask, problems)
    except Invalid as invalid:  # it is no YAML, or so much is wrong that nothing more is looked for
        loaded = Loaded(source.path, (), invalid.diagnostics)
    if problems.errors:
        loaded = _guessing(loaded, source.text)
    return _discreetly(loaded, mask)


def _discreetly(loaded: Loaded, mask: Mask | None) -> Loaded:
    return loaded if mask is None else replace(loaded, diagnostics=tuple(map(mask.diagnostic, loaded.diagnostics)))


def _refused(path: str, invalid: Invalid) -> Loaded:
    """Where nobody knows the secrets of a file, since it cannot be read, what looks like one is hidden."""
    return _guessing(Loaded(path, (), invalid.diagnostics), invalid.diagnostics[0].span.source.text)


def _guessing(loaded: Loaded, text: str) -> Loaded:
    from sockrun.masking import guessed  # start-up

    return _discreetly(loaded, guessed(text))


def _loaded(root: Node, pack: Path, options: Options, mask: Mask | None, problems: Problems) -> Loaded:
    """Several combinations of the matrix may find the same: `in_order` tells it once. Raises: Invalid."""
    programs: list[Program] = []
    source = root.span.source
    fragment = includes.is_fragment(root)
    gaps = {diagnostic.span for diagnostic in problems.errors if diagnostic.code in document.GAPS}
    told = gaps.union(_keys_of(root, gaps) if gaps else ())
    found = schema.check(root, "fragment" if fragment else "scenario", options.shapes)
    shape = [diagnostic for diagnostic in found if diagnostic.span not in told]
    problems.found.extend(shape)
    if fragment:
        return Loaded(source.path, (), tuple(in_order(problems.found)), True)
    wrong = [*gaps, *(diagnostic.span for diagnostic in shape)]
    usable = with_holes(root, wrong) if wrong else root
    if usable is not None:
        whole = includes.expanded(usable, pack, problems, options.shapes)
        _check_trust(whole, options)
        programs = [_discreet(program, mask) for program in _programs(whole, pack, options, problems)]
    return Loaded(source.path, () if problems.errors else tuple(programs), tuple(in_order(problems.found)))


def _keys_of(node: Node, places: Container[Span]) -> Iterator[Span]:
    """The keys whose values stand at these places."""
    for key, entry in node.mapping.items():
        if entry.span in places:
            yield node.keys[key]
    for entry in node.items or node.mapping.values():
        yield from _keys_of(entry, places)


def _check_trust(root: Node, options: Options) -> None:
    """Raises: Invalid, where an untrusted file says what only a trusted one may."""
    if options.untrusted:
        problems = Problems()
        untrusted.check(root, problems)
        problems.raise_errors()


def _swapped(compilation: Compilation, swaps: Swaps) -> Program:
    if not swaps.any:
        return compilation.program
    from sockrun.compiling.swapping import swap  # start-up

    return swap(compilation, swaps)


def _discreet(program: Program, mask: Mask | None) -> Program:
    """The program with its mask, and without secrets in the words that are shown before it plays."""
    if mask is None:
        return program
    return replace(
        program,
        id=mask.text(program.id),
        name=mask.text(program.name),
        description=mask.text(program.description),
        tags=tuple(map(mask.text, program.tags)),
        mask=mask,
    )


def _programs(root: Node, pack: Path, options: Options, problems: Problems) -> Iterable[Program]:
    room = Room()
    for suffix, constants in combinations(root, options.variables, options.secrets, problems):
        known, late = set_apart(constants, options.late)
        context = Context(problems, known, pack, folder=Path(root.span.source.path).parent, room=room, late=late)
        context.max_message = options.max_message
        context.unknown = unknown(root, constants)
        secrecy.check_late(root, late, problems)
        scenario = build(root, context)
        compilation = compile_scenario(
            scenario, context, f"{root.span.source.path}{suffix}", options.time_scale, options.timeout
        )
        checks.check(root, compilation)
        if options.traps and not problems.errors:
            from sockrun.compiling import traps  # start-up: a run shows no warnings

            traps.check(compilation)
        secrecy.warn(root, constants, problems)
        program = _swapped(compilation, options.swaps)
        yield replace(program, untrusted=True) if options.untrusted else program


def _below(folder: Path) -> list[Path]:
    """The files in a folder and the folders in it, but for what is hidden or belongs to another tool."""
    found: list[Path] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not (name.startswith(".") or _is_foreign(parent, name))]
        found.extend(Path(parent, name) for name in files if name.endswith(_SUFFIXES) and not name.startswith("."))
    return sorted(path for path in found if path.is_file())


def _is_foreign(parent: str, name: str) -> bool:
    """Whether the folder has what others have written: packages of npm, or a virtual environment (PEP 405)."""
    return name in _FOREIGN or os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _no_such_path(path: Path) -> Diagnostic:
    return Diagnostic("no-such-path", "there is no such file or folder", _nowhere(path))


def _no_scenario(path: Path) -> Diagnostic:
    message = "this is a file of steps, and no scenario: it has no 'roles'"
    return Diagnostic("fragment", message, _nowhere(path), "play a scenario that includes it")


def _nowhere(path: Path) -> Span:
    return Span(Source(str(path), ""), 1, 1, 1, 1)
