"""Play again whenever a file has changed, until somebody ends it. The only home of `watchfiles`.

The one theory: what a run itself writes must not start the next one. So changes count while nothing plays; of those
that came meanwhile only those of scenario files, which no run writes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from sockrun.diagnostics import EnvironmentRefused, visible

MISSING = "--watch needs the package 'watchfiles': type `pip install 'sockrun[watch]'`"
_SCENARIO = (".yaml", ".yml")
_WAKE = 200  # ms until the first look at what changed while scenarios were played
_NAMED = 3  # changed files that are told by name
Stamps = dict[str, tuple[int, int]]


def check() -> None:
    """Raises: EnvironmentRefused, where the package is missing."""
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise EnvironmentRefused(MISSING) from None


def rounds(paths: Sequence[Path], say: Callable[[str], None]) -> Iterator[None]:
    """Yields each time that all is to be played, at once the first time; never ends by itself.

    Raises: KeyboardInterrupt, for a signal while it waits.
    """
    folders = sorted({path if path.is_dir() else path.parent for path in paths})
    while True:
        before = _stamps(folders)
        yield
        say(f"watching {', '.join(map(str, folders))}; Ctrl-C ends it")
        changed = [os.path.relpath(path) for path in sorted(_next_change(folders, before))]
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        say(f"\nchanged: {visible(', '.join(changed[:_NAMED]))}{more}")


def _next_change(folders: Sequence[Path], before: Stamps) -> set[str]:
    """Waits for it, and gives the files that have changed."""
    from watchfiles import watch

    first = True
    for found in watch(*folders, watch_filter=None, rust_timeout=_WAKE, yield_on_timeout=True):
        changed = {os.path.realpath(path) for _, path in found if counts(path, folders)}
        if first:  # now that nothing escapes any more
            changed |= {path for path, _ in before.items() ^ _stamps(folders).items()}
        if changed:
            return changed
        first = False
    raise KeyboardInterrupt


def counts(path: str, folders: Iterable[Path]) -> bool:
    """Whether a change of this file is a reason to play again: it lies in one of the folders, not hidden there."""
    real = Path(os.path.realpath(path))
    inside = [real.relative_to(folder) for folder in map(Path.resolve, folders) if real.is_relative_to(folder)]
    return any(not any(part.startswith(".") or part == "__pycache__" for part in one.parts) for one in inside)


def _stamps(folders: Iterable[Path]) -> Stamps:
    """When each scenario file was written (ns), and how long it is (bytes)."""
    found: Stamps = {}
    for folder in folders:
        for parent, below, files in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(".")]
            for file in (os.path.join(parent, name) for name in files if name.endswith(_SCENARIO)):
                try:
                    status = os.stat(file)
                except OSError:
                    continue  # it is gone, which is a change too
                found[os.path.realpath(file)] = (status.st_mtime_ns, status.st_size)
    return found
