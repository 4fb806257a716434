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
_VIRTUAL = "A simulated run: its clock begins at 1970-01-01, and each scenario behind the one before it."


class Capture:
    """Satisfies `reporters.base.Reporter`; `tap` is for the network. Raises: EnvironmentRefused."""

    def __init__(self, path: str, simulated: bool) -> None:
        check_folder(path)
        self._path = path
        self._real = os.path.realpath(path)
        self._special = os.path.exists(self._real) and not stat.S_ISREG(os.stat(self._real).st_mode)
        # What is no regular file (a pipe to Wireshark) must not be replaced.
        self._draft = self._real if self._special else f"{self._real}.{os.getpid()}.tmp"
        self._file: BinaryIO | None = None
        self._failure: EnvironmentRefused | None = None
        self._keys = KeyLog()
        about = _VIRTUAL if simulated else ""
        self._tape = Tape(self._write, self._rewrite, self._keys, f"sockrun {__version__}", about)
        self.tap: Tap = self._tape.tap_simulated if simulated else self._tape.tap

    # --- the file ---

    def _write(self, data: bytes, position: int | None = None) -> None:
        """Behind all that is there, or at a position."""
        if self._file is None or self._failure is not None:
            return
        try:
            with writing(self._path):
                if position is not None:
                    self._file.seek(position)
                self._file.write(data)
                if position is not None:
                    self._file.seek(0, os.SEEK_END)
        except EnvironmentRefused as failure:
            self._failure = failure

    def _rewrite(self, position: int, data: bytes) -> None:
        if not self._special:
            self._write(data, position)

    def _close(self) -> None:
        """Give the file its name, or remove what there is of it. Raises: EnvironmentRefused."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            with writing(self._path):
                file.close()
                if self._failure is None and not self._special:
                    os.replace(self._draft, self._real)
                    return
        except EnvironmentRefused as failure:
            self._failure = self._failure or failure
        if not self._special:
            with suppress(OSError):
                os.unlink(self._draft)

    # --- the run ---

    def begin(self, progress: Progress) -> None:
        with writing(self._path):
            self._file = open(self._draft, "wb", buffering=_BUFFER)  # noqa: SIM115 (`end` closes it)
        self._tape.begin()

    def invalid(self, path: str, diagnostics: Sequence[Diagnostic]) -> None:
        """Nothing was sent."""

    def trace(self, scenario: str, entry: Trace) -> None:
        """Packets tell it."""

    def result(self, result: Result) -> None:
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        self._tape.flush()
        self._keys.close()
        self._close()
        if self._failure is not None:
            raise self._failure
