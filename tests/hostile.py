"""Loads a scenario's text in a process of its own, and says what became of it and how much memory that took."""

from __future__ import annotations

import multiprocessing
import resource
from multiprocessing.connection import Connection
from typing import NamedTuple

from sockrun.compiling.loading import load_text
from sockrun.diagnostics import render_all

PATIENCE = 60  # seconds: a case that takes longer on any machine hangs
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.hostile"])


class Verdict(NamedTuple):
    """`codes` of all diagnostics, the text that shows them, and the most memory that was in use, in MB."""

    programs: int
    codes: frozenset[str]
    shown: str
    megabytes: float


def judged(text: str) -> Verdict:
    """Raises: AssertionError, where loading hangs or ends its process."""
    receiving, sending = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_judge, args=(text, sending))
    process.start()
    sending.close()
    try:
        assert receiving.poll(PATIENCE), "this takes too long"
        verdict = receiving.recv()
    except EOFError:
        raise AssertionError("the process ended without a verdict") from None
    finally:
        receiving.close()
        process.kill()
        process.join()
    assert isinstance(verdict, Verdict)
    return verdict


def _judge(text: str, answer: Connection) -> None:
    loaded = load_text(text, "pack/scenario.yaml")
    shown = "\n".join(render_all(loaded.diagnostics))
    codes = frozenset(diagnostic.code for diagnostic in loaded.diagnostics)
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    answer.send(Verdict(len(loaded.programs), codes, shown, megabytes))
