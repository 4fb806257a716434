"""The keys of TLS connections, as OpenSSL tells them (SSL_CTX_set_keylog_callback(3)): in a file, one a line.

The file is readable by its owner alone, and gone with the run.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from typing import BinaryIO


class KeyLog:
    """The file is made when the first connection wants it."""

    def __init__(self) -> None:
        self._file: BinaryIO | None = None
        self._path = ""

    def path(self) -> str:
        """Where OpenSSL is to write (`ssl.SSLContext.keylog_filename`). Raises: OSError."""
        if self._file is None:
            number, self._path = tempfile.mkstemp(prefix="sockrun-", suffix=".keys")
            self._file = os.fdopen(number, "rb", buffering=0)
        return self._path

    def read(self) -> bytes:
        """What has been written since the last time."""
        return b"" if self._file is None else self._file.read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            with suppress(OSError):
                os.unlink(self._path)
