"""A scenario's own temporary folder, `${dir}`: made when somebody first asks for it, removed at the end.

Its path is short, since a unix socket's path holds 107 bytes (unix(7)).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from sockrun.diagnostics import EnvironmentRefused
from sockrun.playing.frame import StepFailed
from sockrun.program import FileProgram, file_name
from sockrun.results import Failure, FailureKind
from sockrun.values import Scope

BASE = "/tmp"
ATTEMPTS, PAUSE = 5, 0.01  # to remove it; seconds between two, in which the loop stands still


def inside(path: str, *folders: str) -> bool:
    """Whether the path lies in one of the folders, whatever links and `..` are on its way."""
    real = os.path.realpath(path)
    return any(os.path.commonpath([real, os.path.realpath(folder)]) == os.path.realpath(folder) for folder in folders)


class Workspace:
    def __init__(self) -> None:
        self._folder: str | None = None

    def folder(self) -> str:
        """The folder's absolute path. Raises: EnvironmentRefused."""
        if self._folder is None:
            base = os.environ.get("TMPDIR") or BASE
            folder = os.path.join(base, f"sockrun-{os.urandom(4).hex()}")
            try:
                os.mkdir(folder, 0o700)
            except OSError as error:
                raise EnvironmentRefused(f"no temporary folder can be made in {base}: {error.strerror}") from None
            self._folder = folder
        return self._folder

    def write(self, file: FileProgram, scope: Scope) -> None:
        """Write a file of the scenario, its sub-folders too.

        Raises: StepFailed, where the name cannot be or the machine refuses; EnvironmentRefused, ExpressionError.
        """
        name = file_name(file.name.evaluate(scope))
        if "\0" in name:
            raise _unwritten(file, f"{name!r} is no name of a file")
        path = Path(self.folder(), name)
        if not inside(str(path), self.folder()):
            raise _unwritten(file, f"the file {name!r} would lie outside of ${{dir}}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                for piece in file.content.pieces(scope):
                    target.write(piece)
            if file.mode is not None:
                path.chmod(file.mode)
        except (IsADirectoryError, NotADirectoryError, FileExistsError):
            reason = "a file and a folder would have the same name"
            raise _unwritten(file, f"the file {name!r} cannot be written: {reason}") from None
        except OSError as error:
            message = f"the file {name!r} cannot be written into ${{dir}}: {error.strerror}"
            raise _unwritten(file, message, refused=True) from None

    def remove(self) -> None:
        """Remove it with all that is in it. What the system does not let go of, such as a mount, is left.

        All processes have ended by now, but for two kinds: those whose keeper was killed, which are dying, and
        those of another user, which may live on. What they write between the emptying and rmdir(2) makes that fail
        (ENOTEMPTY), and so does a file of theirs that vanishes (ENOENT), so it is tried again.
        """
        folder, self._folder = self._folder, None
        if folder is None:
            return
        import shutil

        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(PAUSE)
            shutil.rmtree(folder, ignore_errors=True)  # goes on with the rest
            if not os.path.lexists(folder):
                return


def _unwritten(file: FileProgram, message: str, *, refused: bool = False) -> StepFailed:
    kind: FailureKind = "refused" if refused else "step"
    return StepFailed(Failure(kind, "", None, message, environment=refused, role_span=file.span))


class Nowhere(Workspace):
    """The folder of a scenario that writes no file, as a name: sockets in memory need no more."""

    def folder(self) -> str:
        return f"{BASE}/sockrun-simulated"
