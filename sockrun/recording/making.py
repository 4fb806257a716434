"""From conversations to a scenario that has been tried: the whole way, in one function.

The one theory: nobody should have to look for what is wrong with a file that we wrote. So it goes through everything
that `validate` does, its roles against each other included, before anybody gets it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sockrun.compiling.loading import Options
from sockrun.diagnostics import EnvironmentRefused
from sockrun.pairing import files as pairing
from sockrun.recording.comparing import compared
from sockrun.recording.conversation import Conversation
from sockrun.recording.differences import Unlike
from sockrun.recording.writing import Draft
from sockrun.records import dataclass
from sockrun.reporters.base import STDOUT, write_whole

MOST = 1024 * 1024  # bytes of a scenario file
# A record with a ClientHello (RFC 8446, sections 4 and 5.1).
_TLS = re.compile(rb"\x16\x03[\x00-\x04]..\x01", re.DOTALL)


@dataclass(frozen=True)
class Made:
    """A scenario's text, and what has to lie beside it, by name."""

    text: str
    files: Mapping[str, bytes]


def make(conversations: Sequence[Conversation], name: str, about: Sequence[str], stem: str | None) -> Made:
    """The scenario of a conversation that was recorded so many times.

    `stem` is how files beside it begin; None: there can be none. Raises: EnvironmentRefused, where it does not fit into
    a file, or nobody could play it. A scenario that is not valid is a bug of ours, and raises AssertionError.
    """
    conversation = conversations[0]
    if any(_TLS.match(one.whole("client")) for one in conversation.connections):
        hint = "record it where it is plain, or without TLS, and give the roles `tls` by hand"
        raise EnvironmentRefused(f"what passed is TLS, which nobody can read or say again: {hint}")
    try:
        lines = compared(conversations)
    except Unlike as unlike:
        raise EnvironmentRefused(f"these are not recordings of the same conversation: {unlike}") from None
    draft = Draft(name, about, stem)
    text = draft.text(conversation, lines)
    if len(text.encode()) > MOST:
        hint = ": say `-o FILE`, so that long messages lie beside it" if stem is None else ""
        raise EnvironmentRefused(f"the scenario has more than the 1 MiB that a file may have{hint}")
    made = Made(text, draft.files)
    _try(made)
    return made


def _try(made: Made) -> None:
    """Raises: AssertionError, where `validate` finds anything."""
    with tempfile.TemporaryDirectory(prefix="sockrun-") as folder:
        for name, data in made.files.items():
            Path(folder, name).write_bytes(data)
        path = Path(folder, "scenario.yaml")
        path.write_text(made.text, "utf-8")
        found = pairing.validate([path], Options())
    problems = [f"{one.span.line}: {one.message}" for one in found.diagnostics]
    assert not problems, f"the recorded scenario is not right: {problems}\n{made.text}"


def write(made: Made, path: str, force: bool) -> list[str]:
    """Write all of it, or nothing; the names of what was written. Raises: EnvironmentRefused."""
    folder = os.path.dirname(path)
    beside = {os.path.join(folder, name): data for name, data in made.files.items()}
    check_free(path, force, beside)
    with ExitStack() as undoing:
        for name, data in beside.items():
            write_whole(name, data)
            undoing.callback(os.unlink, name)
        write_whole(path, made.text)
        undoing.pop_all()
    return [path, *beside]


def check_free(path: str, force: bool, beside: Sequence[str] | Mapping[str, bytes] = ()) -> None:
    """Hold that no file is there yet. Raises: EnvironmentRefused."""
    there = next((name for name in (path, *beside) if name != STDOUT and os.path.lexists(name)), None)
    if there is not None and not force:
        raise EnvironmentRefused(f"{there} is there already: choose another name, or say --force to replace it")
