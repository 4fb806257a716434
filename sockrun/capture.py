"""`--pcap FILE`: the file of a run's packets, from its first byte to its name.

Lives here: the file's life. Must not live here: what is in it (`network/capturing/`).

The one theory: a capture grows while sockets are used, where nobody could make anything of a full disk. So a write that
fails is remembered, nothing more is written, and the run is told after the scenario. The file has its name only when
it is whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

from sockrun import __version__
from sockrun.diagnostics import Diagnostic, EnvironmentRefused
from sockrun.network.capturing.keys import KeyLog
from sockrun.network.capturing.tape import Tape
from sockrun.network.system import Tap
from sockrun.reporters.base import Progress, check_folder, writing
from sockrun.results import Result, Trace

_BUFFER = 1024 * 1024  # bytes


class Capture:
    """Satisfies `reporters.base.Reporter`; `tap` is for the network. Raises: EnvironmentRefused."""

    def __init__(self, path: str, simulated: bool) -> None:
        check_folder(path)
        self._path = path
        self._failure: EnvironmentRefused | None = None
        self._real = os.path.realpath(path)
        special = os.path.exists(self._real) and not stat.S_ISREG(os.stat(self._real).st_mode)
        self._draft = self._real if special else f"{self._real}.{os.getpid()}.tmp"  # a pipe must not be replaced
        with writing(path):
            self._file: BinaryIO = open(self._draft, "wb", buffering=_BUFFER)  # noqa: SIM115 (`end` closes it)
        self._keys = KeyLog()
        self._tape = Tape(self._write, f"sockrun {__version__}", _VIRTUAL if simulated else "", self._keys)
        self.tap: Tap = self._tape.tap_simulated if simulated else self._tape.tap

    def _write(self, data: bytes) -> None:
        if self._failure is None:
            try:
                with writing(self._path):
                    self._file.write(data)
            except EnvironmentRefused as failure:
                self._failure = failure

    # --- the run ---

    def begin(self, progress: Progress) -> None:
        """Nothing has passed yet."""

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        """Nothing was sent."""

    def trace(self, scenario: str, entry: Trace) -> None:
        """Packets tell it."""

    def result(self, result: Result) -> None:
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Give the file its name, or remove what there is of it."""
        self._tape.flush()
        self._keys.close()
        try:
            with writing(self._path):
                self._file.close()
                if self._failure is None and self._draft != self._real:
                    os.replace(self._draft, self._real)
        except EnvironmentRefused as failure:
            self._failure = self._failure or failure
        if self._failure is not None:
            if self._draft != self._real:
                with suppress(OSError):
                    os.unlink(self._draft)
            raise self._failure


_VIRTUAL = "A simulated run: its virtual clock begins at 1970-01-01."
