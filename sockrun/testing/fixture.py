"""What the fixture `sockrun` does: scenarios of a test, played to their end or beside the test's own code.

Must not live here: how something is played in the background (`background.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Unpack

import pytest

from sockrun import api
from sockrun.api import LoadOptions, PathLike, ScenarioOptions, SocketAddress
from sockrun.background import Played, ScenarioFailed
from sockrun.network.turns import turn
from sockrun.playing.requirements import unmet
from sockrun.program import Program
from sockrun.results import Result, Status


class Sockrun:
    """Plays scenarios for the test `test` of a file in `folder`.

    A scenario is a `path`, relative to that folder, or its text, as `yaml`. The test is skipped where the machine lacks
    what the scenario `requires`.
    """

    def __init__(self, folder: Path, test: str) -> None:
        self._folder = folder
        self._name = f"{test.replace('/', '_')}.yaml"
        self._played: list[Played] = []

    def run(
        self,
        path: PathLike | None = None,
        *,
        yaml: str | None = None,
        allow_hosts: Sequence[str] = (),
        **options: Unpack[LoadOptions],
    ) -> list[Result]:
        """Play all combinations of a scenario's matrix to their end. Options are those of `sockrun.load`.

        Raises: ScenarioFailed (an AssertionError), where one does not pass; Invalid; TypeError.
        """
        __tracebackhide__ = True
        programs = self._loaded(path, yaml, options)
        with turn(port for program in programs for _, port in program.fixed_ports):
            results = api.run(programs, allow_hosts=allow_hosts)
        failed = [result for result in results if result.status not in (Status.PASSED, Status.SKIPPED)]
        if failed:
            raise ScenarioFailed(*failed)
        if all(result.status is Status.SKIPPED for result in results):
            pytest.skip(results[0].reason)
        return results

    def play(
        self,
        path: PathLike | None = None,
        *,
        yaml: str | None = None,
        roles: Iterable[str] | Mapping[str, SocketAddress | None] = (),
        text: str = "",
        allow_hosts: Sequence[str] = (),
        **options: Unpack[ScenarioOptions],
    ) -> Played:
        """A scenario, or some of its roles, to be played beside a `with` block: see `sockrun.play`.

        Raises: Invalid; ValueError; TypeError.
        """
        __tracebackhide__ = True
        program = api.only(self._loaded(path, yaml, {"play": api.as_swaps(roles), **options}), text)
        reason = unmet(program)
        if reason is not None:
            pytest.skip(reason)
        played = Played(program, allow_hosts)
        self._played.append(played)
        return played

    def close(self) -> None:
        """End what a test has left behind, which an interrupt at the wrong moment may do."""
        for played in self._played:
            played.close()

    def _loaded(self, path: PathLike | None, yaml: str | None, options: LoadOptions) -> list[Program]:
        """Raises: Invalid; TypeError, unless exactly one of path and text was given."""
        if path is not None and yaml is None:
            return api.load(self._folder / path, **options)
        if yaml is not None and path is None:
            return api.loads(yaml, self._folder / self._name, **options)
        raise TypeError("name either the path of a scenario or, as yaml, its text")
